//! Compressor of one end of a connection: the agreed window, and a context if there is one.
//!
//! Does not own the compressors that connections without a context share.

use alloc::vec::Vec;

use crate::proto::ws::deflate::codec::SharedDeflate;
use crate::proto::ws::deflate::contexts::Contexts;
use crate::proto::ws::deflate::{Params, supported_window};
use crate::proto::ws::{DecodeBuffers, Role};

/// Compresses the messages of one end of a connection (RFC 7692).
#[derive(Debug, Default)]
pub struct Compressor {
    /// The connection's own compressor, if there is one.
    contexts: Contexts,
    /// The window in bits; 0 if nothing may be compressed.
    window_bits: u8,
}

impl Compressor {
    /// The compressor of a connection that has not agreed on compression.
    pub const NONE: Self = Self {
        contexts: Contexts::NONE,
        window_bits: 0,
    };

    /// Returns the compressor of the end in this role. `level` is the level of compression, 1 to 9,
    /// for a context.
    pub fn new(role: Role, agreed: &Params, level: u8) -> Self {
        let ours = match role {
            Role::Server => agreed.server(),
            Role::Client => agreed.client(),
        };
        //= rfc7692#section-7.2.1 "..."agreed parameters" contain the "client_max_window_bits"..."
        //= rfc7692#section-7.2.2 "Note that even if the client has included in its offer the..."
        //= rfc7692#section-7.2.1 "..."agreed parameters" contain the "server_max_window_bits"..."
        let window_bits = supported_window(ours.window_bits);
        //= rfc7692#section-7.1.1.2 "A client MUST support the "client_no_context_takeover"..."
        //= rfc7692#section-7.2.1 "...parameters" contain the "client_no_context_takeover"..."
        //= rfc7692#section-7.2.1 "...parameters" contain the "server_no_context_takeover"..."
        // Without its own compressor it uses a shared one, which is reset for each message.
        let deflater = (ours.takeover && window_bits > 0).then_some((level, window_bits));
        Self {
            contexts: Contexts::new(deflater, false),
            window_bits,
        }
    }

    /// Returns the agreed window in bits; 0 if nothing may be compressed.
    pub const fn window_bits(&self) -> u8 {
        self.window_bits
    }

    /// Returns whether a message is compressed with reference to the previous ones.
    pub fn keeps_context(&self) -> bool {
        self.contexts.has_deflater()
    }

    /// Returns the bytes of memory of the context.
    pub fn context_bytes(&self) -> usize {
        self.contexts.held_bytes()
    }

    /// Compresses a message in these two parts and appends it to `out`, to be sent with RSV1 set on
    /// its first frame. Returns false, and appends nothing, if the message is to be sent
    /// uncompressed: compression was not agreed on, or does not shorten it.
    ///
    /// With a context ([`keeps_context`](Self::keeps_context)), every compressed message must be
    /// sent, in the same order.
    //= rfc7692#section-6.1 "...algorithm to send a message in the form of a compressed message."
    //= rfc7692#section-6.1 "...use the following algorithm to send a message in the form of an..."
    pub fn deflate(
        &mut self,
        buffers: &mut DecodeBuffers,
        parts: [&[u8]; 2],
        out: &mut Vec<u8>,
    ) -> bool {
        self.compress(&mut buffers.codec, parts, out)
    }

    /// [`deflate`](Self::deflate) with the shared compressors of this codec.
    pub(crate) fn compress(
        &mut self,
        codec: &mut SharedDeflate,
        parts: [&[u8]; 2],
        out: &mut Vec<u8>,
    ) -> bool {
        self.window_bits > 0 && self.contexts.deflate(codec, self.window_bits, parts, out)
    }
}
