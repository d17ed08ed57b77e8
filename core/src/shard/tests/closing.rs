//! Codes and reasons of close frames.

use alloc::format;

use super::{Pair, REASON};
use crate::Config;
use crate::stats::CloseCause;

/// Returns as much of the long reason as a frame has room for.
fn cut_reason() -> &'static str {
    let cut = &REASON[..122];
    assert!(REASON.len() > 123 && !REASON.is_char_boundary(123));
    assert!(cut.ends_with('\u{20ac}'));
    cut
}

#[test]
fn a_connection_is_closed_with_a_reason_behind_what_waits() {
    let mut pair = Pair::new(&Config::default(), 0, None);
    pair.received.clear();
    let received = pair.do_all("push:a explain push:late");
    assert_eq!(received, ["a", &format!("closed:1001:{}", cut_reason())]);
    let stats = pair.shard.stats();
    assert_eq!(stats.closed[CloseCause::Handler as usize], 1);
}

#[test]
fn a_reason_waits_with_its_close_frame() {
    // Behind pushes for which there is no room.
    let config = Config::builder().reply_messages(2).build();
    let mut pair = Pair::new(&config.expect("in range"), 0, None);
    pair.received.clear();
    let received = pair.do_all("flood:5 explain");
    assert_eq!(received.len(), 6);
    assert_eq!(received[5], format!("closed:1001:{}", cut_reason()));
}

#[test]
fn connections_of_each_codec_that_do_not_keep_up_are_closed_as_the_application_says() {
    let config = Config::builder()
        .queue_messages(1)
        .build()
        .expect("in range");
    for (codec, said) in [
        (1, "closed:3008:slow".into()),
        (2, format!("closed:1008:{}", cut_reason())),
    ] {
        let mut pair = Pair::new(&config, codec, None);
        pair.received.clear();
        let received = pair.do_all("insist:a insist:b");
        assert_eq!(received, ["a", &said]);
        let closed = pair.shard.stats().closed;
        assert_eq!(closed[CloseCause::SlowConsumer as usize], 1);
    }
}
