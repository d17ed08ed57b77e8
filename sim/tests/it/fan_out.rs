//! Publications to a channel with more members than one slice: they yield to what is
//! urgent, and lose nothing of what a publication promises.

mod model;

use std::collections::{HashMap, HashSet};

use stentor_core::config::ConfigBuilder;
use stentor_core::delivery::Chunks;
use stentor_core::shard::{Admission, Reason};
use stentor_core::testing::wire::Opcode;
use stentor_core::{
    CloseCause, CloseCode, Config, ConnId, Handler, Output, Shard, ShardId, Timestamp,
};
use stentor_sim::Rooms;
use stentor_sim::simulator::{REQUEST, masked};

const NOW: Timestamp = Timestamp::from_micros(1);

fn read<H: Handler>(shard: &mut Shard<H>, id: ConnId, bytes: &[u8]) {
    shard.read_buffer()[..bytes.len()].copy_from_slice(bytes);
    shard.handle_read(NOW, id, bytes.len());
}

fn text(payload: &str) -> Vec<u8> {
    masked(Opcode::Text, true, [1, 2, 3, 4], payload.as_bytes())
}

fn write<H: Handler>(shard: &mut Shard<H>, id: ConnId) -> Vec<u8> {
    let mut chunks = Chunks::new();
    shard.poll_transmit(id, &mut chunks);
    let bytes = chunks.as_slices().concat();
    drop(chunks);
    shard.handle_transmitted(NOW, id, bytes.len());
    bytes
}

/// Whether the shard has more to do in another turn, which begins.
fn begin_turn<H: Handler>(shard: &mut Shard<H>) -> bool {
    let more = matches!(shard.poll_timeout(), Some((_, Reason::Turn)));
    if more {
        shard.handle_timeout(NOW);
    }
    more
}

/// Writes until nothing is left, in as many turns as that takes.
fn settle<H: Handler>(shard: &mut Shard<H>) -> Vec<(ConnId, Vec<u8>)> {
    let mut written = Vec::new();
    loop {
        while let Some(output) = shard.poll_output().work() {
            if let Output::Flush(id) = output {
                written.push((id, write(shard, id)));
            }
        }
        if !begin_turn(shard) {
            return written;
        }
    }
}

/// A shard of the server's own application, with so many members of one room.
fn hall(config: ConfigBuilder, members: usize) -> (Shard<Rooms>, Vec<ConnId>) {
    let config = config.build().expect("in range");
    let mut shard = Shard::new(ShardId(0), &config, Rooms::default());
    let ids = (0..members).map(|_| {
        let id = shard.accept(NOW, Admission::Normal);
        read(&mut shard, id, REQUEST);
        read(&mut shard, id, &text("join:hall"));
        settle(&mut shard);
        id
    });
    let ids = ids.collect();
    (shard, ids)
}

#[test]
fn what_is_urgent_waits_for_no_more_than_a_slice() {
    const MEMBERS: usize = 50_000;
    const SLICE: u64 = 100;
    let (mut shard, ids) = hall(Config::builder().fan_out_slice(SLICE as usize), MEMBERS);
    let other = shard.accept(NOW, Admission::Normal);
    read(&mut shard, other, REQUEST);
    settle(&mut shard);
    let offered = |shard: &Shard<Rooms>| shard.stats().delivery.offered;
    let begin = offered(&shard);
    read(&mut shard, ids[0], &text("msg:to all"));
    assert!(offered(&shard) - begin <= SLICE, "the whole of it at once");
    let (mut turns, mut told, mut answers) = (0, 0, 0);
    loop {
        turns += 1;
        let before = offered(&shard);
        // It asks in the midst of each turn.
        for _ in 0..10 {
            match shard.poll_output().work() {
                Some(Output::Flush(id)) => told += usize::from(!write(&mut shard, id).is_empty()),
                Some(_) => {}
                None => break,
            }
        }
        read(&mut shard, other, &text("leave:"));
        // Every sixteenth write is for who would have to wait longer.
        let answer = (0..2).find_map(|_| {
            let outputs = std::iter::from_fn(|| shard.poll_output().work());
            let flush = { outputs }.find_map(|output| match output {
                Output::Flush(id) => Some(id),
                _ => None,
            });
            let bytes = write(&mut shard, flush?);
            told += usize::from(flush != Some(other));
            (flush == Some(other)).then_some(bytes)
        });
        let answer = answer.expect("before what else waits");
        assert!(answer.ends_with(b"error:no_room"), "{answer:?}");
        answers += 1;
        assert!(offered(&shard) - before <= SLICE + 1, "more than a slice");
        while let Some(output) = shard.poll_output().work() {
            if let Output::Flush(id) = output {
                told += usize::from(!write(&mut shard, id).is_empty());
            }
        }
        if !begin_turn(&mut shard) {
            break;
        }
    }
    assert_eq!((told, answers), (MEMBERS, turns));
    assert_eq!(turns as u64, MEMBERS as u64 / SLICE);
    let stats = shard.stats();
    assert_eq!(stats.channels.slices, MEMBERS as u64 / SLICE);
    assert_eq!(stats.channels.unfinished, 0);
    assert!(shard.is_quiet());
}

