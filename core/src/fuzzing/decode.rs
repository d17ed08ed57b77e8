//! Fuzzes the decoding of a stream: the same events and the same error however
//! it is cut, and those that a plain reading of the RFC finds.

use alloc::vec::Vec;

use super::Reader;
use super::peer::{Frame, Said, Verdict, decode_naively, write_frame};
use crate::conn::{Connection, Event, MessageLimits, Payload, Role, Workspace};

/// Bytes as limits, a way to cut, and a stream: as it stands, or made of
/// frames that are well formed one by one.
///
/// # Panics
/// If the events or the error depend on how the stream is cut, or differ from
/// the naive reading.
pub fn decode(data: &[u8]) {
    let mut input = Reader::new(data);
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
    let stream = if flags & 2 == 0 {
        input.rest().to_vec()
    } else {
        frames(&mut input, role)
    };
    let whole = events(&stream, role, limits, core::iter::once(stream.len()));
    assert_eq!(whole, decode_naively(&stream, role, limits), "by the RFC");
    let bytewise = events(&stream, role, limits, core::iter::repeat(1));
    assert_eq!(bytewise, whole, "byte by byte");
    let pieces = cuts.iter().map(|&cut| 1 + usize::from(cut)).cycle();
    assert_eq!(
        events(&stream, role, limits, pieces),
        whole,
        "cut by {cuts:?}"
    );
}

fn frames(input: &mut Reader<'_>, role: Role) -> Vec<u8> {
    let mut out = Vec::new();
    while !input.is_empty() {
        let key = match role {
            Role::Server => Some([input.byte(), 0, 0x55, 0xFF]),
            Role::Client => None,
        };
        let first = input.byte();
        let len = match input.byte() {
            len @ 0..250 => usize::from(len),
            len => usize::from(len - 249) * 300,
        };
        let payload = input.take(len);
        write_frame(
            &mut out,
            Frame {
                first,
                key,
                payload,
            },
        );
    }
    out
}

/// What a connection says of a stream that comes in pieces.
fn events(
    stream: &[u8],
    role: Role,
    limits: MessageLimits,
    pieces: impl Iterator<Item = usize>,
) -> Verdict {
    let mut conn = Connection::new(role);
    let mut workspace = Workspace::default();
    let mut said = Vec::new();
    let (mut held, mut at): (Vec<u8>, usize) = (Vec::new(), 0);
    for piece in pieces {
        let end = stream.len().min(at + piece);
        held.extend_from_slice(&stream[at..end]);
        at = end;
        loop {
            let step = match conn.poll_event(&mut held, limits, &mut workspace) {
                Ok(step) => step,
                Err(error) => return (said, Some(error)),
            };
            assert!(
                conn.held_bytes() <= 2 * at + 64,
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
                Some(Event::Message { kind, payload }) => said.push(Said::Message(
                    kind,
                    match payload {
                        Payload::Here(range) => there(range),
                        Payload::Assembled => workspace.take_message(),
                    },
                )),
                Some(Event::Ping(range)) => said.push(Said::Ping(there(range))),
                Some(Event::Pong(range)) => said.push(Said::Pong(there(range))),
                Some(Event::Close(code)) => {
                    said.push(Said::Close(code.map(|code| code.get())));
                    return (said, None);
                }
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
