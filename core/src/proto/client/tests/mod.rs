//! Tests of the client from its request to the end of the connection, with its output decoded by
//! the server's state machine.

mod cuts;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::proto::client::{
    Client, ClientConfig, ClientError, ClientEvent, ClientRequest, Response, ResponseError,
    SendError, Uri,
};
use crate::proto::http;
use crate::proto::http::{Fields, HeadLimits};
use crate::proto::ws;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::header::Header;
use crate::proto::ws::opcode::{MessageType, Opcode};
use crate::proto::ws::upgrade;
use crate::proto::ws::upgrade::{HeadAction, Policy};
use crate::proto::ws::{Connection, DecodeBuffers, MessageLimits, Payload, PeerError, Role};

/// An event of either end.
#[derive(Clone, PartialEq, Eq, Debug)]
enum OwnedEvent {
    Message(MessageType, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseCode>, String),
    Opened,
    Refused(u16),
    Failed(ClientError),
    Lost,
}

impl From<ClientEvent<'_>> for OwnedEvent {
    fn from(event: ClientEvent<'_>) -> Self {
        match event {
            ClientEvent::Opened => Self::Opened,
            ClientEvent::Refused { status, .. } => Self::Refused(status),
            ClientEvent::Message { kind, payload } => Self::Message(kind, payload.to_vec()),
            ClientEvent::Ping(payload) => Self::Ping(payload.to_vec()),
            ClientEvent::Pong(payload) => Self::Pong(payload.to_vec()),
            ClientEvent::Closed { code, reason } => Self::Close(code, reason.to_owned()),
            ClientEvent::Failed(failure) => Self::Failed(failure),
            ClientEvent::Lost => Self::Lost,
        }
    }
}

fn connecting(config: ClientConfig) -> Client {
    let request = ClientRequest::new(&Uri::parse("ws://h.example/ws").expect("an address"));
    Client::new(request, config, [7; 32])
}

/// Returns the response of this project's server to the client's request.
fn response(client: &mut Client) -> Vec<u8> {
    let head = take_output(client);
    let mut fields = Fields::new();
    let parsed = http::Request::parse(&head, &mut fields, HeadLimits::default());
    let (request, len) = parsed.expect("well-formed").expect("whole");
    assert_eq!(len, head.len());
    let Ok(HeadAction::Upgrade(upgrade)) = upgrade::decide(&request, &Policy::TEST) else {
        panic!("not upgraded");
    };
    let mut out = Vec::new();
    upgrade::switching_protocols(&mut out, &upgrade.accept, None, None, &[]);
    out
}

fn opened() -> Client {
    let mut client = connecting(ClientConfig::default());
    let response = response(&mut client);
    assert_eq!(receive(&mut client, &response), [OwnedEvent::Opened]);
    client
}

/// Returns all queued bytes as written.
fn take_output(client: &mut Client) -> Vec<u8> {
    let bytes = client.poll_transmit().to_vec();
    client.handle_transmitted(bytes.len());
    bytes
}

/// Returns the events of the client for these bytes.
fn receive(client: &mut Client, mut bytes: &[u8]) -> Vec<OwnedEvent> {
    let mut received = Vec::new();
    loop {
        let n = client.handle_input(bytes);
        bytes = &bytes[n..];
        while let Some(event) = client.poll_event() {
            received.push(event.into());
        }
        if bytes.is_empty() {
            return received;
        }
    }
}

/// Returns the events of a server for these frames of a client.
fn decode(mut bytes: Vec<u8>) -> Vec<OwnedEvent> {
    let mut server = Connection::new(Role::Server);
    let mut buffers = DecodeBuffers::default();
    let limits = MessageLimits {
        bytes: usize::MAX,
        empty_fragments: u32::MAX,
    };
    let mut events = Vec::new();
    loop {
        let step = server.poll_event(&mut bytes, limits, &mut buffers);
        let step = step.expect("a client keeps to the protocol");
        let Some(event) = step.event else { break };
        events.push(match event {
            ws::ConnectionEvent::Message { kind, payload } => OwnedEvent::Message(
                kind,
                match payload {
                    Payload::InPlace(range) => bytes[range].to_vec(),
                    Payload::Assembled => buffers.take_message(),
                },
            ),
            ws::ConnectionEvent::Ping(range) => OwnedEvent::Ping(bytes[range].to_vec()),
            ws::ConnectionEvent::Pong(range) => OwnedEvent::Pong(bytes[range].to_vec()),
            ws::ConnectionEvent::Close(code, reason) => {
                let reason = String::from_utf8(bytes[reason].to_vec());
                events.push(OwnedEvent::Close(code, reason.expect("text")));
                assert_eq!(step.consumed, bytes.len(), "nothing follows a close frame");
                return events;
            }
        });
        bytes.drain(..step.consumed);
    }
    assert!(bytes.is_empty(), "whole frames");
    events
}

