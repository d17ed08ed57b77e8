//! What a shard charges to its memory budget beside what it has allocated, under loads of every
//! kind, and that both go back once a peak is over.

use stentor_core::config::ConfigBuilder;
use stentor_core::shard::Admission;
use stentor_core::testing::wire::Opcode;
use stentor_core::{CloseCode, ConnId};
use stentor_sim::simulator::{REQUEST, masked};

use crate::metered::*;

fn wide(config: ConfigBuilder) -> ConfigBuilder {
    config.queue_messages(1 << 20).queue_bytes(1 << 30)
}

#[test]
fn connections_that_idle() {
    let mut server = MeteredServer::new(1, |config| config);
    server.assert_charged("none");
    for _ in 0..5_000 {
        server.connect(0);
    }
    server.assert_charged("5,000");
}

#[test]
fn rooms_many_of_them_and_many_for_each() {
    for shards in [1, 3] {
        let mut server = MeteredServer::new(shards, |config| config.channels_per_connection(1_000));
        let ids: Vec<_> = (0..60)
            .map(|n| server.connect(n % usize::from(shards)))
            .collect();
        for (n, &id) in ids.iter().enumerate() {
            for room in 0..500 {
                server.say(id, &format!("+room {n} {room} with a long name of its own"));
            }
        }
        server.assert_charged("rooms of their own");
        for &id in &ids {
            for room in 0..300 {
                server.say(id, &format!("+all {room}"));
            }
        }
        server.assert_charged("rooms that they share");
        for &id in &ids[..30] {
            server.leave(id);
        }
        server.assert_charged("half of them have gone");
    }
}

#[test]
fn queues_of_those_who_take_nothing() {
    for (what, len) in [("short", 40), ("middling", 3_000), ("long", 20_000)] {
        let mut server = MeteredServer::new(1, wide);
        let ids: Vec<_> = (0..50).map(|_| server.connect(0)).collect();
        for &id in &ids {
            server.say(id, "+r");
            server.stick(id);
        }
        let text = "x".repeat(len);
        for n in 0..1_000 {
            server.say(ids[n % 50], &format!("r#:{text}"));
        }
        server.assert_charged(&format!("{what} messages to all"));
        for n in 0..2_000 {
            server.say(ids[n % 50], &format!("={text}"));
        }
        server.assert_charged(&format!("{what} messages to each"));
    }
}

#[test]
fn messages_with_keys() {
    let mut server = MeteredServer::new(1, wide);
    let ids: Vec<_> = (0..20).map(|_| server.connect(0)).collect();
    for &id in &ids {
        server.say(id, "+r");
        server.stick(id);
    }
    for n in 0..10_000 {
        server.say(ids[n % 20], &format!("r#{n}:x"));
    }
    server.assert_charged("10,000 keys for each of 20");
}

#[test]
fn what_has_not_come_to_its_end() {
    let mut server = MeteredServer::new(1, |config| config);
    for n in 0..1_000 {
        let id = server.shards[0].accept(server.now, Admission::Normal);
        server.receive(id, &REQUEST[..REQUEST.len() - 1 - n % 40]);
    }
    server.assert_charged("half of a head each");
    let bytes = masked(Opcode::Binary, true, [1; 4], &[7; 10_000]);
    for n in 0..1_000 {
        let id = server.connect(0);
        server.receive(id, &bytes[..1_000 + n * 8]);
    }
    server.assert_charged("a part of a message each");
    for n in 0..1_000 {
        let id = server.connect(0);
        server.receive(id, &bytes[..1 + n % 7]);
    }
    server.assert_charged("a part of a header each");
}

#[cfg(feature = "deflate")]
#[test]
fn contexts_of_compression() {
    let mut server = MeteredServer::new(1, |config| {
        config.compression(true).compression_contexts(1 << 30)
    });
    let head = str::from_utf8(REQUEST).expect("text");
    let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let head = head.replace("\r\n\r\n", offer);
    for _ in 0..100 {
        let id = server.shards[0].accept(server.now, Admission::Normal);
        server.receive(id, head.as_bytes());
        server.say(id, &format!("={}", "compress me ".repeat(100)));
    }
    assert!(server.shards[0].stats().deflate.context_bytes > 0);
    server.assert_charged("100 contexts");
}

