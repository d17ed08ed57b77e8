//! JSON codec: `decode` (messages to commands), `field` (how single fields are read), `writer`
//! (objects, texts, numbers and payloads into bytes), `encode` (replies and pushes).

mod decode;
mod encode;
pub(crate) mod field;
pub(crate) mod writer;

pub(super) use decode::{JsonCommands, decode_connect, decode_emulation};
pub(super) use encode::{encode_publication, encode_push, encode_reply};
