//! The memory budget through whole servers: what is kept within it, who pays
//! when it is not enough, and who does not.

use stentor_core::proto::http::HandshakeError;
use stentor_core::testing::wire::Opcode;
use stentor_core::{CloseCause, CloseCode, Config, MessageType};
use stentor_sim::Rooms;
use stentor_sim::command::priority;
use stentor_sim::simulator::{Incoming, Network, ReadPattern, Sim};

const BUDGET: usize = 2 << 20;
const STUCK: usize = 8;

fn budget(bytes: usize) -> Config {
    let config = Config::builder().memory_budget(bytes);
    let config = config.queue_bytes(64 << 20).queue_messages(100_000);
    config.build().expect("in range")
}

fn narrow(seed: u64) -> Network {
    Network {
        down: 1_000,
        ..Network::smooth(seed)
    }
}

fn server(config: &Config) -> Sim<Rooms> {
    Sim::rooms_with(narrow(7), config, Rooms::default(), 1, 4)
}

fn join(sim: &mut Sim<Rooms>) -> usize {
    let client = sim.connect(0);
    sim.say(client, "join:r");
    sim.settle();
    assert_eq!(sim.take_texts(client), ["joined:r"]);
    client
}

/// A server with a room of which one member reads and the others do not.
fn stuck(config: &Config) -> (Sim<Rooms>, usize, Vec<usize>) {
    let mut sim = server(config);
    let eager = join(&mut sim);
    let slow: Vec<usize> = (0..STUCK).map(|_| join(&mut sim)).collect();
    for &client in &slow {
        sim.client_mut(client).reader = ReadPattern::Stuck;
    }
    (sim, eager, slow)
}

fn charged(sim: &Sim<Rooms>) -> usize {
    sim.stats().links.charged_bytes as usize
}

#[test]
fn those_who_take_nothing_pay_and_nobody_else() {
    let (mut sim, eager, slow) = stuck(&budget(BUDGET));
    let payload = "x".repeat(1_000);
    let mut heard = 0;
    for n in 0..5_000 {
        sim.say(eager, &format!("msg?:{n}:{payload}"));
        sim.settle();
        assert!(charged(&sim) <= BUDGET, "{} at {n}", charged(&sim));
        heard += sim
            .take_texts(eager)
            .iter()
            .filter(|text| text.ends_with('x'))
            .count();
    }
    let delivery = sim.stats().delivery;
    assert_eq!(heard, 5_000, "who reads has lost nothing");
    assert!(
        delivery.shed > 0 && delivery.evicted + delivery.refused_full == 0,
        "{delivery:?}"
    );
    assert_eq!(delivery.queued, delivery.left() + delivery.waiting);
    let by_priority: u64 = sim
        .stats()
        .priorities
        .iter()
        .map(|(_, fates)| fates.shed)
        .sum();
    assert_eq!(by_priority, delivery.shed);

    // While it is short, nobody more is let in; what there is still answers.
    let refused = sim.connect(0);
    sim.settle();
    assert_eq!(sim.client(refused).heard[0], Incoming::Head(503));
    assert_eq!(sim.stats().refused[HandshakeError::Memory.index()], 1);

    // Once they read, it is over.
    for client in slow {
        sim.client_mut(client).reader = ReadPattern::Eager;
    }
    sim.settle();
    assert_eq!(sim.stats().delivery.waiting, 0);
    join(&mut sim);
}

#[test]
fn whoever_makes_a_room_while_memory_is_short_is_closed() {
    let (mut sim, eager, _) = stuck(&budget(BUDGET));
    let late: Vec<usize> = (0..2).map(|_| sim.connect(0)).collect();
    sim.settle();
    let payload = "x".repeat(1_000);
    while sim.stats().delivery.shed == 0 {
        sim.say(eager, &format!("msg:{payload}"));
        sim.settle();
    }
    sim.say(late[0], "join:r");
    sim.say(late[1], "join:another");
    sim.settle();
    assert_eq!(
        sim.take_texts(late[0]),
        ["joined:r"],
        "that is there already"
    );
    let code = sim.client(late[1]).close_code();
    assert_eq!(code, Some(Some(CloseCode::TRY_LATER.get())));
    assert!(sim.take_texts(late[1]).is_empty());
    assert_eq!(sim.stats().channels.joins_refused_memory, 1);
}

/// More than the budget is put up with only as long as nothing can be dropped.
#[test]
fn once_there_was_nothing_to_drop_the_budget_holds_as_before() {
    let (mut sim, eager, mut slow) = stuck(&budget(BUDGET));
    let big = "x".repeat(500_000);
    let pinned = slow.split_off(3);
    // Of each a part is in its pipe already, so the rest has to follow.
    for &client in &pinned {
        sim.say(client, &big);
        sim.settle();
    }
    assert!(charged(&sim) > BUDGET && sim.stats().delivery.shed == 0);
    for client in pinned {
        sim.reset(client);
    }
    sim.settle();
    let payload = "x".repeat(1_000);
    for _ in 0..5_000 {
        sim.say(eager, &format!("msg:{payload}"));
        sim.settle();
        assert!(charged(&sim) <= BUDGET, "{}", charged(&sim));
    }
    assert!(sim.stats().delivery.shed > 0);
}