/// Returns a frame of a server.
fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        fin,
        rsv: 0,
        opcode,
        mask: None,
        payload_len: payload.len() as u64,
    };
    let (bytes, len) = header.encode();
    [&bytes[..len], payload].concat()
}

fn text(text: &str) -> OwnedEvent {
    OwnedEvent::Message(MessageType::Text, text.into())
}

#[test]
fn messages_and_control_frames_pass_both_ways() {
    let mut client = opened();
    assert!(client.is_open() && client.queued_bytes() == 0);
    client
        .send(MessageType::Text, "h\u{e9}".as_bytes())
        .expect("open");
    client.send_ping(b"p").expect("open");
    client.send_pong(b"").expect("open");
    let bytes = take_output(&mut client);
    let expected = [
        text("h\u{e9}"),
        OwnedEvent::Ping(b"p".into()),
        OwnedEvent::Pong(b"".into()),
    ];
    assert_eq!(decode(bytes), expected);
    let both = [
        frame(Opcode::Text, true, b"a"),
        frame(Opcode::Ping, true, b"b"),
    ]
    .concat();
    assert_eq!(
        receive(&mut client, &both),
        [text("a"), OwnedEvent::Ping(b"b".into())]
    );
    assert_eq!(
        decode(take_output(&mut client)),
        [OwnedEvent::Pong(b"b".into())]
    );
    client.set_auto_pong(false);
    assert_eq!(receive(&mut client, &both).len(), 2);
    assert_eq!(client.queued_bytes(), 0);
}

//= rfc6455#section-5.3 "When preparing a masked frame, the client MUST pick a fresh masking key..."
#[test]
fn each_frame_has_its_own_mask() {
    let mut client = opened();
    let mut keys = Vec::new();
    for _ in 0..1_000 {
        client.send(MessageType::Binary, b"same").expect("open");
        let bytes = take_output(&mut client);
        let (header, _) = Header::parse(&bytes).expect("valid").expect("whole");
        keys.push(header.mask.expect("masked"));
    }
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.len() > 998, "32 bits by chance collide hardly ever");
}

