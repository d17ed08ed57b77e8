//! Frame header codec (RFC 6455 §5.2).
//!
//! Stateless: does not know whether a frame is allowed at its position.

use crate::proto::ws::opcode::Opcode;
use crate::proto::ws::peer_error::PeerError;

/// The maximum length of a header: two bytes, a 64-bit length, a masking key.
pub const MAX_LEN: usize = 14;
/// The maximum length of a header without a masking key.
pub const MAX_UNMASKED_LEN: usize = 10;
/// The maximum length of the payload of a control frame (§5.5).
pub const MAX_CONTROL: usize = 125;

/// A parsed frame header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Whether the frame ends its message.
    pub fin: bool,
    /// The three reserved bits, as bits 6, 5 and 4 of the first byte.
    pub rsv: u8,
    /// The type of the frame.
    pub opcode: Opcode,
    /// The masking key, if the frame is masked.
    pub mask: Option<[u8; 4]>,
    /// The length of the payload in bytes; below 2^63.
    pub payload_len: u64,
}

impl Header {
    /// Parses the header at the start of `input` and returns it with its length in bytes; `None` if
    /// it is incomplete. An error that a partial header shows is returned at once.
    ///
    /// # Errors
    /// Returns the errors of §5.2 and §5.5 that concern a single frame.
    pub fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, PeerError> {
        let Some(&first) = input.first() else {
            return Ok(None);
        };
        let opcode = Opcode::from_bits(first & 0x0F)?;
        let fin = first & FIN != 0;
        //= rfc6455#section-5.5 "All control frames MUST have a payload length of 125 bytes or..."
        //= rfc6455#section-5.4 "Control frames themselves MUST NOT be fragmented."
        if opcode.is_control() && !fin {
            return Err(PeerError::FragmentedControl);
        }
        let Some(&second) = input.get(1) else {
            return Ok(None);
        };
        let short = second & 0x7F;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL {
            return Err(PeerError::LongControl);
        }
        //= rfc6455#section-5.2 "Note that in all cases, the minimal number of bytes MUST be..."
        let (payload_len, at) = match short {
            126 => {
                let Some(bytes) = array(input, 2) else {
                    return Ok(None);
                };
                let len = u64::from(u16::from_be_bytes(bytes));
                if len < 126 {
                    return Err(PeerError::LengthNotMinimal);
                }
                (len, 4)
            }
            127 => {
                //= rfc6455#section-5.2 "If 127, the following 8 bytes interpreted as a 64-bit..."
                if input.get(2).is_some_and(|top| top & 0x80 != 0) {
                    return Err(PeerError::LengthOverflow);
                }
                // A length with six leading zero bytes fits into two bytes.
                if array(input, 2) == Some([0; 6]) {
                    return Err(PeerError::LengthNotMinimal);
                }
                let Some(bytes) = array(input, 2) else {
                    return Ok(None);
                };
                (u64::from_be_bytes(bytes), 10)
            }
            len => (u64::from(len), 2),
        };
        //= rfc6455#section-5.3 "The payload length, indicated in the framing as..."
        let (mask, len) = if second & MASKED != 0 {
            let Some(key) = array(input, at) else {
                return Ok(None);
            };
            (Some(key), at + 4)
        } else {
            (None, at)
        };
        Ok(Some((
            Self {
                fin,
                rsv: first & RSV,
                opcode,
                mask,
                payload_len,
            },
            len,
        )))
    }

    /// Returns the header in its shortest form, and its length in bytes.
    pub fn encode(&self) -> ([u8; MAX_LEN], usize) {
        let mut out = [0; MAX_LEN];
        let (unmasked, mut len) = encode_raw(
            if self.fin { FIN } else { 0 } | (self.rsv & RSV) | self.opcode as u8,
            self.payload_len,
        );
        out[..len].copy_from_slice(&unmasked[..len]);
        //= rfc6455#section-5.3 "A masked frame MUST have the field frame-masked set to 1, as..."
        if let Some(key) = self.mask {
            out[1] |= MASKED;
            out[len..len + 4].copy_from_slice(&key);
            len += 4;
        }
        (out, len)
    }
}

/// The first byte of a whole frame: its type, and whether its payload is compressed (RFC 7692 §6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag(u8);

impl Tag {
    /// Returns the tag of a frame whose payload is not compressed.
    //= rfc7692#section-6.1 "...to process outgoing messages, build frame(s) using the original..."
    pub const fn plain(opcode: Opcode) -> Self {
        Self(FIN | opcode as u8)
    }

    /// Returns the tag of a frame whose payload is compressed.
    pub const fn compressed(opcode: Opcode) -> Self {
        Self(FIN | RSV1 | opcode as u8)
    }
}

impl From<Opcode> for Tag {
    fn from(opcode: Opcode) -> Self {
        Self::plain(opcode)
    }
}

/// Encodes the header of a whole unmasked frame. Returns it with its length in bytes.
#[inline]
//= rfc6455#section-5.1 "A server MUST NOT mask any frames that it sends to the client."
//= rfc6455#section-5.2 "MUST be 0 unless an extension is negotiated that defines meanings for..."
//= rfc6455#section-5.2 "; 1 bit in length, MUST be 0 unless ; negotiated otherwise"
//= rfc6455#section-6.1 "The FIN bit (frame-fin) of the last frame containing the data MUST be..."
pub fn encode_unmasked(tag: impl Into<Tag>, payload_len: usize) -> ([u8; MAX_UNMASKED_LEN], usize) {
    let Tag(first) = tag.into();
    encode_raw(first, payload_len as u64)
}

/// Returns the length of [`encode_unmasked`] for a payload of this length.
pub const fn unmasked_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

#[inline]
fn encode_raw(first: u8, payload_len: u64) -> ([u8; MAX_UNMASKED_LEN], usize) {
    let mut out = [0; MAX_UNMASKED_LEN];
    out[0] = first;
    match payload_len {
        0..=125 => {
            out[1] = payload_len as u8;
            (out, 2)
        }
        126..=0xFFFF => {
            out[1] = 126;
            [out[2], out[3]] = (payload_len as u16).to_be_bytes();
            (out, 4)
        }
        _ => {
            out[1] = 127;
            out[2..10].copy_from_slice(&payload_len.to_be_bytes());
            (out, 10)
        }
    }
}

fn array<const N: usize>(input: &[u8], at: usize) -> Option<[u8; N]> {
    input.get(at..at + N)?.try_into().ok()
}

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
/// The "Per-Message Compressed" bit (RFC 7692 §6).
pub(crate) const RSV1: u8 = 0x40;
const MASKED: u8 = 0x80;
