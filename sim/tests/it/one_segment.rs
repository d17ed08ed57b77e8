//! What a client says in one segment means the same wherever the homes of its
//! rooms are, and nothing of it is lost for whoever reads.

use stentor_core::{Config, Echo, Handler, MessageType};
use stentor_sim::simulator::{Network, Sim};

fn config(shards: u16, credits: usize) -> Config {
    Config::builder()
        .shards(shards)
        .seed(11)
        .credit_messages(credits)
        .build()
        .expect("in range")
}

#[test]
fn between_two_rooms() {
    for shards in [1, 4] {
        for n in 0..100 {
            let mut sim = Sim::rooms(Network::smooth(n), &config(shards, 256));
            let (a, b) = (format!("a{n}"), format!("b{n}"));
            let in_a = sim.connect(0);
            let in_b = sim.connect(usize::from(shards) - 1);
            let mover = sim.connect(n as usize % usize::from(shards));
            sim.say(in_a, &format!("join:{a}"));
            sim.say(in_b, &format!("join:{b}"));
            sim.say(mover, &format!("join:{a}"));
            sim.settle();
            for client in [in_a, in_b, mover] {
                assert_eq!(sim.take_texts(client).len(), 1);
            }
            for text in ["msg:1", &format!("join:{b}"), "msg:2", "leave:", "msg:3"] {
                sim.say(mover, text);
            }
            sim.settle();
            assert_eq!(sim.take_texts(in_a), ["1"]);
            assert_eq!(sim.take_texts(in_b), ["2"]);
            let mut heard = sim.take_texts(mover);
            // Each message goes ahead of an answer that is less urgent, if that still waits.
            heard.sort();
            assert_eq!(
                heard,
                [
                    "1".to_owned(),
                    "2".into(),
                    format!("joined:{b}"),
                    format!("left:{b}")
                ]
            );
        }
    }
}

/// One segment with a thousand commands, while another client listens.
fn burst(network: Network, shards: u16, credits: usize) {
    let mut sim = Sim::rooms(network, &config(shards, credits));
    let listeners: Vec<_> = (0..usize::from(shards)).map(|s| sim.connect(s)).collect();
    let speaker = sim.connect(0);
    for &client in &listeners {
        sim.say(client, "join:hall");
    }
    sim.settle();
    for n in 0..1_000 {
        match n % 4 {
            0 => sim.say(speaker, &format!("join:{}", ["hall", "yard"][n / 4 % 2])),
            1 | 2 => sim.say(speaker, &format!("msg:{n}")),
            _ => sim.say(speaker, &format!("echo {n}")),
        }
    }
    sim.settle();
    let said = |n: &usize| matches!(n % 4, 1 | 2);
    let in_hall: Vec<String> = (0..1_000)
        .filter(|n| said(n) && n / 4 % 2 == 0)
        .map(|n| n.to_string())
        .collect();
    for client in listeners {
        let heard = sim.take_texts(client);
        assert_eq!(heard[1..], in_hall, "{shards} shards, {credits} credits");
    }
    let heard = sim.take_texts(speaker);
    let of = |what: &str| -> Vec<String> {
        heard
            .iter()
            .filter(|t| t.starts_with(what))
            .cloned()
            .collect()
    };
    let echoes: Vec<String> = (0..1_000)
        .filter(|n| n % 4 == 3)
        .map(|n| format!("echo:echo {n}"))
        .collect();
    assert_eq!(of("echo:"), echoes);
    let joins: Vec<String> = (0..250)
        .map(|n| format!("joined:{}", ["hall", "yard"][n % 2]))
        .collect();
    assert_eq!(of("joined:"), joins);
    let own: Vec<String> = (0..1_000).filter(said).map(|n| n.to_string()).collect();
    let heard: Vec<String> = heard.iter().filter(|t| !t.contains(':')).cloned().collect();
    assert_eq!(heard, own);
    let d = sim.stats().delivery;
    assert_eq!(
        (d.refused_full, d.refused_closing, d.evicted, d.discarded),
        (0, 0, 0, 0)
    );
    assert_eq!(d.offered, d.written);
}

#[test]
fn a_thousand_commands() {
    for shards in [1, 4] {
        for credits in [1, 256] {
            for seed in 0..10 {
                let network = Network::smooth(seed);
                burst(network, shards, credits);
                let detached = true;
                let network = Network {
                    detached,
                    ..network
                };
                burst(network, shards, credits);
            }
        }
    }
}

fn echo_burst<H: Handler>(sim: &mut Sim<H>) {
    let client = sim.connect(0);
    let said: Vec<String> = (0..1_000)
        .map(|n| format!("{n}{}", ".".repeat(n % 7 * 300)))
        .collect();
    for text in &said {
        sim.say(client, text);
    }
    sim.settle();
    assert_eq!(sim.take_texts(client), said);
}

#[test]
fn a_thousand_messages_echoed_however_small_the_queue() {
    for shards in [1, 4] {
        for queue in [1, 2, 16, 256] {
            for seed in 0..5 {
                for mut network in [Network::smooth(seed), Network::rough(seed)] {
                    let config = Config::builder()
                        .shards(shards)
                        .queue_messages(queue)
                        .build()
                        .expect("in range");
                    echo_burst(&mut Sim::echo(network, &config));
                    network.detached = true;
                    echo_burst(&mut Sim::<Echo>::echo(network, &config));
                }
            }
        }
    }
}

#[test]
fn kinds_are_kept() {
    let mut sim = Sim::echo(Network::smooth(1), &config(1, 1));
    let client = sim.connect(0);
    sim.send(client, MessageType::Binary, &[0xFF; 3]);
    sim.say(client, "text");
    sim.settle();
    let heard: Vec<_> = sim.client(client).messages().collect();
    assert_eq!(
        heard,
        [
            (MessageType::Binary, &[0xFF; 3][..]),
            (MessageType::Text, b"text")
        ]
    );
}
