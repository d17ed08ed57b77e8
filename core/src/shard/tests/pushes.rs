//! Pushes: their place among other messages, the bound of their lane, and what waits for room.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Pair, numbers};
use crate::Config;
use crate::proto::ws::deflate::{IS_BUILT, Params};
use crate::stats::{CloseCause, Stats};

fn config(messages: usize, bytes: usize) -> Config {
    let builder = Config::builder()
        .reply_messages(messages)
        .reply_bytes(bytes);
    builder.build().expect("in range")
}

fn plain() -> Pair {
    let mut pair = Pair::new(&Config::default(), 0, None);
    assert_eq!(core::mem::take(&mut pair.received), ["welcome"]);
    pair
}

fn closed_as_slow(stats: &Stats) -> u64 {
    stats.closed[CloseCause::SlowConsumer as usize]
}

#[test]
fn a_push_in_on_open_stands_behind_the_response_and_before_everything_else() {
    let mut pair = plain();
    let received = pair.do_all("reply:a push:b reply:c push:d close");
    assert_eq!(received, ["b", "d", "a", "c", "closed:1001:"]);
    let stats = pair.shard.stats();
    assert_eq!((stats.sent.pushes, stats.sent.pushes_discarded), (3, 0));
    let delivery = stats.delivery;
    assert_eq!((delivery.offered, delivery.written), (2, 2), "no pushes");
}

#[test]
fn a_push_works_while_the_reply_stands_in_place() {
    for len in [10, 2_000, 40_000] {
        let mut pair = plain();
        let mut text = String::from("echo push:a echo push:b ");
        text.extend(core::iter::repeat_n('x', len));
        let received = pair.do_all(&text);
        // The one that stands in the scratch is written before its callback goes on.
        let expected = match len {
            10 => ["a", "b", &text, &text],
            _ => [&*text, "a", "b", &text],
        };
        assert!(received == expected, "{len}");
    }
}

#[test]
fn a_client_that_reads_slowly_loses_no_answer_and_gets_them_as_it_reads() {
    for (messages, bytes) in [(64, 256 << 10), (1, 1_000), (255, 128)] {
        let mut pair = Pair::new(&config(messages, bytes), 0, None);
        pair.received.clear();
        // A socket that is full already.
        for n in 0..1_000 {
            pair.say(&alloc::format!("push:{n}"));
        }
        let mut turns = 0;
        while pair.received.len() < 1_000 {
            pair.deliver();
            pair.turn(if turns == 0 { 0 } else { 100 });
            let waiting = pair.shard.stats().sent.pushes_waiting;
            assert!(waiting as usize <= messages);
            turns += 1;
            assert!(turns < 1_000, "it gets about 20 answers a turn");
        }
        assert!(pair.pauses > 0, "its input has waited");
        assert_eq!(core::mem::take(&mut pair.received), numbers(0..1_000));
        let stats = pair.shard.stats();
        assert_eq!((stats.sent.pushes, stats.sent.pushes_waiting), (1_001, 0));
        assert_eq!((stats.waiting.queue, closed_as_slow(&stats)), (0, 0));
        assert_eq!(pair.do_all("push:on"), ["on"]);
    }
}

#[test]
fn a_client_that_reads_everything_is_not_paused() {
    let mut pair = plain();
    for n in 0..1_000 {
        pair.say(&alloc::format!("push:{n}"));
    }
    pair.deliver();
    pair.turn(usize::MAX);
    assert_eq!(pair.received, numbers(0..1_000));
    assert_eq!(pair.pauses, 0, "its socket was tried at half the lane");
}

#[test]
fn what_waits_for_room_is_in_order_with_what_comes_later() {
    let mut pair = Pair::new(&config(8, 1_000), 0, None);
    pair.received.clear();
    pair.say("reply:last flood:30 push:a");
    pair.say("push:b close");
    pair.deliver();
    pair.turn(0);
    assert_eq!(pair.shard.stats().waiting.queue, 1);
    for _ in 0..100 {
        pair.turn(9);
    }
    let mut expected = numbers(0..30);
    expected.extend(["a", "b", "last", "closed:1001:"].map(String::from));
    assert_eq!(pair.received, expected);
}

#[test]
fn a_push_of_any_length_fits_into_an_empty_lane_only() {
    let mut pair = Pair::new(&config(8, 1_000), 0, None);
    pair.received.clear();
    pair.say("long:5000 push:a");
    pair.deliver();
    pair.turn(0);
    let stats = pair.shard.stats();
    assert_eq!((stats.sent.pushes_waiting, stats.waiting.queue), (1, 1));
    assert_eq!(stats.sent.pushes_waiting_bytes, 5_004);
    pair.turn(usize::MAX);
    assert_eq!(pair.received.len(), 2);
    assert_eq!(pair.received[1], "a");
}

