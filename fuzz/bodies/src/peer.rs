//! Reference implementation of the peer: frames written by hand, and a whole stream decoded by
//! hand, rule by rule as in RFC 6455 §5 and RFC 7692 §6, without regard to speed.

use stentor_core::proto::ws::PeerError;
use stentor_core::testing::conn::{MessageLimits, Role};
use stentor_core::testing::deflate;
use stentor_core::testing::wire::mask;
use stentor_core::{CloseCode, MessageType};

use super::inflate::Inflation;

/// What a peer said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum PeerOutput {
    Message(MessageType, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

/// What a stream says up to its end, its close frame or its first fault.
pub(super) type DecodedStream = (Vec<PeerOutput>, Option<PeerError>);

/// A frame to be written, right or wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawFrame<'a> {
    /// The first byte: FIN, reserved bits, opcode.
    pub(super) first: u8,
    pub(super) key: Option<[u8; 4]>,
    pub(super) payload: &'a [u8],
}

/// Writes a frame with its length in the shortest form.
pub(super) fn write_frame(out: &mut Vec<u8>, frame: RawFrame<'_>) {
    out.push(frame.first);
    let masked = if frame.key.is_some() { 0x80 } else { 0 };
    match frame.payload.len() {
        len @ 0..126 => out.push(masked | len as u8),
        len @ 126..65_536 => {
            out.push(masked | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(masked | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(frame.key.as_ref().map_or(&[], |key| &key[..]));
    let start = out.len();
    out.extend_from_slice(frame.payload);
    mask::apply_naive(&mut out[start..], frame.key.unwrap_or_default(), 0);
}

/// Reads a stream that is there from its beginning, with compression if that
/// was agreed on.
pub(super) fn decode_naively(
    stream: &[u8],
    role: Role,
    limits: MessageLimits,
    inflation: Option<Inflation>,
) -> DecodedStream {
    let mut said = Vec::new();
    let error = read(stream, role, limits, inflation, &mut said).err();
    (said, error)
}

fn read(
    mut rest: &[u8],
    role: Role,
    limits: MessageLimits,
    mut inflation: Option<Inflation>,
    said: &mut Vec<PeerOutput>,
) -> Result<(), PeerError> {
    let mut message: Option<PartialMessage> = None;
    loop {
        let Some(&first) = rest.first() else {
            return Ok(());
        };
        let (fin, opcode) = (first >= 0x80, first & 0x0F);
        let control = opcode >= 8;
        let packed = inflation.is_some() && matches!(first & 0x7F, 0x41 | 0x42);
        if first & 0x70 != 0 && !packed {
            return Err(PeerError::ReservedBit);
        }
        if !matches!(opcode, 0..=2 | 8..=10) {
            return Err(PeerError::ReservedOpcode);
        }
        if control && !fin {
            return Err(PeerError::FragmentedControl);
        }
        let Some(&second) = rest.get(1) else {
            return Ok(());
        };
        match (second >= 0x80, role) {
            (false, Role::Server) => return Err(PeerError::Unmasked),
            (true, Role::Client) => return Err(PeerError::Masked),
            _ => {}
        }
        let Some((len, at)) = length(rest, control)? else {
            return Ok(());
        };
        let body = at + if second >= 0x80 { 4 } else { 0 };
        if rest.len() < body {
            return Ok(());
        }
        let mut key = [0; 4];
        key[..body - at].copy_from_slice(&rest[at..body]);
        // All of the payload that is there; a data frame may be judged by that.
        let there = usize::try_from(len)
            .unwrap_or(usize::MAX)
            .min(rest.len() - body);
        let mut payload = rest[body..body + there].to_vec();
        mask::apply_naive(&mut payload, key, 0);
        let whole = there as u64 == len;
        rest = &rest[body + there..];
        if control {
            if !whole {
                return Ok(());
            }
            said.push(match opcode {
                8 => PeerOutput::Close(close(&payload)?),
                9 => PeerOutput::Ping(payload),
                _ => PeerOutput::Pong(payload),
            });
            if opcode == 8 {
                return Ok(());
            }
            continue;
        }
        let mut now = match (opcode, message.take()) {
            (0, None) => return Err(PeerError::StrayContinuation),
            (0, Some(message)) => message,
            (_, Some(_)) => return Err(PeerError::InterruptedMessage),
            (1, None) => PartialMessage::new(MessageType::Text, packed),
            (_, None) => PartialMessage::new(MessageType::Binary, packed),
        };
        now.empty_fragments += u32::from(len == 0 && !fin);
        if now.empty_fragments > limits.empty_fragments {
            return Err(PeerError::EmptyFragments);
        }
        let most = if now.packed {
            deflate::ceiling(limits.bytes)
        } else {
            limits.bytes
        };
        if now.bytes.len() as u64 + len > most as u64 {
            return Err(PeerError::MessageTooBig);
        }
        now.bytes.extend_from_slice(&payload);
        let ends = fin && whole;
        if let Some(inflation) = inflation.as_mut().filter(|_| now.packed && ends) {
            now.bytes = inflation.message(&now.bytes, limits.bytes)?;
        }
        if now.kind == MessageType::Text
            && (ends || !now.packed)
            && let Err(error) = core::str::from_utf8(&now.bytes)
            && (error.error_len().is_some() || ends)
        {
            return Err(PeerError::InvalidUtf8);
        }
        if !whole {
            return Ok(());
        }
        if fin {
            said.push(PeerOutput::Message(now.kind, now.bytes));
        } else {
            message = Some(now);
        }
    }
}

/// A message, or what has come of it.
struct PartialMessage {
    kind: MessageType,
    packed: bool,
    bytes: Vec<u8>,
    empty_fragments: u32,
}

impl PartialMessage {
    const fn new(kind: MessageType, packed: bool) -> Self {
        Self {
            kind,
            packed,
            bytes: Vec::new(),
            empty_fragments: 0,
        }
    }
}

/// The length of the payload, and where it ends in the header; `None` if it is
/// not all there.
pub(super) fn length(rest: &[u8], control: bool) -> Result<Option<(u64, usize)>, PeerError> {
    let more = match rest[1] & 0x7F {
        short @ 0..=125 => return Ok(Some((u64::from(short), 2))),
        _ if control => return Err(PeerError::LongControl),
        126 => 2,
        _ => 8,
    };
    let there = &rest[2..rest.len().min(2 + more)];
    if more == 8 && there.first().is_some_and(|&top| top >= 0x80) {
        return Err(PeerError::LengthOverflow);
    }
    // The shortest form is missed where leading bytes are zero.
    if more == 8 && there.starts_with(&[0; 6]) {
        return Err(PeerError::LengthNotMinimal);
    }
    if there.len() < more {
        return Ok(None);
    }
    let len = there
        .iter()
        .fold(0, |len, &byte| len << 8 | u64::from(byte));
    if len < 126 {
        return Err(PeerError::LengthNotMinimal);
    }
    Ok(Some((len, 2 + more)))
}

fn close(payload: &[u8]) -> Result<Option<u16>, PeerError> {
    let [high, low, reason @ ..] = payload else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(PeerError::ShortClose)
        };
    };
    let code = CloseCode::new(u16::from_be_bytes([*high, *low]));
    let code = code.ok_or(PeerError::BadCloseCode)?;
    match core::str::from_utf8(reason) {
        Ok(_) => Ok(Some(code.get())),
        Err(_) => Err(PeerError::InvalidUtf8),
    }
}
