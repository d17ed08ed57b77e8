//! What a server does after it was stopped, as by SIGSTOP, a snapshot of its machine or
//! an exhausted CPU quota: no peer is blamed for the time in which nobody looked.

use core::time::Duration;

use stentor_core::proto::http::HandshakeError;
use stentor_core::{CloseCause, CloseCode, Config};
use stentor_sim::Rooms;
use stentor_sim::simulator::{Incoming, Network, REQUEST, ReadPattern, Sim};

use crate::short_timeouts::{SECOND, config};

const SEEDS: u64 = 20;

fn server(seed: u64) -> Sim<Rooms> {
    let network = Network {
        down: 1_000,
        ..Network::smooth(seed)
    };
    Sim::rooms(network, &config())
}

/// Any time-out, its tick, and the moment that the simulation takes.
fn a_little_more_than(limit: Duration) -> Duration {
    limit + config().tick() * 2 + SECOND / 100
}

fn closed(sim: &Sim<Rooms>, cause: CloseCause) -> u64 {
    sim.stats().closed[cause as usize]
}

/// Lets clients be seen alive for so long, then the server be stopped.
fn stop_after(sim: &mut Sim<Rooms>, before: Duration, stopped: Duration) {
    sim.pass(before);
    sim.pass_stopped(stopped);
}

#[test]
fn peers_that_answer_outlive_a_stop_of_any_length_at_any_time() {
    // Before the first ping, just before and after it, before its answer was due, later.
    for before in [0, 1_000, 2_100, 3_990, 4_010, 5_500, 20_000] {
        for stopped in [1_000, 2_500, 5_900, 6_050, 7_000, 60_000, 3_600_000] {
            let mut sim = server(before + stopped);
            let quiet: Vec<usize> = (0..10).map(|n| sim.connect(n % 2)).collect();
            let said = sim.connect(0);
            sim.settle();
            let ms = Duration::from_millis;
            sim.pass(ms(before));
            sim.say(said, "task:while it was stopped");
            sim.pass_stopped(ms(stopped));
            sim.pass(2 * SECOND);
            assert_eq!(sim.take_texts(said).len(), 1, "{before} ms, {stopped} ms");
            sim.pass(60 * SECOND);
            let all = quiet.into_iter().chain([said]);
            for client in all {
                assert!(sim.is_held(client), "{before} ms, {stopped} ms: {client}");
            }
            assert_eq!(closed(&sim, CloseCause::PongTimeout), 0);
        }
    }
}

#[test]
fn a_dead_peer_is_cut_off_soon_after_a_stop() {
    for seed in 0..SEEDS {
        let mut sim = server(seed);
        let dead: Vec<usize> = (0..4).map(|n| sim.connect(n % 2)).collect();
        let alive = sim.connect(0);
        sim.settle();
        for &client in &dead {
            sim.vanish(client);
        }
        let before = SECOND * (seed as u32 % 8) / 2;
        stop_after(&mut sim, before, 100 * SECOND);
        sim.pass(a_little_more_than(config().pong_wait()));
        for client in dead {
            assert!(!sim.is_held(client), "seed {seed}");
        }
        assert!(sim.is_held(alive));
        assert_eq!(closed(&sim, CloseCause::PongTimeout), 4);
    }
}

#[test]
fn a_dead_peer_is_not_kept_by_one_stop_after_the_other() {
    let mut sim = server(1);
    let (dead, alive) = (sim.connect(0), sim.connect(0));
    sim.settle();
    sim.vanish(dead);
    let mut stops = 0;
    while sim.is_held(dead) {
        // As one that is overloaded: each of its turns is late.
        stop_after(&mut sim, SECOND / 100, SECOND);
        stops += 1;
        assert!(stops < 20, "it stays for ever");
    }
    assert!(sim.is_held(alive));
    // Its silence, the wait for the answer when it was asked late, and the stops between.
    let limit = config().pong_wait() * 2;
    assert!(SECOND * stops <= limit + 2 * SECOND, "{stops} s");
}

#[test]
fn a_silent_peer_gets_a_close_frame_and_no_more_is_waited_for() {
    let mut sim = server(1);
    let mute = sim.connect(0);
    sim.settle();
    sim.client_mut(mute).pongs = false;
    sim.client_mut(mute).closes = false;
    sim.client_mut(mute).follows = false;
    sim.pass(a_little_more_than(config().pong_wait()));
    assert!(!sim.is_held(mute) && sim.client(mute).is_over());
    assert_eq!(sim.client(mute).close_code(), Some(Some(1011)));
    assert_eq!(sim.client(mute).heard.last(), Some(&Incoming::Eof));
    sim.assert_bare();
}

