//! Decoding of one WebSocket message into commands: JSON objects separated by newlines.

use alloc::borrow::Cow;
use core::fmt::{self, Formatter};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;

use super::field::{self, Object};
use crate::client_protocol::command::{Command, CommandRequest, PartialCommand};
use crate::client_protocol::error::DecodeError;
use crate::client_protocol::request::{ConnectRequest, EmulationRequest};

/// The commands of one WebSocket message, in order. Ends after the first error.
#[derive(Clone, Debug)]
pub(in crate::client_protocol) struct JsonCommands<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> JsonCommands<'a> {
    /// Begins to decode a message.
    pub(in crate::client_protocol) const fn new(message: &'a [u8]) -> Self {
        Self {
            rest: Some(message),
        }
    }
}

impl<'a> Iterator for JsonCommands<'a> {
    type Item = Result<Command<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        if rest.is_empty() {
            return Some(Err(DecodeError::EmptyMessage));
        }
        // A newline inside an object could only be whitespace, which no client sends.
        let line = match rest.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                let after = &rest[end + 1..];
                self.rest = (!after.is_empty()).then_some(after);
                &rest[..end]
            }
            None => rest,
        };
        let command = decode_command(line);
        if command.is_err() {
            self.rest = None;
        }
        Some(command)
    }
}

impl core::iter::FusedIterator for JsonCommands<'_> {}

fn decode_command(line: &[u8]) -> Result<Command<'_>, DecodeError> {
    let command: PartialCommand<'_> = serde_json::from_slice(line).map_err(decode_error)?;
    command.finish()
}

/// Decodes the request of a one-way connection.
pub(in crate::client_protocol) fn decode_connect(
    message: &[u8],
) -> Result<ConnectRequest<'_>, DecodeError> {
    let request: Object<ConnectRequest<'_>> =
        serde_json::from_slice(message).map_err(decode_error)?;
    Ok(request.0)
}

#[derive(Deserialize)]
struct JsonEmulation<'a> {
    #[serde(borrow, default, deserialize_with = "field::text")]
    node: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    session: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    data: Cow<'a, str>,
}

/// Decodes commands for another connection.
pub(in crate::client_protocol) fn decode_emulation(
    message: &[u8],
) -> Result<EmulationRequest<'_>, DecodeError> {
    let request: Object<JsonEmulation<'_>> =
        serde_json::from_slice(message).map_err(decode_error)?;
    let JsonEmulation {
        node,
        session,
        data,
    } = request.0;
    let data = match data {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    Ok(EmulationRequest {
        node,
        session,
        data,
    })
}

fn decode_error(error: serde_json::Error) -> DecodeError {
    match error.classify() {
        Category::Data => DecodeError::InvalidField,
        Category::Io | Category::Syntax | Category::Eof => DecodeError::InvalidJson,
    }
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum CommandKey {
    Id,
    Connect,
    Subscribe,
    Unsubscribe,
    Publish,
    Presence,
    PresenceStats,
    History,
    Ping,
    Send,
    Rpc,
    Refresh,
    SubRefresh,
    #[serde(other)]
    Unknown,
}

/// A request without fields.
#[derive(Deserialize)]
struct Empty {}

// Not derived: a struct of all requests would be several times as large as the one that is there.
impl<'de: 'a, 'a> Deserialize<'de> for PartialCommand<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(CommandVisitor)
    }
}

struct CommandVisitor;

impl<'de> Visitor<'de> for CommandVisitor {
    type Value = PartialCommand<'de>;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a command")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut command = PartialCommand::default();
        let mut seen = 0_u16;
        while let Some(key) = map.next_key()? {
            // As serde has it for the fields of requests.
            let bit = 1 << key as u16;
            if key != CommandKey::Unknown && seen & bit != 0 {
                return Err(A::Error::custom("a field is there twice"));
            }
            seen |= bit;
            let request = match key {
                CommandKey::Id => {
                    command.id = map.next_value::<Option<u32>>()?.unwrap_or_default();
                    None
                }
                CommandKey::Connect => read_object(&mut map)?.map(CommandRequest::Connect),
                CommandKey::Subscribe => read_object(&mut map)?.map(CommandRequest::Subscribe),
                CommandKey::Unsubscribe => read_object(&mut map)?.map(CommandRequest::Unsubscribe),
                CommandKey::Publish => read_object(&mut map)?.map(CommandRequest::Publish),
                CommandKey::Presence => read_object(&mut map)?.map(CommandRequest::Presence),
                CommandKey::PresenceStats => {
                    read_object(&mut map)?.map(CommandRequest::PresenceStats)
                }
                CommandKey::History => read_object(&mut map)?.map(CommandRequest::History),
                CommandKey::Ping => read_object(&mut map)?.map(|Empty {}| CommandRequest::Ping),
                CommandKey::Send => read_object(&mut map)?.map(CommandRequest::Send),
                CommandKey::Rpc => read_object(&mut map)?.map(CommandRequest::Rpc),
                CommandKey::Refresh => read_object(&mut map)?.map(CommandRequest::Refresh),
                CommandKey::SubRefresh => read_object(&mut map)?.map(CommandRequest::SubRefresh),
                CommandKey::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                    None
                }
            };
            if let Some(request) = request {
                command.add(request);
            }
        }
        Ok(command)
    }
}

fn read_object<'de, T, A>(map: &mut A) -> Result<Option<T>, A::Error>
where
    T: Deserialize<'de>,
    A: MapAccess<'de>,
{
    let object: Option<Object<T>> = map.next_value()?;
    Ok(object.map(|object| object.0))
}
