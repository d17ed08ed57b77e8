//! Connections in many rooms at once, up to as many as they may be; who is in a
//! room; and what is said to everyone, in a room or not.

use core::time::Duration;
use std::collections::BTreeSet;

use stentor_core::Config;
use stentor_core::config::ConfigBuilder;
use stentor_sim::simulator::{Network, Rng, Sim};

use super::switchboard::{connect, room_of, server};

fn config(shards: u16) -> ConfigBuilder {
    Config::builder().shards(shards).seed(3)
}

/// Whatever was joined, left and said, everybody hears what was said in the rooms
/// that it was in, once for each.
#[test]
fn each_room_is_heard_by_its_members() {
    for seed in 0..60 {
        let config = config(1 + seed as u16 % 4)
            .credit_messages(1 + seed as usize % 3)
            .build()
            .expect("in range");
        let shards = usize::from(config.shards());
        let mut rng = Rng::new(seed);
        let mut sim = server(Network::rough(seed), &config);
        let clients: Vec<_> = (0..6)
            .map(|n| connect(&mut sim, n % shards, &format!("{n}")))
            .collect();
        let mut members = vec![BTreeSet::new(); clients.len()];
        for round in 0..12 {
            for (&client, rooms) in clients.iter().zip(&mut members) {
                for _ in 0..rng.below(6) {
                    let room = rng.below(9);
                    // Once too often does no harm.
                    if rng.percent(60) {
                        sim.say(client, &format!("join {room}"));
                        rooms.insert(room);
                    } else {
                        sim.say(client, &format!("leave {room}"));
                        rooms.remove(&room);
                    }
                }
            }
            sim.settle();
            let speaker = clients[rng.below(clients.len())];
            for room in 0..9 {
                sim.say(speaker, &format!("say {room} {round}:{room}"));
            }
            sim.settle();
            for (&client, rooms) in clients.iter().zip(&members) {
                let mut heard = sim.take_texts(client);
                heard.sort_unstable();
                let expected: Vec<_> = rooms.iter().map(|room| format!("{round}:{room}")).collect();
                assert_eq!(heard, expected, "seed {seed}, round {round}");
            }
            let all: usize = members.iter().map(BTreeSet::len).sum();
            assert_eq!(sim.stats().channels.members, all as u64);
        }
        sim.shut_down(Duration::from_secs(10));
        sim.assert_bare();
    }
}

/// Also where each command waits for the one before it.
#[test]
fn one_room_too_many_is_refused_and_the_application_is_told() {
    for shards in [1, 4] {
        for seed in 0..20 {
            let config = config(shards)
                .channels_per_connection(3)
                .build()
                .expect("in range");
            let mut sim = server(Network::rough(seed), &config);
            let client = sim.connect(0);
            for room in ["a", "b", "c", "d", "b", "e"] {
                sim.say(client, &format!("join {room}"));
            }
            sim.say(client, "rooms");
            sim.say(client, "leave a");
            sim.say(client, "join f");
            sim.say(client, "rooms");
            sim.settle();
            let heard = sim.take_texts(client);
            let expected = ["refused d", "refused e", "a b c", "b c f"];
            assert_eq!(heard, expected, "seed {seed}");
            let rooms = sim.stats().channels;
            assert_eq!((rooms.members, rooms.joins_refused), (3, 2));
            sim.close(client, Some(1000));
            sim.settle();
            sim.assert_bare();
        }
    }
}

#[test]
fn what_comes_behind_a_refused_join_is_not_lost_at_the_end() {
    for seed in 0..60 {
        let config = config(3)
            .channels_per_connection(1)
            .build()
            .expect("in range");
        let mut network = Network::smooth(seed);
        network.mail_delay = 2_000;
        let mut sim = server(network, &config);
        let hears = sim.connect(1);
        sim.say(hears, "join a");
        sim.settle();
        let client = sim.connect(seed as usize % 3);
        for said in ["join a", "join b", "say a one", "join c", "say a two"] {
            sim.say(client, said);
        }
        sim.shut(client);
        sim.settle();
        assert_eq!(sim.take_texts(hears), ["one", "two"], "seed {seed}");
        assert_eq!(sim.stats().channels.joins_refused, 2);
    }
}

#[test]
fn the_home_knows_how_many_are_in_a_room() {
    for shards in [1, 3] {
        let config = config(shards).build().expect("in range");
        for home in 0..usize::from(shards) {
            let room = if shards == 1 {
                "a".into()
            } else {
                room_of(home, &config)
            };
            let mut sim = server(Network::smooth(home as u64), &config);
            let clients: Vec<_> = (0..7)
                .map(|n| sim.connect(n % usize::from(shards)))
                .collect();
            let asker = clients[0];
            let count = |sim: &mut Sim<_>, expected: &str| {
                sim.say(asker, &format!("count {room}"));
                sim.settle();
                assert_eq!(sim.take_texts(asker), [format!("members {expected}")]);
            };
            count(&mut sim, "0");
            for &client in &clients[1..] {
                sim.say(client, &format!("join {room}"));
            }
            sim.settle();
            count(&mut sim, "6");
            // Its own comes before its question.
            sim.say(asker, &format!("join {room}"));
            count(&mut sim, "7");
            sim.say(asker, &format!("here {room}"));
            sim.settle();
            let here = (0..7).filter(|n| n % usize::from(shards) == 0).count();
            assert_eq!(sim.take_texts(asker), [here.to_string()]);
            sim.say(clients[1], &format!("leave {room}"));
            sim.reset(clients[2]);
            sim.settle();
            count(&mut sim, "5");
            sim.shut_down(Duration::from_secs(10));
            sim.assert_bare();
        }
    }
}

#[test]
fn everyone_hears_what_is_said_to_all() {
    for shards in [1, 4] {
        let config = config(shards).build().expect("in range");
        let mut sim = server(Network::rough(1), &config);
        let clients: Vec<_> = (0..9)
            .map(|n| sim.connect(n % usize::from(shards)))
            .collect();
        // In no room, in one, in several.
        for &client in &clients {
            for room in 0..client % 3 {
                sim.say(client, &format!("join {room}"));
            }
        }
        let dialled = sim.dial(0);
        sim.settle();
        sim.say(clients[4], "all hear ye");
        sim.say(clients[4], "all-others and I");
        sim.settle();
        for &client in &clients {
            let expected = ["hear ye", "and I"];
            let expected = if client == clients[4] {
                &expected[..1]
            } else {
                &expected
            };
            assert_eq!(sim.take_texts(client), expected, "{client}");
        }
        assert!(sim.client(dialled).heard.is_empty(), "it is not upgraded");
        assert_eq!(sim.stats().channels.offered, 9 + 8);
    }
}
