//! Owns bytes that were read and cannot be handled yet: the piece of a frame
//! whose rest has not come, and what stands behind a command that waits.

use alloc::vec::Vec;
use core::ops::Range;

use crate::delivery::HEADROOM;
use crate::engine::Engine;
use crate::session::app_types::AppTypes;

impl<A: AppTypes> Engine<A> {
    /// How many bytes are held back for a connection.
    pub(crate) fn tail_len(&self, at: u32) -> usize {
        self.slots[at]
            .pending
            .as_ref()
            .map_or(0, |pending| pending.bytes().len())
    }

    /// Puts the held back bytes of a connection into the scratch, so that they
    /// end where a read begins.
    pub(crate) fn put_tail_in_front(&mut self, at: u32, start: usize) {
        if let Some(pending) = &mut self.slots[at].pending {
            self.out.scratch()[start..HEADROOM].copy_from_slice(pending.bytes());
            pending.carry.clear();
            pending.begin = 0;
        }
    }

    /// Keeps bytes until they can be handled.
    pub(crate) fn carry(&mut self, at: u32, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.slots[at].pending.is_none() {
            self.change_pending(at, |_| ());
        }
        let Some(pending) = &mut self.slots[at].pending else {
            return;
        };
        if pending.carry.capacity() == 0 {
            pending.carry = self.workspace.buffers.lend(bytes.len());
        }
        let buffers = &mut self.workspace.buffers;
        buffers.append(&mut pending.carry, bytes);
    }

    /// Keeps a stretch of the scratch until it can be handled.
    pub(crate) fn carry_scratch(&mut self, at: u32, range: Range<usize>) {
        let scratch = self.out.lend_scratch();
        self.carry(at, &scratch[range]);
        self.out.return_scratch(scratch);
    }

    /// Puts the buffer of held back bytes back, consumed up to `begin`; what
    /// came meanwhile cannot be, because it was taken out.
    pub(crate) fn put_back(&mut self, at: u32, mut carry: Vec<u8>, mut begin: usize) {
        // Moved at most once for each byte consumed.
        if begin >= carry.len() / 2 {
            carry.drain(..begin);
            begin = 0;
        }
        match &mut self.slots[at].pending {
            Some(pending) if begin < carry.len() => {
                pending.carry = carry;
                pending.begin = begin;
            }
            _ => self.workspace.buffers.take_back(carry),
        }
    }

    /// Gives back what a connection that is behind with nothing has.
    pub(crate) fn drop_empty_pending(&mut self, at: u32) {
        let done = self.slots[at]
            .pending
            .as_ref()
            .is_some_and(|p| p.is_empty() && p.wait.is_none());
        if done {
            self.forget_pending(at);
        }
    }

    /// Makes the scratch free for the next read: what stands in it moves on.
    pub(crate) fn vacate_scratch(&mut self) {
        self.out.vacate_scratch();
        if let Some((at, range)) = self.rest.take() {
            self.carry_scratch(at, range);
            self.schedule(at);
            self.update_reading(at);
        }
    }
}
