//! Encoding of replies and pushes as Protobuf: which field has which number.

use alloc::vec::Vec;

use super::writer::{
    ProtobufMessage, Sink, bytes, flag, list, map, message, number, signed, text, text_map,
    write_delimited, zigzag,
};
use crate::client_protocol::publication::{ClientInfo, Publication};
use crate::client_protocol::push::{
    DisconnectPush, Push, PushEvent, SubscribePush, UnsubscribePush,
};
use crate::client_protocol::reply::{Reply, ReplyError};
use crate::client_protocol::result::{
    CommandResult, ConnectResult, ExpiryInfo, HistoryResult, PresenceStats, SubRefreshResult,
    SubscribeResult,
};

/// Appends a reply with its length in front.
pub(in crate::client_protocol) fn encode_reply(reply: &Reply<'_>, out: &mut Vec<u8>) {
    write_delimited(out, reply);
}

/// Appends a push that is no part of a reply, with its length in front.
pub(in crate::client_protocol) fn encode_push(push: &Push<'_>, out: &mut Vec<u8>) {
    write_delimited(out, push);
}

/// Appends a push of a publication with its length in front.
pub(in crate::client_protocol) fn encode_publication(
    channel: &str,
    publication: &Publication<'_>,
    out: &mut Vec<u8>,
) {
    write_delimited(
        out,
        &Field(
            4,
            &PublicationPush {
                channel,
                publication,
            },
        ),
    );
}

/// A message with one field, which is a message.
struct Field<'a, M>(u32, &'a M);

impl<M: ProtobufMessage> ProtobufMessage for Field<'_, M> {
    fn write<S: Sink>(&self, out: &mut S) {
        message(out, self.0, self.1);
    }
}

/// A message with one field of bytes.
struct PayloadField<'a>(u32, &'a [u8]);

impl ProtobufMessage for PayloadField<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        bytes(out, self.0, self.1);
    }
}

/// A message without fields.
struct EmptyField;

impl ProtobufMessage for EmptyField {
    fn write<S: Sink>(&self, _: &mut S) {}
}

/// A push, without a copy of the publication.
struct PublicationPush<'a> {
    channel: &'a str,
    publication: &'a Publication<'a>,
}

impl ProtobufMessage for PublicationPush<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        text(out, 2, self.channel);
        message(out, 4, self.publication);
    }
}

impl ProtobufMessage for Reply<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        match self {
            Reply::Ping => {}
            Reply::Push(push) => message(out, 4, push),
            Reply::Result { id, result } => {
                number(out, 1, (*id).into());
                write_result(out, result);
            }
            Reply::Error { id, error } => {
                number(out, 1, (*id).into());
                message(out, 2, error);
            }
        }
    }
}

// The numbers of connect to ping are one above those of their commands.
fn write_result<S: Sink>(out: &mut S, result: &CommandResult<'_>) {
    match result {
        CommandResult::Connect(result) => message(out, 5, &ConnectReply(result)),
        CommandResult::Subscribe(result) => message(out, 6, result),
        CommandResult::Unsubscribe => message(out, 7, &EmptyField),
        CommandResult::Publish => message(out, 8, &EmptyField),
        CommandResult::Presence(clients) => message(out, 9, &PresenceEntries(clients)),
        CommandResult::PresenceStats(stats) => message(out, 10, stats),
        CommandResult::History(result) => message(out, 11, result),
        CommandResult::Ping => message(out, 12, &EmptyField),
        CommandResult::Rpc(data) => message(out, 13, &PayloadField(1, data)),
        CommandResult::Refresh(expiry) => message(out, 14, &ExpiryFrom(3, *expiry)),
        CommandResult::SubRefresh(result) => message(out, 15, result),
    }
}

impl ProtobufMessage for ReplyError<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        number(out, 1, self.code.into());
        text(out, 2, self.message);
        flag(out, 3, self.temporary);
    }
}

impl ProtobufMessage for Push<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        signed(out, 1, self.id);
        text(out, 2, self.channel);
        match &self.event {
            PushEvent::Publication(publication) => message(out, 4, publication),
            PushEvent::Join(info) => message(out, 5, &Field(1, info)),
            PushEvent::Leave(info) => message(out, 6, &Field(1, info)),
            PushEvent::Unsubscribe(push) => message(out, 7, push),
            PushEvent::Message(data) => message(out, 8, &PayloadField(1, data)),
            PushEvent::Subscribe(push) => message(out, 9, push),
            PushEvent::Connect(result) => message(out, 10, &ConnectPush(result)),
            PushEvent::Disconnect(push) => message(out, 11, push),
            PushEvent::Refresh(expiry) => message(out, 12, &ExpiryFrom(1, *expiry)),
        }
    }
}

