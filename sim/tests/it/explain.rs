//! What a shard says of single connections: of one that does not read, of those
//! that wait for something, of those that have gone, and which of many it names.

use core::time::Duration;

use stentor_core::inspect::{
    ClosedConnection, ConnectionInfo, ConnectionQuery, ConnectionStage, Lookup, Pause, SortBy,
    TimerKind, WaitReason,
};
use stentor_core::proto::ws::PeerError;
use stentor_core::{
    CloseCause, CloseCode, Config, Handler, OverflowPolicy, Shard, ShardId, Timestamp,
};
use stentor_sim::Rooms;
use stentor_sim::simulator::{Network, REQUEST, ReadPattern, Sim};

const PIPE: usize = 1_000;

fn here<H: Handler>(sim: &Sim<H>, client: usize) -> ConnectionInfo {
    match sim.explain(client) {
        Some(Lookup::Here(explanation)) => explanation,
        other => panic!("not here: {other:?}"),
    }
}

fn gone<H: Handler>(sim: &Sim<H>, client: usize) -> ClosedConnection {
    match sim.explain(client) {
        Some(Lookup::Gone(departure)) => departure,
        other => panic!("not gone: {other:?}"),
    }
}

fn narrow() -> Network {
    Network {
        down: PIPE,
        ..Network::smooth(7)
    }
}

/// Makes a client stop reading, and fills its pipe.
fn stick(sim: &mut Sim<Rooms>, client: usize) {
    sim.client_mut(client).reader = ReadPattern::Stuck;
    sim.say(client, &"f".repeat(PIPE - 4 - 5));
    sim.settle();
}

fn join(sim: &mut Sim<Rooms>, client: usize, room: &str) {
    sim.say(client, &format!("join:{room}"));
    sim.settle();
    assert_eq!(sim.take_texts(client), [format!("joined:{room}")]);
}

fn config(shards: u16) -> Config {
    let config = Config::builder().shards(shards).queue_messages(4);
    config.build().expect("in range")
}

#[test]
fn one_that_does_not_read_shows_what_waits_and_what_it_loses() {
    let mut sim = Sim::rooms(narrow(), &config(1));
    let (eager, slow) = (sim.connect(0), sim.connect(0));
    for client in [eager, slow] {
        join(&mut sim, client, "r");
    }
    let quiet = here(&sim, slow);
    assert_eq!(
        (quiet.stage, quiet.stage.label()),
        (ConnectionStage::Open, "open")
    );
    assert_eq!((quiet.channels.len(), quiet.memberships), (1, 1));
    assert_eq!(quiet.channels[0], "r");
    assert_eq!((quiet.waiting.messages, quiet.waiting.bytes), (0, 0));
    assert!(quiet.awaits.is_empty() && quiet.pause.is_none() && quiet.ending.is_none());

    stick(&mut sim, slow);
    sim.say(slow, "z");
    sim.say(eager, "msg:a");
    sim.settle();
    sim.pass(Duration::from_secs(3));
    sim.say(eager, "msg:b");
    sim.settle();
    let stuck = here(&sim, slow);
    // Two bytes of header each, `echo:z`, `a` and `b`.
    assert_eq!(
        (stuck.waiting.messages, stuck.waiting.bytes),
        (3, 8 + 3 + 3)
    );
    let second = Duration::from_secs(1);
    let oldest = stuck.waiting.oldest;
    assert!(oldest >= 3 * second && oldest < 4 * second, "{oldest:?}");
    let depths: Vec<_> = stuck
        .priorities
        .iter()
        .map(|(p, d)| (*p, d.messages, d.bytes))
        .collect();
    assert_eq!(depths, [(10, 2, 6), (100, 1, 8)]);
    let [WaitReason::Socket(since)] = stuck.awaits[..] else {
        panic!("it waits for its socket: {:?}", stuck.awaits)
    };
    assert!(since >= 3 * second && since < 4 * second, "{since:?}");
    let Some((TimerKind::Write, left)) = stuck.timer else {
        panic!("it is cut off if that goes on: {:?}", stuck.timer)
    };
    assert!(left > 6 * second && left <= 7 * second, "{left:?}");
    assert!(stuck.silent_for >= 3 * second && stuck.open_for >= Some(3 * second));

    for text in ["msg:c", "msg:d", "msg:e"] {
        sim.say(eager, text);
        sim.settle();
    }
    let full = here(&sim, slow);
    assert_eq!(full.waiting.messages, 4);
    assert_eq!((full.drops.evicted, full.drops.refused), (1, 1));
    assert_eq!(here(&sim, eager).drops, Default::default());

    sim.pass(Duration::from_secs(10));
    let departure = gone(&sim, slow);
    assert_eq!(departure.ending.cause, CloseCause::WriteTimeout);
    assert_eq!(
        (departure.ending.code, departure.ending.error),
        (None, None)
    );
    assert_eq!((departure.channels.len(), departure.memberships), (1, 1));
    let drops = departure.drops;
    assert_eq!((drops.evicted, drops.refused, drops.discarded), (1, 1, 4));
    assert!(departure.open_for >= 9 * second);
}

