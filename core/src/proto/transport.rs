//! Transport of a link: what becomes of the bytes of its wire on the way to the socket, and back.
//! Without one they are the bytes of the socket.

use alloc::vec::Vec;
use core::fmt;

/// A machine between the wire of one link and its socket, such as TLS. It is driven like the rest:
/// it reads no socket and knows no time.
pub trait Transport: fmt::Debug + Send {
    /// Opens received bytes. `input` begins with what the call before did not consume, which stands
    /// there unchanged. Appends plaintext to `plain`, and what is to be sent to the peer in any
    /// case, such as a part of a handshake, to `reply`.
    ///
    /// # Errors
    /// The peer has broken the protocol of the transport, or the bytes were changed on their way.
    /// The link is closed once `reply` has been sent; nothing is opened or sealed any more.
    fn open(
        &mut self,
        input: &mut [u8],
        plain: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<Opened, TransportError>;

    /// Seals bytes of the wire and appends them to `out`. What is sealed is sent in this order.
    fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>);

    /// Appends to `out` what tells the peer that nothing more is sealed, if there is such a thing.
    /// Called once at most.
    fn close(&mut self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// Returns whether what is opened next may be a step of a handshake, which takes much time.
    fn is_handshaking(&self) -> bool {
        false
    }

    /// Returns the certificate of the peer in DER, if it has shown one that is trusted.
    fn peer_certificate(&self) -> Option<&[u8]> {
        None
    }

    /// Returns the bytes of memory that it takes.
    fn memory(&self) -> usize;
}

/// How far received bytes were opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The number of bytes that were consumed.
    pub consumed: usize,
    /// Whether the peer has said that nothing more comes.
    pub is_over: bool,
}

impl Opened {
    /// So many bytes were consumed; more may come.
    pub const fn so_far(consumed: usize) -> Self {
        Self {
            consumed,
            is_over: false,
        }
    }

    /// So many bytes were consumed, and nothing more comes.
    pub const fn to_the_end(consumed: usize) -> Self {
        Self {
            consumed,
            is_over: true,
        }
    }
}

/// A peer has broken the protocol of the transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransportError;

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer broke the protocol of the transport")
    }
}

impl core::error::Error for TransportError {}