#[test]
fn commands_that_wait_and_mail_between_shards() {
    let mut server = MeteredServer::new(2, |config| config.credit_messages(256));
    // Rooms that have their home on the other shard, for either.
    let ids: Vec<_> = (0..40).map(|n| server.connect(n % 2)).collect();
    for &id in &ids {
        server.say(id, "+far");
    }
    server.deaf = true;
    let text = "x".repeat(500);
    for &id in &ids {
        server.say(id, &format!("!{text}"));
    }
    let waiting = server
        .shards
        .iter()
        .map(|shard| shard.stats().waiting.credit);
    assert!(waiting.sum::<u64>() > 0);
    let in_mail = server.mail.len();
    assert!(in_mail >= 256, "{in_mail} messages");
    server.assert_charged("commands that wait for credit, and messages");
    server.deaf = false;
    server.carry();
    server.carry();
    for shard in 0..2 {
        server.turn(shard);
    }
    server.carry();
    server.assert_charged("after that");
}

#[test]
fn connections_that_have_gone() {
    let mut server = MeteredServer::new(1, |config| config.gone_connections(2_000));
    for n in 0..5_000 {
        let id = server.connect(0);
        for room in 0..5 {
            server.say(id, &format!("+a room with a longish name, {room} of {n}"));
        }
        server.leave(id);
    }
    server.assert_charged("2,000 that have gone");
}

/// What is allocated after a peak, beside before: next to nothing.
#[test]
fn after_a_peak_it_is_as_before() {
    const CONNECTIONS: usize = 20_000;
    const ROOMS: usize = 100_000;
    const MESSAGES: usize = 1_000_000;
    let mut server = MeteredServer::new(1, |config| wide(config).gone_connections(16));
    let warm_up = |server: &mut MeteredServer| {
        let id = server.connect(0);
        server.say(id, "+r");
        server.say(id, "r#:hello");
        server.leave(id);
        server.pass(2);
    };
    for _ in 0..20 {
        warm_up(&mut server);
    }
    let before = server.memory();
    let ids: Vec<_> = aside(|| Vec::with_capacity(CONNECTIONS));
    let mut ids = ids;
    for n in 0..CONNECTIONS {
        let id = server.connect(0);
        ids.push(id);
        // A table is as long as its last place that is taken, so this room is to have the first.
        if n < 1_000 {
            server.say(id, "+all");
        }
        for room in 0..ROOMS / CONNECTIONS {
            server.say(id, &format!("+room {n} {room}"));
        }
    }
    for &id in ids.iter().take(1_000) {
        server.stick(id);
    }
    for (n, &id) in ids.iter().enumerate().take(MESSAGES / 1_000) {
        let key = if n % 2 == 0 {
            String::new()
        } else {
            n.to_string()
        };
        server.say(id, &format!("all#{key}:a message of some length or other"));
    }
    let at_peak = server.memory();
    let stats = server.shards[0].stats();
    assert_eq!(stats.delivery.waiting, MESSAGES as u64);
    assert!(stats.channels.count > ROOMS as u64);
    assert!(at_peak.0 > before.0 + (30 << 20) && at_peak.1 > before.1 + (30 << 20));
    server.assert_charged("at its peak");

    // Messages first, then rooms, then connections; each gives back what is its own.
    server.unstick();
    server.pass(5);
    let without_messages = server.memory();
    assert_eq!(server.shards[0].stats().delivery.waiting, 0);
    server.assert_charged("without messages");
    for (n, &id) in ids.iter().enumerate() {
        for room in 0..ROOMS / CONNECTIONS {
            server.say(id, &format!("-room {n} {room}"));
        }
    }
    server.pass(5);
    let without_rooms = server.memory();
    server.assert_charged("without rooms");
    for &id in &ids[1..] {
        server.leave(id);
    }
    server.pass(5);
    server.assert_charged("with one connection");
    let with_one = server.memory();
    server.leave(ids[0]);
    let after = server.memory();
    println!(
        "{before:?}, {at_peak:?}, {without_messages:?}, {without_rooms:?}, {with_one:?}, {after:?}"
    );
    let falls = [at_peak, without_messages, without_rooms, with_one];
    for pair in falls.windows(2) {
        assert!(pair[1].0 < pair[0].0 && pair[1].1 < pair[0].1, "{falls:?}");
    }
    for (after, before) in [(after.0, before.0), (after.1, before.1)] {
        assert!(
            after <= before + before / 10,
            "{after} bytes, {before} before"
        );
    }
    for (with_one, before) in [(with_one.0, before.0), (with_one.1, before.1)] {
        assert!(
            with_one <= before + (64 << 10),
            "{with_one} bytes, {before} before"
        );
    }
    // Names are not given out again.
    let again = server.connect(0);
    assert!(!ids.contains(&again), "{again}");
    server.shards[0].handle_close_all(server.now, CloseCode::NORMAL);
    server.turn(0);
    server.shards[0].audit();
}

