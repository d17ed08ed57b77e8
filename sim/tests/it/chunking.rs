//! However the network cuts what a client says, it means the same.

use proptest::prelude::*;
use stentor_core::testing::wire::Opcode;
use stentor_core::{Config, Handler, MessageType};
use stentor_sim::simulator::{Incoming, InputPath, Network, Sim};

#[derive(Clone, Debug)]
enum Outgoing {
    Whole(MessageType, String),
    Split(MessageType, Vec<String>),
    Ping(u8),
    Pong,
    Fault,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("join:a".to_owned()),
        Just("join:b".to_owned()),
        Just("leave:".to_owned()),
        "msg:[a-zé]{0,20}",
        "[a-zé]{0,200}",
        (0_usize..3_000).prop_map(|n| "z".repeat(n)),
    ]
}

fn say() -> impl Strategy<Value = Outgoing> {
    let kind = prop_oneof![Just(MessageType::Text), Just(MessageType::Binary)];
    prop_oneof![
        8 => (kind.clone(), text()).prop_map(|(kind, text)| Outgoing::Whole(kind, text)),
        3 => (kind, prop::collection::vec(text(), 1..4)).prop_map(|(kind, texts)| Outgoing::Split(kind, texts)),
        1 => any::<u8>().prop_map(Outgoing::Ping),
        1 => Just(Outgoing::Pong),
    ]
}

fn tell<H: Handler>(sim: &mut Sim<H>, client: usize, says: &[Outgoing]) {
    for say in says {
        match say {
            Outgoing::Whole(kind, text) => sim.send(client, *kind, text.as_bytes()),
            Outgoing::Split(kind, texts) => {
                for (n, text) in texts.iter().enumerate() {
                    let opcode = if n == 0 {
                        kind.opcode()
                    } else {
                        Opcode::Continuation
                    };
                    sim.send_frame(client, opcode, n + 1 == texts.len(), text.as_bytes());
                    sim.send_frame(client, Opcode::Pong, true, b"");
                }
            }
            Outgoing::Ping(byte) => sim.send_frame(client, Opcode::Ping, true, &[*byte]),
            Outgoing::Pong => sim.send_frame(client, Opcode::Pong, true, b"unasked"),
            Outgoing::Fault => sim.send_bytes(client, &[0x8F, 0x80]),
        }
    }
}

/// What was heard, by what keeps its order: each priority, pongs, and the end.
fn by_priority(heard: &[Incoming]) -> Vec<Vec<Incoming>> {
    let mut lists = vec![Vec::new(); 6];
    for one in heard {
        let list = match one {
            Incoming::Message(_, text) if text.starts_with(b"echo:") => 0,
            Incoming::Message(_, text) if text.starts_with(b"error:") => 1,
            Incoming::Message(_, text)
                if text.starts_with(b"joined:") || text.starts_with(b"left:") =>
            {
                2
            }
            Incoming::Message(..) => 3,
            Incoming::Pong(_) => 4,
            _ => 5,
        };
        lists[list].push(one.clone());
    }
    lists
}

fn networks(seed: u64) -> impl Iterator<Item = Network> {
    [1, 2, 7, 100, 1_500, 1 << 20]
        .into_iter()
        .flat_map(move |most_read| {
            [InputPath::Scratch, InputPath::Buffer, InputPath::Both].map(|input_path| Network {
                most_read,
                input_path,
                ..Network::smooth(seed)
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rooms(seed in any::<u64>(), shards in 1_u16..4, fault in any::<bool>(), mut says in prop::collection::vec(say(), 1..12)) {
        let config = Config::builder().shards(shards).build().expect("in range");
        if fault {
            says.push(Outgoing::Fault);
        }
        let mut first = None;
        for network in networks(seed) {
            let mut sim = Sim::rooms(network, &config);
            let client = sim.connect(0);
            tell(&mut sim, client, &says);
            // What is on its way between shards does not count as waiting for a peer that ends.
            sim.settle();
            sim.shut(client);
            sim.settle();
            let mut heard = by_priority(&sim.client(client).heard);
            if fault && shards > 1 {
                heard[3].clear();
            }
            prop_assert_eq!(first.get_or_insert(heard.clone()), &heard);
            sim.assert_bare();
        }
    }

    #[test]
    fn echo(seed in any::<u64>(), says in prop::collection::vec(say(), 1..12)) {
        let config = Config::builder().build().expect("in range");
        let mut first = None;
        for network in networks(seed) {
            let mut sim = Sim::echo(network, &config);
            let client = sim.connect(0);
            tell(&mut sim, client, &says);
            sim.shut(client);
            sim.settle();
            let heard: Vec<Incoming> = sim.client(client).heard.iter().filter(|h| !matches!(h, Incoming::Pong(_))).cloned().collect();
            prop_assert_eq!(first.get_or_insert(heard.clone()), &heard);
            sim.assert_bare();
        }
    }
}
