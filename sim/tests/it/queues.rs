//! What an application can ask of queues, through whole servers: time to live,
//! conflation, what becomes of a full queue, and what became of a publication.

use core::time::Duration;

use stentor_core::config::ConfigBuilder;
use stentor_core::{CloseCause, Config, OverflowPolicy};
use stentor_sim::Rooms;
use stentor_sim::simulator::{Incoming, Network, ReadPattern, Sim};

const PIPE: usize = 1_000;

/// A server with one room `r`, an eager member of it, and another that does not
/// read and whose pipe is full.
fn stuck(shards: u16, rooms: Rooms, config: ConfigBuilder) -> (Sim<Rooms>, usize, usize) {
    let config = config.shards(shards).build().expect("in range");
    let network = Network {
        down: PIPE,
        ..Network::smooth(7)
    };
    let mut sim = Sim::rooms_with(network, &config, rooms, 1, 4);
    let eager = sim.connect(0);
    let slow = sim.connect(usize::from(shards) - 1);
    for client in [eager, slow] {
        sim.say(client, "join:r");
        sim.settle();
        assert_eq!(sim.take_texts(client), ["joined:r"]);
    }
    sim.client_mut(slow).reader = ReadPattern::Stuck;
    sim.say(slow, &"f".repeat(PIPE - 4 - 5));
    sim.settle();
    assert_eq!(sim.stats().delivery.waiting, 0, "all of it is in the pipe");
    (sim, eager, slow)
}

fn say(sim: &mut Sim<Rooms>, client: usize, texts: &[&str]) {
    for text in texts {
        sim.say(client, text);
        sim.settle();
    }
}

/// What the slow one hears when it reads again, but for what filled its pipe.
fn heard(sim: &mut Sim<Rooms>, slow: usize) -> Vec<String> {
    sim.client_mut(slow).reader = ReadPattern::Eager;
    sim.settle();
    sim.take_texts(slow).split_off(1)
}

fn overflow(overflow: OverflowPolicy) -> Rooms {
    Rooms {
        overflow,
        ..Rooms::default()
    }
}

#[test]
fn what_nobody_wants_late_is_dropped_and_counted() {
    for shards in [1, 3] {
        let rooms = Rooms {
            ttl: Some(Duration::from_millis(100)),
            ..Rooms::default()
        };
        let (mut sim, eager, slow) = stuck(shards, rooms, Config::builder());
        say(&mut sim, eager, &["msg:a", "msg:b"]);
        sim.pass(Duration::from_millis(101));
        say(&mut sim, eager, &["msg:c"]);
        assert_eq!(heard(&mut sim, slow), ["c"]);
        assert_eq!(sim.stats().delivery.expired, 2);
        assert_eq!(sim.take_texts(eager), ["a", "b", "c"]);
    }
}

#[test]
fn if_all_has_expired_nothing_is_written() {
    let rooms = Rooms {
        ttl: Some(Duration::from_millis(100)),
        ..Rooms::default()
    };
    let (mut sim, eager, slow) = stuck(1, rooms, Config::builder());
    say(&mut sim, eager, &["msg:a", "msg:b"]);
    sim.pass(Duration::from_millis(101));
    assert!(heard(&mut sim, slow).is_empty());
    let delivery = sim.stats().delivery;
    assert_eq!((delivery.expired, delivery.waiting), (2, 0));
    say(&mut sim, eager, &["msg:c"]);
    assert_eq!(sim.take_texts(slow), ["c"]);
}

#[test]
fn who_has_gone_is_let_go_of_when_the_last_that_waited_has_expired() {
    let rooms = Rooms {
        ttl: Some(Duration::from_millis(100)),
        ..Rooms::default()
    };
    let (mut sim, eager, slow) = stuck(1, rooms, Config::builder());
    say(&mut sim, eager, &["msg:a", "msg:b"]);
    sim.shut(slow);
    sim.pass(Duration::from_millis(101));
    assert!(sim.is_held(slow), "what waits might yet be written");
    assert!(heard(&mut sim, slow).is_empty());
    assert!(!sim.is_held(slow));
    assert_eq!(sim.stats().closed[CloseCause::Eof as usize], 1);
}

#[test]
fn the_latest_of_a_key_takes_the_place_of_the_one_that_waits() {
    for shards in [1, 3] {
        let (mut sim, eager, slow) = stuck(shards, Rooms::default(), Config::builder());
        let said = ["msg#x:1", "msg:between", "msg#y:2", "msg#x:3", "msg#y?:4"];
        say(&mut sim, eager, &said);
        let mut told = sim.take_texts(eager);
        assert_eq!(told.pop().as_deref(), Some("sent:2,2,0,0,1,0"));
        assert_eq!(told, ["1", "between", "2", "3", "4"]);
        assert_eq!(heard(&mut sim, slow), ["3", "between", "4"]);
        assert_eq!(sim.stats().delivery.conflated, 2);
    }
}

