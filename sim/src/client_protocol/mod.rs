//! A second implementation of the client protocol, to compare the gateway's with.
//!
//! It uses prost and `serde_json::Value`, copies everything and knows no limits.
//!
//! - `commands`, `replies`: the messages, as prost derives them
//! - `from_gateway`: commands that the gateway has decoded, as these messages
//! - `command_json`, `reply_json`, `json_fields`: their JSON
//! - [`Choices`]: messages made from arbitrary bytes
//! - [`decode_protobuf`], [`decode_json`]: what the gateway has to find in a message

mod command_json;
mod commands;
mod from_gateway;
mod generate;
mod json_fields;
mod replies;
mod reply_json;

pub use command_json::is_command_of;
pub use commands::*;
pub use generate::Choices;
pub use replies::*;

use prost::Message;
use serde_json::Value;

/// Decodes a message in Protobuf. `None` stands for a command that is refused; it is the last.
pub fn decode_protobuf(message: &[u8]) -> Vec<Option<ProtoCommand>> {
    let mut rest = message;
    let mut commands = Vec::new();
    loop {
        let command = prost::decode_length_delimiter(&mut rest)
            .ok()
            .and_then(|len| rest.split_at_checked(len))
            .and_then(|(bytes, after)| {
                rest = after;
                ProtoCommand::decode(bytes).ok()?.checked()
            });
        commands.push(command);
        if rest.is_empty() || matches!(commands.last(), Some(None)) {
            return commands;
        }
    }
}

/// Splits a message in JSON into values. `None` stands for a line that is not JSON, or that
/// `serde_json::Value` cannot hold.
pub fn decode_json(message: &str) -> Vec<Option<Value>> {
    let lines = message.strip_suffix('\n').unwrap_or(message);
    let lines = lines.split('\n');
    lines.map(|line| serde_json::from_str(line).ok()).collect()
}
