//! Fuzzes the decoding of a stream against tungstenite, which is of another
//! make: both hear the same messages, and refuse the same streams. Each
//! difference stands here, next to the lines that allow for it and no other.

use std::io;

use stentor_core::MessageType;
use stentor_core::proto::ws::PeerError;
use stentor_core::testing::conn::{MessageLimits, Role};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket, protocol};

use super::InputReader;
use super::decode::events;
use super::peer::PeerOutput;
use super::stream::{StreamSetup, frames};

/// Bytes as limits, and a stream: as it stands, or made of frames that are well
/// formed one by one.
///
/// # Panics
/// If the two do not agree on it.
pub fn differential(data: &[u8]) {
    let mut input = InputReader::new(data);
    let flags = input.byte();
    let role = if flags & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    };
    let limits = MessageLimits {
        // They limit control frames, too.
        bytes: 125 + usize::from(input.short()) % 2_000,
        // They have no limit for these.
        empty_fragments: u32::MAX,
    };
    let setup = StreamSetup {
        role,
        limits,
        takeover: None,
    };
    let mut stream = if flags & 2 == 0 {
        input.rest().to_vec()
    } else {
        frames(&mut input, &setup)
    };
    // They take a length in any form, we only in the shortest.
    stream.truncate(until_long_form(&stream));
    let (mut ours, error) = events(&stream, &setup, core::iter::once(stream.len()));
    if error.is_some() {
        // They judge a frame when it has come to its end, we as soon as we can.
        stream.resize(stream.len() + 14 + limits.bytes, 0);
    }
    let theirs = theirs(&stream, role, limits.bytes);
    if theirs.is_violation {
        // A code that must not be sent they turn into 1002, as though the peer
        // had sent that, and take 1014 for such a code although it is registered.
        let close = ours.pop_if(|said| matches!(said, PeerOutput::Close(Some(1002 | 1014))));
        assert!(close.is_some() || error == Some(PeerError::BadCloseCode));
    } else {
        assert_eq!(
            error.is_some(),
            theirs.error.is_some(),
            "{error:?} {theirs:?}"
        );
    }
    assert_eq!(ours, theirs.said);
}

/// Where the first frame begins whose length is not in its shortest form, be it
/// all there or not.
fn until_long_form(stream: &[u8]) -> usize {
    let mut at = 0;
    while at < stream.len() {
        let byte = |n: usize| u64::from(stream.get(at + n).copied().unwrap_or_default());
        let number = |len: usize| (2..2 + len).fold(0, |number, n| number << 8 | byte(n));
        let (len, header, least) = match byte(1) & 0x7F {
            126 => (number(2), 4, 126),
            127 => (number(8), 10, 65_536),
            short => (short, 2, 0),
        };
        if len < least {
            return at;
        }
        let mask = if byte(1) >= 0x80 { 4 } else { 0 };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        at = at.saturating_add(header + mask).saturating_add(len);
    }
    stream.len()
}

/// What tungstenite makes of a stream.
#[derive(Debug)]
struct Theirs {
    said: Vec<PeerOutput>,
    /// Whether it ended with a close frame in words of their own.
    is_violation: bool,
    error: Option<Error>,
}

fn theirs(stream: &[u8], role: Role, limit: usize) -> Theirs {
    let role = match role {
        Role::Server => protocol::Role::Server,
        Role::Client => protocol::Role::Client,
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(1 << 10)
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    let mut socket = WebSocket::from_raw_socket(FakeSocket(stream), role, Some(config));
    let mut theirs = Theirs {
        said: Vec::new(),
        is_violation: false,
        error: None,
    };
    loop {
        let said = match socket.read() {
            Ok(Message::Text(text)) => {
                PeerOutput::Message(MessageType::Text, text.as_bytes().to_vec())
            }
            Ok(Message::Binary(bytes)) => PeerOutput::Message(MessageType::Binary, bytes.to_vec()),
            Ok(Message::Ping(bytes)) => PeerOutput::Ping(bytes.to_vec()),
            Ok(Message::Pong(bytes)) => PeerOutput::Pong(bytes.to_vec()),
            Ok(Message::Close(frame)) => {
                theirs.is_violation = frame.as_ref().is_some_and(is_violation);
                if !theirs.is_violation {
                    let code = frame.map(|frame| frame.code.into());
                    theirs.said.push(PeerOutput::Close(code));
                }
                return theirs;
            }
            Ok(Message::Frame(frame)) => panic!("they hand out no frames: {frame}"),
            // The stream has come to its end.
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => return theirs,
            Err(error) => {
                theirs.error = Some(error);
                return theirs;
            }
        };
        theirs.said.push(said);
    }
}

fn is_violation(frame: &CloseFrame) -> bool {
    u16::from(frame.code) == 1002 && frame.reason.as_str() == "Protocol violation"
}

/// A socket from which a stream comes, and into which anything goes.
struct FakeSocket<'a>(&'a [u8]);

impl io::Read for FakeSocket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl io::Write for FakeSocket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
