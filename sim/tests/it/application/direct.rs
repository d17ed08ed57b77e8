//! Messages to one connection: in order, credited as publications are, and never
//! lost without a word.

use core::time::Duration;

use stentor_core::Config;
use stentor_core::config::ConfigBuilder;
use stentor_core::stats::Stats;
use stentor_sim::simulator::{Network, Sim};

use super::switchboard::{Switchboard, connect, room_of, server};

fn config(shards: u16) -> ConfigBuilder {
    Config::builder().shards(shards).seed(3)
}

/// Everything that was sent has come, or come too late.
fn balanced(sim: &Sim<Switchboard>) -> Stats {
    assert!(sim.is_quiet());
    let stats = sim.stats();
    let direct = stats.direct;
    assert_eq!(direct.sent, direct.offered + direct.undeliverable);
    stats
}

fn end(mut sim: Sim<Switchboard>) {
    sim.shut_down(Duration::from_secs(10));
    sim.assert_bare();
}

#[test]
fn what_one_sends_to_another_keeps_its_order() {
    for seed in 0..30 {
        let config = config(1 + seed as u16 % 3)
            .credit_messages(1 + seed as usize % 4)
            .build()
            .expect("in range");
        let shards = usize::from(config.shards());
        let mut sim = server(Network::rough(seed), &config);
        let to = connect(&mut sim, shards - 1, "b");
        let from: Vec<_> = (0..3)
            .map(|n| connect(&mut sim, n % shards, &format!("a{n}")))
            .collect();
        // Those of all lengths there are: copied, kept whole, more than the credit.
        let pad = [0, 10, 5_000, 20_000];
        for n in 0..40 {
            for &from in &from {
                let pad = ".".repeat(pad[(n * 7 + from) % 4]);
                sim.say(from, &format!("to b {from} {n} {pad}"));
            }
        }
        sim.settle();
        let heard = sim.take_texts(to);
        assert_eq!(heard.len(), 120, "seed {seed}");
        for from in from {
            let of_this = heard.iter().filter_map(|text| {
                let (whose, rest) = text.split_once(' ')?;
                let number = rest.split(' ').next()?.parse::<usize>().ok()?;
                (whose == from.to_string()).then_some(number)
            });
            assert!(of_this.eq(0..40), "seed {seed}: {from}");
        }
        assert_eq!(balanced(&sim).direct.offered, 120);
        end(sim);
    }
}

/// Where both go the same way.
#[test]
fn a_message_keeps_its_place_among_what_is_said_in_rooms_of_either_shard() {
    let config = config(3).credit_messages(2).build().expect("in range");
    for home in [0, 2] {
        let room = room_of(home, &config);
        for seed in 0..40 {
            let mut sim = server(Network::rough(seed), &config);
            let from = connect(&mut sim, 0, "a");
            let to = connect(&mut sim, 2, "b");
            sim.say(to, &format!("join {room}"));
            sim.settle();
            for n in 0..60 {
                let verb = if n % 3 == 0 { "to b" } else { "say" };
                let room = if n % 3 == 0 { "" } else { &room };
                sim.say(from, &format!("{verb} {room} {n}").replace("  ", " "));
            }
            sim.settle();
            let heard = sim.take_texts(to);
            let expected: Vec<_> = (0..60).map(|n| n.to_string()).collect();
            assert_eq!(heard, expected, "seed {seed}, home {home}");
            end(sim);
        }
    }
}

#[test]
fn whoever_is_gone_is_counted_and_the_sender_learns_it() {
    for shards in [1, 2] {
        let config = config(shards).build().expect("in range");
        let mut sim = server(Network::smooth(1), &config);
        let from = connect(&mut sim, 0, "a");
        let to = connect(&mut sim, usize::from(shards) - 1, "b");
        sim.say(from, "to? b one");
        sim.settle();
        assert_eq!(sim.take_texts(from), ["sent 1 1 0"]);
        assert_eq!(sim.take_texts(to), ["one"]);
        sim.close(to, Some(1000));
        sim.settle();
        // Its slot is another's by now, who is not to hear what was not for it.
        let heir = connect(&mut sim, usize::from(shards) - 1, "c");
        sim.say(from, "to? b two");
        sim.say(from, "to b three");
        sim.say(from, "to? a me");
        sim.settle();
        let heard = sim.take_texts(from);
        assert_eq!(heard.len(), 3, "{heard:?}");
        assert!(heard.contains(&"sent 0 0 0".into()) && heard.contains(&"me".into()));
        assert!(sim.take_texts(heir).is_empty());
        assert_eq!(balanced(&sim).direct.undeliverable, 2);
        end(sim);
    }
}

