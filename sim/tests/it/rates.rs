//! Who takes or sends bytes too slowly, and who is slow and stays.

use core::time::Duration;

use stentor_core::config::ConfigBuilder;
use stentor_core::inspect::{Lookup, TimerKind, WaitReason};
use stentor_core::{CloseCause, Config};
use stentor_sim::Rooms;
use stentor_sim::simulator::{Network, ReadPattern, Sim, masked};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// The defaults, but that pings do not matter.
fn config() -> ConfigBuilder {
    Config::builder()
        .ping_interval(12 * HOUR)
        .pong_wait(24 * HOUR)
}

fn server(config: ConfigBuilder, down: usize) -> Sim<Rooms> {
    let network = Network {
        down,
        ..Network::smooth(1)
    };
    let mut sim = Sim::rooms(network, &config.build().expect("in range"));
    sim.audit_every(100);
    sim
}

/// A client for which nearly as much waits as may, and that reads so many bytes every so
/// many seconds from now on.
fn full(sim: &mut Sim<Rooms>, bytes: usize, every: u64) -> usize {
    let client = sim.connect(0);
    sim.settle();
    sim.client_mut(client).reader = ReadPattern::Stuck;
    for _ in 0..250 {
        sim.say(client, &"x".repeat(16 << 10));
    }
    sim.settle();
    assert!(sim.stats().delivery.waiting_bytes > 3 << 20);
    sim.client_mut(client).reader = ReadPattern::Slow {
        bytes,
        every: every * 1_000_000,
    };
    client
}

fn closed(sim: &Sim<Rooms>, cause: CloseCause) -> u64 {
    sim.stats().closed[cause as usize]
}

/// After how much time the server has let go of a client, if it does within `limit`.
fn lasts(sim: &mut Sim<Rooms>, client: usize, limit: Duration) -> Option<Duration> {
    let start = sim.time();
    while sim.is_held(client) {
        sim.pass(SECOND / 10);
        if sim.time().since(start) > limit {
            return None;
        }
    }
    Some(sim.time().since(start))
}

/// A fragment of a message, in order to send a part of it.
fn fragment(bytes: usize) -> Vec<u8> {
    let mut frame = masked(
        stentor_core::testing::wire::Opcode::Binary,
        false,
        [1, 2, 3, 4],
        &vec![b'x'; bytes],
    );
    frame[0] &= 0x7F;
    frame
}

#[test]
fn a_reader_that_takes_a_byte_every_nine_seconds_goes_and_its_memory_with_it() {
    let mut sim = server(config(), 1_000);
    let client = full(&mut sim, 1, 9);
    sim.pass(59 * SECOND);
    assert!(sim.stats().delivery.waiting_bytes > 3 << 20);
    let known = sim.explain(client);
    let Some(Lookup::Here(known)) = known else {
        panic!("{known:?}");
    };
    assert!(matches!(known.timer, Some((TimerKind::ReadRate, left)) if left <= 2 * SECOND));
    sim.pass(2 * SECOND);
    assert_eq!(closed(&sim, CloseCause::ReadRate), 1);
    // The close frame waits for the rest of what it has begun to read, and for no more.
    assert!(sim.stats().delivery.waiting_bytes <= 17 << 10);
    // It has the time of a closing handshake for that, in which its rate does not matter.
    let lasted = lasts(&mut sim, client, 6 * SECOND);
    assert!(
        lasted.is_some_and(|lasted| lasted > 3 * SECOND),
        "{lasted:?}"
    );
    sim.assert_bare();
}

#[test]
fn a_reader_that_is_fast_for_a_while_may_have_more_unsent() {
    // 40 MB a second, of messages of one priority.
    let mut sim = server(config(), 64 << 10);
    let client = full(&mut sim, 64 << 10, 1);
    sim.client_mut(client).reader = ReadPattern::Slow {
        bytes: 64 << 10,
        every: 1_600,
    };
    sim.pass(SECOND / 20);
    assert!(sim.stats().delivery.waiting > 0);
    assert!(sim.stats().sent.unsent_limit_raised > 0);
}

#[test]
fn both_edges_of_the_rate_at_which_a_reader_must_take_bytes() {
    for (rate, bytes, every, stays) in [
        (256, 256, 1, true),
        (256, 255, 1, false),
        (256, 256 * 9, 9, true),
        (256, 250 * 9, 9, false),
        (4_000, 4_000, 1, true),
        (4_000, 3_900, 1, false),
        (0, 1, 9, true),
    ] {
        // A hundred times the window of ten seconds.
        let config = config().min_read_rate(rate).rate_window(10 * SECOND);
        let mut sim = server(config, 64 << 10);
        let client = full(&mut sim, bytes, every);
        let lasted = lasts(&mut sim, client, 3_000 * SECOND);
        let what = format!("{bytes} bytes every {every} s at {rate}: {lasted:?}");
        // One that keeps up takes all there is in the end.
        assert_eq!(lasted.is_none(), stays, "{what}");
        assert_eq!(
            closed(&sim, CloseCause::ReadRate),
            u64::from(!stays),
            "{what}"
        );
    }
}