#[test]
fn another_seed_gives_another_key_and_other_masks() {
    let request = ClientRequest::new(&Uri::parse("ws://h/ws").expect("an address"));
    let run = |seed| {
        let mut client = Client::new(request.clone(), ClientConfig::default(), [seed; 32]);
        let response = response(&mut client);
        receive(&mut client, &response);
        client.send(MessageType::Text, b"hello").expect("open");
        (response, take_output(&mut client))
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
    assert_ne!(run(1).1, run(2).1);
}

#[test]
fn the_client_closes() {
    let mut client = opened();
    client.send(MessageType::Text, b"bye").expect("open");
    client.close(Some(CloseCode::NORMAL), "done").expect("open");
    for refused in [
        client.send(MessageType::Text, b""),
        client.send_fragment(MessageType::Text, b"", true),
        client.send_ping(b""),
        client.send_pong(b""),
        client.close(None, ""),
    ] {
        assert_eq!(refused, Err(SendError::Closing));
    }
    let close = OwnedEvent::Close(Some(CloseCode::NORMAL), "done".into());
    assert_eq!(decode(take_output(&mut client)), [text("bye"), close]);
    // The server may send until its close frame; pings are not answered any more.
    let rest = [
        frame(Opcode::Text, true, b"late"),
        frame(Opcode::Ping, true, b""),
        frame(Opcode::Close, true, b"\x03\xE8"),
        frame(Opcode::Text, true, b"never"),
    ];
    let received = receive(&mut client, &rest.concat());
    let close = OwnedEvent::Close(Some(CloseCode::NORMAL), String::new());
    assert_eq!(
        received,
        [text("late"), OwnedEvent::Ping(Vec::new()), close]
    );
    assert!(client.is_finished() && client.queued_bytes() == 0);
    client.handle_eof();
    assert_eq!(client.poll_event(), None);
}

#[test]
fn the_server_closes() {
    for (payload, code, reason) in [
        (&b""[..], None, ""),
        (b"\x03\xE9", Some(CloseCode::GOING_AWAY), ""),
        (b"\x03\xE9away", Some(CloseCode::GOING_AWAY), "away"),
    ] {
        let mut client = opened();
        client
            .send_fragment(MessageType::Text, b"half", false)
            .expect("open");
        let before = take_output(&mut client);
        let received = receive(&mut client, &frame(Opcode::Close, true, payload));
        assert_eq!(received, [OwnedEvent::Close(code, reason.into())]);
        assert!(!client.is_open() && !client.is_finished());
        assert_eq!(client.send(MessageType::Text, b""), Err(SendError::Closing));
        let bytes = [before, take_output(&mut client)].concat();
        assert_eq!(decode(bytes), [OwnedEvent::Close(code, String::new())]);
        assert!(client.is_finished());
    }
}

#[test]
fn a_protocol_violation_is_answered_with_a_close_frame() {
    for (bytes, error) in [
        (&b"\x81\x80\0\0\0\0"[..], PeerError::Masked),
        (b"\x81\x01\xFF", PeerError::InvalidUtf8),
        (b"\xC1\x00", PeerError::ReservedBit),
        (b"\x82\x7F\0\0\0\0\x40\0\0\0", PeerError::MessageTooBig),
        (b"\x88\x01\x03", PeerError::ShortClose),
    ] {
        for closing in [false, true] {
            let mut client = opened();
            if closing {
                client.close(None, "").expect("open");
            }
            let before = take_output(&mut client);
            let received = receive(
                &mut client,
                &[bytes, &frame(Opcode::Ping, true, b"")].concat(),
            );
            assert_eq!(received, [OwnedEvent::Failed(ClientError::Peer(error))]);
            assert_eq!(client.send_ping(b""), Err(SendError::Closing));
            let close = OwnedEvent::Close(Some(error.close_code()), String::new());
            let expected = if closing {
                OwnedEvent::Close(None, String::new())
            } else {
                close
            };
            assert_eq!(
                decode([before, take_output(&mut client)].concat()),
                [expected]
            );
            assert!(client.is_finished());
        }
    }
}

#[test]
fn the_end_of_the_stream_is_the_last_event() {
    let mut client = opened();
    assert_eq!(client.handle_input(&frame(Opcode::Text, true, b"a")), 3);
    client.handle_eof();
    assert_eq!(receive(&mut client, b""), [text("a"), OwnedEvent::Lost]);
    assert!(client.is_finished());
    assert_eq!(
        client.send(MessageType::Text, b"b"),
        Err(SendError::Closing)
    );

    let mut client = connecting(ClientConfig::default());
    client.handle_input(b"HTTP/1.1 101 ");
    client.handle_eof();
    let truncated = OwnedEvent::Failed(ClientError::Response(ResponseError::Truncated));
    assert_eq!(receive(&mut client, b""), [truncated]);
    assert!(
        client.is_finished(),
        "no rest of the request is worth writing"
    );
}

#[test]
fn another_status_is_reported_with_its_head() {
    for status in [100, 200, 302, 401, 503] {
        let mut client = connecting(ClientConfig::default());
        assert_eq!(client.send(MessageType::Text, b""), Err(SendError::NotOpen));
        assert_eq!(client.close(None, ""), Err(SendError::NotOpen));
        let head = format!("HTTP/1.1 {status} Sorry\r\nLocation: ws://b/\r\n\r\n");
        client.handle_input(format!("{head}body").as_bytes());
        let Some(ClientEvent::Refused {
            status: reported,
            head: shown,
        }) = client.poll_event()
        else {
            panic!("not refused");
        };
        assert_eq!((reported, shown), (status, head.as_bytes()));
        let mut fields = Fields::new();
        let parsed = Response::parse(shown, &mut fields, HeadLimits::default());
        let (response, _) = parsed.expect("well-formed").expect("whole");
        assert_eq!(
            response.header("location").collect::<Vec<_>>(),
            [b"ws://b/"]
        );
        assert_eq!(client.poll_event(), None);
        assert!(client.is_finished());
    }
}

#[test]
fn control_frames_may_come_between_fragments() {
    let mut client = opened();
    let (first, second) = "h\u{e9}".as_bytes().split_at(2);
    client
        .send_fragment(MessageType::Text, first, false)
        .expect("open");
    client.send_ping(b"between").expect("open");
    for refused in [
        client.send(MessageType::Text, b"other"),
        client.send_fragment(MessageType::Binary, b"other", false),
    ] {
        assert_eq!(refused, Err(SendError::InterruptedMessage));
    }
    for (piece, last) in [(&b"\xFF"[..], false), (b"a", false), (b"", true)] {
        let refused = client.send_fragment(MessageType::Text, piece, last);
        assert_eq!(
            refused,
            Err(SendError::InvalidUtf8),
            "the sequence is not ended"
        );
    }
    client
        .send_fragment(MessageType::Text, second, false)
        .expect("more");
    client
        .send_fragment(MessageType::Text, b"", true)
        .expect("the end");
    client
        .send_fragment(MessageType::Binary, b"\xFF", true)
        .expect("a whole one");
    let expected = [
        OwnedEvent::Ping(b"between".into()),
        text("h\u{e9}"),
        OwnedEvent::Message(MessageType::Binary, b"\xFF".into()),
    ];
    assert_eq!(decode(take_output(&mut client)), expected);
}

#[test]
fn invalid_messages_are_not_sent() {
    let mut client = opened();
    let long = "x".repeat(126);
    assert_eq!(
        client.send(MessageType::Text, b"\xC3"),
        Err(SendError::InvalidUtf8)
    );
    assert_eq!(
        client.send_ping(long.as_bytes()),
        Err(SendError::LongControl)
    );
    assert_eq!(
        client.send_pong(long.as_bytes()),
        Err(SendError::LongControl)
    );
    let closed = client.close(Some(CloseCode::NORMAL), &long[..124]);
    assert_eq!(closed, Err(SendError::LongControl));
    assert!(client.is_open() && client.queued_bytes() == 0);
    assert_eq!(client.close(Some(CloseCode::NORMAL), &long[..123]), Ok(()));
}

#[test]
fn queued_pongs_are_bounded() {
    let mut client = opened();
    let pings: Vec<u8> = (0..100)
        .flat_map(|n| frame(Opcode::Ping, true, &[n]))
        .collect();
    assert_eq!(receive(&mut client, &pings).len(), 100);
    assert_eq!(
        client.queued_bytes(),
        16 * 7,
        "no more than 16 pongs are queued"
    );
    // One written byte of the first pong makes no room; the whole pong does.
    let mut bytes = client.poll_transmit()[..7].to_vec();
    client.handle_transmitted(1);
    assert_eq!(client.queued_bytes(), 16 * 7 - 1);
    client.handle_transmitted(6);
    assert_eq!(client.queued_bytes(), 16 * 7, "the latest follows");
    bytes.extend(take_output(&mut client));
    let pongs: Vec<OwnedEvent> = (0..16)
        .chain([99])
        .map(|n| OwnedEvent::Pong([n].into()))
        .collect();
    assert_eq!(decode(bytes), pongs);
    assert_eq!(client.queued_bytes(), 0);
}

#[test]
fn a_message_over_the_limit_is_refused() {
    let config = ClientConfig {
        message: MessageLimits {
            bytes: 100_000,
            ..MessageLimits::default()
        },
        ..ClientConfig::default()
    };
    for (len, fits) in [(100_000, true), (100_001, false)] {
        let mut client = connecting(config);
        let response = response(&mut client);
        receive(&mut client, &response);
        let received = receive(
            &mut client,
            &frame(Opcode::Binary, true, &[b'x'; 100_001][..len]),
        );
        assert_eq!(matches!(&received[..], [OwnedEvent::Message(..)]), fits);
    }
}
