//! permessage-deflate (RFC 7692): negotiation, compression and decompression.
//!
//! A library implements DEFLATE, behind the feature `deflate`; without it every offer is declined.
//!
//! By default connections keep no contexts: all connections of a shard share one compressor per
//! window and one decompressor, so an idle connection has no memory for compression, and a
//! broadcast is compressed once. A connection with contexts of its own takes [`DEFLATER_BYTES`] and
//! [`INFLATER_BYTES`].

mod codec;
mod compressor;
mod contexts;
#[cfg(feature = "deflate")]
mod machine;
#[cfg(not(feature = "deflate"))]
mod no_machine;
mod params;

#[cfg(all(test, feature = "deflate"))]
mod tests;

#[cfg(not(feature = "deflate"))]
use no_machine as machine;

pub use compressor::Compressor;
pub use params::{Params, Side, Terms};

pub(crate) use codec::{DeflateCounts, SharedDeflate};
pub(crate) use contexts::Contexts;

/// Whether messages can be compressed: the feature `deflate`.
pub const IS_BUILT: bool = cfg!(feature = "deflate");

/// The maximum memory in bytes of a connection's own compressor.
pub const DEFLATER_BYTES: usize = 384 << 10;
/// The memory in bytes of a connection's own decompressor.
pub const INFLATER_BYTES: usize = 48 << 10;

/// Returns the maximum length of the compressed form of a message of this length: the output of a
/// compressor that finds no repetition and uses nine bits per byte.
pub(crate) const fn max_compressed_len(len: usize) -> usize {
    len.saturating_add(len / 8).saturating_add(64)
}

/// Returns the window in bits of a compressor for this agreed window; 0 if there is none. A window
/// of 8 bits may be agreed on, but no compressor supports it.
pub(crate) const fn supported_window(window_bits: u8) -> u8 {
    if window_bits < params::MIN_BITS {
        0
    } else {
        window_bits
    }
}
