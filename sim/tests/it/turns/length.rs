//! A turn is bounded: what takes long is divided, and other connections are served in between.

use core::time::Duration;

use stentor_core::delivery::Chunks;
use stentor_core::shard::{Admission, Reason};
use stentor_core::{CloseCause, Config, ConnId, Echo, Handler, Output, Shard, ShardId, Timestamp};
use stentor_sim::Rooms;
use stentor_sim::simulator::REQUEST;

use super::*;

#[test]
fn a_write_that_takes_long_holds_up_the_input_of_others_for_a_moment_only() {
    let config = Config::builder()
        .queue_messages(4)
        .build()
        .expect("in range");
    let mut shard = Shard::new(ShardId(0), &config, Rooms::default());
    let ids = [(); 2].map(|()| {
        let id = shard.accept(NOW, Admission::Normal);
        read(&mut shard, id, REQUEST);
        read(&mut shard, id, &text(b"join:a"));
        turn(&mut shard);
        id
    });
    let [slow, speaker] = ids;
    let said: Vec<u8> = (0..20)
        .flat_map(|n| text(format!("msg:{n}").as_bytes()))
        .collect();
    read(&mut shard, speaker, &said);
    // The slow one's bytes are taken, and it is not said how many went out.
    let mut heard = Vec::new();
    let mut drain = |shard: &mut Shard<Rooms>, now| {
        while let Some(output) = shard.poll_output().work() {
            let Output::Flush(id) = output else { continue };
            let mut chunks = Chunks::new();
            shard.poll_transmit(id, &mut chunks);
            let bytes = chunks.as_slices().concat();
            drop(chunks);
            if id == speaker {
                shard.handle_transmitted(now, id, bytes.len());
                heard.extend(bytes);
            }
            shard.audit();
        }
        heard.iter().filter(|&&byte| byte == 0x81).count()
    };
    assert!(drain(&mut shard, NOW) < 20, "input waits for the slow one");
    let (at, reason) = shard.poll_timeout().expect("not for ever");
    assert_eq!(reason, Reason::Press);
    assert!(at <= NOW.after(Duration::from_millis(50)));
    shard.handle_timeout(at);
    assert_eq!(drain(&mut shard, at), 20, "it waits no longer");
    assert_eq!(
        shard.stats().delivery.refused_full,
        20 - 4,
        "the slow one's queue is full"
    );
    // Taken for a socket that takes nothing, it is cut off in time.
    shard.handle_timeout(at.after(config.write_timeout() + config.tick()));
    assert_eq!(shard.stats().closed[CloseCause::WriteTimeout as usize], 1);
    assert_eq!(slow.slot(), 0);
}

#[test]
fn a_flood_into_full_queues_lets_others_have_their_turn() {
    let config = Config::builder()
        .queue_messages(1)
        .build()
        .expect("in range");
    let mut shard = Shard::new(ShardId(0), &config, Rooms::default());
    let ids: Vec<_> = (0..100)
        .map(|_| shard.accept(NOW, Admission::Normal))
        .collect();
    for &id in &ids {
        read(&mut shard, id, REQUEST);
        read(&mut shard, id, &text(b"join:a"));
        turn(&mut shard);
    }
    // Nobody takes anything any more.
    read(&mut shard, ids[0], &text(b"msg:first"));
    let drain = |shard: &mut Shard<Rooms>, now| {
        while let Some(output) = shard.poll_output().work() {
            if let Output::Flush(id) = output {
                let mut chunks = Chunks::new();
                shard.poll_transmit(id, &mut chunks);
                drop(chunks);
                shard.handle_transmitted(now, id, 0);
            }
        }
        shard.stats().channels.published
    };
    assert_eq!(drain(&mut shard, NOW), 1);
    let flood = text(b"msg:").repeat(20_000);
    read(&mut shard, ids[0], &flood);
    let mut turns = 0;
    while drain(&mut shard, NOW) < 20_001 {
        turns += 1;
        let (at, reason) = shard.poll_timeout().expect("there is more");
        assert_eq!((at, reason), (NOW, Reason::Turn));
        shard.handle_timeout(NOW);
    }
    // 2,000,000 offers, some 2,048 at a stretch.
    assert!((900..1_000).contains(&turns), "{turns} turns");
    assert_ne!(
        shard.poll_timeout().map(|(_, reason)| reason),
        Some(Reason::Turn)
    );
}