#[test]
fn what_lapses_is_counted_for_whom_it_was() {
    let rooms = Rooms {
        ttl: Some(Duration::from_millis(100)),
        ..Rooms::default()
    };
    let mut sim = Sim::rooms_with(narrow(), &config(1), rooms, 1, 4);
    let (eager, slow, other) = (sim.connect(0), sim.connect(0), sim.connect(0));
    for client in [eager, slow, other] {
        join(&mut sim, client, "r");
    }
    for client in [slow, other] {
        stick(&mut sim, client);
    }
    for text in ["msg#k:a", "msg#k:b", "msg:c"] {
        sim.say(eager, text);
        sim.settle();
    }
    sim.pass(Duration::from_millis(101));
    sim.client_mut(slow).reader = ReadPattern::Eager;
    sim.settle();
    let drops = here(&sim, slow).drops;
    assert_eq!((drops.conflated, drops.expired), (1, 2));
    let drops = here(&sim, other).drops;
    assert_eq!((drops.conflated, drops.expired), (1, 0));
}

/// A room whose home is this shard.
fn room_of(sim: &mut Sim<Rooms>, probe: usize, home: usize) -> String {
    for n in 0.. {
        let before = sim.stats_of(home).channels.count;
        join(sim, probe, &format!("at {n}"));
        if sim.stats_of(home).channels.count > before {
            return format!("at {n}");
        }
        sim.say(probe, "leave:");
        sim.settle();
        sim.take_texts(probe);
    }
    unreachable!("names do not end")
}

#[test]
fn whoever_waits_for_another_shard_says_for_what() {
    let config = Config::builder().shards(2).credit_messages(1);
    let config = config.build().expect("in range");
    let network = Network {
        mail_delay: 1_000_000,
        ..Network::smooth(3)
    };
    let mut sim = Sim::rooms(network, &config);
    let (probe, other) = (sim.connect(0), sim.connect(0));
    let room = room_of(&mut sim, probe, 1);
    let step = Duration::from_millis(50);

    let await_label = |sim: &mut Sim<Rooms>, client: usize, label: &str| {
        for _ in 0..100 {
            let explanation = here(sim, client);
            if let Some(awaited) = explanation.awaits.iter().find(|a| a.label() == label) {
                assert_eq!(explanation.pause, Some(Pause::Awaits), "{label}");
                return (awaited.clone(), explanation.held_back_commands);
            }
            sim.pass(step);
        }
        panic!("never: {label}")
    };
    sim.say(other, &format!("join:{room}"));
    assert_eq!(await_label(&mut sim, other, "joined").0, WaitReason::Joined);
    sim.settle();
    for n in 0..3 {
        sim.say(other, &format!("msg:{n}"));
    }
    let (awaited, commands) = await_label(&mut sim, other, "credit");
    assert_eq!(awaited, WaitReason::Credit(ShardId(1)));
    assert!(commands > 0, "what it is to say waits");
    assert_eq!(awaited.to_string(), "credit to publish through shard 1");
    sim.settle();
    sim.say(other, "leave:");
    let (awaited, _) = await_label(&mut sim, other, "left");
    assert_eq!(awaited, WaitReason::Left(room.clone().into()));
    let said = format!("the owner of the channel that it leaves, {room}");
    assert_eq!(awaited.to_string(), said);
    sim.settle();
    assert!(here(&sim, other).awaits.is_empty());
    assert_eq!(here(&sim, other).pause, None);

    // One that has gone is kept until the home has answered.
    sim.reset(probe);
    for _ in 0..100 {
        if !sim.is_held(probe) {
            break;
        }
        sim.pass(step);
    }
    assert_eq!(gone(&sim, probe).ending.cause, CloseCause::Reset);
}

