//! Transport of a link: what becomes of the bytes of its wire on the way to the socket, and back.
//! Without one they are the bytes of the socket.

use alloc::vec::Vec;
use core::fmt;

/// A machine between the wire of one link and its socket, such as TLS. It is driven like the rest:
/// it reads no socket and knows no time.
pub trait Transport: fmt::Debug + Send {
    /// Opens received bytes. `input` begins with what the call before did not consume, which stands
    /// there unchanged. Appends plaintext to `plain`, and what is to be sent to the peer in any
    /// case, such as a part of a handshake, to `reply`. Returns how many bytes were consumed.
    ///
    /// # Errors
    /// The peer has broken the protocol of the transport, or the bytes were changed on their way.
    /// The link is closed once `reply` has been sent; nothing is opened or sealed any more.
    fn open(
        &mut self,
        input: &mut [u8],
        plain: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<usize, TransportError>;

    /// Seals bytes of the wire, the parts of one stretch, and appends them to `out`. What is sealed
    /// is sent in this order.
    fn seal(&mut self, plain: &[&[u8]], out: &mut Vec<u8>);

    /// Returns the bytes of memory that it takes.
    fn memory(&self) -> usize;
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