#[test]
fn more_behind_it_than_one_message_can_ask_for_closes_the_connection() {
    // Eight are in the lane, and 16,384 wait.
    let most = 8 + (1 << 14);
    let flood = |count, is_full: bool| {
        let mut pair = Pair::new(&config(8, 256 << 10), 1, None);
        pair.received.clear();
        pair.say(&alloc::format!("flood:{count}"));
        pair.deliver();
        if is_full {
            pair.turn(0);
        }
        pair.turn(usize::MAX);
        pair
    };
    for is_full in [false, true] {
        let pair = flood(most, is_full);
        assert_eq!(pair.received, numbers(0..most));
        assert_eq!(closed_as_slow(&pair.shard.stats()), 0);

        let pair = flood(most + 1, is_full);
        let stats = pair.shard.stats();
        assert_eq!(closed_as_slow(&stats), 1);
        let sent = stats.sent;
        assert_eq!(pair.received.last().map(String::as_str), Some(SLOW));
        let written = pair.received.len() as u64 - 1;
        assert_eq!(sent.pushes - 1, most as u64 + 1, "all are counted");
        assert_eq!(sent.pushes_discarded + written, most as u64 + 1);
        assert_eq!(sent.pushes_waiting, 0);
    }
}

#[test]
fn more_bytes_than_four_times_the_lane_behind_it_close_the_connection() {
    let waiting = |lens: &[usize]| {
        let mut pair = Pair::new(&config(8, 1_000), 0, None);
        pair.received.clear();
        let words: Vec<_> = lens
            .iter()
            .map(|len| alloc::format!("long:{len}"))
            .collect();
        pair.say(&words.join(" "));
        pair.deliver();
        pair.turn(usize::MAX);
        closed_as_slow(&pair.shard.stats())
    };
    assert_eq!(waiting(&[900, 2_000, 2_000]), 0);
    assert_eq!(waiting(&[900, 2_000, 2_001]), 1);
}

#[test]
fn pushes_of_a_connection_that_has_ended_are_discarded_and_counted() {
    let mut pair = plain();
    pair.say("flood:70 reply:a");
    pair.deliver();
    pair.shard.handle_disconnect(super::NOW, pair.id);
    pair.turn(0);
    let stats = pair.shard.stats();
    assert_eq!((stats.sent.pushes, stats.sent.pushes_discarded), (71, 70));
    assert_eq!(stats.sent.pushes_waiting, 0);
    assert_eq!(stats.sent.pushes_waiting_bytes, 0);
    assert_eq!(stats.delivery.offered, 0, "that waited behind them");

    let mut pair = plain();
    assert_eq!(pair.do_all("close push:late"), ["closed:1001:"]);
    let sent = pair.shard.stats().sent;
    assert_eq!((sent.pushes, sent.pushes_discarded), (2, 1));
}

#[test]
fn pushes_are_compressed_with_a_context_or_without() {
    if !IS_BUILT {
        return;
    }
    for contexts in [0, 1 << 20] {
        let config = Config::builder()
            .compression(true)
            .compression_contexts(contexts);
        let config = config.build().expect("in range");
        let mut pair = Pair::new(&config, 0, Some(Params::default()));
        let before = pair.shard.stats();
        pair.received.clear();
        // Of a frame that is partly out, what follows keeps its place.
        pair.say("long:3000 reply:a long:3001 push:b");
        pair.deliver();
        pair.turn(5);
        pair.say("long:3002 push:c");
        pair.deliver();
        pair.turn(usize::MAX);
        let lens: Vec<_> = pair.received.iter().map(String::len).collect();
        let pushed: Vec<_> = lens.iter().filter(|&&len| len > 1).collect();
        assert_eq!(pushed, [&3_000, &3_001, &3_002], "{lens:?}");
        assert_eq!(lens.len(), 6);
        let stats = pair.shard.stats();
        assert_eq!(stats.deflate.deflated, 3);
        assert_eq!(stats.deflate.context_bytes > 0, contexts > 0);
        let bytes = stats.sent.bytes - before.sent.bytes;
        assert!(bytes < 300, "{bytes} bytes");
        assert_eq!(stats.sent.pushes_waiting, 0);
    }
}

const SLOW: &str = "closed:3008:slow";
