//! Removal of what waits of one stream.

use smallvec::SmallVec;

use crate::delivery::frame::{FrameId, Store};
use crate::delivery::queue::list::{End, Nodes};
use crate::delivery::queue::priority::Queue;

impl Queue {
    /// Takes out what waits of a stream and is not in flight. `gone` gets each frame.
    pub(crate) fn discard_stream(
        &mut self,
        nodes: &mut Nodes,
        store: &mut Store,
        stream: u32,
        mut gone: impl FnMut(&mut Store, FrameId),
    ) {
        let is_of = |store: &Store, frame| store.stream(frame) == Some(stream);
        let mut at = self.bands;
        while let Some(&band) = nodes.band(at) {
            at = band.next;
            if !nodes.iter(band.list).any(|frame| is_of(store, frame)) {
                continue;
            }
            // Lists are only changed at their ends.
            let frames: SmallVec<[FrameId; 64]> = nodes.iter(band.list).collect();
            for _ in &frames {
                self.withdraw(nodes, store, band.rank);
            }
            for frame in frames {
                if is_of(store, frame) {
                    gone(store, frame);
                } else {
                    self.count(nodes, store.messages(frame), store.len(frame));
                    self.push_band(nodes, store, frame, End::Newest);
                }
            }
        }
    }
}
