//! Limits of connections of one codec.

use alloc::string::String;

use super::{Pair, numbers};
use crate::Config;
use crate::config::{ConfigBuilder, ConnectionLimits};
use crate::delivery::codec::Codec;
use crate::proto::ws::deflate::{IS_BUILT, Params};

const LIMITS: ConnectionLimits = ConnectionLimits {
    max_message: 64 << 10,
    queue_messages: 8,
    queue_bytes: 1_000,
};

fn config(limits: ConnectionLimits) -> ConfigBuilder {
    Config::builder()
        .queue_messages(16)
        .codec_limits(Codec::new(1), limits)
}

#[test]
fn a_message_may_be_as_long_as_connections_of_its_codec_send() {
    for compression in [false, IS_BUILT] {
        let config = config(LIMITS).compression(compression);
        let config = config.build().expect("in range");
        for (codec, len, is_taken) in [
            (1, 64 << 10, true),
            (1, (64 << 10) + 1, false),
            (0, (64 << 10) + 1, true),
            (2, 1 << 20, true),
            (2, (1 << 20) + 1, false),
        ] {
            let offer = compression.then(Params::default);
            let mut pair = Pair::new(&config, codec, offer);
            pair.received.clear();
            let mut text = String::from("push:a ");
            text.extend(core::iter::repeat_n('x', len - text.len()));
            let received = pair.do_all(&text);
            let expected = if is_taken { "a" } else { "closed:1009:" };
            assert_eq!(received, [expected], "{codec}: {len} bytes");
        }
    }
}

/// Lets the client ask for so many replies of so many bytes while its socket is full. Returns how
/// many come.
fn queued(codec: u8, count: usize, len: usize) -> usize {
    let config = config(LIMITS).build().expect("in range");
    let mut pair = Pair::new(&config, codec, None);
    pair.received.clear();
    pair.say("reply:first");
    pair.deliver();
    pair.turn(0);
    let word = alloc::format!("reply:{}", "x".repeat(len));
    let mut text = word.clone();
    for _ in 1..count {
        text.push(' ');
        text.push_str(&word);
    }
    pair.say(&text);
    pair.deliver();
    pair.turn(0);
    pair.turn(usize::MAX);
    let stats = pair.shard.stats().delivery;
    assert_eq!(stats.refused_full as usize, 1 + count - pair.received.len());
    pair.received.len()
}

#[test]
fn as_much_is_queued_as_for_connections_of_the_codec() {
    assert_eq!(queued(0, 20, 10), 16);
    assert_eq!(queued(2, 20, 10), 16);
    assert_eq!(queued(1, 20, 10), 8);
    // The first has seven bytes.
    assert_eq!(queued(0, 5, 400), 6);
    assert_eq!(queued(1, 5, 400), 3);
}

#[test]
fn replies_in_one_read_keep_the_limit_of_the_codec_too() {
    let config = config(LIMITS).build().expect("in range");
    for codec in [0, 1] {
        let mut pair = Pair::new(&config, codec, None);
        pair.received.clear();
        for n in 0..100 {
            pair.say(&alloc::format!("reply:{n}"));
        }
        pair.deliver();
        pair.turn(usize::MAX);
        assert_eq!(pair.received, numbers(0..100), "input waits for the socket");
    }
}

#[test]
fn limits_are_checked_against_the_ranges_of_those_of_all() {
    let built = |limits: ConnectionLimits| config(limits).build();
    let config = built(LIMITS).expect("in range");
    assert_eq!(config.codec_limits(Codec::new(1)), LIMITS);
    let of_all = ConnectionLimits {
        max_message: config.max_message(),
        queue_messages: 16,
        queue_bytes: config.queue_bytes(),
    };
    assert_eq!(config.codec_limits(Codec::VERBATIM), of_all);
    assert_eq!(config.codec_limits(Codec::new(7)), of_all);
    for (key, limits) in [
        (
            "max_message",
            ConnectionLimits {
                max_message: (1 << 30) + 1,
                ..LIMITS
            },
        ),
        (
            "queue_messages",
            ConnectionLimits {
                queue_messages: 0,
                ..LIMITS
            },
        ),
        (
            "queue_bytes",
            ConnectionLimits {
                queue_bytes: 127,
                ..LIMITS
            },
        ),
    ] {
        let error = built(limits).expect_err("out of range");
        assert_eq!(error.key, key);
    }
}