#[test]
fn whoever_is_not_read_because_it_does_not_read_says_so() {
    let config = Config::builder().queue_messages(2);
    let mut sim = Sim::echo(narrow(), &config.build().expect("in range"));
    let client = sim.connect(0);
    sim.client_mut(client).reader = ReadPattern::Stuck;
    for _ in 0..16 {
        sim.say(client, &"e".repeat(300));
        sim.settle();
    }
    let explanation = here(&sim, client);
    assert_eq!(explanation.pause, Some(Pause::Awaits));
    assert!(
        explanation.awaits.contains(&WaitReason::Queue),
        "{explanation:?}"
    );
    assert!(matches!(explanation.awaits[1], WaitReason::Socket(_)));
    assert!(explanation.waiting.messages > 0);
}

#[test]
fn whoever_may_hand_out_no_more_tasks_waits_for_the_end_of_one() {
    let config = Config::builder().task_credits(1);
    let network = Network {
        work_time: 1_000_000,
        ..Network::smooth(1)
    };
    let mut sim = Sim::rooms(network, &config.build().expect("in range"));
    let client = sim.connect(0);
    for n in 0..3 {
        sim.say(client, &format!("task:{n}"));
    }
    let awaits = |sim: &Sim<Rooms>| here(sim, client).awaits;
    for _ in 0..1_000 {
        if awaits(&sim) == [WaitReason::Task] {
            break;
        }
        sim.pass(Duration::from_micros(100));
    }
    assert_eq!(awaits(&sim), [WaitReason::Task]);
    assert_eq!(here(&sim, client).pause, Some(Pause::Awaits));
    sim.settle();
    assert_eq!(awaits(&sim), []);
    assert_eq!(sim.take_texts(client).len(), 3);
}

#[test]
fn requests_and_closing_handshakes_are_told_too() {
    let mut sim = Sim::rooms(narrow(), &config(1));
    let dialled = sim.dial(0);
    sim.send_bytes(dialled, &REQUEST[..10]);
    sim.settle();
    let explanation = here(&sim, dialled);
    assert_eq!(explanation.stage, ConnectionStage::Request);
    assert_eq!(explanation.awaits, [WaitReason::Request]);
    assert_eq!(explanation.held_back_bytes, 10);
    assert_eq!(explanation.open_for, None);
    assert!(matches!(explanation.timer, Some((TimerKind::Handshake, _))));

    let client = sim.connect(0);
    sim.settle();
    let timer = here(&sim, client).timer;
    assert!(matches!(timer, Some((TimerKind::Ping, _))), "{timer:?}");
    sim.client_mut(client).closes = false;
    sim.close_all(CloseCode::GOING_AWAY);
    sim.settle();
    let closing = here(&sim, client);
    assert_eq!(
        (closing.stage, closing.awaits),
        (ConnectionStage::Closing, vec![WaitReason::CloseFrame])
    );
    let ending = closing.ending.expect("it is ending");
    assert_eq!(
        (ending.cause, ending.code),
        (CloseCause::Drain, Some(CloseCode::GOING_AWAY))
    );
    assert!(matches!(closing.timer, Some((TimerKind::Close, _))));
    sim.pass(Duration::from_secs(6));
    assert_eq!(gone(&sim, client).ending, ending);
    assert_eq!(sim.explain(dialled), None, "it never became a connection");
}

