//! Compressors and decompressor that all connections of one owner share.
//!
//! They keep no context between messages and are created at first use.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::proto::ws::deflate::machine::{Deflater, Inflater};
use crate::proto::ws::deflate::params::{MAX_BITS, MIN_BITS};
use crate::proto::ws::deflate::{DEFLATER_BYTES, INFLATER_BYTES};
use crate::proto::ws::peer_error::PeerError;

/// Counts of compressed and decompressed messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeflateCounts {
    /// Messages compressed; a message for many connections that share it counts once.
    pub(crate) deflated: u64,
    /// Bytes of these messages before compression.
    pub(crate) deflated_from_bytes: u64,
    /// Bytes of these messages after compression.
    pub(crate) deflated_to_bytes: u64,
    /// Messages that compression did not shorten.
    pub(crate) incompressible: u64,
    /// Messages decompressed.
    pub(crate) inflated: u64,
    /// Bytes of these messages before decompression.
    pub(crate) inflated_from_bytes: u64,
    /// Bytes of these messages after decompression.
    pub(crate) inflated_to_bytes: u64,
}

/// One decompressor, and a compressor for each window in use.
#[derive(Debug)]
pub(crate) struct SharedDeflate {
    level: u8,
    counts: DeflateCounts,
    inflater: Option<Box<Inflater>>,
    /// Bytes of memory of the compressors and the decompressor.
    memory: usize,
    deflaters: [Option<Box<Deflater>>; (MAX_BITS - MIN_BITS + 1) as usize],
}

impl SharedDeflate {
    pub(crate) fn new(level: u8) -> Self {
        Self {
            level,
            counts: DeflateCounts::default(),
            inflater: None,
            memory: 0,
            deflaters: Default::default(),
        }
    }

    /// Returns the counts, including those of connections with contexts of their own.
    pub(crate) const fn counts(&self) -> DeflateCounts {
        self.counts
    }

    /// Decompresses a message and appends it to `out`, with this decompressor or the shared one.
    pub(super) fn inflate(
        &mut self,
        own: Option<&mut Inflater>,
        input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), PeerError> {
        match own {
            Some(own) => own.inflate(input, limit, out)?,
            None => {
                if self.inflater.is_none() {
                    self.inflater = Inflater::new().map(Box::new);
                    self.memory += self.inflater.as_ref().map_or(0, |_| INFLATER_BYTES);
                }
                let shared = self.inflater.as_mut().ok_or(PeerError::BadDeflate)?;
                shared.reset();
                shared.inflate(input, limit, out)?;
            }
        }
        self.counts.inflated += 1;
        self.counts.inflated_from_bytes += input.len() as u64;
        self.counts.inflated_to_bytes += out.len() as u64;
        Ok(())
    }

    /// Compresses a message in these parts and appends it to `out`, with this compressor or the
    /// shared one of this window. Returns false, and appends nothing, if that does not shorten it.
    pub(super) fn deflate(
        &mut self,
        own: Option<&mut Deflater>,
        window_bits: u8,
        parts: [&[u8]; 2],
        out: &mut Vec<u8>,
    ) -> bool {
        let before = out.len();
        match own {
            Some(own) => own.deflate(parts, out),
            None => {
                let Some(shared) = self.deflater(window_bits) else {
                    return false;
                };
                shared.reset();
                shared.deflate(parts, out);
            }
        }
        let (from, to) = (parts[0].len() + parts[1].len(), out.len() - before);
        if to >= from {
            out.truncate(before);
            self.counts.incompressible += 1;
            return false;
        }
        self.counts.deflated += 1;
        self.counts.deflated_from_bytes += from as u64;
        self.counts.deflated_to_bytes += to as u64;
        true
    }

    /// Compresses a message for several connections with the shared compressor of this window.
    pub(crate) fn deflate_shared(
        &mut self,
        window_bits: u8,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        self.deflate(None, window_bits, [payload, &[]], out)
    }

    /// Returns the bytes of memory of the compressors and the decompressor.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    fn deflater(&mut self, window_bits: u8) -> Option<&mut Deflater> {
        let at = usize::from(window_bits.checked_sub(MIN_BITS)?);
        let place = self.deflaters.get_mut(at)?;
        if place.is_none() {
            *place = Deflater::new(self.level, window_bits).map(Box::new);
            self.memory += place.as_ref().map_or(0, |_| DEFLATER_BYTES);
        }
        place.as_deref_mut()
    }
}
