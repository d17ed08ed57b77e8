//! Commands from outside: in order, bounded, and never lost without a word.

use core::time::Duration;
use std::rc::Rc;

use stentor_core::channels::{CommandSender, RemoteError, ServerEnd};
use stentor_core::{CloseCause, CloseCode, Config, MessageType, ShardId};
use stentor_sim::simulator::{Network, Rng, Sim};

use super::switchboard::{HeldMailbox, Switchboard, connect, server};

struct RemoteSim {
    sim: Sim<Switchboard>,
    post: HeldMailbox,
    gate: ServerEnd,
    remote: CommandSender,
}

impl RemoteSim {
    fn new(seed: u64, config: &Config) -> Self {
        let post = HeldMailbox::default();
        let gate = ServerEnd::new(config, post.clone());
        gate.begin();
        let remote = gate.sender();
        Self {
            sim: server(Network::rough(seed), config),
            post,
            gate,
            remote,
        }
    }

    /// Lets messages go that have been given to the post.
    fn carry(&mut self) {
        let mut messages = std::collections::VecDeque::new();
        self.post.0.drain_into(&mut messages);
        for (to, message) in messages {
            self.sim.hand_in(to, message);
        }
    }

    fn settle(&mut self) {
        self.carry();
        self.sim.settle();
    }
}

fn config(shards: u16) -> Config {
    let config = Config::builder().shards(shards).seed(3);
    config.remote_commands(8).build().expect("in range")
}

#[test]
fn what_is_said_from_outside_is_heard_in_its_order() {
    for seed in 0..40 {
        let shards = 1 + seed as u16 % 3;
        let mut all = RemoteSim::new(seed, &config(shards));
        let members: Vec<_> = (0..5)
            .map(|n| {
                let name = n.to_string();
                let client = connect(&mut all.sim, n % usize::from(shards), &name);
                all.sim.say(client, &format!("join {}", n % 2));
                client
            })
            .collect();
        all.sim.settle();
        let names = Rc::clone(&all.sim.handler(0).names);
        let last = names.borrow()["4"];
        let mut rng = Rng::new(seed);
        let (mut full, mut said) = (0, [0; 4]);
        while said.iter().sum::<usize>() < 80 {
            // Rooms zero and one, everyone, and the last of all alone.
            let what = rng.below(4);
            let text = format!("{what} {}", said[what]);
            let taken = match what {
                0 | 1 => {
                    all.remote
                        .try_publish(what.to_string().as_bytes(), MessageType::Text, 10, text)
                }
                2 => all.remote.try_broadcast_all(MessageType::Text, 10, text),
                _ => all.remote.try_send(last, MessageType::Text, 10, text),
            };
            match taken {
                Ok(()) => said[what] += 1,
                Err(why) => {
                    assert_eq!(why, RemoteError::Full);
                    full += 1;
                    all.carry();
                    for _ in 0..20 {
                        all.sim.step(u64::MAX);
                    }
                }
            }
            assert!(all.gate.stats().under_way <= 8);
        }
        all.settle();
        for (n, &member) in members.iter().enumerate() {
            let heard = all.sim.take_texts(member);
            for (what, &said) in said.iter().enumerate() {
                let is_for = match what {
                    0 | 1 => n % 2 == what,
                    2 => true,
                    _ => n == 4,
                };
                let of_this = heard.iter().filter_map(|text| {
                    let (of, number) = text.split_once(' ')?;
                    (of == what.to_string()).then_some(number.parse::<usize>().ok()?)
                });
                let expected = if is_for { said } else { 0 };
                assert!(of_this.eq(0..expected), "seed {seed}: {heard:?}");
            }
        }
        let stats = all.gate.stats();
        assert_eq!((stats.given, stats.under_way), (80, 0));
        assert_eq!(stats.full, full);
        assert!(full > 0, "the bound was never met");
        let counted = all.sim.stats();
        assert_eq!(counted.channels.published as usize, 80 - said[3]);
        assert_eq!(counted.direct.offered as usize, said[3]);
        all.sim.shut_down(Duration::from_secs(10));
        all.sim.assert_bare();
    }
}

