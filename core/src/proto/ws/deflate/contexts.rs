//! Compression contexts of one connection: its own compressor and decompressor.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::proto::ws::deflate::codec::SharedDeflate;
use crate::proto::ws::deflate::machine::{Deflater, Inflater};
use crate::proto::ws::deflate::{DEFLATER_BYTES, INFLATER_BYTES};
use crate::proto::ws::peer_error::PeerError;

/// The contexts, if there are any. Most connections have none, which takes one pointer.
#[derive(Debug, Default)]
pub(crate) struct Contexts(Option<Box<Machines>>);

#[derive(Debug)]
struct Machines {
    deflater: Option<Deflater>,
    inflater: Option<Inflater>,
}

impl Contexts {
    /// No contexts.
    pub(crate) const NONE: Self = Self(None);

    /// Returns a compressor with this level and window, and a decompressor, if requested.
    pub(crate) fn new(deflater: Option<(u8, u8)>, inflater: bool) -> Self {
        let machines = Machines {
            deflater: deflater.and_then(|(level, window_bits)| Deflater::new(level, window_bits)),
            inflater: inflater.then(Inflater::new).flatten(),
        };
        let has_any = machines.deflater.is_some() || machines.inflater.is_some();
        Self(has_any.then(|| Box::new(machines)))
    }

    /// Returns the bytes of memory of the contexts.
    pub(crate) fn held_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |own| {
            own.deflater.as_ref().map_or(0, |_| DEFLATER_BYTES)
                + own.inflater.as_ref().map_or(0, |_| INFLATER_BYTES)
        })
    }

    /// Returns whether a message is compressed with reference to the previous ones.
    pub(crate) fn has_deflater(&self) -> bool {
        self.0.as_ref().is_some_and(|own| own.deflater.is_some())
    }

    /// Decompresses a message and appends it to `out`.
    //= rfc7692#section-7.2.2 "Otherwise, the client MUST decompress each new message using the..."
    //= rfc7692#section-7.2.2 "Otherwise, the server MUST decompress each new message using the..."
    pub(crate) fn inflate(
        &mut self,
        codec: &mut SharedDeflate,
        input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), PeerError> {
        let own = self.0.as_mut().and_then(|own| own.inflater.as_mut());
        codec.inflate(own, input, limit, out)
    }

    /// Compresses a message and appends it to `out`. Returns false, and appends nothing, if the
    /// message is to be sent uncompressed. Messages compressed with a context must be sent in the
    /// same order.
    pub(crate) fn deflate(
        &mut self,
        codec: &mut SharedDeflate,
        window_bits: u8,
        parts: [&[u8]; 2],
        out: &mut Vec<u8>,
    ) -> bool {
        let mut own = self.0.as_mut().and_then(|own| own.deflater.as_mut());
        let is_shorter = codec.deflate(own.as_deref_mut(), window_bits, parts, out);
        if let Some(own) = own
            && !is_shorter
        {
            // The peer does not receive this message, so the context must forget it.
            own.reset();
        }
        is_shorter
    }
}
