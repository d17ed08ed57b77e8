//! JSON of replies. Which fields are written although they are empty is said here a second time.

use serde_json::Value;

use super::json_fields::Fields;
use super::replies::{
    ProtoClientInfo, ProtoConnectPush, ProtoConnectResult, ProtoData, ProtoInfo, ProtoPublication,
    ProtoPush, ProtoReply, ProtoSubscribeResult,
};

impl ProtoReply {
    /// Returns the reply in JSON, or `None` if a payload is not JSON.
    pub fn to_json(&self) -> Option<Value> {
        let mut fields = Fields::new(false);
        fields.put("id", self.id);
        fields.message("error", self.error.as_ref(), |fields, error| {
            fields.put("code", error.code);
            fields.put("message", error.message.as_str());
            fields.put("temporary", error.temporary);
        });
        fields.message("push", self.push.as_ref(), push);
        fields.message("connect", self.connect.as_ref(), connect);
        fields.message("subscribe", self.subscribe.as_ref(), subscribe);
        fields.message("unsubscribe", self.unsubscribe.as_ref(), |_, _| {});
        fields.message("publish", self.publish.as_ref(), |_, _| {});
        fields.message("presence", self.presence.as_ref(), |fields, result| {
            fields.map_always("presence", &result.presence, client_info);
        });
        fields.message(
            "presence_stats",
            self.presence_stats.as_ref(),
            |fields, stats| {
                fields.always("num_clients", stats.num_clients);
                fields.always("num_users", stats.num_users);
            },
        );
        fields.message("history", self.history.as_ref(), |fields, result| {
            fields.messages_always("publications", &result.publications, publication);
            fields.always("epoch", result.epoch.as_str());
            fields.always("offset", result.offset);
        });
        fields.message("ping", self.ping.as_ref(), |_, _| {});
        fields.message("rpc", self.rpc.as_ref(), data);
        fields.message("refresh", self.refresh.as_ref(), |fields, result| {
            fields.put("client", result.client.as_str());
            fields.put("version", result.version.as_str());
            fields.put("expires", result.expires);
            fields.put("ttl", result.ttl);
        });
        fields.message(
            "sub_refresh",
            self.sub_refresh.as_ref(),
            |fields, result| {
                fields.put("expires", result.expires);
                fields.put("ttl", result.ttl);
                fields.messages("items", &result.items, publication);
            },
        );
        fields.finish()
    }
}

fn push(fields: &mut Fields, push: &ProtoPush) {
    fields.put("id", push.id);
    fields.put("channel", push.channel.as_str());
    fields.message("pub", push.r#pub.as_ref(), publication);
    fields.message("join", push.join.as_ref(), info);
    fields.message("leave", push.leave.as_ref(), info);
    fields.message("unsubscribe", push.unsubscribe.as_ref(), |fields, push| {
        fields.put("code", push.code);
        fields.put("reason", push.reason.as_str());
    });
    fields.message("message", push.message.as_ref(), data);
    fields.message("subscribe", push.subscribe.as_ref(), |fields, push| {
        fields.put("recoverable", push.recoverable);
        fields.put("epoch", push.epoch.as_str());
        fields.put("offset", push.offset);
        fields.put("positioned", push.positioned);
        fields.payload("data", &push.data);
    });
    fields.message("connect", push.connect.as_ref(), connect_push);
    fields.message("disconnect", push.disconnect.as_ref(), |fields, push| {
        fields.put("code", push.code);
        fields.put("reason", push.reason.as_str());
        fields.put("reconnect", push.reconnect);
    });
    fields.message("refresh", push.refresh.as_ref(), |fields, push| {
        fields.put("expires", push.expires);
        fields.put("ttl", push.ttl);
    });
}

fn data(fields: &mut Fields, message: &ProtoData) {
    fields.payload("data", &message.data);
}

fn info(fields: &mut Fields, event: &ProtoInfo) {
    fields.message("info", event.info.as_ref(), client_info);
}

fn client_info(fields: &mut Fields, info: &ProtoClientInfo) {
    fields.always("user", info.user.as_str());
    fields.always("client", info.client.as_str());
    fields.payload("conn_info", &info.conn_info);
    fields.payload("chan_info", &info.chan_info);
}

fn publication(fields: &mut Fields, publication: &ProtoPublication) {
    fields.payload("data", &publication.data);
    fields.message("info", publication.info.as_ref(), client_info);
    fields.put("offset", publication.offset);
    fields.texts("tags", &publication.tags);
    fields.put("delta", publication.delta);
    fields.put("time", publication.time);
    fields.put("channel", publication.channel.as_str());
    fields.put("key", publication.key.as_str());
    fields.put("removed", publication.removed);
    fields.put("score", publication.score);
    fields.put("epoch", publication.epoch.as_str());
    fields.payload("prev_data", &publication.prev_data);
    fields.put("version", publication.version);
}

fn connect(fields: &mut Fields, result: &ProtoConnectResult) {
    fields.put("client", result.client.as_str());
    fields.put("version", result.version.as_str());
    fields.put("expires", result.expires);
    fields.put("ttl", result.ttl);
    fields.payload("data", &result.data);
    fields.map("subs", &result.subs, subscribe);
    fields.put("ping", result.ping);
    fields.put("pong", result.pong);
    fields.put("session", result.session.as_str());
    fields.put("node", result.node.as_str());
    fields.put("time", result.time);
    fields.put("flag", result.flag);
}

fn connect_push(fields: &mut Fields, push: &ProtoConnectPush) {
    fields.put("client", push.client.as_str());
    fields.put("version", push.version.as_str());
    fields.payload("data", &push.data);
    fields.map("subs", &push.subs, subscribe);
    fields.put("expires", push.expires);
    fields.put("ttl", push.ttl);
    fields.put("ping", push.ping);
    fields.put("pong", push.pong);
    fields.put("session", push.session.as_str());
    fields.put("node", push.node.as_str());
    fields.put("time", push.time);
}

fn subscribe(fields: &mut Fields, result: &ProtoSubscribeResult) {
    fields.put("expires", result.expires);
    fields.put("ttl", result.ttl);
    fields.put("recoverable", result.recoverable);
    fields.put("epoch", result.epoch.as_str());
    fields.messages("publications", &result.publications, publication);
    fields.put("recovered", result.recovered);
    fields.put("offset", result.offset);
    fields.put("positioned", result.positioned);
    fields.payload("data", &result.data);
    fields.put("was_recovering", result.was_recovering);
    fields.put("delta", result.delta);
    fields.put("id", result.id);
    fields.put("type", result.r#type);
    fields.put("phase", result.phase);
    fields.put("cursor", result.cursor.as_str());
    fields.messages("state", &result.state, publication);
    fields.put("publish_debounce", result.publish_debounce);
}