#[test]
fn a_small_room_does_not_wait_for_a_large_one_and_two_large_ones_take_turns() {
    let (mut shard, ids) = hall(Config::builder().fan_out_slice(4), 40);
    for &id in &ids[20..] {
        read(&mut shard, id, &text("join:other"));
    }
    let small = [(); 3].map(|()| {
        let id = shard.accept(NOW, Admission::Normal);
        read(&mut shard, id, REQUEST);
        read(&mut shard, id, &text("join:small"));
        id
    });
    settle(&mut shard);
    read(&mut shard, ids[0], &text("msg:hall"));
    read(&mut shard, ids[39], &text("msg:other"));
    let mut order = String::new();
    for turn in 0.. {
        if turn == 3 {
            read(&mut shard, small[0], &text("msg:small"));
            assert_eq!(shard.stats().delivery.waiting, 3, "at once");
        }
        while let Some(output) = shard.poll_output().work() {
            let Output::Flush(id) = output else { continue };
            let bytes = write(&mut shard, id);
            order.push(char::from(bytes[2]));
            shard.audit();
        }
        if !begin_turn(&mut shard) {
            break;
        }
    }
    assert_eq!(order, "hhhhoooohhhhsssoooohhhhoooohhhhoooohhhhoooo");
}

/// The edge of the setting: as many members as it says are served at once.
#[test]
fn a_slice_is_as_many_members_as_the_setting_says() {
    for (members, slices) in [(8, 0), (9, 2), (16, 2), (17, 3)] {
        let (mut shard, ids) = hall(Config::builder().fan_out_slice(8), members);
        read(&mut shard, ids[0], &text("msg?:x"));
        settle(&mut shard);
        let stats = shard.stats();
        assert_eq!(stats.channels.slices, slices, "{members}");
        let before = shard.stats().delivery.offered;
        read(&mut shard, ids[1], &text("msg:y"));
        let now = shard.stats().delivery.offered - before;
        assert_eq!(now, if slices == 0 { members as u64 } else { 0 });
        settle(&mut shard);
    }
}

#[test]
fn publishers_wait_while_as_many_are_unfinished_as_may_be() {
    let config = || Config::builder().fan_out_slice(2).credit_messages(3);
    let (mut shard, ids) = hall(config(), 20);
    let said: Vec<u8> = (0..8).flat_map(|n| text(&format!("msg:{n}"))).collect();
    read(&mut shard, ids[5], &said);
    let mut pauses = 0;
    let mut heard: HashMap<ConnId, Vec<u8>> = HashMap::new();
    loop {
        assert!(shard.stats().channels.unfinished <= 3);
        while let Some(output) = shard.poll_output().work() {
            match output {
                Output::StopReading(id) => pauses += usize::from(id == ids[5]),
                Output::Flush(id) => {
                    let bytes = write(&mut shard, id);
                    heard.entry(id).or_default().extend(bytes);
                }
                _ => {}
            }
            shard.audit();
        }
        if !begin_turn(&mut shard) {
            break;
        }
    }
    assert!(pauses > 0, "its publisher is read all the same");
    let words: Vec<u8> = (b'0'..b'8').flat_map(|n| [0x81, 1, n]).collect();
    assert_eq!(heard.len(), 20);
    assert!(heard.values().all(|heard| *heard == words));
    assert!(shard.stats().channels.credit_waits > 0);
}

