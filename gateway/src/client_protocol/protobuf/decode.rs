//! Decoding of one WebSocket message into commands: Protobuf messages with their length in front.
//!
//! A field that comes twice is merged, as Protobuf says; unknown fields are skipped.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;

use super::reader::{FieldReader, FieldValue};
use crate::client_protocol::command::{Command, CommandRequest, PartialCommand};
use crate::client_protocol::error::DecodeError;
use crate::client_protocol::request::{
    ChannelRequest, ConnectRequest, EmulationRequest, FilterNode, HistoryRequest, KeyedItem,
    MAX_FILTER_DEPTH, PublishRequest, RefreshRequest, RpcRequest, SendRequest, StreamPosition,
    SubRefreshRequest, SubscribeRequest, TrackBatch,
};

/// The commands of one WebSocket message, in order. Ends after the first error.
#[derive(Clone, Debug)]
pub(in crate::client_protocol) struct ProtobufCommands<'a> {
    rest: Option<FieldReader<'a>>,
}

impl<'a> ProtobufCommands<'a> {
    /// Begins to decode a message.
    pub(in crate::client_protocol) const fn new(message: &'a [u8]) -> Self {
        Self {
            rest: Some(FieldReader::new(message)),
        }
    }
}

impl<'a> Iterator for ProtobufCommands<'a> {
    type Item = Result<Command<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = self.rest.take()?;
        if rest.is_empty() {
            return Some(Err(DecodeError::EmptyMessage));
        }
        let command = rest.bytes().and_then(decode_command);
        if command.is_ok() && !rest.is_empty() {
            self.rest = Some(rest);
        }
        Some(command)
    }
}

impl core::iter::FusedIterator for ProtobufCommands<'_> {}

/// Decodes the request of a field, into the same request if it was there before.
macro_rules! merge_request {
    ($command:ident, $variant:ident, $value:ident) => {
        if let Some(CommandRequest::$variant(request)) = $command.last() {
            merge(request, $value.bytes()?, 0)?;
        } else {
            $command.add(CommandRequest::$variant(decode($value, 0)?));
        }
    };
}

fn decode_command(bytes: &[u8]) -> Result<Command<'_>, DecodeError> {
    let mut reader = FieldReader::new(bytes);
    let mut command = PartialCommand::default();
    while let Some((number, value)) = reader.field()? {
        match number {
            1 => command.id = value.uint32()?,
            4 => merge_request!(command, Connect, value),
            5 => merge_request!(command, Subscribe, value),
            6 => merge_request!(command, Unsubscribe, value),
            7 => merge_request!(command, Publish, value),
            8 => merge_request!(command, Presence, value),
            9 => merge_request!(command, PresenceStats, value),
            10 => merge_request!(command, History, value),
            11 => {
                decode::<NoFields>(value, 0)?;
                if !matches!(command.last(), Some(CommandRequest::Ping)) {
                    command.add(CommandRequest::Ping);
                }
            }
            12 => merge_request!(command, Send, value),
            13 => merge_request!(command, Rpc, value),
            14 => merge_request!(command, Refresh, value),
            15 => merge_request!(command, SubRefresh, value),
            _ => {}
        }
    }
    command.finish()
}

/// Decodes the request of a one-way connection.
pub(in crate::client_protocol) fn decode_connect(
    message: &[u8],
) -> Result<ConnectRequest<'_>, DecodeError> {
    decode(FieldValue::Bytes(message), 0)
}

/// Decodes commands for another connection.
pub(in crate::client_protocol) fn decode_emulation(
    message: &[u8],
) -> Result<EmulationRequest<'_>, DecodeError> {
    decode(FieldValue::Bytes(message), 0)
}

/// A message whose fields are read one by one.
trait Merge<'a>: Default {
    /// Takes a field. `depth` is the number of filters around this one.
    fn set(&mut self, number: u32, value: FieldValue<'a>, depth: usize) -> Result<(), DecodeError>;
}

fn merge<'a, M: Merge<'a>>(
    message: &mut M,
    bytes: &'a [u8],
    depth: usize,
) -> Result<(), DecodeError> {
    let mut reader = FieldReader::new(bytes);
    while let Some((number, value)) = reader.field()? {
        message.set(number, value, depth)?;
    }
    Ok(())
}

fn decode<'a, M: Merge<'a>>(value: FieldValue<'a>, depth: usize) -> Result<M, DecodeError> {
    let mut message = M::default();
    merge(&mut message, value.bytes()?, depth)?;
    Ok(message)
}

impl<'a> FieldValue<'a> {
    const fn varint(self) -> Result<u64, DecodeError> {
        match self {
            Self::Varint(number) => Ok(number),
            Self::Bytes(_) | Self::Other => Err(DecodeError::WrongWireType),
        }
    }

    /// Takes the low 32 bits, as every implementation does.
    fn uint32(self) -> Result<u32, DecodeError> {
        Ok(self.varint()? as u32)
    }

    fn int32(self) -> Result<i32, DecodeError> {
        Ok(self.varint()? as i32)
    }

    fn int64(self) -> Result<i64, DecodeError> {
        Ok(self.varint()?.cast_signed())
    }