#[test]
fn a_place_is_taken_until_the_last_shard_has_delivered() {
    let mut all = RemoteSim::new(1, &config(3));
    for shard in 0..3 {
        let member = all.sim.connect(shard);
        all.sim.say(member, "join a");
    }
    all.sim.settle();
    for n in 0..8 {
        let told = all
            .remote
            .try_publish(b"a", MessageType::Text, 10, n.to_string());
        assert_eq!(told, Ok(()));
    }
    assert_eq!(all.remote.try_reserve().err(), Some(RemoteError::Full));
    all.carry();
    let offered = |all: &RemoteSim| all.sim.stats().channels.offered;
    while offered(&all) < 24 {
        let over = 8 - all.gate.stats().under_way;
        assert!(offered(&all) >= 3 * over, "one is over that is not");
        assert!(all.sim.step(u64::MAX));
    }
    assert!(all.gate.is_idle());
    // One that is not used is given back.
    drop(all.remote.try_reserve());
    assert!(all.gate.is_idle());
}

#[test]
fn a_connection_is_closed_behind_what_is_sent_to_it() {
    for shards in [1, 2] {
        let mut all = RemoteSim::new(1, &config(shards));
        let client = connect(&mut all.sim, usize::from(shards) - 1, "a");
        let id = all.sim.handler(0).names.borrow()["a"];
        let remote = all.remote.clone();
        let told = remote.try_send(id, MessageType::Text, 10, "go");
        assert_eq!(told, Ok(()));
        let code = CloseCode::new(4_001).expect("for applications");
        assert_eq!(remote.try_close(id, code), Ok(()));
        // Too late, and one that was asked to go is asked in vain.
        assert_eq!(remote.try_send(id, MessageType::Text, 10, "stay"), Ok(()));
        assert_eq!(remote.try_close(id, code), Ok(()));
        all.settle();
        assert_eq!(all.sim.take_texts(client), ["go"]);
        assert_eq!(all.sim.client(client).close_code(), Some(Some(4_001)));
        let stats = all.sim.stats();
        assert_eq!(stats.closed[CloseCause::Handler as usize], 1);
        assert_eq!((stats.direct.sent, stats.direct.undeliverable), (2, 1));
        assert!(all.gate.is_idle());
        all.sim.assert_bare();
    }
}

#[test]
fn nothing_is_taken_before_the_beginning_and_after_the_end() {
    let config = config(1);
    let post = HeldMailbox::default();
    let gate = ServerEnd::new(&config, post.clone());
    let remote = gate.sender();
    let say = || remote.try_broadcast_all(MessageType::Text, 10, "a");
    assert_eq!(say(), Err(RemoteError::NotYet));
    gate.begin();
    assert_eq!(say(), Ok(()));
    let place = remote.try_reserve().expect("room");
    gate.end();
    assert_eq!(say(), Err(RemoteError::Ended));
    // Whoever was let in may still speak.
    assert_eq!(place.broadcast(MessageType::Text, 10, "b"), Ok(()));
    assert!(!gate.is_idle());
    // A server that is gone loses them, and they do not count as under way.
    let mut messages = std::collections::VecDeque::new();
    assert_eq!(post.0.drain_into(&mut messages), 2);
    assert!(messages.iter().all(|&(to, _)| to == ShardId(0)));
    drop(messages);
    assert!(gate.is_idle());
    assert_eq!(gate.stats().given, 2);
    // A gate that is gone has ended.
    let gate = ServerEnd::new(&config, post);
    let remote = gate.sender();
    gate.begin();
    drop(gate);
    assert_eq!(remote.try_reserve().err(), Some(RemoteError::Ended));
}

#[test]
fn whom_a_server_does_not_know_gets_nothing() {
    // Names of one server mean nothing to another, whatever its size.
    let mut big = RemoteSim::new(1, &config(4));
    connect(&mut big.sim, 3, "a");
    let id = big.sim.handler(0).names.borrow()["a"];
    let mut small = RemoteSim::new(1, &config(1));
    let client = connect(&mut small.sim, 0, "b");
    assert_eq!(
        small.remote.try_send(id, MessageType::Text, 10, "a"),
        Ok(())
    );
    small
        .sim
        .handler(0)
        .names
        .borrow_mut()
        .insert("a".into(), id);
    small.sim.say(client, "to? a b");
    small.settle();
    assert_eq!(small.sim.take_texts(client), ["sent 0 0 0"]);
    assert_eq!(small.sim.stats().direct.undeliverable, 2);
    assert!(small.gate.is_idle() && small.sim.is_quiet());
}
