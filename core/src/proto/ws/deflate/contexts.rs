//! Owns the contexts of one connection: machines of its own, which remember the
//! messages before.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::proto::ws::deflate::codec::Codec;
use crate::proto::ws::deflate::machine::{Deflater, Inflater};
use crate::proto::ws::deflate::{DEFLATER_BYTES, INFLATER_BYTES};
use crate::proto::ws::peer_error::PeerError;

/// What a connection has of its own; mostly nothing, and that takes a pointer.
#[derive(Debug, Default)]
pub(crate) struct Contexts(Option<Box<Machines>>);

#[derive(Debug)]
struct Machines {
    deflater: Option<Deflater>,
    inflater: Option<Inflater>,
}

impl Contexts {
    /// No machines.
    pub(crate) const NONE: Self = Self(None);

    /// A compressor of this level and window, and a decompressor, where wanted.
    pub(crate) fn new(deflater: Option<(u8, u8)>, inflater: bool) -> Self {
        let machines = Machines {
            deflater: deflater.and_then(|(level, window_bits)| Deflater::new(level, window_bits)),
            inflater: inflater.then(Inflater::new).flatten(),
        };
        let has_any = machines.deflater.is_some() || machines.inflater.is_some();
        Self(has_any.then(|| Box::new(machines)))
    }

    /// Their memory, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |own| {
            own.deflater.as_ref().map_or(0, |_| DEFLATER_BYTES)
                + own.inflater.as_ref().map_or(0, |_| INFLATER_BYTES)
        })
    }

    /// Whether what we compress depends on what we have compressed before.
    pub(crate) fn has_deflater(&self) -> bool {
        self.0.as_ref().is_some_and(|own| own.deflater.is_some())
    }

    /// Appends the message whose compressed form this is.
    //= rfc7692#section-7.2.2 "Otherwise, the client MUST decompress each new message using the..."
    //= rfc7692#section-7.2.2 "Otherwise, the server MUST decompress each new message using the..."
    pub(crate) fn inflate(
        &mut self,
        codec: &mut Codec,
        input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), PeerError> {
        let own = self.0.as_mut().and_then(|own| own.inflater.as_mut());
        codec.inflate(own, input, limit, out)
    }

    /// Appends the compressed form of a message; false, and nothing, if it is
    /// to go as it is. What a machine of its own made must go out, in the order
    /// in which it was made.
    pub(crate) fn deflate(
        &mut self,
        codec: &mut Codec,
        window_bits: u8,
        parts: [&[u8]; 2],
        out: &mut Vec<u8>,
    ) -> bool {
        let mut own = self.0.as_mut().and_then(|own| own.deflater.as_mut());
        let is_shorter = codec.deflate(own.as_deref_mut(), window_bits, parts, out);
        if let Some(own) = own
            && !is_shorter
        {
            // The peer will not see what this has seen.
            own.reset();
        }
        is_shorter
    }
}