#[test]
fn why_each_has_gone_is_remembered() {
    let rooms = Rooms {
        overflow: OverflowPolicy::Disconnect,
        ..Rooms::default()
    };
    let mut sim = Sim::rooms_with(narrow(), &config(1), rooms, 1, 4);
    let [quick, slow, closes, shuts, errs, mute] = [(); 6].map(|()| sim.connect(0));
    for client in [quick, slow] {
        join(&mut sim, client, "r");
    }
    stick(&mut sim, slow);
    for n in 0..5 {
        sim.say(quick, &format!("msg:{n}"));
        sim.settle();
    }
    sim.close(closes, Some(4_001));
    sim.shut(shuts);
    sim.send_bytes(errs, &[0x81, 0x01, b'x']);
    sim.client_mut(mute).pongs = false;
    sim.settle();
    sim.pass(Duration::from_secs(130));
    for (client, cause, code, error) in [
        (slow, CloseCause::SlowConsumer, Some(1_013), None),
        (closes, CloseCause::Peer, Some(4_001), None),
        (shuts, CloseCause::Eof, None, None),
        (
            errs,
            CloseCause::PeerError,
            Some(1_002),
            Some(PeerError::Unmasked),
        ),
        (mute, CloseCause::PongTimeout, Some(1_011), None),
    ] {
        let ending = gone(&sim, client).ending;
        assert_eq!(ending.cause, cause);
        assert_eq!(ending.code.map(CloseCode::get), code, "{cause:?}");
        assert_eq!(ending.error, error);
    }
    assert_eq!(gone(&sim, slow).drops.discarded, 4);
    let last = sim.shard(0).gone().next().expect("they have gone").id;
    assert_eq!(last, gone(&sim, mute).id, "the latest first");
}

#[test]
fn only_so_many_that_have_gone_are_remembered() {
    for limit in [0, 1, 3] {
        let config = Config::builder().gone_connections(limit);
        let mut sim = Sim::rooms(Network::smooth(1), &config.build().expect("in range"));
        let clients: Vec<usize> = (0..5).map(|_| sim.connect(0)).collect();
        for &client in &clients {
            sim.close(client, Some(1_000));
            sim.settle();
        }
        for (at, &client) in clients.iter().enumerate() {
            let is_known = sim.explain(client).is_some();
            assert_eq!(is_known, at >= clients.len() - limit, "{limit}: {at}");
        }
        assert_eq!(sim.shard(0).gone().count(), limit);
    }
}

#[test]
fn a_connection_in_the_same_slot_is_another() {
    let mut sim = Sim::rooms(Network::smooth(1), &config(1));
    let first = sim.connect(0);
    sim.close(first, Some(1_000));
    sim.settle();
    let second = sim.connect(0);
    let (then, now) = (gone(&sim, first).id, here(&sim, second).id);
    assert_eq!(then.slot(), now.slot());
    assert_ne!(then, now);
}