    fn flag(self) -> Result<bool, DecodeError> {
        Ok(self.varint()? != 0)
    }

    const fn bytes(self) -> Result<&'a [u8], DecodeError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Other => Err(DecodeError::WrongWireType),
        }
    }

    fn text(self) -> Result<Cow<'a, str>, DecodeError> {
        let text = core::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::InvalidUtf8)?;
        Ok(Cow::Borrowed(text))
    }
}

/// A message without known fields.
#[derive(Default)]
struct NoFields;

impl<'a> Merge<'a> for NoFields {
    fn set(&mut self, _: u32, _: FieldValue<'a>, _: usize) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// An entry of a map of messages.
#[derive(Default)]
struct MapEntry<'a, M> {
    key: Cow<'a, str>,
    value: M,
}

impl<'a, M: Merge<'a>> Merge<'a> for MapEntry<'a, M> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, depth: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.key = value.text()?,
            2 => merge(&mut self.value, value.bytes()?, depth)?,
            _ => {}
        }
        Ok(())
    }
}

/// An entry of a map of texts.
#[derive(Default)]
struct TextEntry<'a> {
    key: Cow<'a, str>,
    value: Cow<'a, str>,
}

impl<'a> Merge<'a> for TextEntry<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, _: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.key = value.text()?,
            2 => self.value = value.text()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for ConnectRequest<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, depth: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.token = value.text()?.into(),
            2 => self.data = value.bytes()?,
            3 => insert(&mut self.subs, decode::<MapEntry<'_, _>>(value, depth)?),
            4 => self.name = value.text()?,
            5 => self.version = value.text()?,
            6 => {
                let TextEntry { key, value } = decode(value, depth)?;
                self.headers.insert(key, value);
            }
            7 => self.flag = value.int64()?,
            8 => self.dict = value.text()?,
            9 => self.profile = value.text()?,
            _ => {}
        }
        Ok(())
    }
}

fn insert<'a, M>(map: &mut BTreeMap<Cow<'a, str>, M>, entry: MapEntry<'a, M>) {
    map.insert(entry.key, entry.value);
}

impl<'a> Merge<'a> for EmulationRequest<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, _: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.node = value.text()?,
            2 => self.session = value.text()?,
            3 => self.data = Cow::Borrowed(value.bytes()?),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for RefreshRequest<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, _: usize) -> Result<(), DecodeError> {
        if number == 1 {
            self.token = value.text()?.into();
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for SubscribeRequest<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, depth: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.channel = value.text()?,
            2 => self.token = value.text()?.into(),
            3 => self.recover = value.flag()?,
            6 => self.epoch = value.text()?,
            7 => self.offset = value.varint()?,
            8 => self.data = value.bytes()?,
            9 => self.positioned = value.flag()?,
            10 => self.recoverable = value.flag()?,
            11 => self.join_leave = value.flag()?,
            12 => self.delta = value.text()?,
            13 => merge(self.tf.get_or_insert_default(), value.bytes()?, depth)?,
            14 => self.flag = value.int64()?,
            15 => self.subscription_type = value.int32()?,
            16 => self.phase = value.int32()?,
            17 => self.cursor = value.text()?,
            18 => self.limit = value.int32()?,
            19 => self.asc = value.flag()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for FilterNode<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, depth: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.op = value.text()?,
            2 => self.key = value.text()?,
            3 => self.cmp = value.text()?,
            4 => self.val = value.text()?,
            5 => self.vals.push(value.text()?),
            6 if depth + 1 >= MAX_FILTER_DEPTH => return Err(DecodeError::FilterTooDeep),
            6 => self.nodes.push(decode(value, depth + 1)?),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for SubRefreshRequest<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, depth: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.channel = value.text()?,
            2 => self.token = value.text()?.into(),
            3 => self.refresh_type = value.int32()?,
            4 => self.track.push(decode(value, depth)?),
            5 => self.untrack.push(value.text()?),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for TrackBatch<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, depth: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.signature = value.text()?.into(),
            2 => self.items.push(decode(value, depth)?),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for KeyedItem<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, _: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.key = value.text()?,
            2 => self.version = value.varint()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for ChannelRequest<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, _: usize) -> Result<(), DecodeError> {
        if number == 1 {
            self.channel = value.text()?;
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for PublishRequest<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, _: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.channel = value.text()?,
            2 => self.data = value.bytes()?,
            3 => self.publication_type = value.int32()?,
            4 => self.key = value.text()?,
            5 => self.removed = value.flag()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for StreamPosition<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, _: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.offset = value.varint()?,
            2 => self.epoch = value.text()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for HistoryRequest<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, depth: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.channel = value.text()?,
            7 => self.limit = value.int32()?,
            8 => merge(self.since.get_or_insert_default(), value.bytes()?, depth)?,
            9 => self.reverse = value.flag()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for RpcRequest<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, _: usize) -> Result<(), DecodeError> {
        match number {
            1 => self.data = value.bytes()?,
            2 => self.method = value.text()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Merge<'a> for SendRequest<'a> {
    fn set(&mut self, number: u32, value: FieldValue<'a>, _: usize) -> Result<(), DecodeError> {
        if number == 1 {
            self.data = value.bytes()?;
        }
        Ok(())
    }
}