#[test]
fn the_least_urgent_go_first() {
    let (mut sim, eager, slow) = stuck(&budget(BUDGET));
    let payload = "x".repeat(1_000);
    for _ in 0..60 {
        for &client in &slow {
            sim.say(client, &payload);
            sim.settle();
        }
    }
    let mut said = 0;
    while sim.stats().delivery.shed == 0 {
        sim.say(eager, &format!("msg:{said}:{payload}"));
        sim.settle();
        said += 1;
    }
    for (priority, fates) in sim.stats().priorities.iter() {
        let is_least = priority == Some(priority::ECHO);
        assert_eq!(fates.shed > 0, is_least, "{priority:?}: {}", fates.shed);
    }
    for client in slow {
        sim.client_mut(client).reader = ReadPattern::Eager;
        sim.settle();
        let texts = sim.take_texts(client);
        let heard = texts
            .iter()
            .filter(|text| !text.starts_with("echo:"))
            .count();
        assert_eq!(heard, said, "none of the urgent was dropped");
        assert!(texts.len() < said + 60, "some of the others were");
    }
}

#[test]
fn a_message_for_a_thousand_who_are_stuck_costs_one_message() {
    let mut sim = server(&budget(64 << 20));
    sim.audit(false);
    let eager = join(&mut sim);
    for _ in 0..1_000 {
        let client = join(&mut sim);
        sim.client_mut(client).reader = ReadPattern::Stuck;
    }
    let before = charged(&sim);
    let big = 200_000;
    sim.say(eager, &format!("msg:{}", "x".repeat(big)));
    sim.settle();
    assert_eq!(sim.stats().delivery.waiting, 1_000);
    let more = charged(&sim) - before;
    // One copy of it, and what the one who said it had it assembled in.
    assert!((big..3 * big).contains(&more), "{more} bytes more");
}

#[test]
fn who_sends_more_than_there_is_memory_for_is_closed() {
    let mut sim = server(&budget(BUDGET));
    let witness = join(&mut sim);
    let senders: Vec<usize> = (0..4).map(|_| sim.connect(0)).collect();
    sim.settle();
    // Each of them alone may: half the budget is for messages that are not all there.
    for (n, &sender) in senders.iter().enumerate() {
        sim.send_frame(sender, Opcode::Binary, false, &vec![7; 400_000]);
        sim.settle();
        let closed = sim.stats().closed[CloseCause::Memory as usize];
        assert_eq!(closed > 0, n >= 2, "{n}");
        assert!(charged(&sim) <= BUDGET);
    }
    let codes = senders
        .iter()
        .filter_map(|&sender| sim.client(sender).close_code());
    let codes: Vec<_> = codes.collect();
    assert!(
        !codes.is_empty()
            && codes
                .iter()
                .all(|&code| code == Some(CloseCode::TRY_LATER.get()))
    );
    // The others go on.
    sim.say(witness, "msg:still here");
    sim.send(senders[0], MessageType::Binary, b"");
    sim.settle();
    assert_eq!(sim.take_texts(witness), ["still here"]);
}

/// Members of a room that do not read, on a server that looks at few of them a turn.
fn crowd(fan_out_slice: usize) -> (Sim<Rooms>, usize, Vec<usize>) {
    let config = Config::builder().memory_budget(BUDGET);
    let config = config.queue_bytes(64 << 20).queue_messages(100_000);
    let config = config.fan_out_slice(fan_out_slice).build();
    let mut sim = server(&config.expect("in range"));
    let eager = join(&mut sim);
    let slow: Vec<usize> = (0..100).map(|_| join(&mut sim)).collect();
    for &client in &slow {
        sim.client_mut(client).reader = ReadPattern::Stuck;
    }
    (sim, eager, slow)
}

#[test]
fn however_many_take_nothing_the_budget_holds() {
    let (mut sim, eager, slow) = crowd(7);
    let payload = "x".repeat(1_000);
    // What waits for one alone, and is not in its pipe yet, is found as well.
    for &client in &slow {
        for _ in 0..2 {
            sim.say(client, &payload);
            sim.settle();
        }
    }
    for n in 0..3_000 {
        sim.say(eager, &format!("msg:{n}:{payload}"));
        sim.settle();
        assert!(charged(&sim) <= BUDGET, "{} at {n}", charged(&sim));
    }
    assert_eq!(
        sim.take_texts(eager).len(),
        3_000,
        "who reads loses nothing"
    );
    let delivery = sim.stats().delivery;
    assert!(
        delivery.shed > 0 && delivery.evicted + delivery.refused_full == 0,
        "{delivery:?}"
    );
    let mut priorities = sim.stats().priorities;
    let echoes = priorities.of(Some(priority::ECHO));
    assert!(echoes.shed > 0, "the least urgent goes, too");
    assert_eq!(delivery.queued, delivery.left() + delivery.waiting);
    for client in slow {
        sim.client_mut(client).reader = ReadPattern::Eager;
    }
    sim.settle();
    assert_eq!(sim.stats().delivery.waiting, 0);
}
