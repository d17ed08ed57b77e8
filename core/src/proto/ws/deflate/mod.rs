//! permessage-deflate (RFC 7692): what two peers may agree on, and the machines
//! that compress and decompress messages. DEFLATE itself is a library's, behind
//! the feature `deflate`; without that nothing is ever agreed on.
//!
//! By default nobody keeps a context: all connections of a shard share one
//! compressor and one decompressor, so an idle connection costs nothing and
//! what is said to many is compressed once. A connection that keeps contexts
//! of its own costs [`DEFLATER_BYTES`] and [`INFLATER_BYTES`].

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

pub(crate) use codec::{Codec, CodecCounts};
pub(crate) use contexts::Contexts;

/// Whether messages can be compressed at all: the feature `deflate`.
pub const IS_BUILT: bool = cfg!(feature = "deflate");

/// What a compressor of a connection's own takes, at most, in bytes.
pub const DEFLATER_BYTES: usize = 384 << 10;
/// What a decompressor of a connection's own takes, in bytes.
pub const INFLATER_BYTES: usize = 48 << 10;

/// How long the compressed form of a message of this length may be: what a
/// compressor makes that finds nothing to compress and uses nine bits a byte.
pub(crate) const fn ceiling(len: usize) -> usize {
    len.saturating_add(len / 8).saturating_add(64)
}

/// The window, in bits, of a compressor for whom this one was agreed on; 0 if
/// there is none: one of 8 bits may be agreed on, and not used.
pub(crate) const fn usable(window_bits: u8) -> u8 {
    if window_bits < params::MIN_BITS {
        0
    } else {
        window_bits
    }
}
