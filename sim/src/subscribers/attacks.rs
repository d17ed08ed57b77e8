//! What clients do that is not allowed, and the answer that each must get.

use prost::Message;

use super::connection::Asked;
use super::setup::pick;
use super::wire::Speech;
use super::world::World;
use crate::client_protocol::{
    ProtoChannel, ProtoCommand, ProtoConnect, ProtoEmpty, ProtoFilter, ProtoRpc, ProtoSend,
    ProtoSubscribe,
};
use crate::simulator::Rng;

/// Does something other than `connect` first.
pub(super) fn before_connect(world: &mut World, conn: usize, rng: &mut Rng) {
    let command = match rng.below(3) {
        0 => ProtoCommand {
            id: 1,
            rpc: Some(ping_rpc()),
            ..ProtoCommand::default()
        },
        1 => ProtoCommand {
            id: 1,
            subscribe: Some(ProtoSubscribe {
                channel: "plain:0".to_owned(),
                ..ProtoSubscribe::default()
            }),
            ..ProtoCommand::default()
        },
        _ => ProtoCommand::default(),
    };
    world.conns[conn].must_close = Some(3501);
    world.send(conn, &[command]);
}

fn ping_rpc() -> ProtoRpc {
    ProtoRpc {
        method: "ping".to_owned(),
        data: Vec::new(),
    }
}

/// Attacks the server.
pub(super) fn attack(world: &mut World, conn: usize, rng: &mut Rng) {
    let speech = world.conns[conn].speech;
    let id = 1_000_000;
    let empty = ProtoCommand {
        id,
        ..ProtoCommand::default()
    };
    let (code, message) = match rng.below(16) {
        0 => (3501, b"\x05garbage".to_vec()),
        1 => (3501, Vec::new()),
        2 => (3501, raw(speech, &empty)),
        3 => (
            3501,
            raw(
                speech,
                &ProtoCommand {
                    connect: Some(ProtoConnect::default()),
                    ..empty
                },
            ),
        ),
        4 => {
            // A pong to nothing; to a ping that waits for one, the second is one.
            let pong = ProtoCommand::default();
            (3501, speech.encode(&[pong.clone(), pong.clone(), pong]))
        }
        5 => (
            3501,
            raw(
                speech,
                &ProtoCommand {
                    rpc: Some(ping_rpc()),
                    send: Some(ProtoSend::default()),
                    ..empty
                },
            ),
        ),
        6 => (
            3508,
            raw(
                speech,
                &ProtoCommand {
                    send: Some(ProtoSend {
                        data: b"1".to_vec(),
                    }),
                    ..ProtoCommand::default()
                },
            ),
        ),
        7 => (
            3501,
            raw(
                speech,
                &ProtoCommand {
                    ping: Some(ProtoEmpty {}),
                    ..empty
                },
            ),
        ),
        8 => (1009, vec![b' '; 65_537 + rng.below(30_000)]),
        9 => (
            3501,
            raw(
                speech,
                &ProtoCommand {
                    subscribe: Some(ProtoSubscribe::default()),
                    ..empty
                },
            ),
        ),
        10 if world.conns[conn].subs.is_empty() => (
            3501,
            raw(
                speech,
                &ProtoCommand {
                    subscribe: Some(ProtoSubscribe {
                        channel: "plain:other".to_owned(),
                        delta: "other".to_owned(),
                        ..ProtoSubscribe::default()
                    }),
                    ..empty
                },
            ),
        ),
        11 => {
            let mut filter = ProtoFilter::default();
            for _ in 0..200 {
                filter = ProtoFilter {
                    op: "not".to_owned(),
                    nodes: vec![filter],
                    ..ProtoFilter::default()
                };
            }
            (
                3501,
                raw(
                    speech,
                    &ProtoCommand {
                        subscribe: Some(ProtoSubscribe {
                            channel: "plain:0".to_owned(),
                            tf: Some(filter),
                            ..ProtoSubscribe::default()
                        }),
                        ..empty
                    },
                ),
            )
        }
        12 => return flood(world, conn),
        13 => return errors(world, conn),
        14 => return odd_but_right(world, conn, rng),
        _ => return names(world, conn, rng),
    };
    let state = &mut world.conns[conn];
    state.is_spoiled = true;
    state.must_close = Some(code);
    world.trace(conn, "> (attack)", &message);
    let kind = speech.kind();
    world.sim.send(conn, kind, &message);
}

