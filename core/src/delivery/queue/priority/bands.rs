//! Bands of a queue: one list of messages per priority in use.

use crate::delivery::frame::{FrameId, Rank, Store};
use crate::delivery::queue::list::{End, Nodes};
use crate::delivery::queue::priority::Queue;

impl Queue {
    /// Puts a frame at this end of its band.
    pub(super) fn push_band(&mut self, nodes: &mut Nodes, store: &Store, frame: FrameId, end: End) {
        let at = self.find_or_insert(nodes, store.rank(frame));
        let mut list = nodes.band_mut(at).list;
        let node = match end {
            End::Oldest => nodes.push_front(&mut list, frame),
            End::Newest => nodes.push_back(&mut list, frame),
        };
        if store.has_terms()
            && let Some(subject) = self.subject(store, frame)
        {
            nodes.add_about(store, subject, node, end);
        }
        let band = nodes.band_mut(at);
        band.list = list;
        band.frames += store.messages(frame);
        band.bytes += store.len(frame);
    }

    pub(super) fn pop_band(
        &mut self,
        nodes: &mut Nodes,
        store: &Store,
        at: u32,
        end: End,
    ) -> Option<FrameId> {
        let frame = self.pop_band_keep_counts(nodes, store, at, end)?;
        self.uncount(nodes, store, frame);
        Some(frame)
    }

    pub(super) fn pop_band_keep_counts(
        &mut self,
        nodes: &mut Nodes,
        store: &Store,
        at: u32,
        end: End,
    ) -> Option<FrameId> {
        let mut list = nodes.band_mut(at).list;
        if list.is_empty() {
            return None;
        }
        let node = list.end(end);
        if store.has_terms()
            && let Some(subject) = self.subject(store, nodes.frame(node))
        {
            nodes.remove_about(store, subject, node, list);
        }
        let frame = match end {
            End::Oldest => nodes.pop_front(&mut list),
            End::Newest => nodes.pop_back(&mut list),
        }?;
        let (len, messages) = (store.len(frame), store.messages(frame));
        let band = nodes.band_mut(at);
        band.list = list;
        band.frames -= messages;
        band.bytes -= len;
        if list.is_empty() {
            self.remove_band(nodes, at);
        }
        Some(frame)
    }

    pub(super) fn find(&self, nodes: &Nodes, rank: Rank) -> Option<u32> {
        let mut at = self.bands;
        while let Some(band) = nodes.band(at) {
            if band.rank == rank {
                return Some(at);
            }
            at = band.next;
        }
        None
    }

    pub(super) fn find_or_insert(&mut self, nodes: &mut Nodes, rank: Rank) -> u32 {
        let (mut before, mut at) = (None, self.bands);
        while let Some(band) = nodes.band(at) {
            if band.rank == rank {
                return at;
            }
            if band.rank > rank {
                break;
            }
            (before, at) = (Some(at), band.next);
        }
        let new = nodes.new_band(rank, at);
        match before {
            None => self.bands = new,
            Some(before) => nodes.band_mut(before).next = new,
        }
        new
    }

    pub(super) fn remove_band(&mut self, nodes: &mut Nodes, gone: u32) {
        let next = nodes.band_mut(gone).next;
        if self.bands == gone {
            self.bands = next;
        } else {
            let mut at = self.bands;
            while nodes.band_mut(at).next != gone {
                at = nodes.band_mut(at).next;
            }
            nodes.band_mut(at).next = next;
        }
        nodes.free_band(gone);
    }
}
