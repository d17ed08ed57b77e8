//! JSON of the admin pages. Times are in seconds.

use core::time::Duration;

use serde_json::{Value, json};
use stentor_core::delivery::{Depth, Drops};
use stentor_core::inspect::{
    CloseInfo, ClosedConnection, ConnectionInfo, ConnectionQuery, Lookup, WaitReason,
};
use stentor_core::tasks::{DeadLetter, TaskCounts};
use stentor_core::{ShardId, Timestamp};

use super::Answers;
use crate::inspect::AnswerBody;
use crate::live::SettingChange;

/// Returns the settings that have changed.
pub(super) fn reloaded(changes: &[SettingChange]) -> Value {
    let names = |is_live: bool| {
        let names = changes.iter().filter(|change| change.is_live == is_live);
        names.map(|change| &*change.setting).collect::<Vec<_>>()
    };
    json!({ "changed": names(true), "from_next_start": names(false) })
}

/// Merges the lists of all shards and returns the first connections.
pub(super) fn connections(answers: Answers, query: &ConnectionQuery) -> Value {
    let (mut matching, mut all) = (0, Vec::new());
    for (_, answer) in answers.received {
        if let AnswerBody::Connections(list) = answer.body {
            matching += list.matching;
            all.extend(list.connections);
        }
    }
    // The sort is stable, and shards answer in any order.
    all.sort_by_key(|one| (one.id.shard(), one.id.slot()));
    all.sort_by_key(|one| core::cmp::Reverse(query.order.key(one.waiting)));
    let listed: Vec<Value> = all.iter().take(query.most).map(open).collect();
    json!({
        "matching": matching,
        "connections": listed,
        "silent_shards": shards(&answers.silent),
    })
}

/// Merges the closed connections of all shards and returns the latest.
pub(super) fn closed(answers: Answers, limit: usize) -> Value {
    let mut all = Vec::new();
    for (_, answer) in answers.received {
        if let AnswerBody::Closed(closed) = answer.body {
            let with_age = |closed: ClosedConnection| (answer.now.since(closed.at), closed);
            all.extend(closed.into_iter().map(with_age));
        }
    }
    all.sort_by_key(|(age, closed)| (*age, closed.id.shard()));
    let listed = all
        .iter()
        .take(limit)
        .map(|(age, closed)| closed_connection(*age, closed));
    json!({
        "gone": listed.collect::<Vec<Value>>(),
        "silent_shards": shards(&answers.silent),
    })
}

/// Returns one connection with its tasks, which may outlive it.
pub(super) fn connection(now: Timestamp, lookup: &Lookup, tasks: TaskCounts) -> Value {
    let mut page = match lookup {
        Lookup::Here(info) => open(info),
        Lookup::Gone(closed) => closed_connection(now.since(closed.at), closed),
        // `Lookup` may get more variants.
        other => json!({ "stage": format!("{other:?}") }),
    };
    page["tasks"] = json!({
        "waiting": tasks.waiting,
        "delayed": tasks.delayed,
        "running": tasks.running,
    });
    page
}

pub(super) fn dead_letters(now: Timestamp, letters: &[DeadLetter], all: usize) -> Value {
    let listed = letters.iter().map(|letter| {
        json!({
            "id": letter.id,
            "connection": letter.conn.to_string(),
            "attempts": letter.attempts,
            "cause": letter.cause.label(),
            "seconds_ago": seconds(now.since(letter.at)),
        })
    });
    json!({ "kept": all, "dead_letters": listed.collect::<Vec<Value>>() })
}

pub(super) fn resubmitted(tasks: usize) -> Value {
    json!({ "resubmitted": tasks })
}

pub(super) fn discarded(tasks: usize) -> Value {
    json!({ "discarded": tasks })
}

fn open(info: &ConnectionInfo) -> Value {
    let priorities = info.priorities.iter().map(|(priority, depth)| {
        let mut value = self::depth(depth);
        value["priority"] = json!(priority);
        value
    });
    let mut queue = depth(&info.waiting);
    queue["priorities"] = priorities.collect();
    queue["control_frames"] = json!(info.control_frames);
    let subprotocol = info
        .subprotocol
        .as_ref()
        .map(|name| name.as_deref().unwrap_or(UNLISTED));
    json!({
        "id": info.id.to_string(),
        "peer": info.peer.map(|peer| peer.to_string()),
        "shard": info.id.shard().0,
        "stage": info.stage.label(),
        "open_seconds": info.open_for.map(seconds),
        "ending": info.ending.as_ref().map(ending),
        "subprotocol": subprotocol,
        "compressed": info.is_compressed,
        "rooms": rooms(&info.channels),
        "room_count": info.memberships,
        "queue": queue,
        "dropped": drops(&info.drops),
        "waits_for": info.awaits.iter().map(wait_reason).collect::<Vec<Value>>(),
        "not_read_because": info.pause.map(|pause| pause.label()),
        "held_back": { "bytes": info.held_back_bytes, "commands": info.held_back_commands },
        "silent_seconds": seconds(info.silent_for),
        "application": application(&info.application),
        "next_timer": info.timer.map(|(timer, left)| {
            json!({ "what": timer.label(), "in_seconds": seconds(left) })
        }),
    })
}

fn closed_connection(age: Duration, closed: &ClosedConnection) -> Value {
    json!({
        "id": closed.id.to_string(),
        "peer": closed.peer.map(|peer| peer.to_string()),
        "shard": closed.id.shard().0,
        "stage": "gone",
        "gone_seconds": seconds(age),
        "open_seconds": seconds(closed.open_for),
        "ending": ending(&closed.ending),
        "rooms": rooms(&closed.channels),
        "room_count": closed.memberships,
        "dropped": drops(&closed.drops),
    })
}

/// What the application says about a connection.
fn application(fields: &[(&'static str, String)]) -> Value {
    let fields = fields.iter();
    fields
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn ending(ending: &CloseInfo) -> Value {
    json!({
        "cause": ending.cause.label(),
        "code": ending.code.map(|code| code.get()),
        "error": ending.error.map(|error| error.label()),
    })
}

fn depth(depth: &Depth) -> Value {
    json!({
        "messages": depth.messages,
        "bytes": depth.bytes,
        "oldest_seconds": seconds(depth.oldest),
    })
}

fn drops(drops: &Drops) -> Value {
    json!({
        "refused": drops.refused,
        "evicted": drops.evicted,
        "expired": drops.expired,
        "conflated": drops.conflated,
        "shed": drops.shed,
        "discarded": drops.discarded,
    })
}

fn wait_reason(reason: &WaitReason) -> Value {
    json!({ "what": reason.label(), "text": reason.to_string() })
}

fn rooms(rooms: &[impl AsRef<[u8]>]) -> Vec<String> {
    let rooms = rooms
        .iter()
        .map(|room| String::from_utf8_lossy(room.as_ref()));
    rooms.map(|room| room.into_owned()).collect()
}

fn shards(shards: &[ShardId]) -> Vec<u16> {
    shards.iter().map(|shard| shard.0).collect()
}

fn seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e6
}

/// Shown for a subprotocol that the application chose and the settings do not list.
const UNLISTED: &str = "(unlisted)";