#[test]
fn shard_messages_that_cause_many_others_do_not_delay_connections() {
    let all = 0..8;
    let mut shards: Vec<_> = all
        .map(|id| Shard::new(ShardId(id), &config(8), Rooms::default()))
        .collect();
    let mut speakers = Vec::new();
    let mut home = 0;
    for at in 0..8 {
        let id = shards[at].accept(NOW, Admission::Normal);
        read(&mut shards[at], id, REQUEST);
        carry(&mut shards);
        read(&mut shards[at], id, &text(b"join:hall"));
        let (_, messages) = turn(&mut shards[at]);
        if messages.is_empty() {
            home = at;
            read(&mut shards[at], id, &text(b"leave:"));
        }
        for (to, message) in messages {
            shards[to.index()].handle_message(NOW, message);
        }
        carry(&mut shards);
        speakers.push(id);
    }
    for at in (0..8).filter(|&at| at != home) {
        read(&mut shards[at], speakers[at], &text(b"msg:x").repeat(250));
        for (to, message) in turn(&mut shards[at]).1 {
            assert_eq!(to.index(), home);
            shards[home].handle_message(NOW, message);
        }
    }
    // Each of 1,750 messages leads to seven.
    read(&mut shards[home], speakers[home], &text(b"and I?"));
    let before_flush = (0..).find(|_| {
        let output = shards[home]
            .poll_output()
            .work()
            .expect("a flush before the end");
        matches!(output, Output::Flush(id) if id == speakers[home])
    });
    assert!(before_flush < Some(2_000), "{before_flush:?}");
}

