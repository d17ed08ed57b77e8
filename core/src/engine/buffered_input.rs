//! Bytes that were read and cannot be handled yet: an incomplete frame, and input behind an
//! operation that waits.

use alloc::vec::Vec;
use core::ops::Range;

use crate::delivery::HEADROOM;
use crate::engine::Engine;
use crate::session::app_types::AppTypes;

impl<A: AppTypes> Engine<A> {
    /// How many bytes are held back for a connection.
    pub(crate) fn buffered_len(&self, at: u32) -> usize {
        self.slots[at]
            .deferred
            .as_ref()
            .map_or(0, |deferred| deferred.bytes().len())
    }

    /// Puts the held back bytes of a connection into the scratch, so that they
    /// end where a read begins.
    pub(crate) fn prepend_buffered(&mut self, at: u32, start: usize) {
        if let Some(deferred) = &mut self.slots[at].deferred {
            self.out.scratch()[start..HEADROOM].copy_from_slice(deferred.bytes());
            deferred.buffered.clear();
            deferred.begin = 0;
        }
    }

    /// Keeps bytes until they can be handled.
    pub(crate) fn buffer_input(&mut self, at: u32, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.slots[at].deferred.is_none() {
            self.change_deferred(at, |_| ());
        }
        let Some(deferred) = &mut self.slots[at].deferred else {
            return;
        };
        if deferred.buffered.capacity() == 0 {
            deferred.buffered = self.decode_buffers.buffers.lend(bytes.len());
        }
        let buffers = &mut self.decode_buffers.buffers;
        buffers.append(&mut deferred.buffered, bytes);
    }

    /// Keeps a stretch of the scratch until it can be handled.
    pub(crate) fn buffer_scratch(&mut self, at: u32, range: Range<usize>) {
        let scratch = self.out.lend_scratch();
        self.buffer_input(at, &scratch[range]);
        self.out.return_scratch(scratch);
    }

    /// Puts the buffer of held back bytes back, consumed up to `begin`; what
    /// came meanwhile cannot be, because it was taken out.
    pub(crate) fn return_buffered(&mut self, at: u32, mut buffered: Vec<u8>, mut begin: usize) {
        // Moved at most once for each byte consumed.
        if begin >= buffered.len() / 2 {
            buffered.drain(..begin);
            begin = 0;
        }
        match &mut self.slots[at].deferred {
            Some(deferred) if begin < buffered.len() => {
                deferred.buffered = buffered;
                deferred.begin = begin;
            }
            _ => self.decode_buffers.buffers.take_back(buffered),
        }
    }

    /// Gives back what a connection that is behind with nothing has.
    #[inline]
    pub(crate) fn drop_empty_deferred(&mut self, at: u32) {
        let deferred = self.slots[at].deferred.as_ref();
        if deferred.is_some_and(|deferred| deferred.is_empty() && deferred.wait.is_none()) {
            self.drop_deferred(at);
        }
    }

    #[cold]
    fn drop_deferred(&mut self, at: u32) {
        if let Some(deferred) = self.slots[at].deferred.take() {
            self.deferred_bytes -= deferred.memory();
            self.decode_buffers.buffers.take_back(deferred.buffered);
        }
    }

    /// Makes the scratch free for the next read: what stands in it moves on.
    pub(crate) fn vacate_scratch(&mut self) {
        self.out.vacate_scratch();
        if let Some((at, range)) = self.rest.take() {
            self.buffer_scratch(at, range);
            self.schedule(at);
            self.update_reading(at);
        }
    }
}
