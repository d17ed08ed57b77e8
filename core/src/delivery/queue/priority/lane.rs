//! Reply lane of a queue: the pushes of the application, ahead of all data and in their order. They
//! are counted apart from data, and nothing is dropped for them or of them.

use crate::delivery::frame::{FrameId, Rank, Store};
use crate::delivery::queue::list::{End, Nodes};
use crate::delivery::queue::priority::{Limits, Queue};

impl Queue {
    /// Queues a push, for which [there is room](Self::has_room_for_push).
    pub(crate) fn push_ahead(&mut self, nodes: &mut Nodes, store: &Store, frame: FrameId) {
        debug_assert!(store.rank(frame) == Rank::PUSH);
        self.count_push(nodes, store.len(frame));
        self.push_band(nodes, store, frame, End::Newest);
    }

    /// Returns how many pushes are here, in flight or not, and their bytes.
    pub(crate) fn pushes(&self, nodes: &Nodes, store: &Store) -> Limits {
        let messages = u32::from(self.pushes);
        let band = self.find(nodes, Rank::PUSH).and_then(|at| nodes.band(at));
        let (waiting, mut bytes) = band.map_or((0, 0), |band| (band.frames, band.bytes));
        if waiting < messages {
            // They are among the first of what is in flight.
            let in_flight = nodes.iter(self.flight);
            let pushes = in_flight.filter(|&frame| store.rank(frame) == Rank::PUSH);
            let pushes = pushes.take((messages - waiting) as usize);
            bytes += pushes.map(|frame| store.len(frame)).sum::<u32>();
        }
        Limits { messages, bytes }
    }

    /// Returns whether a push of so many bytes may be queued. An empty lane takes one of any length.
    pub(crate) fn has_room_for_push(
        &self,
        nodes: &Nodes,
        store: &Store,
        limits: Limits,
        len: u32,
    ) -> bool {
        if self.pushes == 0 {
            return true;
        }
        let Limits { messages, bytes } = self.pushes(nodes, store);
        messages < limits.messages && bytes.saturating_add(len) <= limits.bytes
    }

    pub(super) fn count_push(&mut self, nodes: &mut Nodes, len: u32) {
        self.pushes += 1;
        nodes.pushes.messages += 1;
        nodes.pushes.bytes += u64::from(len);
    }

    pub(super) fn uncount_push(&mut self, nodes: &mut Nodes, len: u32) {
        self.pushes -= 1;
        nodes.pushes.messages -= 1;
        nodes.pushes.bytes -= u64::from(len);
    }
}