#[test]
fn what_is_held_back_has_its_turn_on_a_shard_that_always_has_something_to_write() {
    let mut shard = Shard::new(ShardId(0), &config(1), Echo);
    let [waiting, busy] = [(); 2].map(|()| shard.accept(NOW, Admission::Normal));
    for id in [waiting, busy] {
        read(&mut shard, id, REQUEST);
        turn(&mut shard);
    }
    // Its socket is full, so what it sends is held back.
    read(&mut shard, waiting, &text(b"first"));
    while let Some(output) = shard.poll_output().work() {
        if let Output::Flush(id) = output {
            shard.poll_transmit(id, &mut Chunks::new());
            shard.handle_transmitted(NOW, id, 0);
        }
    }
    read(&mut shard, waiting, &text(b"second"));
    shard.handle_writable(NOW, waiting);
    // From here on there is always one more to be flushed.
    read(&mut shard, busy, &text(b"more"));
    let mut said = Vec::new();
    for _ in 0..16 {
        match shard.poll_output().work().expect("something to write") {
            Output::Flush(id) => {
                let mut chunks = Chunks::new();
                shard.poll_transmit(id, &mut chunks);
                let bytes = chunks.as_slices().concat();
                drop(chunks);
                shard.handle_transmitted(NOW, id, bytes.len());
                if id == waiting {
                    said.extend(bytes);
                } else {
                    read(&mut shard, busy, &text(b"more"));
                }
            }
            Output::StopReading(id) | Output::StartReading(id) => assert_eq!(id, waiting),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(said, b"\x81\x05first\x81\x06second");
}

#[test]
fn little_is_dropped_at_a_time_however_many_take_nothing() {
    const SLICE: usize = 8;
    const LAGGARDS: usize = 200;
    let config = Config::builder().fan_out_slice(SLICE);
    let config = config.memory_budget(1 << 20).build().expect("in range");
    let mut shard = Shard::new(ShardId(0), &config, EchoAndPublish);
    let ids: Vec<ConnId> = (0..=LAGGARDS)
        .map(|_| {
            let id = shard.accept(NOW, Admission::Normal);
            read(&mut shard, id, REQUEST);
            turn(&mut shard);
            id
        })
        .collect();
    for &id in &ids {
        read(&mut shard, id, &text(b"in"));
        turn(&mut shard);
    }
    let (mut dropped, mut most, mut charged) = (0, 0, 0);
    let mut observe = |shard: &Shard<EchoAndPublish>| {
        let now = shard.stats().delivery.shed;
        charged = charged.max(shard.stats().links.charged_bytes);
        most = most.max(now - core::mem::replace(&mut dropped, now));
    };
    let publication = text(&[b'x'; 20_000]);
    for _ in 0..200 {
        read(&mut shard, ids[0], &publication);
        observe(&shard);
        turns(&mut shard, ids[0], &mut observe);
        assert!(shard.stats().links.charged_bytes <= 1 << 20);
    }
    // Whatever it is that makes an end of what is under way.
    while shard.poll_timeout().is_none_or(|(at, _)| at > NOW) {
        read(&mut shard, ids[0], &publication);
        while shard.poll_output().work().is_some() {}
    }
    for &id in &ids[1..] {
        shard.handle_disconnect(NOW, id);
    }
    turns(&mut shard, ids[0], &mut observe);
    assert!(dropped > 10_000, "{dropped}");
    // As many as are looked at, or a part of what the last of them has.
    assert!(most <= 3 * SLICE as u64, "{most} at once");
    // Until all have dropped what they share, some more is taken in.
    assert!(charged < (1 << 20) + (1 << 16), "{charged} bytes");
}

/// Until there is nothing to do: the sockets of all but one take nothing.
fn turns<H: Handler>(shard: &mut Shard<H>, eager: ConnId, mut observe: impl FnMut(&Shard<H>)) {
    for _ in 0..10_000 {
        while let Some(output) = shard.poll_output().work() {
            observe(shard);
            if let Output::Flush(id) = output {
                let mut chunks = Chunks::new();
                shard.poll_transmit(id, &mut chunks);
                let n = if id == eager { chunks.len() } else { 0 };
                drop(chunks);
                shard.handle_transmitted(NOW, id, n);
                observe(shard);
            }
        }
        shard.audit();
        match shard.poll_timeout() {
            Some((at, _)) if at <= NOW => shard.handle_timeout(NOW),
            _ => return,
        }
        observe(shard);
    }
    panic!("there is no end to it");
}

#[test]
fn what_comes_after_a_stop_does_not_make_a_sender_too_slow() {
    const HOUR: Timestamp = Timestamp::from_micros(3_600_000_000);
    let mut shard = Shard::new(ShardId(0), &config(1), Echo);
    let id = shard.accept(NOW, Admission::Normal);
    read(&mut shard, id, REQUEST);
    turn(&mut shard);
    let message = text(&[b'x'; 20_000]);
    read(&mut shard, id, &message[..10_000]);
    turn(&mut shard);
    // Nobody has looked for an hour; sockets are read before time-outs are looked at.
    shard.read_buffer()[0] = message[10_000];
    shard.handle_read(HOUR, id, 1);
    for passed in [0, 40] {
        shard.handle_timeout(HOUR.after(Duration::from_secs(passed)));
        turn(&mut shard);
    }
    let at = HOUR.after(Duration::from_secs(40));
    let rest = &message[10_001..];
    shard.read_buffer()[..rest.len()].copy_from_slice(rest);
    shard.handle_read(at, id, rest.len());
    let (written, _) = turn(&mut shard);
    assert!(written.iter().any(|(_, bytes)| bytes.len() > 20_000));
}