#[test]
fn those_are_named_that_are_asked_for_and_the_deepest_first() {
    let mut sim = Sim::rooms(narrow(), &config(1));
    let clients: Vec<usize> = (0..6).map(|_| sim.connect(0)).collect();
    for &client in &clients {
        join(&mut sim, client, if client < 4 { "r" } else { "s" });
    }
    // The last three do not read: three, two and one short messages, the fewest the longest.
    for (&client, (messages, len)) in clients[3..].iter().zip([(3, 1), (2, 50), (1, 200)]) {
        stick(&mut sim, client);
        for _ in 0..messages {
            sim.say(client, &"x".repeat(len));
        }
        sim.settle();
        sim.pass(Duration::from_millis(500));
    }
    let now = sim.time();
    let slots = |filter: ConnectionQuery| {
        let overview = sim.shard(0).connections(now, &filter);
        let slots: Vec<_> = overview.connections.iter().map(|c| c.id.slot()).collect();
        (overview.matching, slots)
    };
    let all = ConnectionQuery::default;
    assert_eq!(slots(all()), (6, vec![3, 4, 5, 0, 1, 2]));
    let order = |order| slots(ConnectionQuery { order, ..all() }).1;
    assert_eq!(order(SortBy::Bytes), [5, 4, 3, 0, 1, 2]);
    assert_eq!(order(SortBy::Age), [3, 4, 5, 0, 1, 2]);
    assert_eq!(slots(ConnectionQuery { most: 2, ..all() }), (6, vec![3, 4]));
    assert_eq!(slots(ConnectionQuery { most: 0, ..all() }), (6, vec![]));
    let room = |room: &'static str| ConnectionQuery {
        channel: Some(room.into()),
        ..all()
    };
    assert_eq!(slots(room("s")), (2, vec![4, 5]));
    assert_eq!(slots(room("nobody's")), (0, vec![]));
    let min = |min_messages| {
        slots(ConnectionQuery {
            min_messages,
            ..all()
        })
    };
    assert_eq!(
        (min(2), min(3), min(4)),
        ((2, vec![3, 4]), (1, vec![3]), (0, vec![]))
    );
    let bytes = |min_bytes| slots(ConnectionQuery { min_bytes, ..all() }).0;
    // A header of four bytes, `echo:` and the text.
    assert_eq!((bytes(209), bytes(210)), (1, 0));
    let age = |millis| {
        slots(ConnectionQuery {
            min_age: Duration::from_millis(millis),
            ..all()
        })
        .1
    };
    assert_eq!(
        (age(1), age(700), age(1_200)),
        (vec![3, 4, 5], vec![3, 4], vec![3])
    );
}

#[test]
fn no_look_explains_more_than_it_may() {
    let mut sim = Sim::rooms(Network::smooth(1), &config(1));
    sim.audit(false);
    for _ in 0..=ConnectionQuery::MOST {
        sim.dial(0);
    }
    let filter = ConnectionQuery {
        most: usize::MAX,
        ..ConnectionQuery::default()
    };
    let overview = sim.shard(0).connections(sim.time(), &filter);
    assert_eq!(overview.matching, ConnectionQuery::MOST + 1);
    assert_eq!(overview.connections.len(), ConnectionQuery::MOST);
}

#[test]
fn what_was_agreed_on_is_told() {
    let config = Config::builder().subprotocols(vec!["a".into(), "b".into()]);
    let config = config.compression(true).build().expect("in range");
    let mut shard = Shard::new(ShardId(0), &config, Rooms::default());
    let now = Timestamp::from_micros(1);
    let mut agreed = |lines: &str| {
        let id = shard.accept(now, stentor_core::shard::Admission::Normal);
        let request = String::from_utf8(REQUEST.to_vec()).expect("text");
        let request = request.trim_end().to_owned() + "\r\n" + lines + "\r\n";
        shard.handle_input(now, id, &mut request.into_bytes());
        match shard.explain(now, id) {
            Some(Lookup::Here(here)) => (here.subprotocol, here.is_compressed),
            other => panic!("not here: {other:?}"),
        }
    };
    assert_eq!(agreed(""), (None, false));
    assert_eq!(agreed("Sec-WebSocket-Protocol: c\r\n"), (None, false));
    let told =
        agreed("Sec-WebSocket-Protocol: c, b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n");
    assert_eq!(told, (Some(Some("b".into())), true));
}
