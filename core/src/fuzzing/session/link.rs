//! Owns one peer and its socket: what it has sent, what it has been told, and
//! the checks of that.

use alloc::vec::Vec;

use super::super::peer::{Frame, Said, decode_naively, write_frame};
use crate::config::Config;
use crate::conn::{MessageLimits, Role};
use crate::handshake::{Fields, Request};
use crate::id::ConnId;
use crate::wire::opcode::Opcode;

/// One peer.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: ConnId,
    /// Whether the shard has let go of it.
    pub(super) gone: bool,
    /// Sent by the peer, not read by the shard.
    pub(super) kernel: Vec<u8>,
    /// Read by the shard.
    sent: Vec<u8>,
    /// Written by the shard.
    got: Vec<u8>,
    pub(super) reading: bool,
    /// Whether the peer has shut its side, and the shard knows.
    pub(super) eof: bool,
    shut: bool,
    /// How much the socket takes.
    pub(super) room: usize,
    pub(super) blocked: bool,
    /// Taken to be written, by somebody who takes his time.
    offered: Option<Vec<u8>>,
}

impl Link {
    pub(super) const fn new(id: ConnId) -> Self {
        Self {
            id,
            gone: false,
            kernel: Vec::new(),
            sent: Vec::new(),
            got: Vec::new(),
            reading: true,
            eof: false,
            shut: false,
            room: usize::MAX,
            blocked: false,
            offered: None,
        }
    }

    /// Takes up to `most` bytes out of the socket for the shard.
    pub(super) fn read(&mut self, most: usize) -> Vec<u8> {
        let n = most.min(self.kernel.len());
        let bytes: Vec<u8> = self.kernel.drain(..n).collect();
        if !self.gone {
            self.sent.extend_from_slice(&bytes);
        }
        bytes
    }

    /// Takes what is to be written.
    pub(super) fn offer(&mut self, slices: &[&[u8]]) {
        assert!(!self.gone && !self.shut, "written to after its end");
        assert!(self.offered.is_none(), "offered twice");
        self.offered = Some(slices.concat());
    }

    /// Writes what was taken, as much as there is room for; says how much, if
    /// anything was.
    pub(super) fn write(&mut self) -> Option<usize> {
        let bytes = self.offered.take()?;
        // A write to a socket that takes nothing is in vain, and does no harm.
        let room = if self.blocked { 0 } else { self.room };
        let n = bytes.len().min(room);
        if !self.gone {
            self.got.extend_from_slice(&bytes[..n]);
        }
        if self.room != usize::MAX {
            self.room -= n;
        }
        self.blocked = n < bytes.len();
        Some(n)
    }

    pub(super) fn shut(&mut self) {
        assert!(!self.shut && !self.gone, "shut twice");
        self.shut = true;
    }

    pub(super) fn set_reading(&mut self, reading: bool) {
        assert_ne!(self.reading, reading, "told what it knows");
        self.reading = reading;
    }

    /// Checks what the peer was told: an HTTP answer; if that was 101, frames,
    /// each whole, unmasked and in its shortest form, and nothing after a close.
    pub(super) fn check_told(&self) {
        let Some(said) = self.said() else { return };
        let mut again = Vec::new();
        for said in &said {
            let (opcode, payload): (Opcode, &[u8]) = match said {
                Said::Message(kind, bytes) => (kind.opcode(), bytes),
                Said::Ping(bytes) => (Opcode::Ping, bytes),
                Said::Pong(bytes) => (Opcode::Pong, bytes),
                Said::Close(code) => (
                    Opcode::Close,
                    &code.map_or([0; 2], u16::to_be_bytes)[..if code.is_some() { 2 } else { 0 }],
                ),
            };
            let first = 0x80 | opcode as u8;
            let key = None;
            write_frame(
                &mut again,
                Frame {
                    first,
                    key,
                    payload,
                },
            );
        }
        let frames = &self.got[self.head_len()..];
        assert!(frames.starts_with(&again));
        if matches!(said.last(), Some(Said::Close(_))) {
            assert_eq!(frames.len(), again.len(), "nothing follows a close");
        }
    }

    /// Checks that what came back is what was sent, from the first message on;
    /// all of it, if `all`.
    pub(super) fn check_echoes(&self, config: &Config, all: bool) {
        let Some(said) = self.said() else { return };
        let mut fields = Fields::new();
        let Ok(Some((_, head))) = Request::parse(&self.sent, &mut fields, config) else {
            panic!("101 without a request");
        };
        let limits = MessageLimits {
            bytes: config.max_message(),
            empty_fragments: config.max_empty_fragments() as u32,
        };
        let (sent, error) = decode_naively(&self.sent[head..], Role::Server, limits);
        let messages = |said: Vec<Said>| -> Vec<Said> {
            said.into_iter()
                .filter(|said| matches!(said, Said::Message(..)))
                .collect()
        };
        let closed = error.is_some() || matches!(sent.last(), Some(Said::Close(_)));
        let (sent, got) = (messages(sent), messages(said));
        assert!(sent.starts_with(&got), "an echo is lost or changed");
        if all && !closed {
            assert_eq!(sent.len(), got.len(), "every echo has come");
        }
    }

    /// What the peer was told in frames; `None` if it was not upgraded.
    fn said(&self) -> Option<Vec<Said>> {
        assert!(self.got.starts_with(b"HTTP/1.1 ") || b"HTTP/1.1 ".starts_with(&self.got));
        if !self.got.starts_with(b"HTTP/1.1 101 ") || self.head_len() == 0 {
            return None;
        }
        let limits = MessageLimits {
            bytes: usize::MAX,
            empty_fragments: 1,
        };
        let (said, error) = decode_naively(&self.got[self.head_len()..], Role::Client, limits);
        assert_eq!(error, None, "what a server sends is WebSocket");
        Some(said)
    }

    fn head_len(&self) -> usize {
        let end = self.got.windows(4).position(|four| four == b"\r\n\r\n");
        end.map_or(0, |at| at + 4)
    }
}
