//! Encoding of replies and pushes as JSON. Which fields are written although they are empty is
//! decided here.

use alloc::vec::Vec;

use super::writer::ObjectWriter;
use crate::client_protocol::error::InvalidPayload;
use crate::client_protocol::publication::{ClientInfo, Publication};
use crate::client_protocol::push::{Push, PushEvent};
use crate::client_protocol::reply::Reply;
use crate::client_protocol::result::{CommandResult, ConnectResult, ExpiryInfo, SubscribeResult};

type Written = Result<(), InvalidPayload>;

/// Appends a reply.
///
/// # Errors
/// A payload is not JSON; then part of the reply is written.
pub(in crate::client_protocol) fn encode_reply(reply: &Reply<'_>, out: &mut Vec<u8>) -> Written {
    ObjectWriter::write(out, |object| match *reply {
        Reply::Ping => Ok(()),
        Reply::Push(ref push) => object.object("push", |object| write_push(object, push)),
        Reply::Result { id, ref result } => {
            object.number("id", id);
            write_result(object, result)
        }
        Reply::Error { id, error } => {
            object.number("id", id);
            object.object("error", |object| {
                object.number("code", error.code);
                object.text("message", error.message);
                object.flag("temporary", error.temporary);
                Ok(())
            })
        }
    })
}

/// Appends a push that is no part of a reply.
///
/// # Errors
/// A payload is not JSON; then part of the push is written.
pub(in crate::client_protocol) fn encode_push(push: &Push<'_>, out: &mut Vec<u8>) -> Written {
    ObjectWriter::write(out, |object| write_push(object, push))
}

/// Appends a push of a publication.
///
/// # Errors
/// A payload is not JSON; then part of the push is written.
pub(in crate::client_protocol) fn encode_publication(
    channel: &str,
    publication: &Publication<'_>,
    out: &mut Vec<u8>,
) -> Written {
    ObjectWriter::write(out, |object| {
        object.object("push", |object| {
            object.text("channel", channel);
            object.object("pub", |object| write_publication(object, publication))
        })
    })
}

fn write_push(object: &mut ObjectWriter<'_>, push: &Push<'_>) -> Written {
    object.number("id", push.id);
    object.text("channel", push.channel);
    match push.event {
        PushEvent::Publication(ref publication) => {
            object.object("pub", |object| write_publication(object, publication))
        }
        PushEvent::Join(ref info) => object.object("join", |object| write_info(object, info)),
        PushEvent::Leave(ref info) => object.object("leave", |object| write_info(object, info)),
        PushEvent::Unsubscribe(end) => object.object("unsubscribe", |object| {
            object.number("code", end.code);
            object.text("reason", end.reason);
            Ok(())
        }),
        PushEvent::Message(data) => object.object("message", |object| object.payload("data", data)),
        PushEvent::Subscribe(ref push) => object.object("subscribe", |object| {
            object.flag("recoverable", push.recoverable);
            object.text("epoch", push.epoch);
            object.number("offset", push.offset);
            object.flag("positioned", push.positioned);
            object.payload("data", push.data)
        }),
        PushEvent::Connect(ref result) => {
            object.object("connect", |object| write_connect(object, result))
        }
        PushEvent::Disconnect(end) => object.object("disconnect", |object| {
            object.number("code", end.code);
            object.text("reason", end.reason);
            object.flag("reconnect", end.reconnect);
            Ok(())
        }),
        PushEvent::Refresh(expiry) => object.object("refresh", |object| {
            write_expiry(object, expiry);
            Ok(())
        }),
    }
}