/// Encodes a command without looking whether it is one.
fn raw(speech: Speech, command: &ProtoCommand) -> Vec<u8> {
    match speech {
        Speech::Protobuf => command.encode_length_delimited_to_vec(),
        _ => command
            .to_json()
            .expect("payloads are JSON")
            .to_string()
            .into_bytes(),
    }
}

/// Sends many commands in one message.
fn flood(world: &mut World, conn: usize) {
    world.conns[conn].may_close.insert(3008);
    let commands: Vec<_> = (0..1_500)
        .map(|_| ProtoCommand {
            id: world.ask(conn, Asked::Rpc, "", Vec::new(), false),
            rpc: Some(ping_rpc()),
            ..ProtoCommand::default()
        })
        .collect();
    world.coverage.note("flood");
    world.send(conn, &commands);
}

/// Causes errors until the server has enough.
fn errors(world: &mut World, conn: usize) {
    let most = world.setup.settings.client.max_errors;
    world.conns[conn].is_spoiled = true;
    world.conns[conn].must_close = Some(3509);
    // The answers are behind each other, and few may wait.
    world.conns[conn].may_close.insert(3008);
    let commands: Vec<_> = (0..=most)
        .map(|_| ProtoCommand {
            id: world.ask(conn, Asked::Presence, "nowhere:1", vec![102], true),
            presence: Some(ProtoChannel {
                channel: "nowhere:1".to_owned(),
            }),
            ..ProtoCommand::default()
        })
        .collect();
    world.send(conn, &commands);
}

/// Does something unusual that is allowed.
fn odd_but_right(world: &mut World, conn: usize, rng: &mut Rng) {
    let id = world.ask(conn, Asked::Rpc, "", Vec::new(), false);
    let command = ProtoCommand {
        id,
        rpc: Some(ping_rpc()),
        ..ProtoCommand::default()
    };
    let speech = world.conns[conn].speech;
    let mut message = raw(speech, &command);
    match speech {
        Speech::Protobuf => {
            // Fields that nobody knows, and one that is reserved.
            let mut inner = command.encode_to_vec();
            inner.extend([0xF8, 0x06, 0x01, 0x12, 0x02, b'h', b'i']);
            message = Vec::new();
            message.push(inner.len() as u8);
            message.extend(inner);
        }
        _ if rng.percent(50) => {
            message.pop();
            let deep = "[".repeat(60) + &"]".repeat(60);
            message.extend(format!(r#","unknown":{{"a":{deep}}},"method":null}}"#).into_bytes());
            message.push(b'\n');
        }
        _ => {}
    }
    world.coverage.note("unknown fields");
    world.trace(conn, "> (odd)", &message);
    // The type of the message is of no meaning.
    let kinds = [stentor_core::MessageType::Binary, speech.kind()];
    world.sim.send(conn, *pick(rng, &kinds), &message);
}

/// Asks for channels that there cannot be.
fn names(world: &mut World, conn: usize, rng: &mut Rng) {
    let (name, code) = match rng.below(4) {
        0 => ("nowhere:1".to_owned(), 102),
        1 => ("x".repeat(256), 107),
        2 => ("plain:\u{fc}".to_owned(), 107),
        // One that needs a token.
        _ => ("$plain:1".to_owned(), 103),
    };
    let mut errors = vec![code];
    if world.conns[conn].subs.len() >= world.setup.settings.client.channel_limit {
        errors.push(106);
    }
    let asked = Asked::Subscribe(super::connection::SubscribeAsked::default());
    let command = ProtoCommand {
        id: world.ask(conn, asked, &name, errors, true),
        subscribe: Some(ProtoSubscribe {
            channel: name,
            ..ProtoSubscribe::default()
        }),
        ..ProtoCommand::default()
    };
    world.send(conn, &[command]);
}
