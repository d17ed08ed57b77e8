//! What is urgent overtakes what is not, unless its first byte is out; equals
//! keep their order; a full queue makes room for the more urgent at its edge.

use stentor_core::config::ConfigBuilder;
use stentor_core::stats::Delivery;
use stentor_core::{Config, Echo};
use stentor_sim::Rooms;
use stentor_sim::simulator::{Network, ReadPattern, Sim};

const PIPE: usize = 1_000;

/// A client with an empty pipe of so many bytes that it does not read any more.
fn stuck<H: stentor_core::Handler>(sim: &mut Sim<H>) -> usize {
    let client = sim.connect(0);
    sim.settle();
    sim.client_mut(client).reader = ReadPattern::Stuck;
    client
}

fn rooms(shards: u16, seed: u64, down: usize, config: ConfigBuilder) -> Sim<Rooms> {
    let config = config.shards(shards).build().expect("in range");
    let network = Network {
        down,
        ..Network::smooth(seed)
    };
    Sim::rooms(network, &config)
}

#[test]
fn an_outcome_overtakes_echoes_whose_first_byte_is_not_out() {
    for shards in [1, 4] {
        for seed in 0..10 {
            let mut sim = rooms(shards, seed, PIPE, Config::builder());
            let client = stuck(&mut sim);
            let echoes: Vec<String> = (0..100).map(|n| format!("echo:{n:03}")).collect();
            for echo in &echoes {
                sim.say(client, &echo[5..]);
            }
            sim.settle();
            sim.say(client, "task:now");
            sim.settle();
            sim.client_mut(client).reader = ReadPattern::Eager;
            sim.settle();
            let mut heard = sim.take_texts(client);
            let at = heard
                .iter()
                .position(|text| text.starts_with("processed_by_"));
            // Frames of 2 + 8 bytes: 100 of them fill the pipe.
            assert_eq!(at, Some(PIPE / 10), "the pipe takes all of them");
            heard.remove(PIPE / 10);
            assert_eq!(heard, echoes);
        }
    }
}

#[test]
fn a_frame_that_is_partly_out_is_finished_first() {
    for (pipe, ahead) in [(40, 1), (105, 2), (1, 1), (104, 1)] {
        let mut sim = rooms(1, 1, 400, Config::builder());
        let client = stuck(&mut sim);
        // Fills the pipe up to so many bytes.
        sim.say(client, &"f".repeat(400 - pipe - 4 - 5));
        sim.settle();
        let filler = sim.stats().delivery.written;
        let echoes: Vec<String> = (0..9).map(|n| format!("{n}{}", ".".repeat(96))).collect();
        for echo in &echoes {
            sim.say(client, echo);
        }
        sim.settle();
        sim.say(client, "task:now");
        sim.settle();
        sim.client_mut(client).reader = ReadPattern::Eager;
        sim.settle();
        let heard = sim.take_texts(client);
        assert_eq!(filler, 1);
        assert!(
            heard[1 + ahead].starts_with("processed_by_"),
            "{pipe}: {heard:?}"
        );
        assert_eq!(heard.len(), 11);
    }
}

/// Offered, queued, refused, evicted, waiting.
fn counts(d: Delivery) -> [u64; 5] {
    [d.offered, d.queued, d.refused_full, d.evicted, d.waiting]
}