/// The least there may be for a shard, and who may come in has come.
fn short(shards: u16) -> (MeteredServer, ConnId, ConnId) {
    let mut server = MeteredServer::new(shards, |config| {
        let config = config.memory_budget(usize::from(shards) << 20);
        config.channels_per_connection(1_024).credit_messages(16)
    });
    let (greedy, other) = (server.connect(0), server.connect(0));
    server.say(other, "+r");
    server.watched = Some(greedy);
    (server, greedy, other)
}

#[test]
fn whoever_wants_more_rooms_than_there_is_memory_for_is_told_and_nobody_else() {
    let (mut server, first, other) = short(1);
    let greedy: Vec<_> = [first]
        .into_iter()
        .chain((0..20).map(|_| server.connect(0)))
        .collect();
    let name = |n: usize, room: usize| format!("room {n} {room} {}", "x".repeat(100));
    let refused = |server: &MeteredServer| server.shards[0].stats().channels.joins_refused_memory;
    let mut rooms = 0;
    'full: for (n, &id) in greedy.iter().enumerate() {
        server.watched = Some(id);
        for room in 0..1_000 {
            server.say(id, &format!("+{}", name(n, room)));
            assert!(server.memory().0 <= 1 << 20);
            if refused(&server) > 0 {
                break 'full;
            }
            rooms += 1;
        }
    }
    assert!(rooms > 1_000, "there was room for {rooms} only");
    assert!(server.heard.ends_with(b"refused"), "{:?}", server.heard);
    assert_eq!(server.shards[0].stats().channels.count, rooms + 1);
    // A room that is there already costs next to nothing, and others go on.
    let last = server.watched.expect("somebody");
    server.say(last, "+r");
    server.watched = Some(other);
    server.say(last, "r#:hello");
    assert!(server.heard.ends_with(b"hello"));
    assert_eq!(refused(&server), 1);
    // Once others have left, there is room again.
    for &id in &greedy[..2] {
        server.leave(id);
    }
    server.pass(3);
    let members = |server: &MeteredServer| server.shards[0].stats().channels.members;
    let before = members(&server);
    server.say(other, "+another");
    assert_eq!((refused(&server), members(&server)), (1, before + 1));
}

#[test]
fn whoever_has_more_commands_waiting_than_there_is_memory_for_is_closed_and_nobody_else() {
    let (mut server, greedy, other) = short(2);
    let far = server.connect(1);
    server.say(far, "+far");
    let more = server.connect(0);
    server.deaf = true;
    server.say(greedy, &format!("!{}", "x".repeat(200)));
    let closed = |server: &MeteredServer| {
        let stats = server.shards[0].stats();
        stats.closed[stentor_core::CloseCause::Memory as usize]
    };
    assert_eq!(server.shards[0].stats().waiting.credit, 1);
    assert_eq!(closed(&server), 0, "there is memory for so many");
    let before = server.memory().0;
    server.watched = Some(more);
    server.say(more, &format!("!{}", "x".repeat(700)));
    assert_eq!(closed(&server), 1);
    let code = CloseCode::TRY_LATER.get().to_be_bytes();
    assert!(
        server.heard.windows(2).any(|two| two == code),
        "{:?}",
        server.heard
    );
    let after = server.memory().0;
    assert!(
        after <= before + (100 << 10),
        "{before} before, {after} after"
    );
    server.watched = Some(other);
    server.say(other, "=still here");
    assert!(server.heard.ends_with(b"still here"));
    assert_eq!(
        server.shards[0].stats().waiting.credit,
        1,
        "the first waits on"
    );
}
