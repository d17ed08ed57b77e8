//! Tests that split the bytes of a server at any position, with the same result.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::proto::client::tests::{
    OwnedEvent, connecting, decode, frame, receive, response, take_output,
};
use crate::proto::client::{ClientConfig, ClientError};
use crate::proto::http::HeadLimits;
use crate::proto::ws::PeerError;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::opcode::{MessageType, Opcode};

/// Responses that are nearly valid: relevant parts in any order.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let start = prop::sample::select(
        &[
            "HTTP/1.1 101 Switching Protocols\r\n",
            "\r\nHTTP/1.1 101 \r\n",
            "HTTP/1.1 101\r\n",
            "HTTP/1.0 101 x\r\n",
            "HTTP/1.1 302 Found\r\n",
            "HTTP/1.1 1012 x\r\n",
            "HTTP/2 101\r\n",
            "SSH-2.0-x\r\n",
        ][..],
    );
    let line = prop::sample::select(
        &[
            "Upgrade: websocket\r\n",
            "Connection: Upgrade\r\n",
            "ACCEPT\r\n",
            "Sec-WebSocket-Protocol: chat\r\n",
            "X:\r\n",
            "X: y\n",
            " folded\r\n",
            "a : b\r\n",
            "Long: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
        ][..],
    );
    let end = prop::sample::select(&["\r\n", "\r\n\u{1}\u{1}\n\n", "\n", "", "\r"][..]);
    let right = Just(alloc::vec![
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
        "ACCEPT\r\n"
    ]);
    let lines = prop_oneof![right, prop::collection::vec(line, 0..12)];
    (start, lines, end).prop_map(|(start, lines, end)| {
        let mut client = connecting(ClientConfig::default());
        let right = String::from_utf8(response(&mut client)).expect("text");
        let accept = right.split("\r\n").nth(3).expect("the proof");
        let head = format!("{start}{}{end}", lines.concat()).replace("ACCEPT", accept);
        head.into_bytes()
    })
}

/// Frames of a server, and the expected events.
fn frames() -> impl Strategy<Value = (Vec<u8>, Vec<OwnedEvent>)> {
    let payload = || {
        prop_oneof![
            "[a-z\u{e9}]{0,130}",
            (0_usize..40_000).prop_map(|n| "z".repeat(n))
        ]
    };
    let kind = prop_oneof![Just(MessageType::Text), Just(MessageType::Binary)];
    let control = || prop::collection::vec(any::<u8>(), 0..=125);
    let expected = prop_oneof![
        4 => (kind, prop::collection::vec(payload(), 1..4)).prop_map(|(kind, pieces)| {
            let mut bytes = Vec::new();
            for (n, piece) in pieces.iter().enumerate() {
                let opcode = if n == 0 { kind.opcode() } else { Opcode::Continuation };
                bytes.extend(frame(opcode, n + 1 == pieces.len(), piece.as_bytes()));
            }
            (bytes, OwnedEvent::Message(kind, pieces.concat().into_bytes()))
        }),
        1 => control().prop_map(|payload| (frame(Opcode::Ping, true, &payload), OwnedEvent::Ping(payload))),
        1 => control().prop_map(|payload| (frame(Opcode::Pong, true, &payload), OwnedEvent::Pong(payload))),
        1 => Just((b"\x83\x00".to_vec(), OwnedEvent::Failed(ClientError::Peer(PeerError::ReservedOpcode)))),
    ];
    prop::collection::vec(expected, 0..12).prop_map(|all| {
        let end = all
            .iter()
            .position(|(_, expected)| matches!(expected, OwnedEvent::Failed(_)));
        let end = end.map_or(all.len(), |end| end + 1);
        let expected = all[..end]
            .iter()
            .map(|(_, expected)| expected.clone())
            .collect();
        (
            all.into_iter().flat_map(|(bytes, _)| bytes).collect(),
            expected,
        )
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        receive(&mut connecting(ClientConfig::default()), &bytes);
    }

    #[test]
    fn a_split_response_has_the_same_result(
        mut head in heads(),
        flip in any::<prop::sample::Index>(),
        with in any::<Option<u8>>(),
    ) {
        if let Some(byte) = with {
            let at = flip.index(head.len());
            head[at] = byte;
        }
        let config = ClientConfig {
            head: HeadLimits {
                bytes: 256,
                fields: 8,
            },
            ..ClientConfig::default()
        };
        let whole = receive(&mut connecting(config), &head);
        let mut bytewise = Vec::new();
        let mut client = connecting(config);
        for byte in &head {
            bytewise.extend(receive(&mut client, &[*byte]));
        }
        prop_assert_eq!(bytewise, whole);
    }

    #[test]
    fn split_frames_have_the_same_events(
        (bytes, expected) in frames(),
        cuts in prop::collection::vec(1_usize..30_000, 1..20),
    ) {
        let mut client = connecting(ClientConfig::default());
        let mut stream = response(&mut client);
        stream.extend(bytes);
        let mut received = Vec::new();
        let mut rest = &stream[..];
        let mut answers = Vec::new();
        for cut in cuts.into_iter().cycle() {
            let (piece, more) = rest.split_at(cut.min(rest.len()));
            received.extend(receive(&mut client, piece));
            answers.extend(take_output(&mut client));
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&received[0], &OwnedEvent::Opened);
        prop_assert_eq!(&received[1..], &expected[..]);
        let pings = expected.iter().filter_map(|expected| match expected {
            OwnedEvent::Ping(payload) => Some(OwnedEvent::Pong(payload.clone())),
            OwnedEvent::Failed(_) => Some(OwnedEvent::Close(Some(CloseCode::PROTOCOL_ERROR), String::new())),
            _ => None,
        });
        // There are at most twelve pings, so that no pong is left out.
        prop_assert_eq!(decode(answers), pings.collect::<Vec<_>>());
    }
}
