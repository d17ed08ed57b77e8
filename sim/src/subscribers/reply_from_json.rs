//! Replies as clients read them from JSON. Whatever is not of the protocol, or not written as it says,
//! is a failure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::client_protocol::{
    ProtoClientInfo, ProtoConnectResult, ProtoData, ProtoDisconnectPush, ProtoEmpty, ProtoError,
    ProtoHistoryResult, ProtoInfo, ProtoPresence, ProtoPresenceStats, ProtoPublication, ProtoPush,
    ProtoRefreshResult, ProtoReply, ProtoSubRefreshResult, ProtoSubscribeResult,
    ProtoUnsubscribePush,
};

/// Reads a reply.
///
/// # Panics
/// If it is not written as the protocol says.
pub(super) fn reply_from_json(text: &str) -> ProtoReply {
    let value: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("a reply: {error}: {text}"));
    let reply = reply(&Object::of(&value));
    let again = reply.to_json();
    assert_eq!(
        again.as_ref(),
        Some(&value),
        "a reply and what is known of it"
    );
    reply
}

/// An object of which members are taken.
struct Object<'v>(&'v Map<String, Value>);

impl<'v> Object<'v> {
    fn of(value: &'v Value) -> Self {
        Self(value.as_object().expect("an object"))
    }

    fn text(&self, name: &str) -> String {
        let text = self
            .0
            .get(name)
            .map(|value| value.as_str().expect("a text"));
        text.unwrap_or_default().to_owned()
    }

    fn is(&self, name: &str) -> bool {
        self.0
            .get(name)
            .is_some_and(|value| value == &Value::Bool(true))
    }

    fn number(&self, name: &str) -> u64 {
        let number = self
            .0
            .get(name)
            .map(|value| value.as_u64().expect("a number"));
        number.unwrap_or_default()
    }

    fn small(&self, name: &str) -> u32 {
        self.number(name).try_into().expect("32 bits")
    }

    fn payload(&self, name: &str) -> Vec<u8> {
        self.0
            .get(name)
            .map(|value| value.to_string().into_bytes())
            .unwrap_or_default()
    }

    fn inner<T>(&self, name: &str, read: impl FnOnce(&Object<'_>) -> T) -> Option<T> {
        self.0.get(name).map(|value| read(&Object::of(value)))
    }

    fn list<T>(&self, name: &str, read: impl Fn(&Object<'_>) -> T) -> Vec<T> {
        let items = self
            .0
            .get(name)
            .map(|value| value.as_array().expect("an array"));
        let items = items.into_iter().flatten();
        items.map(|value| read(&Object::of(value))).collect()
    }

    fn map<T>(&self, name: &str, read: impl Fn(&Object<'_>) -> T) -> BTreeMap<String, T> {
        let members = self
            .0
            .get(name)
            .map(|value| value.as_object().expect("an object"));
        let members = members.into_iter().flatten();
        members
            .map(|(key, value)| (key.clone(), read(&Object::of(value))))
            .collect()
    }
}

fn reply(from: &Object<'_>) -> ProtoReply {
    let empty = |_: &Object<'_>| ProtoEmpty {};
    ProtoReply {
        id: from.small("id"),
        error: from.inner("error", |error| ProtoError {
            code: error.small("code"),
            message: error.text("message"),
            temporary: error.is("temporary"),
        }),
        push: from.inner("push", push),
        connect: from.inner("connect", connect),
        subscribe: from.inner("subscribe", subscribe),
        unsubscribe: from.inner("unsubscribe", empty),
        publish: from.inner("publish", empty),
        presence: from.inner("presence", |result| ProtoPresence {
            presence: result.map("presence", client_info),
        }),
        presence_stats: from.inner("presence_stats", |stats| ProtoPresenceStats {
            num_clients: stats.small("num_clients"),
            num_users: stats.small("num_users"),
        }),
        history: from.inner("history", |result| ProtoHistoryResult {
            publications: result.list("publications", publication),
            epoch: result.text("epoch"),
            offset: result.number("offset"),
        }),
        ping: from.inner("ping", empty),
        rpc: from.inner("rpc", data),
        refresh: from.inner("refresh", |result| ProtoRefreshResult {
            client: result.text("client"),
            version: result.text("version"),
            expires: result.is("expires"),
            ttl: result.small("ttl"),
        }),
        sub_refresh: from.inner("sub_refresh", |result| ProtoSubRefreshResult {
            expires: result.is("expires"),
            ttl: result.small("ttl"),
            items: Vec::new(),
        }),
    }
}

fn push(from: &Object<'_>) -> ProtoPush {
    ProtoPush {
        channel: from.text("channel"),
        r#pub: from.inner("pub", publication),
        join: from.inner("join", event),
        leave: from.inner("leave", event),
        unsubscribe: from.inner("unsubscribe", |push| ProtoUnsubscribePush {
            code: push.small("code"),
            reason: push.text("reason"),
        }),
        message: from.inner("message", data),
        disconnect: from.inner("disconnect", |push| ProtoDisconnectPush {
            code: push.small("code"),
            reason: push.text("reason"),
            reconnect: push.is("reconnect"),
        }),
        ..ProtoPush::default()
    }
}

fn data(from: &Object<'_>) -> ProtoData {
    ProtoData {
        data: from.payload("data"),
    }
}

fn event(from: &Object<'_>) -> ProtoInfo {
    ProtoInfo {
        info: from.inner("info", client_info),
    }
}

fn client_info(from: &Object<'_>) -> ProtoClientInfo {
    ProtoClientInfo {
        user: from.text("user"),
        client: from.text("client"),
        conn_info: from.payload("conn_info"),
        chan_info: from.payload("chan_info"),
    }
}

fn publication(from: &Object<'_>) -> ProtoPublication {
    ProtoPublication {
        data: from.payload("data"),
        info: from.inner("info", client_info),
        offset: from.number("offset"),
        epoch: from.text("epoch"),
        ..ProtoPublication::default()
    }
}

fn connect(from: &Object<'_>) -> ProtoConnectResult {
    ProtoConnectResult {
        client: from.text("client"),
        version: from.text("version"),
        expires: from.is("expires"),
        ttl: from.small("ttl"),
        data: from.payload("data"),
        subs: from.map("subs", subscribe),
        ping: from.small("ping"),
        pong: from.is("pong"),
        ..ProtoConnectResult::default()
    }
}

fn subscribe(from: &Object<'_>) -> ProtoSubscribeResult {
    ProtoSubscribeResult {
        expires: from.is("expires"),
        ttl: from.small("ttl"),
        recoverable: from.is("recoverable"),
        epoch: from.text("epoch"),
        publications: from.list("publications", publication),
        recovered: from.is("recovered"),
        offset: from.number("offset"),
        positioned: from.is("positioned"),
        data: from.payload("data"),
        was_recovering: from.is("was_recovering"),
        ..ProtoSubscribeResult::default()
    }
}
