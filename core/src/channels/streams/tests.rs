//! Tests of the streams of a shard.

use core::time::Duration;

use super::*;
use crate::channels::subscription::{RecoveryScope, Since};
use crate::proto::ws::opcode::MessageType;

const RETENTION: Retention = Retention {
    messages: 10,
    bytes: 1_000,
    ttl: Duration::from_secs(10),
    position_ttl: Duration::from_secs(100),
};

const KEYS: (usize, Duration) = (10, Duration::from_secs(5));

fn publication() -> KeptPublication {
    KeptPublication {
        offset: 0,
        kind: MessageType::Text,
        payload: Bytes::from_static(b"hello"),
        annotation: Bytes::new(),
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::ORIGIN.after(Duration::from_secs(seconds))
}

fn publish(streams: &mut Streams, name: &str, now: Timestamp) -> Position {
    streams.append(name.as_bytes(), publication(), None, &RETENTION, now)
}

fn recover(
    streams: &mut Streams,
    name: &str,
    since: Position,
    now: Timestamp,
) -> (u64, bool, usize) {
    let recovery = Recovery {
        scope: RecoveryScope::All,
        since: Since {
            epoch: Some(since.epoch),
            offset: since.offset,
        },
        limit: 100,
        is_required: false,
    };
    let (position, recovered) = streams.recover(name.as_bytes(), &recovery, &RETENTION, now);
    (
        position.offset,
        recovered.is_complete,
        recovered.publications.len(),
    )
}

#[test]
fn every_channel_has_a_stream_of_its_own() {
    let mut streams = Streams::new(1, KEYS);
    let first = publish(&mut streams, "a", at(0));
    let other = publish(&mut streams, "b", at(0));
    assert_eq!((first.offset, other.offset), (1, 1));
    assert_ne!(first.epoch, other.epoch);
    let second = publish(&mut streams, "a", at(1));
    assert_eq!((second.epoch, second.offset), (first.epoch, 2));
    assert_eq!(recover(&mut streams, "a", first, at(1)), (2, true, 1));
    assert_eq!(recover(&mut streams, "b", first, at(1)), (1, false, 0));
    assert_eq!((streams.len(), streams.kept()), (2, (3, 15)));
    streams.audit();
}

#[test]
fn publications_are_forgotten_before_the_position() {
    let mut streams = Streams::new(1, KEYS);
    let first = publish(&mut streams, "a", at(0));
    let top = publish(&mut streams, "a", at(5));
    // Nothing has to be swept for that.
    assert_eq!(recover(&mut streams, "a", first, at(14)), (2, true, 1));
    assert_eq!(recover(&mut streams, "a", first, at(15)), (2, false, 0));
    assert_eq!(recover(&mut streams, "a", top, at(15)), (2, true, 0));
    streams.expire(at(15), 10, |_| false);
    assert_eq!((streams.len(), streams.kept()), (1, (0, 0)));
    streams.audit();
    // The last question was at 15 s.
    streams.expire(at(114), 10, |_| false);
    assert_eq!(streams.len(), 1);
    streams.expire(at(116), 10, |_| false);
    assert_eq!(streams.len(), 0);
    assert_ne!(publish(&mut streams, "a", at(117)).epoch, first.epoch);
    streams.audit();
}

#[test]
fn a_stream_with_subscribers_is_not_forgotten() {
    let mut streams = Streams::new(1, KEYS);
    let first = publish(&mut streams, "a", at(0));
    for seconds in [100, 200, 300] {
        streams.expire(at(seconds), 10, |name| name == b"a");
    }
    assert_eq!(publish(&mut streams, "a", at(301)).epoch, first.epoch);
    streams.expire(at(1_000), 10, |_| false);
    assert_eq!(streams.len(), 0);
}

#[test]
fn a_stream_without_publications_is_forgotten_soon() {
    let mut streams = Streams::new(1, KEYS);
    for number in 0..1_000 {
        let name = alloc::format!("channel {number}");
        streams.position(name.as_bytes(), &RETENTION, at(0));
    }
    assert_eq!(streams.next_due(), Some(at(10)));
    streams.expire(at(9), 10_000, |_| false);
    assert_eq!(streams.len(), 1_000);
    // So many at a time.
    streams.expire(at(10), 600, |_| false);
    assert_eq!(streams.len(), 400);
    streams.expire(at(10), 600, |_| false);
    assert_eq!(streams.len(), 0);
    streams.audit();
    streams.decay();
    streams.decay();
    assert!(streams.memory() < 8_000, "{}", streams.memory());
}

#[test]
fn for_want_of_memory_publications_go_and_positions_stay() {
    let mut streams = Streams::new(1, KEYS);
    let names = ["a", "b", "c", "d"];
    let firsts = names.map(|name| publish(&mut streams, name, at(0)));
    let tops = names.map(|name| publish(&mut streams, name, at(0)));
    let before = streams.memory();
    let forgotten = streams.shed(1, 100);
    assert_eq!(forgotten, 2, "no more than has to be");
    assert!(streams.memory() < before);
    assert_eq!(streams.shed(usize::MAX, 100), 6);
    streams.audit();
    for ((name, first), top) in names.iter().zip(firsts).zip(tops) {
        assert_eq!(recover(&mut streams, name, first, at(1)), (2, false, 0));
        assert_eq!(recover(&mut streams, name, top, at(1)), (2, true, 0));
    }
}
