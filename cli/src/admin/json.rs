//! Owns how admin pages write down what the core says. Times are in seconds.

use core::time::Duration;

use serde_json::{Value, json};
use stentor_core::{
    CloseInfo, ClosedConnection, ConnectionInfo, ConnectionQuery, DeadLetter, Depth, Drops, Lookup,
    ShardId, TaskCounts, Timestamp, WaitReason,
};

use super::{AnswerBody, Answers};

/// The connections that all shards have named, the first of them.
pub(super) fn connections(answers: Answers, filter: &ConnectionQuery) -> Value {
    let (mut matching, mut all) = (0, Vec::new());
    for (_, answer) in answers.given {
        if let AnswerBody::Connections(overview) = answer.said {
            matching += overview.matching;
            all.extend(overview.connections);
        }
    }
    // Stable, and shards answer in any order.
    all.sort_by_key(|one| (one.id.shard(), one.id.slot()));
    all.sort_by_key(|one| core::cmp::Reverse(filter.order.key(one.waiting)));
    let listed: Vec<Value> = all.iter().take(filter.most).map(explanation).collect();
    json!({
        "matching": matching,
        "connections": listed,
        "silent_shards": shards(&answers.silent),
    })
}

/// The connections that have gone from all shards, the latest of them.
pub(super) fn gone(answers: Answers, most: usize) -> Value {
    let mut all = Vec::new();
    for (_, answer) in answers.given {
        if let AnswerBody::Gone(gone) = answer.said {
            let of = |gone: ClosedConnection| (answer.now.since(gone.at), gone);
            all.extend(gone.into_iter().map(of));
        }
    }
    all.sort_by_key(|(ago, gone)| (*ago, gone.id.shard()));
    let listed = all
        .iter()
        .take(most)
        .map(|(ago, gone)| departure(*ago, gone));
    json!({
        "gone": listed.collect::<Vec<Value>>(),
        "silent_shards": shards(&answers.silent),
    })
}

/// One connection, with its tasks, which may outlive it.
pub(super) fn explained(now: Timestamp, explained: &Lookup, tasks: TaskCounts) -> Value {
    let mut page = match explained {
        Lookup::Here(here) => explanation(here),
        Lookup::Gone(gone) => departure(now.since(gone.at), gone),
        // One that this crate does not know yet.
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

fn explanation(of: &ConnectionInfo) -> Value {
    let priorities = of.priorities.iter().map(|(priority, depth)| {
        let mut value = self::depth(depth);
        value["priority"] = json!(priority);
        value
    });
    let mut queue = depth(&of.waiting);
    queue["priorities"] = priorities.collect();
    queue["control_frames"] = json!(of.control_frames);
    let subprotocol = of
        .subprotocol
        .as_ref()
        .map(|name| name.as_deref().unwrap_or(UNLISTED));
    json!({
        "id": of.id.to_string(),
        "shard": of.id.shard().0,
        "stage": of.stage.label(),
        "open_seconds": of.open_for.map(seconds),
        "ending": of.ending.as_ref().map(ending),
        "subprotocol": subprotocol,
        "compressed": of.is_compressed,
        "rooms": rooms(&of.rooms),
        "room_count": of.memberships,
        "queue": queue,
        "dropped": drops(&of.drops),
        "waits_for": of.awaits.iter().map(awaited).collect::<Vec<Value>>(),
        "not_read_because": of.pause.map(|pause| pause.label()),
        "held_back": { "bytes": of.held_back_bytes, "commands": of.held_back_commands },
        "silent_seconds": seconds(of.silent_for),
        "next_timer": of.timer.map(|(timer, left)| {
            json!({ "what": timer.label(), "in_seconds": seconds(left) })
        }),
    })
}

fn departure(ago: Duration, gone: &ClosedConnection) -> Value {
    json!({
        "id": gone.id.to_string(),
        "shard": gone.id.shard().0,
        "stage": "gone",
        "gone_seconds": seconds(ago),
        "open_seconds": seconds(gone.open_for),
        "ending": ending(&gone.ending),
        "rooms": rooms(&gone.rooms),
        "room_count": gone.memberships,
        "dropped": drops(&gone.drops),
    })
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

fn awaited(awaited: &WaitReason) -> Value {
    json!({ "what": awaited.label(), "text": awaited.to_string() })
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

/// Stands for a subprotocol that the application chose and the settings do not list.
const UNLISTED: &str = "(unlisted)";