#[test]
fn keys_of_two_rooms_have_nothing_to_do_with_each_other() {
    let (mut sim, eager, slow) = stuck(1, Rooms::default(), Config::builder());
    say(&mut sim, eager, &["msg#x:of r"]);
    say(&mut sim, slow, &["join:s"]);
    say(&mut sim, eager, &["join:s", "msg#x:of s"]);
    assert_eq!(heard(&mut sim, slow), ["of r", "of s", "joined:s"]);
}

#[test]
fn each_policy_and_what_the_publisher_is_told() {
    for shards in [1, 3] {
        for (policy, told, left) in [
            (
                OverflowPolicy::EvictLower,
                "sent:2,2,0,1,0,0",
                ["a", "b", "c"],
            ),
            (
                OverflowPolicy::DropNew,
                "sent:2,1,1,0,0,0",
                ["a", "b", "echo:z"],
            ),
            (
                OverflowPolicy::DropOldest,
                "sent:2,2,0,1,0,0",
                ["a", "b", "c"],
            ),
            (
                OverflowPolicy::Conflate,
                "sent:2,1,1,0,0,0",
                ["a", "b", "echo:z"],
            ),
        ] {
            let config = Config::builder().queue_messages(3);
            let (mut sim, eager, slow) = stuck(shards, overflow(policy), config);
            say(&mut sim, slow, &["z"]);
            say(&mut sim, eager, &["msg:a", "msg:b", "msg?:c"]);
            let answer = sim.take_texts(eager).pop();
            assert_eq!(answer.as_deref(), Some(told), "{policy:?}");
            // The next is no more urgent than all that waits.
            say(&mut sim, eager, &["msg?:d"]);
            let (next, last) = match policy {
                OverflowPolicy::DropOldest => ("sent:2,2,0,1,0,0", vec!["b", "c", "d"]),
                _ => ("sent:2,1,1,0,0,0", left.to_vec()),
            };
            let answer = sim.take_texts(eager).pop();
            assert_eq!(answer.as_deref(), Some(next), "{policy:?}");
            assert_eq!(heard(&mut sim, slow), last, "{policy:?}");
        }
    }
}

#[test]
fn who_does_not_keep_up_is_closed_if_that_is_wanted() {
    for shards in [1, 3] {
        let config = Config::builder().queue_messages(3);
        let (mut sim, eager, slow) = stuck(shards, overflow(OverflowPolicy::Disconnect), config);
        say(&mut sim, eager, &["msg:a", "msg:b", "msg:c"]);
        assert_eq!(sim.stats().closed, [0; CloseCause::ALL.len()]);
        say(&mut sim, eager, &["msg?:d"]);
        assert_eq!(sim.stats().closed[CloseCause::SlowConsumer as usize], 1);
        let answer = sim.take_texts(eager).pop();
        assert_eq!(answer.as_deref(), Some("sent:2,1,1,0,0,0"));
        assert_eq!(sim.stats().delivery.discarded, 3, "it is to begin anew");
        assert!(heard(&mut sim, slow).is_empty());
        let close = sim.client(slow).heard.iter().find_map(|heard| match heard {
            Incoming::Close(code) => *code,
            _ => None,
        });
        assert_eq!(close, Some(1013));
        say(&mut sim, eager, &["msg?:e"]);
        assert_eq!(
            sim.take_texts(eager).pop().as_deref(),
            Some("sent:1,1,0,0,0,0")
        );
    }
}

#[test]
fn whoever_waits_too_long_overtakes_the_urgent() {
    let config = Config::builder()
        .starvation_after(2)
        .starvation_wait(Duration::from_millis(50));
    let (mut sim, eager, slow) = stuck(1, Rooms::default(), config);
    say(&mut sim, slow, &["z"]);
    sim.pass(Duration::from_millis(60));
    say(&mut sim, eager, &["msg:a", "msg:b", "msg:c", "msg:d"]);
    // What was written before counts, too: the next to go has waited long enough.
    let heard = heard(&mut sim, slow);
    let echo = heard.iter().position(|text| text == "echo:z");
    assert!(echo.is_some_and(|at| at <= 2), "{heard:?}");
}

#[test]
fn who_asks_in_no_room_is_told_so() {
    let (mut sim, eager, _) = stuck(1, Rooms::default(), Config::builder());
    say(&mut sim, eager, &["leave:", "msg?:a", "msg:b"]);
    assert_eq!(sim.take_texts(eager), ["left:r", "error:no_room"]);
}