#[test]
fn the_edge_of_queue_messages() {
    let mut sim = rooms(1, 1, 1_000, Config::builder().queue_messages(4));
    let other = sim.connect(0);
    let client = stuck(&mut sim);
    sim.say(client, "join:r");
    sim.say(other, "join:r");
    sim.settle();
    // Fills the pipe to its last byte: `joined:r` is in it.
    sim.say(client, &"f".repeat(1_000 - 10 - 4 - 5));
    sim.settle();
    assert_eq!(sim.stats().delivery.waiting, 0);
    for n in 0..4 {
        sim.say(client, &format!("{n}"));
        sim.settle();
    }
    assert_eq!(counts(sim.stats().delivery), [7, 7, 0, 0, 4]);
    sim.say(client, "4");
    sim.settle();
    assert_eq!(counts(sim.stats().delivery), [8, 7, 1, 0, 4]);
    // More urgent: each pushes out the newest of the least urgent.
    for n in 0..4 {
        sim.say(other, &format!("msg:urgent {n}"));
        sim.settle();
        assert_eq!(sim.stats().delivery.evicted, n + 1);
    }
    sim.say(other, "msg:urgent 4");
    sim.settle();
    // Five more for the other one, who read them.
    assert_eq!(counts(sim.stats().delivery), [18, 16, 2, 4, 4]);
    sim.client_mut(client).reader = ReadPattern::Eager;
    sim.settle();
    let heard = sim.take_texts(client);
    let urgent: Vec<String> = (0..4).map(|n| format!("urgent {n}")).collect();
    assert_eq!(heard[2..], urgent);
}

#[test]
fn the_edge_of_queue_bytes() {
    let mut sim = rooms(1, 1, 1_000, Config::builder().queue_bytes(300));
    let client = stuck(&mut sim);
    sim.say(client, &"f".repeat(1_000 - 4 - 5));
    sim.settle();
    sim.say(client, &"a".repeat(200 - 4 - 5));
    sim.settle();
    sim.say(client, &"b".repeat(101 - 2 - 5));
    sim.settle();
    assert_eq!(counts(sim.stats().delivery), [3, 2, 1, 0, 1]);
    sim.say(client, &"c".repeat(100 - 2 - 5));
    sim.settle();
    assert_eq!(counts(sim.stats().delivery), [4, 3, 1, 0, 2]);
    assert_eq!(sim.stats().delivery.waiting_bytes, 300);
    sim.say(client, "");
    sim.settle();
    assert_eq!(counts(sim.stats().delivery), [5, 3, 2, 0, 2]);
}

#[test]
fn an_empty_queue_takes_one_of_any_size() {
    let mut sim = rooms(
        1,
        1,
        10,
        Config::builder().queue_bytes(128).queue_messages(1),
    );
    let client = sim.connect(0);
    sim.settle();
    sim.client_mut(client).reader = ReadPattern::Stuck;
    sim.say(client, "fill");
    sim.settle();
    sim.client_mut(client).reader = ReadPattern::Eager;
    sim.settle();
    sim.client_mut(client).reader = ReadPattern::Stuck;
    for _ in 0..2 {
        sim.say(client, &"x".repeat(100_000));
        sim.settle();
    }
    assert_eq!(counts(sim.stats().delivery), [3, 2, 1, 0, 1]);
    sim.client_mut(client).reader = ReadPattern::Eager;
    sim.settle();
    assert_eq!(sim.take_texts(client)[1].len(), 100_005);
}

#[test]
fn echo_does_not_read_whoever_does_not_read_and_drops_nothing() {
    for seed in 0..10 {
        let config = Config::builder()
            .queue_messages(8)
            .build()
            .expect("in range");
        let network = Network {
            down: 500,
            up: 500,
            most_read: 100,
            ..Network::smooth(seed)
        };
        let mut sim: Sim<Echo> = Sim::echo(network, &config);
        let client = stuck(&mut sim);
        let said: Vec<String> = (0..500).map(|n| format!("{n:050}")).collect();
        for text in &said {
            sim.say(client, text);
        }
        sim.settle();
        assert!(!sim.is_read(client));
        assert!(sim.stats().delivery.waiting <= 8);
        assert!(sim.stats().received.bytes < 2_000);
        sim.client_mut(client).reader = ReadPattern::Slow {
            bytes: 70,
            every: 500,
        };
        sim.settle();
        assert_eq!(sim.take_texts(client), said);
        assert!(sim.is_read(client));
    }
}
