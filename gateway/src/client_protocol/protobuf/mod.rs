//! Protobuf codec: `reader` (fields of a message), `decode` (messages to commands), `writer` (fields
//! into bytes, or their length), `encode` (replies and pushes).
//!
//! Written for this protocol, without prost: a reader in place borrows texts and payloads from the
//! message, where prost allocates each one.

mod decode;
mod encode;
mod reader;
mod writer;

pub(super) use decode::{ProtobufCommands, decode_connect, decode_emulation};
pub(super) use encode::{encode_publication, encode_push, encode_reply};