#[test]
fn what_is_unfinished_is_charged() {
    let (mut shard, ids) = hall(Config::builder().fan_out_slice(2), 20);
    let charged = |shard: &Shard<Rooms>| shard.stats().links.charged_bytes;
    let before = charged(&shard);
    read(
        &mut shard,
        ids[0],
        &text(&format!("msg:{}", "x".repeat(50_000))),
    );
    assert_eq!(shard.stats().channels.unfinished, 1);
    assert!(charged(&shard) >= before + 50_000);
    settle(&mut shard);
    assert!(charged(&shard) < before + 50_000);
}

/// Everyone is told goodbye, a few a turn; what is urgent goes on between them.
#[test]
fn closing_everyone_yields_and_says_goodbye_to_everyone_once() {
    const MEMBERS: usize = 5_000;
    const SLICE: usize = 100;
    let (mut shard, ids) = hall(Config::builder().fan_out_slice(SLICE), MEMBERS);
    let last = ids[MEMBERS - 1];
    shard.handle_close_all(NOW, CloseCode::GOING_AWAY);
    let closes = |shard: &Shard<Rooms>| shard.stats().sent.closes as usize;
    assert!(closes(&shard) <= SLICE, "all of them at once");
    // Who has not had its turn is served until then.
    read(&mut shard, last, &text("leave:"));
    let (mut told, mut turns, mut answered) = (0, 0, false);
    loop {
        let before = closes(&shard);
        while let Some(output) = shard.poll_output().work() {
            if let Output::Flush(id) = output {
                let bytes = write(&mut shard, id);
                told += usize::from(bytes.ends_with(b"\x88\x02\x03\xE9"));
                answered |= id == last && bytes.ends_with(b"left:hall");
                assert!(answered || told <= SLICE, "its answer is urgent");
            }
        }
        turns += 1;
        if !begin_turn(&mut shard) {
            break;
        }
        assert!(closes(&shard) - before <= SLICE);
    }
    assert!(answered);
    assert_eq!(told, MEMBERS);
    assert!(turns >= MEMBERS / SLICE);
    assert_eq!(shard.stats().closed[CloseCause::Drain as usize], 5_000);
}

#[test]
fn a_drain_is_quiet_once_nobody_is_read_and_an_abort_ends_everyone() {
    const MEMBERS: usize = 3_000;
    let (mut shard, ids) = hall(Config::builder().fan_out_slice(100), MEMBERS);
    shard.handle_drain(NOW);
    assert!(!shard.is_quiet(), "some are still read");
    assert!(shard.is_reading(ids[MEMBERS - 1]));
    settle(&mut shard);
    assert!(shard.is_quiet());
    assert!(ids.iter().all(|&id| !shard.is_reading(id)));
    // An abort takes the place of a closing that is under way.
    shard.handle_close_all(NOW, CloseCode::GOING_AWAY);
    shard.handle_abort(NOW);
    let (mut ended, mut most) = (0, 0);
    loop {
        let mut outputs = 0;
        while let Some(output) = shard.poll_output().work() {
            outputs += 1;
            ended += usize::from(matches!(output, Output::Disconnect(_)));
        }
        most = most.max(outputs);
        if !begin_turn(&mut shard) {
            break;
        }
    }
    assert_eq!(ended, MEMBERS);
    assert!(most <= 300, "{most} outputs in one turn");
    assert!(shard.is_empty());
    shard.assert_bare();
}

/// Where writes take too long, those that are waited for are given up a few a turn.
#[test]
fn losing_patience_with_many_yields() {
    const MEMBERS: usize = 1_000;
    let config = Config::builder().fan_out_slice(50).queue_messages(2);
    let (mut shard, ids) = hall(config, MEMBERS);
    // Their bytes are taken, and it is not said how many went out.
    for _ in 0..3 {
        read(&mut shard, ids[0], &text("msg:x"));
    }
    let mut taken = HashSet::new();
    let mut later = NOW;
    for _ in 0..2_000 {
        while let Some(output) = shard.poll_output().work() {
            if let Output::Flush(id) = output {
                shard.poll_transmit(id, &mut Chunks::new());
                taken.insert(id);
            }
            shard.audit();
        }
        let Some((at, reason)) = shard.poll_timeout() else {
            break;
        };
        if !matches!(reason, Reason::Turn | Reason::Press) {
            break;
        }
        later = later.max(at);
        shard.handle_timeout(later);
    }
    assert_eq!(taken.len(), MEMBERS);
    // Each slice waits no more than once.
    assert!(
        later.since(NOW) < core::time::Duration::from_secs(5),
        "{later:?}"
    );
    for id in ids {
        shard.handle_transmitted(later, id, 0);
    }
    shard.audit();
}
