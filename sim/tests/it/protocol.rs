//! Every row of the protocol of rooms and tasks, with one shard and with four.

use core::time::Duration;

use stentor_core::{Config, MessageType};
use stentor_sim::Rooms;
use stentor_sim::simulator::{Network, Sim};

fn server(seed: u64, shards: u16, workers: u16, tasks: usize) -> Sim<Rooms> {
    let config = Config::builder()
        .shards(shards)
        .seed(seed)
        .build()
        .expect("in range");
    Sim::rooms_with(
        Network::smooth(seed),
        &config,
        Rooms::default(),
        workers,
        tasks,
    )
}

fn each(test: impl Fn(&mut Sim<Rooms>, usize, usize)) {
    for shards in [1, 4] {
        for seed in 0..20 {
            let mut sim = server(seed, shards, 1, 8);
            let a = sim.connect(0);
            let b = sim.connect(usize::from(shards) - 1);
            sim.settle();
            assert!(sim.client(a).is_upgraded() && sim.client(b).is_upgraded());
            test(&mut sim, a, b);
            for client in [a, b] {
                sim.close(client, Some(1000));
            }
            sim.settle();
            assert_eq!(sim.client(a).close_code(), Some(Some(1000)));
            assert!(sim.client(b).is_over());
            sim.assert_bare();
        }
    }
}

/// Says it as text and as binary; each answer must be of the same kind.
fn ask(sim: &mut Sim<Rooms>, client: usize, question: &str, answer: &str) {
    for kind in [MessageType::Text, MessageType::Binary] {
        sim.send(client, kind, question.as_bytes());
        sim.settle();
        let heard: Vec<_> = sim.client(client).messages().collect();
        assert_eq!(heard, [(kind, answer.as_bytes())], "{question}");
        sim.take_texts(client);
    }
}

#[test]
fn whatever_is_no_command_comes_back() {
    each(|sim, a, _| {
        for text in ["hello", "", "join", "JOIN:a", "echo:x"] {
            ask(sim, a, text, &format!("echo:{text}"));
        }
    });
}

#[test]
fn a_room_is_joined_left_and_changed() {
    each(|sim, a, b| {
        for room in ["a", "b:c", "Zürich", &"x".repeat(128)] {
            ask(sim, a, &format!("join:{room}"), &format!("joined:{room}"));
        }
        sim.say(b, "join:first");
        sim.settle();
        sim.say(a, "join:first");
        sim.settle();
        sim.say(a, "join:second");
        sim.settle();
        sim.say(b, "msg:alone");
        sim.settle();
        assert_eq!(sim.take_texts(a), ["joined:first", "joined:second"]);
        assert_eq!(sim.take_texts(b), ["joined:first", "alone"]);
        sim.say(a, "leave:");
        sim.settle();
        assert_eq!(sim.take_texts(a), ["left:second"]);
        ask(sim, a, "leave:", "error:no_room");
        assert_eq!(sim.stats().channels.members, 1);
        // `first` is on b's shard and, if that is another, at its home.
        assert!((1..=2).contains(&sim.stats().channels.count));
    });
}

#[test]
fn a_room_cannot_have_every_name() {
    each(|sim, a, _| {
        ask(sim, a, "join:", "error:bad_room");
        ask(
            sim,
            a,
            &format!("join:{}", "x".repeat(129)),
            "error:bad_room",
        );
        sim.send(a, MessageType::Binary, b"join:\xFF");
        sim.settle();
        assert_eq!(sim.take_texts(a), ["error:bad_room"]);
    });
}

#[test]
fn a_message_reaches_everyone_in_the_room_as_its_sender_put_it() {
    each(|sim, a, b| {
        sim.say(a, "msg:into nothing");
        sim.say(a, "join:r");
        sim.say(b, "join:r");
        sim.settle();
        sim.take_texts(a);
        sim.take_texts(b);
        for kind in [MessageType::Text, MessageType::Binary] {
            sim.send(a, kind, b"msg:hi");
            sim.settle();
            for client in [a, b] {
                let heard: Vec<_> = sim.client(client).messages().collect();
                assert_eq!(heard, [(kind, &b"hi"[..])]);
                sim.take_texts(client);
            }
        }
    });
}

#[test]
fn a_task_is_done_and_the_room_is_told() {
    each(|sim, a, b| {
        ask(sim, a, "task:x", "processed_by_0:x");
        sim.say(a, "join:r");
        sim.say(b, "join:r");
        sim.settle();
        sim.take_texts(a);
        sim.take_texts(b);
        sim.send(a, MessageType::Binary, b"task:y");
        sim.settle();
        let heard: Vec<_> = sim.client(a).messages().collect();
        assert_eq!(
            heard,
            [
                (MessageType::Binary, &b"processed_by_0:y"[..]),
                (MessageType::Binary, b"room_broadcast:y")
            ]
        );
        let heard: Vec<_> = sim.client(b).messages().collect();
        assert_eq!(heard, [(MessageType::Binary, &b"room_broadcast:y"[..])]);
    });
}

#[test]
fn a_task_too_many_is_rejected() {
    for shards in [1, 4] {
        let mut sim = server(7, shards, 0, 2);
        let a = sim.connect(0);
        for task in ["task:1", "task:2", "task:3"] {
            sim.say(a, task);
        }
        sim.settle();
        assert_eq!(sim.take_texts(a), ["task_rejected"]);
        sim.send(a, MessageType::Binary, b"task:4");
        sim.settle();
        let heard: Vec<_> = sim.client(a).messages().collect();
        assert_eq!(heard, [(MessageType::Binary, &b"task_rejected"[..])]);
        assert_eq!(sim.dispatch_stats().refused_full, 2);
    }
}

#[test]
fn a_task_whose_every_attempt_panics_has_failed() {
    for shards in [1, 4] {
        let config = Config::builder().shards(shards).build().expect("in range");
        let network = Network {
            panics: 100,
            ..Network::smooth(3)
        };
        let mut sim = Sim::rooms(network, &config);
        let a = sim.connect(0);
        sim.say(a, "task:x");
        sim.settle();
        assert!(sim.take_texts(a).is_empty(), "it is tried again");
        // The waits between three attempts are one and two seconds at most.
        sim.pass(Duration::from_secs(4));
        assert_eq!(sim.take_texts(a), ["task_failed"]);
        assert_eq!(sim.dispatch_stats().panicked, 3);
    }
}