fn write_result(object: &mut ObjectWriter<'_>, result: &CommandResult<'_>) -> Written {
    match *result {
        CommandResult::Connect(ref result) => object.object("connect", |object| {
            write_connect(object, result)?;
            object.number("flag", result.flag);
            Ok(())
        }),
        CommandResult::Subscribe(ref result) => {
            object.object("subscribe", |object| write_subscribe(object, result))
        }
        CommandResult::Unsubscribe => object.object("unsubscribe", |_| Ok(())),
        CommandResult::Publish => object.object("publish", |_| Ok(())),
        CommandResult::Presence(clients) => object.object("presence", |object| {
            object.object("presence", |object| {
                for (client, info) in clients {
                    object.entry(client, |object| write_client(object, info))?;
                }
                Ok(())
            })
        }),
        CommandResult::PresenceStats(stats) => object.object("presence_stats", |object| {
            object.number_always("num_clients", stats.num_clients);
            object.number_always("num_users", stats.num_users);
            Ok(())
        }),
        CommandResult::History(result) => object.object("history", |object| {
            object.list_always("publications", result.publications, write_publication)?;
            object.text_always("epoch", result.epoch);
            object.number_always("offset", result.offset);
            Ok(())
        }),
        CommandResult::Ping => object.object("ping", |_| Ok(())),
        CommandResult::Rpc(data) => object.object("rpc", |object| object.payload("data", data)),
        CommandResult::Refresh(expiry) => object.object("refresh", |object| {
            write_expiry(object, expiry);
            Ok(())
        }),
        CommandResult::SubRefresh(result) => object.object("sub_refresh", |object| {
            write_expiry(object, result.expiry);
            object.list("items", result.items, write_publication)
        }),
    }
}

fn write_expiry(object: &mut ObjectWriter<'_>, expiry: ExpiryInfo) {
    object.flag("expires", expiry.expires);
    object.number("ttl", expiry.ttl);
}

fn write_connect(object: &mut ObjectWriter<'_>, result: &ConnectResult<'_>) -> Written {
    object.text("client", result.client);
    object.text("version", result.version);
    write_expiry(object, result.expiry);
    object.payload("data", result.data)?;
    if !result.subs.is_empty() {
        object.object("subs", |object| {
            for (channel, result) in result.subs {
                object.entry(channel, |object| write_subscribe(object, result))?;
            }
            Ok(())
        })?;
    }
    object.number("ping", result.ping);
    object.flag("pong", result.pong);
    object.text("session", result.session);
    object.text("node", result.node);
    object.number("time", result.time);
    Ok(())
}

fn write_subscribe(object: &mut ObjectWriter<'_>, result: &SubscribeResult<'_>) -> Written {
    write_expiry(object, result.expiry);
    object.flag("recoverable", result.recoverable);
    object.text("epoch", result.epoch);
    object.list("publications", result.publications, write_publication)?;
    object.flag("recovered", result.recovered);
    object.number("offset", result.offset);
    object.flag("positioned", result.positioned);
    object.payload("data", result.data)?;
    object.flag("was_recovering", result.was_recovering);
    object.flag("delta", result.delta);
    object.number("id", result.id);
    object.number("type", result.subscription_type);
    object.number("phase", result.phase);
    object.text("cursor", result.cursor);
    object.list("state", result.state, write_publication)?;
    object.number("publish_debounce", result.publish_debounce);
    Ok(())
}

fn write_publication(object: &mut ObjectWriter<'_>, publication: &Publication<'_>) -> Written {
    object.payload("data", publication.data)?;
    if let Some(info) = &publication.info {
        object.object("info", |object| write_client(object, info))?;
    }
    object.number("offset", publication.offset);
    if !publication.tags.is_empty() {
        object.object("tags", |object| {
            for (name, value) in publication.tags {
                object.text_entry(name, value);
            }
            Ok(())
        })?;
    }
    object.flag("delta", publication.delta);
    object.number("time", publication.time);
    object.text("channel", publication.channel);
    object.text("key", publication.key);
    object.flag("removed", publication.removed);
    object.number("score", publication.score);
    object.text("epoch", publication.epoch);
    object.payload("prev_data", publication.prev_data)?;
    object.number("version", publication.version);
    Ok(())
}

/// Writes what a join or leave has.
fn write_info(object: &mut ObjectWriter<'_>, info: &ClientInfo<'_>) -> Written {
    object.object("info", |object| write_client(object, info))
}

fn write_client(object: &mut ObjectWriter<'_>, info: &ClientInfo<'_>) -> Written {
    object.text_always("user", info.user);
    object.text_always("client", info.client);
    object.payload("conn_info", info.conn_info)?;
    object.payload("chan_info", info.chan_info)
}
