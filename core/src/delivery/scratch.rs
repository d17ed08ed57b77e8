//! Buffer that sockets are read into. Replies that are a part of what was read may stay in it until
//! they are written.

use alloc::vec::Vec;

use crate::delivery::Outbound;

/// The buffer, and whether it is lent to the code that handles what was read.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) bytes: Vec<u8>,
    pub(super) is_lent: bool,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            bytes: alloc::vec![0; HEADROOM + SCRATCH],
            is_lent: false,
        }
    }
}

impl Outbound {
    /// Returns the buffer. Its first [`HEADROOM`] bytes are for the rest of an earlier read.
    #[inline]
    pub(crate) fn scratch(&mut self) -> &mut [u8] {
        &mut self.scratch.bytes
    }

    /// Lends the buffer to the code that handles what was read; give it back with
    /// [`return_scratch`](Self::return_scratch). Until then replies in it stay where they are.
    #[inline]
    pub(crate) fn lend_scratch(&mut self) -> Vec<u8> {
        self.scratch.is_lent = true;
        core::mem::take(&mut self.scratch.bytes)
    }

    /// Takes the buffer back.
    #[inline]
    pub(crate) fn return_scratch(&mut self, bytes: Vec<u8>) {
        self.scratch.is_lent = false;
        self.scratch.bytes = bytes;
    }
}

/// Room before the read area, so that the piece of a frame that was left over can be put in
/// front of what follows without moving that.
pub(crate) const HEADROOM: usize = 256;
/// Bytes read at once. Of what is read at once, only the message that it ends within is copied.
/// With 256 KiB the receive buffer of a fast peer stays full, whose writes are cut short then:
/// 64 KiB messages with 16 in flight take half as long again.
pub(crate) const SCRATCH: usize = 512 << 10;
