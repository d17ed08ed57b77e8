//! Fuzzes the decoding of a stream: the same events and the same error however
//! it is cut, and those that a plain reading of the RFCs finds.

use stentor_core::testing::conn::{
    Connection, ConnectionEvent, DecodeBuffers, MessageLimits, Payload, Role,
};
use stentor_core::testing::deflate;
use stentor_core::testing::deflate::Params;

use super::InputReader;
use super::inflate::Inflation;
use super::peer::{DecodedStream, PeerOutput, decode_naively};
use super::stream::{StreamSetup, frames};

/// Bytes as limits, what was agreed on, a way to cut, and a stream: as it
/// stands, or made of frames that are well formed one by one.
///
/// # Panics
/// If the events or the error depend on how the stream is cut, or differ from
/// the naive reading.
pub fn decode(data: &[u8]) {
    let mut input = InputReader::new(data);
    let flags = input.byte();
    let role = if flags & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    };
    let limits = MessageLimits {
        bytes: 1 + usize::from(input.short()) % 2_000,
        empty_fragments: u32::from(input.byte() % 16),
    };
    let cuts: [u8; 4] = input.array();
    let setup = StreamSetup {
        role,
        limits,
        takeover: (flags & 4 != 0).then_some(flags & 8 != 0),
    };
    let stream = if flags & 2 == 0 {
        input.rest().to_vec()
    } else {
        frames(&mut input, &setup)
    };
    let whole = events(&stream, &setup, core::iter::once(stream.len()));
    let inflation = setup.takeover.map(Inflation::new);
    let naive = decode_naively(&stream, role, limits, inflation);
    assert_eq!(whole, naive, "by the RFC");
    let bytewise = events(&stream, &setup, core::iter::repeat(1));
    assert_eq!(bytewise, whole, "byte by byte");
    let pieces = cuts.iter().map(|&cut| 1 + usize::from(cut)).cycle();
    assert_eq!(events(&stream, &setup, pieces), whole, "cut by {cuts:?}");
}

/// What a connection says of a stream that comes in pieces.
pub(super) fn events(
    stream: &[u8],
    setup: &StreamSetup,
    pieces: impl Iterator<Item = usize>,
) -> DecodedStream {
    let mut conn = connection(setup);
    let mut workspace = DecodeBuffers::default();
    let mut said = Vec::new();
    let (mut held, mut at): (Vec<u8>, usize) = (Vec::new(), 0);
    for piece in pieces {
        let end = stream.len().min(at + piece);
        held.extend_from_slice(&stream[at..end]);
        at = end;
        loop {
            let step = match conn.poll_event(&mut held, setup.limits, &mut workspace) {
                Ok(step) => step,
                Err(error) => return (said, Some(error)),
            };
            // A buffer may have held a decompressed message before.
            let most = match setup.takeover {
                None => at,
                Some(_) => at.max(deflate::ceiling(setup.limits.bytes)),
            };
            assert!(
                conn.held_bytes() <= 2 * most + 64,
                "memory follows bytes received"
            );
            let there = |range: core::ops::Range<usize>| held[range].to_vec();
            match step.event {
                None => {
                    held.drain(..step.consumed);
                    assert!(
                        held.len() < 14 + 125,
                        "what is kept is a header or a control frame"
                    );
                    break;
                }
                Some(ConnectionEvent::Message { kind, payload }) => said.push(PeerOutput::Message(
                    kind,
                    match payload {
                        Payload::InPlace(range) => there(range),
                        Payload::Assembled => {
                            let message = workspace.take_message();
                            let copy = message.clone();
                            workspace.give(message);
                            copy
                        }
                    },
                )),
                Some(ConnectionEvent::Ping(range)) => said.push(PeerOutput::Ping(there(range))),
                Some(ConnectionEvent::Pong(range)) => said.push(PeerOutput::Pong(there(range))),
                Some(ConnectionEvent::Close(code, _)) => {
                    said.push(PeerOutput::Close(code.map(|code| code.get())));
                    return (said, None);
                }
                Some(other) => unreachable!("a new event: {other:?}"),
            }
            assert!(step.consumed > 0, "an event is made of bytes");
            held.drain(..step.consumed);
        }
        if at == stream.len() {
            break;
        }
    }
    (said, None)
}

fn connection(setup: &StreamSetup) -> Connection {
    let Some(takeover) = setup.takeover else {
        return Connection::new(setup.role);
    };
    // It keeps no context for what it sends, for it sends nothing.
    let peers = !takeover;
    let (server, client) = match setup.role {
        Role::Server => (true, peers),
        Role::Client => (peers, true),
    };
    let agreed = Params {
        server_no_context_takeover: server,
        client_no_context_takeover: client,
        ..Params::default()
    };
    Connection::with_deflate(setup.role, &agreed)
}
