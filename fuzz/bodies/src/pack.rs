//! Compression as a peer does it, with a different library than the one being fuzzed.

use core::fmt;

use miniz_oxide::MZFlush;
use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;

/// A peer's compressor.
pub(super) struct Packer(Box<CompressorOxide>);

impl Packer {
    /// Made on first use, for it is large: of any level and strategy that there is.
    pub(super) fn of(place: &mut Option<Self>, style: u8) -> &mut Self {
        place.get_or_insert_with(|| {
            let (level, strategy) = (i32::from(style % 10), i32::from(style / 10 % 5));
            let flags = create_comp_flags_from_zip_params(level, 0, strategy);
            Self(Box::new(CompressorOxide::new(flags)))
        })
    }

    /// The compressed form of a message (RFC 7692 §7.2.1), with respect to those
    /// before or by itself.
    pub(super) fn pack(&mut self, message: &[u8], takeover: bool) -> Vec<u8> {
        if !takeover {
            self.0.reset();
        }
        let mut out = vec![0; 2 * message.len() + 1_024];
        let done = deflate(&mut self.0, message, &mut out, MZFlush::Sync);
        assert_eq!(done.bytes_consumed, message.len(), "there is room for it");
        out.truncate(done.bytes_written);
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        } else {
            // There was nothing to flush.
            assert!(message.is_empty() && out.is_empty());
            out.push(0);
        }
        out
    }
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

/// What a flush ends with, and a message is sent without.
pub(super) const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];
