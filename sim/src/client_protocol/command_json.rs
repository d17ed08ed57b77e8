//! JSON of commands, with and without the fields that are empty.

use serde_json::{Map, Value};

use super::commands::{
    ProtoChannel, ProtoCommand, ProtoConnect, ProtoFilter, ProtoHistory, ProtoPublish,
    ProtoSubRefresh, ProtoSubscribe,
};
use super::json_fields::{Fields, is_empty};

impl ProtoCommand {
    /// Returns the command in JSON without what is empty, or `None` if a payload is not JSON.
    pub fn to_json(&self) -> Option<Value> {
        self.json(false)
    }

    fn json(&self, keeps_empty: bool) -> Option<Value> {
        let mut fields = Fields::new(keeps_empty);
        fields.put("id", self.id);
        fields.message("connect", self.connect.as_ref(), connect);
        fields.message("subscribe", self.subscribe.as_ref(), subscribe);
        fields.message("unsubscribe", self.unsubscribe.as_ref(), channel);
        fields.message("publish", self.publish.as_ref(), publish);
        fields.message("presence", self.presence.as_ref(), channel);
        fields.message("presence_stats", self.presence_stats.as_ref(), channel);
        fields.message("history", self.history.as_ref(), history);
        fields.message("ping", self.ping.as_ref(), |_, _| {});
        fields.message("send", self.send.as_ref(), |fields, send| {
            fields.payload("data", &send.data);
        });
        fields.message("rpc", self.rpc.as_ref(), |fields, rpc| {
            fields.payload("data", &rpc.data);
            fields.put("method", rpc.method.as_str());
        });
        fields.message("refresh", self.refresh.as_ref(), |fields, refresh| {
            fields.put("token", refresh.token.as_str());
        });
        fields.message("sub_refresh", self.sub_refresh.as_ref(), sub_refresh);
        fields.finish()
    }
}

fn channel(fields: &mut Fields, request: &ProtoChannel) {
    fields.put("channel", request.channel.as_str());
}

fn connect(fields: &mut Fields, request: &ProtoConnect) {
    fields.put("token", request.token.as_str());
    fields.payload("data", &request.data);
    fields.map("subs", &request.subs, subscribe);
    fields.put("name", request.name.as_str());
    fields.put("version", request.version.as_str());
    fields.texts("headers", &request.headers);
    fields.put("flag", request.flag);
    fields.put("dict", request.dict.as_str());
    fields.put("profile", request.profile.as_str());
}

fn subscribe(fields: &mut Fields, request: &ProtoSubscribe) {
    fields.put("channel", request.channel.as_str());
    fields.put("token", request.token.as_str());
    fields.put("recover", request.recover);
    fields.put("epoch", request.epoch.as_str());
    fields.put("offset", request.offset);
    fields.payload("data", &request.data);
    fields.put("positioned", request.positioned);
    fields.put("recoverable", request.recoverable);
    fields.put("join_leave", request.join_leave);
    fields.put("delta", request.delta.as_str());
    fields.message("tf", request.tf.as_ref(), filter);
    fields.put("flag", request.flag);
    fields.put("type", request.r#type);
    fields.put("phase", request.phase);
    fields.put("cursor", request.cursor.as_str());
    fields.put("limit", request.limit);
    fields.put("asc", request.asc);
}

fn filter(fields: &mut Fields, node: &ProtoFilter) {
    fields.put("op", node.op.as_str());
    fields.put("key", node.key.as_str());
    fields.put("cmp", node.cmp.as_str());
    fields.put("val", node.val.as_str());
    fields.put("vals", node.vals.clone());
    fields.messages("nodes", &node.nodes, filter);
}

fn publish(fields: &mut Fields, request: &ProtoPublish) {
    fields.put("channel", request.channel.as_str());
    fields.payload("data", &request.data);
    fields.put("type", request.r#type);
    fields.put("key", request.key.as_str());
    fields.put("removed", request.removed);
}

fn history(fields: &mut Fields, request: &ProtoHistory) {
    fields.put("channel", request.channel.as_str());
    fields.put("limit", request.limit);
    fields.message("since", request.since.as_ref(), |fields, since| {
        fields.put("offset", since.offset);
        fields.put("epoch", since.epoch.as_str());
    });
    fields.put("reverse", request.reverse);
}

fn sub_refresh(fields: &mut Fields, request: &ProtoSubRefresh) {
    fields.put("channel", request.channel.as_str());
    fields.put("token", request.token.as_str());
    fields.put("type", request.r#type);
    fields.messages("track", &request.track, |fields, batch| {
        fields.put("signature", batch.signature.as_str());
        fields.messages("items", &batch.items, |fields, item| {
            fields.put("key", item.key.as_str());
            fields.put("version", item.version);
        });
    });
    fields.put("untrack", request.untrack.clone());
}

/// Returns whether a command says what this JSON says: each known member has its value, or is empty
/// in one if it is absent in the other.
pub fn is_command_of(command: &ProtoCommand, json: &Value) -> bool {
    let Some(full) = command.json(true) else {
        // Numbers and texts that `Value` cannot hold; the JSON has them, too.
        return false;
    };
    if command.id == 0 {
        // A pong, whatever else it holds, or a message.
        let has_no_id = json.get("id").is_none_or(is_empty);
        return has_no_id && matches(&full["send"], json.get("send"));
    }
    matches(&full, Some(json))
}

fn matches(ours: &Value, theirs: Option<&Value>) -> bool {
    match (ours, theirs) {
        (_, None | Some(Value::Null)) => is_empty(ours),
        (Value::Object(ours), Some(Value::Object(theirs))) => ours.iter().all(|(name, value)| {
            let there = theirs.get(name);
            // In a map any name is known.
            let is_map = name == "subs" || name == "headers";
            let same_len =
                |there: &Value| there.as_object().map(Map::len) == value.as_object().map(Map::len);
            matches(value, there)
                && (!is_map || there.is_none_or(|there| there.is_null() || same_len(there)))
        }),
        (Value::Array(ours), Some(Value::Array(theirs))) => {
            let mut pairs = ours.iter().zip(theirs);
            ours.len() == theirs.len() && pairs.all(|(ours, theirs)| matches(ours, Some(theirs)))
        }
        (_, Some(theirs)) => ours == theirs,
    }
}
