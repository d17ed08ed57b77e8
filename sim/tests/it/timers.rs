//! Who is pinged, who is given up and when.

use core::time::Duration;

use stentor_core::proto::http::HandshakeError;
use stentor_core::{CloseCause, Echo, Timestamp};
use stentor_sim::Rooms;
use stentor_sim::simulator::{Network, REQUEST, ReadPattern, Sim};

use crate::short_timeouts::{SECOND, config};

fn server(down: usize) -> Sim<Rooms> {
    let network = Network {
        down,
        ..Network::smooth(5)
    };
    Sim::rooms(network, &config())
}

/// How long until the server lets go of a client's socket.
fn until_gone(sim: &mut Sim<Rooms>, client: usize) -> Duration {
    let start: Timestamp = sim.time();
    while sim.is_held(client) {
        sim.pass(Duration::from_millis(1));
        assert!(sim.time().since(start) < 100 * SECOND, "it stays for ever");
    }
    sim.time().since(start)
}

fn within_a_tick(gone: Duration, limit: Duration) {
    let slack = config().tick() + Duration::from_millis(2);
    assert!(
        limit <= gone && gone <= limit + slack,
        "{gone:?} instead of {limit:?}"
    );
}

#[test]
fn an_idle_connection_is_pinged_and_lives() {
    let mut sim = server(1_000);
    let client = sim.connect(0);
    sim.pass(100 * SECOND);
    assert!(sim.is_held(client));
    let sent = sim.stats().sent.pings;
    assert!(
        (23..=27).contains(&sent),
        "{sent} pings in 100 s, one every 4"
    );
    assert_eq!(sim.stats().received.pongs, sent);
    assert!(sim.stats().links.idle_wakeups < 150);
}

#[test]
fn first_pings_are_spread() {
    let mut sim = server(1_000);
    for _ in 0..100 {
        sim.connect(0);
    }
    sim.settle();
    let mut most = 0;
    for _ in 0..22 {
        let before = sim.stats().sent.pings;
        sim.pass(SECOND / 5);
        most = most.max(sim.stats().sent.pings - before);
    }
    assert!(most < 30, "{most} of 100 pings within 200 ms");
    assert_eq!(sim.stats().sent.pings, 100);
}

#[test]
fn a_silent_connection_goes_and_leaves_its_room() {
    for shard in [0, 1] {
        let mut sim = server(1_000);
        let client = sim.connect(shard);
        sim.client_mut(client).pongs = false;
        sim.say(client, "join:r");
        sim.settle();
        assert_eq!(sim.stats().channels.members, 1);
        let gone = until_gone(&mut sim, client);
        within_a_tick(gone, 6 * SECOND - Duration::from_millis(1));
        sim.settle();
        assert_eq!(sim.stats().closed[CloseCause::PongTimeout as usize], 1);
        sim.assert_bare();
    }
}

#[test]
fn a_request_that_does_not_come() {
    let mut sim = server(1_000);
    let client = sim.dial(0);
    within_a_tick(until_gone(&mut sim, client), 2 * SECOND);
    assert_eq!(sim.stats().refused[HandshakeError::Timeout.index()], 1);
    assert!(sim.client(client).heard.is_empty() || sim.client(client).is_over());
}

#[test]
fn a_request_that_comes_a_byte_at_a_time() {
    let mut sim = server(1_000);
    let client = sim.dial(0);
    for byte in &REQUEST[..19] {
        sim.pass(SECOND / 10);
        sim.send_bytes(client, &[*byte]);
    }
    assert!(sim.is_held(client));
    sim.pass(SECOND / 2);
    assert!(!sim.is_held(client));
    assert_eq!(
        sim.client(client).heard.first(),
        Some(&stentor_sim::simulator::Incoming::Head(408))
    );
}

#[test]
fn a_reader_that_is_stuck() {
    let mut sim = server(500);
    let client = sim.connect(0);
    sim.settle();
    sim.client_mut(client).reader = ReadPattern::Stuck;
    sim.say(client, &"x".repeat(1_000));
    sim.settle();
    let start = sim.time();
    while sim.is_held(client) {
        // It is alive otherwise.
        sim.say(client, "leave:");
        sim.pass(SECOND / 100);
    }
    let gone = sim.time().since(start);
    assert!(gone >= 3 * SECOND - SECOND / 100 && gone <= 3 * SECOND + SECOND / 4);
    assert_eq!(sim.stats().closed[CloseCause::WriteTimeout as usize], 1);
    let d = sim.stats().delivery;
    assert_eq!(d.queued, d.written + d.discarded + d.evicted);
    sim.settle();
    sim.assert_bare();
}

#[test]
fn a_slow_reader_that_reads_on_is_not_stuck_nor_silent() {
    let network = Network {
        down: 500,
        ..Network::smooth(5)
    };
    let mut sim: Sim<Echo> = Sim::echo(network, &config());
    let client = sim.connect(0);
    sim.settle();
    sim.client_mut(client).reader = ReadPattern::Slow {
        bytes: 400,
        every: 1_000_000,
    };
    let text = "x".repeat(5_000);
    for _ in 0..2_000 {
        sim.say(client, &text);
    }
    sim.pass(60 * SECOND);
    assert!(sim.is_held(client), "it reads, and is not read itself");
}

#[test]
fn a_close_frame_that_is_not_answered() {
    let mut sim = server(1_000);
    let client = sim.connect(0);
    sim.settle();
    sim.client_mut(client).closes = false;
    sim.client_mut(client).follows = false;
    sim.close_all(stentor_core::CloseCode::GOING_AWAY);
    within_a_tick(until_gone(&mut sim, client), 2 * SECOND);
    assert_eq!(sim.client(client).close_code(), Some(Some(1001)));
}

#[test]
fn a_peer_whose_close_was_answered_is_not_waited_for() {
    let mut sim = server(1_000);
    let client = sim.connect(0);
    sim.settle();
    sim.client_mut(client).closes = false;
    sim.client_mut(client).follows = false;
    sim.close(client, Some(1000));
    sim.settle();
    assert!(!sim.is_held(client) && sim.client(client).is_over());
    assert_eq!(sim.client(client).close_code(), Some(Some(1000)));
}

#[test]
fn a_peer_that_does_not_shut_its_side_after_a_fault() {
    let mut sim = server(1_000);
    let client = sim.connect(0);
    sim.settle();
    sim.client_mut(client).closes = false;
    sim.client_mut(client).follows = false;
    sim.send_bytes(client, b"\x81\x00");
    sim.settle();
    assert!(sim.is_held(client) && sim.client(client).is_over());
    assert_eq!(sim.client(client).close_code(), Some(Some(1002)));
    let gone = until_gone(&mut sim, client);
    assert!(gone <= 2 * SECOND + config().tick() + SECOND / 100);
}