#[test]
fn an_honest_slow_reader_with_a_full_queue_gets_all_of_it() {
    // Two kilobytes a second, of which the server learns every eight seconds.
    let mut sim = server(config(), 16 << 10);
    let client = full(&mut sim, 16 << 10, 8);
    while sim.stats().delivery.waiting > 0 {
        sim.pass(60 * SECOND);
        assert!(sim.is_held(client));
    }
    let messages = sim.client(client).messages().count();
    assert!(messages >= 249, "{messages}");
    // What it is behind is forgotten once it has caught up.
    sim.client_mut(client).reader = ReadPattern::Eager;
    sim.pass(HOUR);
    assert!(sim.is_held(client));
}

#[test]
fn a_reader_that_begins_to_close_does_not_keep_its_queue_by_that() {
    let mut sim = server(config(), 1_000);
    let client = full(&mut sim, 1, 9);
    sim.close(client, Some(1000));
    sim.pass(62 * SECOND);
    assert!(!sim.is_held(client));
    assert_eq!(closed(&sim, CloseCause::Peer), 1);
    sim.assert_bare();
}

#[test]
fn time_in_which_the_server_was_stopped_does_not_count() {
    let mut sim = server(config(), 16 << 10);
    let client = full(&mut sim, 4 << 10, 4);
    sim.pass(20 * SECOND);
    sim.pass_stopped(HOUR);
    sim.pass(300 * SECOND);
    assert!(sim.is_held(client));
    sim.client_mut(client).reader = ReadPattern::Slow {
        bytes: 1,
        every: 9_000_000,
    };
    assert!(lasts(&mut sim, client, 120 * SECOND).is_some());
    assert_eq!(closed(&sim, CloseCause::ReadRate), 1);
}

#[test]
fn a_message_that_is_trickled_is_not_kept() {
    let mut sim = server(config(), 1 << 20);
    let client = sim.connect(0);
    sim.settle();
    sim.send_bytes(client, &fragment(100_000)[..50_000]);
    let start = sim.time();
    while closed(&sim, CloseCause::SendRate) == 0 {
        sim.send_bytes(client, b"x");
        sim.pass(9 * SECOND);
        assert!(
            sim.time().since(start) < 200 * SECOND,
            "it is kept for ever"
        );
        if let Some(Lookup::Here(known)) = sim.explain(client)
            && closed(&sim, CloseCause::SendRate) == 0
        {
            assert!(matches!(known.timer, Some((TimerKind::SendRate, _))));
            assert!(matches!(known.awaits[..], [WaitReason::Message(49_900..)]));
        }
    }
    sim.settle();
    assert_eq!(sim.client(client).close_code(), Some(Some(1008)));
    sim.pass(6 * SECOND);
    sim.assert_bare();
}

#[test]
fn both_edges_of_the_rate_at_which_a_message_must_come() {
    for (rate, bytes, stays) in [
        (256, 256, true),
        (256, 250, false),
        (0, 1, true),
        (4_000, 4_000, true),
        (4_000, 3_900, false),
    ] {
        let config = config().min_send_rate(rate).rate_window(10 * SECOND);
        let mut sim = server(config.max_message(64 << 20), 1 << 20);
        let client = sim.connect(0);
        sim.settle();
        let message = fragment(20 << 20);
        let (begin, mut rest) = message.split_at(10_000);
        sim.send_bytes(client, begin);
        sim.settle();
        for _ in 0..1_000 {
            let piece;
            (piece, rest) = rest.split_at(bytes);
            if sim.is_held(client) {
                sim.send_bytes(client, piece);
            }
            sim.pass(SECOND);
        }
        assert_eq!(sim.is_held(client), stays, "{bytes} B/s at {rate}");
        assert_eq!(closed(&sim, CloseCause::SendRate), u64::from(!stays));
    }
}

#[test]
fn little_of_a_message_may_wait_for_the_rest() {
    let mut sim = server(config(), 1 << 20);
    let client = sim.connect(0);
    sim.settle();
    sim.send_bytes(client, &fragment(4_096));
    sim.pass(HOUR);
    assert!(sim.is_held(client));
    sim.send_bytes(
        client,
        &masked(
            stentor_core::testing::wire::Opcode::Continuation,
            true,
            [0; 4],
            b"!",
        ),
    );
    sim.settle();
    assert_eq!(sim.client(client).messages().count(), 1);
    // One byte more, and it has to come to its end in time.
    sim.send_bytes(client, &fragment(4_097));
    sim.pass(61 * SECOND);
    assert_eq!(closed(&sim, CloseCause::SendRate), 1);
}
