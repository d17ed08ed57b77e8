//! However the network cuts what a client says, it means the same.

use proptest::prelude::*;
use stentor_core::testing::wire::Opcode;
use stentor_core::{Config, Handler, MessageType};
use stentor_sim::simulator::{Heard, InputPath, Network, Sim};

#[derive(Clone, Debug)]
enum Say {
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

fn say() -> impl Strategy<Value = Say> {
    let kind = prop_oneof![Just(MessageType::Text), Just(MessageType::Binary)];
    prop_oneof![
        8 => (kind.clone(), text()).prop_map(|(kind, text)| Say::Whole(kind, text)),
        3 => (kind, prop::collection::vec(text(), 1..4)).prop_map(|(kind, texts)| Say::Split(kind, texts)),
        1 => any::<u8>().prop_map(Say::Ping),
        1 => Just(Say::Pong),
    ]
}

fn tell<H: Handler>(sim: &mut Sim<H>, client: usize, says: &[Say]) {
    for say in says {
        match say {
            Say::Whole(kind, text) => sim.send(client, *kind, text.as_bytes()),
            Say::Split(kind, texts) => {
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
            Say::Ping(byte) => sim.send_frame(client, Opcode::Ping, true, &[*byte]),
            Say::Pong => sim.send_frame(client, Opcode::Pong, true, b"unasked"),
            Say::Fault => sim.send_bytes(client, &[0x8F, 0x80]),
        }
    }
}

/// What was heard, by what keeps its order: each priority, pongs, and the end.
fn by_priority(heard: &[Heard]) -> Vec<Vec<Heard>> {
    let mut lists = vec![Vec::new(); 6];
    for one in heard {
        let list = match one {
            Heard::Message(_, text) if text.starts_with(b"echo:") => 0,
            Heard::Message(_, text) if text.starts_with(b"error:") => 1,
            Heard::Message(_, text)
                if text.starts_with(b"joined:") || text.starts_with(b"left:") =>
            {
                2
            }
            Heard::Message(..) => 3,
            Heard::Pong(_) => 4,
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
            says.push(Say::Fault);
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
            let heard: Vec<Heard> = sim.client(client).heard.iter().filter(|h| !matches!(h, Heard::Pong(_))).cloned().collect();
            prop_assert_eq!(first.get_or_insert(heard.clone()), &heard);
            sim.assert_bare();
        }
    }
}
