//! Tests of the decoder: limits, and messages that arrive whole or in pieces.

use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A frame as a client sends it.
fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        fin,
        rsv: 0,
        opcode,
        mask: Some(KEY),
        payload_len: payload.len() as u64,
    };
    let (bytes, len) = header.encode();
    let mut frame = [&bytes[..len], payload].concat();
    mask::apply(&mut frame[len..], KEY, 0);
    frame
}

/// Returns the data messages of an input that arrives in reads of these lengths, and the rest of it
/// in one, with the error that ended them.
fn messages(
    input: &[u8],
    reads: impl IntoIterator<Item = usize>,
    limits: MessageLimits,
) -> (Vec<(MessageType, Vec<u8>)>, Option<PeerError>) {
    let mut conn = Connection::new(Role::Server);
    let mut buffers = DecodeBuffers::new(1);
    let (mut unread, mut received, mut messages) = (input, Vec::new(), Vec::new());
    for read in reads.into_iter().chain([usize::MAX]) {
        let (now, later) = unread.split_at(read.min(unread.len()));
        received.extend_from_slice(now);
        unread = later;
        loop {
            let step = match conn.poll_event(&mut received, limits, &mut buffers) {
                Ok(step) => step,
                Err(error) => return (messages, Some(error)),
            };
            if let Some(ConnectionEvent::Message { kind, payload }) = &step.event {
                messages.push(match payload {
                    Payload::InPlace(range) => (*kind, received[range.clone()].to_vec()),
                    Payload::Assembled => (*kind, buffers.take_message()),
                });
            }
            received.drain(..step.consumed);
            if step.event.is_none() {
                break;
            }
        }
    }
    (messages, None)
}

#[test]
fn a_message_of_the_limit_is_taken_and_one_byte_more_is_not() {
    for limit in [1, 125, 126, 127, 1_000, 0xFFFF, 0x1_0000] {
        let limits = MessageLimits {
            bytes: limit,
            ..MessageLimits::DEFAULT
        };
        for len in [limit - 1, limit, limit + 1] {
            let payload: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let (first, last) = payload.split_at(len / 2);
            let whole = frame(Opcode::Binary, true, &payload);
            let fragments = [
                frame(Opcode::Binary, false, first),
                frame(Opcode::Continuation, true, last),
            ]
            .concat();
            let expected = if len > limit {
                (Vec::new(), Some(PeerError::MessageTooBig))
            } else {
                (alloc::vec![(MessageType::Binary, payload)], None)
            };
            assert_eq!(messages(&whole, [], limits), expected, "{len} of {limit}");
            assert_eq!(
                messages(&whole, [9, 1], limits),
                expected,
                "{len} of {limit}"
            );
            assert_eq!(
                messages(&fragments, [], limits),
                expected,
                "{len} of {limit}"
            );
        }
    }
}

#[test]
fn the_bytes_of_an_incomplete_message_are_those_that_have_arrived() {
    let mut conn = Connection::new(Role::Server);
    let mut buffers = DecodeBuffers::new(1);
    let limits = MessageLimits::DEFAULT;
    assert_eq!(conn.message_bytes(), 0);
    let mut input = frame(Opcode::Binary, true, &[7; 5_000]);
    let late = input.split_off(4_008);
    let step = conn.poll_event(&mut input, limits, &mut buffers);
    assert_eq!(step, Ok(Step::more(4_008)));
    assert_eq!(conn.message_bytes(), 4_000);
    assert!(conn.pace_beyond(3_999).is_some() && conn.pace_beyond(4_000).is_none());
    assert!(
        (4_000..8_000).contains(&conn.held_bytes()),
        "{}",
        conn.held_bytes()
    );
    let step = conn.poll_event(&mut { late }, limits, &mut buffers);
    assert!(matches!(
        step,
        Ok(Step {
            consumed: 1_000,
            event: Some(_)
        })
    ));
    assert_eq!((conn.message_bytes(), conn.held_bytes()), (0, 0));
    assert_eq!(buffers.take_message(), [7; 5_000]);
}

#[derive(Clone, Debug)]
struct SentMessage {
    kind: MessageType,
    payload: Vec<u8>,
    /// Where its fragments end.
    cuts: Vec<usize>,
    is_pinged: bool,
}

fn sent() -> impl Strategy<Value = SentMessage> {
    let text = "[a-zé€𝄞]{0,60}".prop_map(|text| (MessageType::Text, text.into_bytes()));
    let len = prop_oneof![0..200_usize, 65_530..65_545_usize];
    let binary = len.prop_map(|len| {
        let payload = (0..len).map(|n| n as u8).collect();
        (MessageType::Binary, payload)
    });
    let cuts = prop::collection::vec(0..300_usize, 0..4);
    (prop_oneof![3 => text, 1 => binary], cuts, any::<bool>()).prop_map(
        |((kind, payload), mut cuts, is_pinged)| {
            cuts.iter_mut()
                .for_each(|cut| *cut = payload.len().min(*cut));
            cuts.sort_unstable();
            SentMessage {
                kind,
                payload,
                cuts,
                is_pinged,
            }
        },
    )
}

proptest! {
    #[test]
    fn messages_are_the_same_however_they_are_fragmented_and_read(
        all in prop::collection::vec(sent(), 1..6),
        reads in prop::collection::vec(1..150_usize, 0..40),
    ) {
        let mut input = Vec::new();
        for SentMessage { kind, payload, cuts, is_pinged } in &all {
            let mut opcode = match kind {
                MessageType::Text => Opcode::Text,
                MessageType::Binary => Opcode::Binary,
            };
            let mut at = 0;
            for &cut in cuts {
                input.extend(frame(opcode, false, &payload[at..cut]));
                if *is_pinged {
                    input.extend(frame(Opcode::Ping, true, b"between"));
                }
                (opcode, at) = (Opcode::Continuation, cut);
            }
            input.extend(frame(opcode, true, &payload[at..]));
        }
        let expected: Vec<_> = all.into_iter().map(|sent| (sent.kind, sent.payload)).collect();
        let (read, error) = messages(&input, reads, MessageLimits::DEFAULT);
        prop_assert_eq!(error, None);
        prop_assert!(read == expected);
    }
}