/// An expiry whose two fields have this number and the next.
struct ExpiryFrom(u32, ExpiryInfo);

impl ProtobufMessage for ExpiryFrom {
    fn write<S: Sink>(&self, out: &mut S) {
        flag(out, self.0, self.1.expires);
        number(out, self.0 + 1, self.1.ttl.into());
    }
}

impl ProtobufMessage for ClientInfo<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        text(out, 1, self.user);
        text(out, 2, self.client);
        bytes(out, 3, self.conn_info);
        bytes(out, 4, self.chan_info);
    }
}

impl ProtobufMessage for Publication<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        bytes(out, 4, self.data);
        if let Some(info) = &self.info {
            message(out, 5, info);
        }
        number(out, 6, self.offset);
        text_map(out, 7, self.tags);
        flag(out, 8, self.delta);
        signed(out, 9, self.time);
        text(out, 10, self.channel);
        text(out, 11, self.key);
        flag(out, 12, self.removed);
        zigzag(out, 13, self.score);
        text(out, 14, self.epoch);
        bytes(out, 15, self.prev_data);
        number(out, 16, self.version);
    }
}

impl ProtobufMessage for UnsubscribePush<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        number(out, 2, self.code.into());
        text(out, 3, self.reason);
    }
}

impl ProtobufMessage for SubscribePush<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        flag(out, 1, self.recoverable);
        text(out, 4, self.epoch);
        number(out, 5, self.offset);
        flag(out, 6, self.positioned);
        bytes(out, 7, self.data);
    }
}

impl ProtobufMessage for DisconnectPush<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        number(out, 1, self.code.into());
        text(out, 2, self.reason);
        flag(out, 3, self.reconnect);
    }
}

/// A connect result in the order of the push.
struct ConnectPush<'a>(&'a ConnectResult<'a>);

impl ProtobufMessage for ConnectPush<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        text(out, 1, self.0.client);
        text(out, 2, self.0.version);
        bytes(out, 3, self.0.data);
        map(out, 4, self.0.subs);
        flag(out, 5, self.0.expiry.expires);
        number(out, 6, self.0.expiry.ttl.into());
        write_connection(out, self.0);
    }
}

/// A connect result in the order of the reply.
struct ConnectReply<'a>(&'a ConnectResult<'a>);

impl ProtobufMessage for ConnectReply<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        text(out, 1, self.0.client);
        text(out, 2, self.0.version);
        flag(out, 3, self.0.expiry.expires);
        number(out, 4, self.0.expiry.ttl.into());
        bytes(out, 5, self.0.data);
        map(out, 6, self.0.subs);
        write_connection(out, self.0);
        signed(out, 12, self.0.flag);
    }
}

/// Writes the fields that have the same numbers in reply and push.
fn write_connection<S: Sink>(out: &mut S, result: &ConnectResult<'_>) {
    number(out, 7, result.ping.into());
    flag(out, 8, result.pong);
    text(out, 9, result.session);
    text(out, 10, result.node);
    signed(out, 11, result.time);
}

impl ProtobufMessage for SubscribeResult<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        flag(out, 1, self.expiry.expires);
        number(out, 2, self.expiry.ttl.into());
        flag(out, 3, self.recoverable);
        text(out, 6, self.epoch);
        list(out, 7, self.publications);
        flag(out, 8, self.recovered);
        number(out, 9, self.offset);
        flag(out, 10, self.positioned);
        bytes(out, 11, self.data);
        flag(out, 12, self.was_recovering);
        flag(out, 13, self.delta);
        signed(out, 14, self.id);
        signed(out, 15, self.subscription_type.into());
        signed(out, 16, self.phase.into());
        text(out, 17, self.cursor);
        list(out, 18, self.state);
        number(out, 19, self.publish_debounce.into());
    }
}

struct PresenceEntries<'a>(&'a [(&'a str, ClientInfo<'a>)]);

impl ProtobufMessage for PresenceEntries<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        map(out, 1, self.0);
    }
}

impl ProtobufMessage for PresenceStats {
    fn write<S: Sink>(&self, out: &mut S) {
        number(out, 1, self.num_clients.into());
        number(out, 2, self.num_users.into());
    }
}

impl ProtobufMessage for HistoryResult<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        list(out, 1, self.publications);
        text(out, 2, self.epoch);
        number(out, 3, self.offset);
    }
}

impl ProtobufMessage for SubRefreshResult<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        flag(out, 1, self.expiry.expires);
        number(out, 2, self.expiry.ttl.into());
        list(out, 3, self.items);
    }
}
