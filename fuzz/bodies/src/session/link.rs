//! One peer and its socket: what it has sent, what it has received, and the checks of both.

use stentor_core::testing::conn::{MessageLimits, Role};
use stentor_core::testing::deflate::Params;
use stentor_core::testing::handshake::{Extension, Fields, Request};
use stentor_core::testing::wire::Opcode;
use stentor_core::{CloseCode, Config, ConnId};

use super::super::inflate::Inflation;
use super::super::pack::Packer;
use super::super::peer::{
    DecodedStream, PeerOutput, RawFrame, decode_naively, length, write_frame,
};

/// One peer.
#[derive(Debug)]
pub(super) struct PeerLink {
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
    packer: Option<Packer>,
}

impl PeerLink {
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
            packer: None,
        }
    }

    /// Has the peer say something, compressed if that is wanted and was agreed on.
    pub(super) fn say(&mut self, text: &[u8], key: [u8; 4], packs: bool, config: &Config) {
        let agreed = self.agreed(config).filter(|_| packs);
        let packed = agreed.map(|agreed| {
            let packer = Packer::of(&mut self.packer, key[0]);
            packer.pack(text, agreed.client().takeover)
        });
        let (first, payload) = packed
            .as_ref()
            .map_or((0x81, text), |packed| (0xC1, &packed[..]));
        let key = Some(key);
        write_frame(
            &mut self.kernel,
            RawFrame {
                first,
                key,
                payload,
            },
        );
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
    pub(super) fn check_told(&self, config: &Config) {
        let Some(said) = self.said(config) else {
            return;
        };
        let mut frames = &self.got[self.head_len()..];
        for said in &said {
            let (opcode, payload): (Opcode, &[u8]) = match said {
                PeerOutput::Message(kind, bytes) => (kind.opcode(), bytes),
                PeerOutput::Ping(bytes) => (Opcode::Ping, bytes),
                PeerOutput::Pong(bytes) => (Opcode::Pong, bytes),
                PeerOutput::Close(code) => {
                    check_close(frames, *code);
                    continue;
                }
            };
            let first = 0x80 | opcode as u8;
            if frames[0] == 0x40 | first {
                // What is in it has been read; that it is worth it must be seen.
                let (len, at) = length(frames, false).ok().flatten().expect("a frame");
                assert!(payload.len() >= config.compression_threshold());
                assert!(
                    (len as usize) < payload.len(),
                    "compressed, it is no shorter"
                );
                frames = &frames[at + len as usize..];
                continue;
            }
            let (mut again, key) = (Vec::new(), None);
            write_frame(
                &mut again,
                RawFrame {
                    first,
                    key,
                    payload,
                },
            );
            frames = frames
                .strip_prefix(&again[..])
                .expect("one frame a message");
        }
    }

    /// Checks that what came back is what was sent, from the first message on;
    /// all of it, if `all`.
    pub(super) fn check_echoes(&self, config: &Config, all: bool) {
        let Some(said) = self.said(config) else {
            return;
        };
        let (sent, error) = self.sent(config).expect("it was answered");
        let messages = |said: Vec<PeerOutput>| -> Vec<PeerOutput> {
            said.into_iter()
                .filter(|said| matches!(said, PeerOutput::Message(..)))
                .collect()
        };
        let closed = error.is_some() || matches!(sent.last(), Some(PeerOutput::Close(_)));
        let (sent, got) = (messages(sent), messages(said));
        assert!(sent.starts_with(&got), "an echo is lost or changed");
        if all && !closed {
            assert_eq!(sent.len(), got.len(), "every echo has come");
        }
    }

    /// What the shard has read of the peer's frames; `None` if the peer has gone
    /// before it knew what was agreed on.
    pub(super) fn sent(&self, config: &Config) -> Option<DecodedStream> {
        let mut fields = Fields::new();
        let Ok(Some((_, head))) = Request::parse(&self.sent, &mut fields, config.head_limits())
        else {
            return Some((Vec::new(), None));
        };
        if config.compression() && self.head_len() == 0 {
            return None;
        }
        let limits = MessageLimits {
            bytes: config.max_message(),
            empty_fragments: config.max_empty_fragments() as u32,
        };
        let agreed = self.agreed(config);
        let inflation = agreed.map(|agreed| Inflation::new(agreed.client().takeover));
        Some(decode_naively(
            &self.sent[head..],
            Role::Server,
            limits,
            inflation,
        ))
    }

    /// What the peer was told in frames; `None` if it was not upgraded.
    pub(super) fn said(&self, config: &Config) -> Option<Vec<PeerOutput>> {
        assert!(self.got.starts_with(b"HTTP/1.1 ") || b"HTTP/1.1 ".starts_with(&self.got));
        if !self.got.starts_with(b"HTTP/1.1 101 ") || self.head_len() == 0 {
            return None;
        }
        let limits = MessageLimits {
            bytes: usize::MAX,
            empty_fragments: 1,
        };
        let inflation = self.agreed(config).map(|agreed| {
            let server = agreed.server();
            Inflation::within(server.window_bits, server.takeover)
        });
        let frames = &self.got[self.head_len()..];
        let (said, error) = decode_naively(frames, Role::Client, limits, inflation);
        assert_eq!(error, None, "what a server sends is WebSocket");
        Some(said)
    }

    /// What the peer was told that it had offered, and had; `None` if that was
    /// nothing, or it does not know yet.
    fn agreed(&self, config: &Config) -> Option<Params> {
        let head = core::str::from_utf8(&self.got[..self.head_len()]).expect("an answer");
        let mut lines = head.lines();
        let line = lines.find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "))?;
        let answers: Result<Vec<_>, _> = Extension::parse_list(line.as_bytes()).collect();
        let [answer] = answers.expect("well-formed")[..] else {
            panic!("one extension");
        };
        let mut fields = Fields::new();
        let request = Request::parse(&self.sent, &mut fields, config.head_limits());
        let (request, _) = request.ok().flatten().expect("an answer to a request");
        let mut offers = request
            .header("sec-websocket-extensions")
            .flat_map(Extension::parse_list)
            .filter_map(|offer| Params::parse_offer(&offer.ok()?));
        let agreed = offers.find_map(|offer| offer.parse_answer(&answer));
        Some(agreed.expect("an answer to an offer"))
    }

    fn head_len(&self) -> usize {
        let end = self.got.windows(4).position(|four| four == b"\r\n\r\n");
        end.map_or(0, |at| at + 4)
    }
}

/// Checks that these bytes are a close frame with this code and nothing behind
/// it. Those who do not keep up, or are not heard, are told so; no other close says why.
fn check_close(bytes: &[u8], code: Option<u16>) {
    let (&[first, len], payload) = bytes.split_first_chunk().expect("a frame");
    assert_eq!(
        (first, usize::from(len)),
        (0x88, payload.len()),
        "a close is whole, and nothing follows it"
    );
    let code = code.map(u16::to_be_bytes);
    let reason = payload
        .strip_prefix(code.as_ref().map_or(&[][..], |code| code))
        .expect("the code");
    let is_given = |(code_of, text): &(CloseCode, &[u8])| {
        code == Some(code_of.get().to_be_bytes()) && reason == *text
    };
    assert!(reason.is_empty() || REASONS.iter().any(is_given));
}

/// Why a shard says that it closes, by the code beside it.
const REASONS: [(CloseCode, &[u8]); 4] = [
    (CloseCode::TRY_LATER, b"slow consumer"),
    (CloseCode::INTERNAL_ERROR, b"keepalive timeout"),
    (CloseCode::POLICY, b"reads too slowly"),
    (CloseCode::POLICY, b"sends too slowly"),
];