#[test]
fn a_full_queue_refuses_and_the_sender_learns_it() {
    let config = config(2).queue_messages(2).build().expect("in range");
    let mut network = Network::smooth(1);
    network.down = 200;
    let mut sim = server(network, &config);
    let from = connect(&mut sim, 0, "a");
    let to = connect(&mut sim, 1, "b");
    sim.client_mut(to).reader = stentor_sim::simulator::ReadPattern::Stuck;
    for _ in 0..8 {
        sim.say(from, &format!("to? b {}", ".".repeat(90)));
    }
    sim.settle();
    let heard = sim.take_texts(from);
    assert!(heard.contains(&"sent 1 0 1".into()), "{heard:?}");
    let stats = balanced(&sim);
    assert_eq!(stats.direct.offered, 8);
    assert!(stats.delivery.refused_full > 0);
}

#[test]
fn who_has_no_credit_waits_and_is_not_read() {
    for seed in 0..40 {
        let config = config(3)
            .credit_messages(1 + seed as usize % 2)
            .credit_bytes([128, 1 << 20][seed as usize % 2])
            .build()
            .expect("in range");
        let mut sim = server(Network::smooth(seed), &config);
        let to = connect(&mut sim, 2, "z");
        let from: Vec<_> = (0..6)
            .map(|n| connect(&mut sim, n % 2, &format!("{n}")))
            .collect();
        for n in 0..20 {
            for &from in &from {
                sim.say(from, &format!("to z {n}"));
                sim.say(from, "done");
            }
        }
        sim.settle();
        assert_eq!(sim.take_texts(to).len(), 120, "seed {seed}");
        for from in from {
            assert_eq!(sim.take_texts(from).len(), 20, "each goes on when it may");
        }
        assert!(balanced(&sim).channels.credit_waits > 0, "seed {seed}");
        end(sim);
    }
}

#[test]
fn whoever_ends_while_it_waits_for_credit_holds_nobody_up() {
    let mut abandoned = 0;
    for seed in 0..60 {
        let config = config(2).credit_messages(1).build().expect("in range");
        let mut sim = server(Network::smooth(seed), &config);
        let to = connect(&mut sim, 1, "z");
        let from: Vec<_> = (0..9)
            .map(|n| connect(&mut sim, 0, &format!("{n}")))
            .collect();
        for &from in &from {
            for n in 0..4 {
                sim.say(from, &format!("to z {n}"));
                // Counting takes a credit, too.
                sim.say(from, &format!("count {}", room_name(n)));
            }
        }
        for &from in &from {
            for _ in 0..seed % 7 {
                sim.step(u64::MAX);
            }
            if from % 3 > 0 {
                sim.reset(from);
            }
        }
        sim.settle();
        let stats = balanced(&sim);
        let heard = sim.take_texts(to).len() as u64;
        assert_eq!(heard, stats.direct.offered);
        assert!(heard >= 12, "seed {seed}: those that stay are heard");
        abandoned += stats.channels.abandoned;
        end(sim);
    }
    assert!(abandoned > 0, "nobody has ended while it waited");
}

fn room_name(n: usize) -> &'static str {
    ["a", "b", "c", "d"][n]
}

#[test]
fn a_drain_waits_for_what_is_sent() {
    for seed in 0..40 {
        let config = config(2).credit_messages(3).build().expect("in range");
        let mut sim = server(Network::smooth(seed), &config);
        let from = connect(&mut sim, 0, "a");
        let to = connect(&mut sim, 1, "b");
        for n in 0..30 {
            sim.say(from, &format!("to b {n}"));
        }
        for _ in 0..seed {
            sim.step(u64::MAX);
        }
        sim.shut_down(Duration::from_secs(10));
        let stats = sim.stats();
        assert_eq!(stats.direct.sent, stats.direct.offered, "seed {seed}");
        assert_eq!(stats.delivery.offered, stats.delivery.written);
        assert_eq!(sim.take_texts(to).len() as u64, stats.direct.sent);
        assert_eq!(stats.channels.abandoned, 0);
        sim.assert_bare();
    }
}

/// Of a connection that keeps a context, what is sent to it alone is compressed
/// in its order; of one that keeps none, at once.
#[test]
fn messages_are_compressed_for_whoever_takes_them_so() {
    use stentor_core::testing::deflate::Params;

    let long = "again and ".repeat(2_000);
    for contexts in [0, 1 << 30] {
        let config = config(2)
            .compression(true)
            .compression_contexts(contexts)
            .build()
            .expect("in range");
        let mut sim = server(Network::smooth(1), &config);
        let from = connect(&mut sim, 0, "a");
        let to: Vec<_> = (0..2)
            .map(|shard| sim.connect_offering(shard, Params::default()))
            .collect();
        for (n, &to) in to.iter().enumerate() {
            sim.say(to, &format!("name b{n}"));
            sim.settle();
            let before = sim.stats().sent.bytes;
            sim.say(from, &format!("to b{n} {long}"));
            sim.say(from, &format!("to b{n} {long}"));
            sim.settle();
            assert!(sim.take_texts(to) == [&*long, &*long]);
            let bytes = sim.stats().sent.bytes - before;
            assert!(bytes < 1_000, "{bytes} bytes");
        }
        end(sim);
    }
}
