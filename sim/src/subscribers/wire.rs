//! What clients of the channel protocol write and read: both codecs of their own implementation.

use prost::Message;
use stentor_core::MessageType;

use super::reply_from_json::reply_from_json;
use crate::client_protocol::{ProtoCommand, ProtoReply};

/// The protocol of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speech {
    /// The channel protocol in JSON.
    Json,
    /// The channel protocol in Protobuf.
    Protobuf,
    /// The seed protocol.
    Seed,
}

impl Speech {
    /// Returns the request that begins a connection.
    pub(super) fn request(self) -> Vec<u8> {
        let (path, more) = match self {
            Self::Json => ("/connection/websocket", ""),
            Self::Protobuf => (
                "/connection/websocket",
                "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n",
            ),
            Self::Seed => ("/ws", ""),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
        );
        request.into_bytes()
    }

    /// Returns the type of its messages.
    pub(super) const fn kind(self) -> MessageType {
        match self {
            Self::Protobuf => MessageType::Binary,
            Self::Json | Self::Seed => MessageType::Text,
        }
    }

    /// Returns commands as one message.
    pub(super) fn encode(self, commands: &[ProtoCommand]) -> Vec<u8> {
        let mut out = Vec::new();
        for (place, command) in commands.iter().enumerate() {
            if self == Self::Protobuf {
                command
                    .encode_length_delimited(&mut out)
                    .expect("a vector has room");
                continue;
            }
            if place > 0 {
                out.push(b'\n');
            }
            let json = command.to_json().expect("payloads are JSON");
            out.extend(json.to_string().into_bytes());
        }
        out
    }

    /// Returns the replies of a message.
    ///
    /// # Panics
    /// If it is not written as the protocol says.
    pub(super) fn decode(self, message: &[u8]) -> Vec<ProtoReply> {
        if self != Self::Protobuf {
            let text = core::str::from_utf8(message).expect("JSON is UTF-8");
            return text.split('\n').map(reply_from_json).collect();
        }
        let (mut rest, mut replies) = (message, Vec::new());
        while !rest.is_empty() {
            let reply = ProtoReply::decode_length_delimited(&mut rest);
            replies.push(reply.expect("a reply in Protobuf"));
        }
        replies
    }
}