#[test]
fn a_silent_peer_whose_socket_takes_nothing_gets_none() {
    let mut sim = server(1);
    let stuck = sim.connect(0);
    sim.settle();
    sim.client_mut(stuck).pongs = false;
    sim.pass(5 * SECOND);
    sim.client_mut(stuck).reader = ReadPattern::Stuck;
    sim.say(stuck, &"x".repeat(2_000));
    sim.vanish(stuck);
    sim.pass(20 * SECOND);
    assert!(!sim.is_held(stuck));
    sim.assert_bare();
}

#[test]
fn requests_that_came_while_it_was_stopped_are_answered() {
    for seed in 0..SEEDS {
        let mut sim = server(seed);
        let [late, begun, never] = [sim.dial(0), sim.dial(1), sim.dial(0)];
        sim.send_bytes(begun, &REQUEST[..20]);
        sim.pass(SECOND);
        sim.send_bytes(late, REQUEST);
        sim.send_bytes(begun, &REQUEST[20..]);
        sim.pass_stopped(SECOND * (1 + seed as u32));
        sim.pass(SECOND / 10);
        assert!(sim.client(late).is_upgraded(), "seed {seed}");
        assert!(sim.client(begun).is_upgraded(), "seed {seed}");
        sim.pass(a_little_more_than(config().handshake_timeout()));
        assert!(!sim.is_held(never));
        assert_eq!(sim.stats().refused[HandshakeError::Timeout.index()], 1);
    }
}

#[test]
fn a_request_that_comes_just_after_a_stop_is_answered() {
    for stopped in [2, 10, 3_600] {
        let mut sim = server(stopped.into());
        let client = sim.dial(0);
        stop_after(&mut sim, SECOND, SECOND * stopped);
        // Its time is over, and nothing lies in its socket; but nobody has looked in all of it.
        sim.pass(SECOND / 2);
        assert!(sim.is_held(client), "after {stopped} s");
        sim.send_bytes(client, REQUEST);
        sim.settle();
        assert!(sim.client(client).is_upgraded(), "after {stopped} s");
    }
}

#[test]
fn a_request_that_is_trickled_is_not_kept_by_one_stop_after_the_other() {
    let mut sim = server(1);
    let client = sim.dial(0);
    let mut stops = 0;
    while sim.is_held(client) {
        sim.send_bytes(client, &REQUEST[stops..=stops]);
        stop_after(&mut sim, SECOND / 100, SECOND);
        stops += 1;
        assert!(stops < 8, "it stays for ever");
    }
    assert_eq!(sim.stats().refused[HandshakeError::Timeout.index()], 1);
}

#[test]
fn a_reader_that_took_bytes_while_it_was_stopped_goes_on_reading() {
    for seed in 0..SEEDS {
        let patient = Config::builder().write_timeout(3 * SECOND);
        let network = Network {
            down: 1_000,
            ..Network::smooth(seed)
        };
        let mut sim = Sim::rooms(network, &patient.build().expect("in range"));
        let [reads, stuck] = [sim.connect(0), sim.connect(0)];
        sim.settle();
        for client in [reads, stuck] {
            sim.client_mut(client).reader = ReadPattern::Stuck;
            sim.say(client, &"x".repeat(5_000));
        }
        sim.pass(SECOND);
        sim.client_mut(reads).reader = ReadPattern::Slow {
            bytes: 900,
            every: 500_000,
        };
        // Ends after the write time-out of three seconds, or just before it.
        sim.pass_stopped(SECOND * (19 + seed as u32) / 10);
        sim.pass(a_little_more_than(config().write_timeout()));
        assert!(sim.is_held(reads), "seed {seed}");
        assert!(!sim.is_held(stuck), "seed {seed}");
        assert_eq!(closed(&sim, CloseCause::WriteTimeout), 1);
        let heard = sim.take_texts(reads);
        assert_eq!(heard, ["echo:".to_owned() + &"x".repeat(5_000)]);
    }
}

#[test]
fn a_closing_handshake_that_ended_while_it_was_stopped_ends_in_order() {
    for seed in 0..SEEDS {
        let mut sim = server(seed);
        let [answers, dead] = [sim.connect(0), sim.connect(0)];
        sim.settle();
        sim.client_mut(dead).closes = false;
        sim.client_mut(dead).follows = false;
        sim.client_mut(answers).reader = ReadPattern::Stuck;
        sim.close_all(CloseCode::GOING_AWAY);
        sim.pass(SECOND);
        sim.client_mut(answers).reader = ReadPattern::Eager;
        sim.pass_stopped(SECOND * (1 + seed as u32));
        sim.settle();
        assert!(!sim.is_held(answers), "seed {seed}");
        assert_eq!(sim.client(answers).close_code(), Some(Some(1001)));
        sim.pass(a_little_more_than(config().close_timeout()));
        assert!(!sim.is_held(dead), "seed {seed}");
    }
}
