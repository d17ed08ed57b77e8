//! Wire of one message a line: text as it is, control frames marked by `!`. It proves that a
//! session does not depend on WebSocket, and is not for use: a payload must contain no line feed.

use crate::proto::ws::header::Tag;
use crate::proto::ws::opcode::{MessageType, Opcode};
use crate::proto::ws::{CloseState, ConnectionEvent, Payload, PeerError, Step, utf8};

/// The receiving end.
#[derive(Debug)]
pub(crate) struct LineDecoder {
    state: CloseState,
    max_message: u32,
}

impl LineDecoder {
    pub(crate) const fn new(max_message: usize) -> Self {
        Self {
            state: CloseState::Open,
            max_message: max_message as u32,
        }
    }

    pub(crate) const fn state(&self) -> CloseState {
        self.state
    }

    /// Handles that the last line was queued. No line of the peer answers it.
    pub(crate) const fn handle_close_sent(&mut self) {
        self.state = CloseState::Closed;
    }

    pub(crate) const fn handle_failure(&mut self) {
        self.state = CloseState::Failed;
    }

    pub(crate) fn poll_event(&mut self, input: &[u8]) -> Result<Step, PeerError> {
        let step = Self::step(input, self.max_message as usize);
        if step.is_err() {
            self.handle_failure();
        }
        step
    }

    fn step(input: &[u8], max_message: usize) -> Result<Step, PeerError> {
        let most = (max_message + PING.len() + 1).min(input.len());
        let Some(end) = input[..most].iter().position(|&byte| byte == b'\n') else {
            let is_too_long = input.len() > max_message;
            return if is_too_long {
                Err(PeerError::MessageTooBig)
            } else {
                Ok(Step::more(0))
            };
        };
        let event = if input.starts_with(PING) && PING.len() <= end {
            ConnectionEvent::Ping(PING.len()..end)
        } else if input.starts_with(PONG) && PONG.len() <= end {
            ConnectionEvent::Pong(PONG.len()..end)
        } else if end > max_message {
            return Err(PeerError::MessageTooBig);
        } else if utf8::is_valid(&input[..end]) {
            ConnectionEvent::Message {
                kind: MessageType::Text,
                payload: Payload::InPlace(0..end),
            }
        } else {
            return Err(PeerError::InvalidUtf8);
        };
        Ok(Step::event(end + 1, event))
    }
}

/// Returns what stands before a payload, and its length.
pub(super) fn prefix(tag: Tag) -> ([u8; 10], usize) {
    match tag {
        tag if tag == Opcode::Ping.into() => (*b"!ping     ", PING.len()),
        tag if tag == Opcode::Pong.into() => (*b"!pong     ", PONG.len()),
        tag if tag == Opcode::Close.into() => (*b"!close    ", 6),
        _ => ([0; 10], 0),
    }
}

pub(super) const SUFFIX: &[u8] = b"\n";
const PING: &[u8] = b"!ping";
const PONG: &[u8] = b"!pong";
