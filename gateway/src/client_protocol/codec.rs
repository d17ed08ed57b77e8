//! Choice of the codec, and what both have in common: commands of a message, replies in a message,
//! and publications, which a fan-out encodes once per codec.

use alloc::vec::Vec;

use super::command::Command;
use super::error::{DecodeError, InvalidPayload};
use super::json::{self, JsonCommands};
use super::msgpack;
use super::protobuf::{self, ProtobufCommands};
use super::publication::Publication;
use super::push::Push;
use super::reply::Reply;
use super::request::{ConnectRequest, EmulationRequest};

/// The encoding of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ClientCodec {
    /// JSON, one object a line.
    Json,
    /// Protobuf, with lengths in front.
    Protobuf,
    /// MessagePack, one map behind the other.
    MessagePack,
}

impl ClientCodec {
    /// Returns its name in answers and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
            Self::MessagePack => "msgpack",
        }
    }

    /// Returns the WebSocket subprotocol that selects it.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "centrifuge-json",
            Self::Protobuf => "centrifuge-protobuf",
            Self::MessagePack => "stentor-msgpack",
        }
    }

    /// Decodes the request with which a one-way connection begins.
    ///
    /// # Errors
    /// It is none.
    pub fn decode_connect(self, message: &[u8]) -> Result<ConnectRequest<'_>, DecodeError> {
        match self {
            Self::Json | Self::MessagePack => json::decode_connect(message),
            Self::Protobuf => protobuf::decode_connect(message),
        }
    }

    /// Decodes commands of a client that gets its replies over another connection.
    ///
    /// # Errors
    /// They are none. The commands themselves are not decoded.
    pub fn decode_emulation(self, message: &[u8]) -> Result<EmulationRequest<'_>, DecodeError> {
        match self {
            Self::Json | Self::MessagePack => json::decode_emulation(message),
            Self::Protobuf => protobuf::decode_emulation(message),
        }
    }

    /// Returns the commands of one WebSocket message. One of MessagePack must have become
    /// [lines](super::msgpack_to_lines) of JSON before, since commands borrow from the message.
    pub const fn decode(self, message: &[u8]) -> Commands<'_> {
        match self {
            Self::Json | Self::MessagePack => {
                Commands(CommandsOf::Json(JsonCommands::new(message)))
            }
            Self::Protobuf => Commands(CommandsOf::Protobuf(ProtobufCommands::new(message))),
        }
    }
}

/// The commands of one WebSocket message, in order. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Commands<'a>(CommandsOf<'a>);

#[derive(Clone, Debug)]
enum CommandsOf<'a> {
    Json(JsonCommands<'a>),
    Protobuf(ProtobufCommands<'a>),
}

impl<'a> Iterator for Commands<'a> {
    type Item = Result<Command<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            CommandsOf::Json(commands) => commands.next(),
            CommandsOf::Protobuf(commands) => commands.next(),
        }
    }
}

impl core::iter::FusedIterator for Commands<'_> {}

/// Replies that are written into one WebSocket message, behind what the buffer has already.
#[derive(Debug)]
pub struct ReplyBatch<'o> {
    codec: ClientCodec,
    out: &'o mut Vec<u8>,
    start: usize,
}

impl<'o> ReplyBatch<'o> {
    /// Begins a message at the end of the buffer.
    pub const fn new(codec: ClientCodec, out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        Self { codec, out, start }
    }

    /// Returns whether the message has no reply.
    pub const fn is_empty(&self) -> bool {
        self.out.len() == self.start
    }

    /// Appends a reply.
    ///
    /// # Errors
    /// The codec is JSON or MessagePack, and a payload is no JSON. The message is as before.
    pub fn push(&mut self, reply: &Reply<'_>) -> Result<(), InvalidPayload> {
        let end = self.out.len();
        if self.codec == ClientCodec::Json && end > self.start {
            self.out.push(b'\n');
        }
        let result = encode_reply(self.codec, reply, self.out);
        if result.is_err() {
            self.out.truncate(end);
        }
        result
    }
}

/// Appends one reply. [`ReplyBatch`] separates several.
///
/// # Errors
/// The codec is JSON or MessagePack, and a payload is no JSON. Nothing is appended.
pub fn encode_reply(
    codec: ClientCodec,
    reply: &Reply<'_>,
    out: &mut Vec<u8>,
) -> Result<(), InvalidPayload> {
    match codec {
        ClientCodec::Json => undo_if_failed(out, |out| json::encode_reply(reply, out)),
        ClientCodec::Protobuf => {
            protobuf::encode_reply(reply, out);
            Ok(())
        }
        ClientCodec::MessagePack => msgpack::encode(out, |out| json::encode_reply(reply, out)),
    }
}

/// Appends the push of a publication, which is the same for every subscriber with this codec.
///
/// # Errors
/// The codec is JSON or MessagePack, and a payload is no JSON. Nothing is appended.
pub fn encode_publication(
    codec: ClientCodec,
    channel: &str,
    publication: &Publication<'_>,
    out: &mut Vec<u8>,
) -> Result<(), InvalidPayload> {
    match codec {
        ClientCodec::Json => undo_if_failed(out, |out| {
            json::encode_publication(channel, publication, out)
        }),
        ClientCodec::Protobuf => {
            protobuf::encode_publication(channel, publication, out);
            Ok(())
        }
        ClientCodec::MessagePack => msgpack::encode(out, |out| {
            json::encode_publication(channel, publication, out)
        }),
    }
}

/// Appends a push as one-way connections get it: without a reply around it.
///
/// # Errors
/// The codec is JSON or MessagePack, and a payload is no JSON. Nothing is appended.
pub fn encode_push(
    codec: ClientCodec,
    push: &Push<'_>,
    out: &mut Vec<u8>,
) -> Result<(), InvalidPayload> {
    match codec {
        ClientCodec::Json => undo_if_failed(out, |out| json::encode_push(push, out)),
        ClientCodec::Protobuf => {
            protobuf::encode_push(push, out);
            Ok(())
        }
        ClientCodec::MessagePack => msgpack::encode(out, |out| json::encode_push(push, out)),
    }
}

fn undo_if_failed(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), InvalidPayload>,
) -> Result<(), InvalidPayload> {
    let end = out.len();
    let result = encode(out);
    if result.is_err() {
        out.truncate(end);
    }
    result
}
