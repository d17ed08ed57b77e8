//! What a client does as a whole: from its request to its end, and what it says
//! read by a server's machine. However the bytes are cut is for `cuts`.

mod cuts;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::proto::client::{
    Client, ClientConfig, Event, Failure, Request, Response, ResponseError, SendError, Uri,
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

/// Something said, by either side.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Said {
    Message(MessageType, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseCode>, String),
    Opened,
    Refused(u16),
    Failed(Failure),
    Lost,
}

impl From<Event<'_>> for Said {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Opened => Self::Opened,
            Event::Refused { status, .. } => Self::Refused(status),
            Event::Message { kind, payload } => Self::Message(kind, payload.to_vec()),
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Closed { code, reason } => Self::Close(code, reason.to_owned()),
            Event::Failed(failure) => Self::Failed(failure),
            Event::Lost => Self::Lost,
        }
    }
}

fn connecting(config: ClientConfig) -> Client {
    let request = Request::new(&Uri::parse("ws://h.example/ws").expect("an address"));
    Client::new(request, config, [7; 32])
}

/// The answer of this project's server to what the client asks.
fn answer(client: &mut Client) -> Vec<u8> {
    let head = sent(client);
    let mut fields = Fields::new();
    let parsed = http::Request::parse(&head, &mut fields, HeadLimits::default());
    let (request, len) = parsed.expect("well-formed").expect("whole");
    assert_eq!(len, head.len());
    let Ok(HeadAction::Upgrade(upgrade)) = upgrade::decide(&request, &Policy::TEST) else {
        panic!("not upgraded");
    };
    let mut out = Vec::new();
    upgrade::switching_protocols(&mut out, &upgrade.accept, None, None);
    out
}

fn opened() -> Client {
    let mut client = connecting(ClientConfig::default());
    let answer = answer(&mut client);
    assert_eq!(hear(&mut client, &answer), [Said::Opened]);
    client
}

/// Everything that waits to be written, which is written now.
fn sent(client: &mut Client) -> Vec<u8> {
    let bytes = client.poll_transmit().to_vec();
    client.handle_transmitted(bytes.len());
    bytes
}

/// What these bytes mean to the client.
fn hear(client: &mut Client, mut bytes: &[u8]) -> Vec<Said> {
    let mut heard = Vec::new();
    loop {
        let n = client.handle_input(bytes);
        bytes = &bytes[n..];
        while let Some(event) = client.poll_event() {
            heard.push(event.into());
        }
        if bytes.is_empty() {
            return heard;
        }
    }
}

/// What frames of a client mean to a server.
fn read(mut bytes: Vec<u8>) -> Vec<Said> {
    let mut server = Connection::new(Role::Server);
    let mut workspace = DecodeBuffers::default();
    let limits = MessageLimits {
        bytes: usize::MAX,
        empty_fragments: u32::MAX,
    };
    let mut said = Vec::new();
    loop {
        let step = server.poll_event(&mut bytes, limits, &mut workspace);
        let step = step.expect("a client keeps to the protocol");
        let Some(event) = step.event else { break };
        said.push(match event {
            ws::Event::Message { kind, payload } => Said::Message(
                kind,
                match payload {
                    Payload::InPlace(range) => bytes[range].to_vec(),
                    Payload::Assembled => workspace.take_message(),
                },
            ),
            ws::Event::Ping(range) => Said::Ping(bytes[range].to_vec()),
            ws::Event::Pong(range) => Said::Pong(bytes[range].to_vec()),
            ws::Event::Close(code, reason) => {
                let reason = String::from_utf8(bytes[reason].to_vec());
                said.push(Said::Close(code, reason.expect("text")));
                assert_eq!(step.consumed, bytes.len(), "nothing follows a close frame");
                return said;
            }
        });
        bytes.drain(..step.consumed);
    }
    assert!(bytes.is_empty(), "whole frames");
    said
}

/// A frame of a server.
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

fn text(text: &str) -> Said {
    Said::Message(MessageType::Text, text.into())
}

#[test]
fn a_conversation() {
    let mut client = opened();
    assert!(client.is_open() && client.queued_bytes() == 0);
    client
        .send(MessageType::Text, "h\u{e9}".as_bytes())
        .expect("open");
    client.send_ping(b"p").expect("open");
    client.send_pong(b"").expect("open");
    let bytes = sent(&mut client);
    let expected = [
        text("h\u{e9}"),
        Said::Ping(b"p".into()),
        Said::Pong(b"".into()),
    ];
    assert_eq!(read(bytes), expected);
    let both = [
        frame(Opcode::Text, true, b"a"),
        frame(Opcode::Ping, true, b"b"),
    ]
    .concat();
    assert_eq!(
        hear(&mut client, &both),
        [text("a"), Said::Ping(b"b".into())]
    );
    assert_eq!(read(sent(&mut client)), [Said::Pong(b"b".into())]);
    client.set_auto_pong(false);
    assert_eq!(hear(&mut client, &both).len(), 2);
    assert_eq!(client.queued_bytes(), 0);
}

//= rfc6455#section-5.3 "When preparing a masked frame, the client MUST pick a fresh masking key..."
#[test]
fn each_frame_has_a_mask_of_its_own() {
    let mut client = opened();
    let mut keys = Vec::new();
    for _ in 0..1_000 {
        client.send(MessageType::Binary, b"same").expect("open");
        let bytes = sent(&mut client);
        let (header, _) = Header::parse(&bytes).expect("valid").expect("whole");
        keys.push(header.mask.expect("masked"));
    }
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.len() > 998, "32 bits by chance collide hardly ever");
}

#[test]
fn another_seed_has_another_key_and_other_masks() {
    let request = Request::new(&Uri::parse("ws://h/ws").expect("an address"));
    let said = |seed| {
        let mut client = Client::new(request.clone(), ClientConfig::default(), [seed; 32]);
        let answer = answer(&mut client);
        hear(&mut client, &answer);
        client.send(MessageType::Text, b"hello").expect("open");
        (answer, sent(&mut client))
    };
    assert_eq!(said(1), said(1));
    assert_ne!(said(1).0, said(2).0);
    assert_ne!(said(1).1, said(2).1);
}

#[test]
fn we_close() {
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
    let close = Said::Close(Some(CloseCode::NORMAL), "done".into());
    assert_eq!(read(sent(&mut client)), [text("bye"), close]);
    // The server may go on until its close frame; pings are not answered any more.
    let rest = [
        frame(Opcode::Text, true, b"late"),
        frame(Opcode::Ping, true, b""),
        frame(Opcode::Close, true, b"\x03\xE8"),
        frame(Opcode::Text, true, b"never"),
    ];
    let heard = hear(&mut client, &rest.concat());
    let close = Said::Close(Some(CloseCode::NORMAL), String::new());
    assert_eq!(heard, [text("late"), Said::Ping(Vec::new()), close]);
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
        let before = sent(&mut client);
        let heard = hear(&mut client, &frame(Opcode::Close, true, payload));
        assert_eq!(heard, [Said::Close(code, reason.into())]);
        assert!(!client.is_open() && !client.is_finished());
        assert_eq!(client.send(MessageType::Text, b""), Err(SendError::Closing));
        let bytes = [before, sent(&mut client)].concat();
        assert_eq!(read(bytes), [Said::Close(code, String::new())]);
        assert!(client.is_finished());
    }
}

#[test]
fn a_server_that_breaks_the_protocol_is_told_so() {
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
            let before = sent(&mut client);
            let heard = hear(
                &mut client,
                &[bytes, &frame(Opcode::Ping, true, b"")].concat(),
            );
            assert_eq!(heard, [Said::Failed(Failure::Peer(error))]);
            assert_eq!(client.send_ping(b""), Err(SendError::Closing));
            let told = Said::Close(Some(error.close_code()), String::new());
            let expected = if closing {
                Said::Close(None, String::new())
            } else {
                told
            };
            assert_eq!(read([before, sent(&mut client)].concat()), [expected]);
            assert!(client.is_finished());
        }
    }
}

#[test]
fn the_end_of_the_stream_is_told_behind_what_came_before_it() {
    let mut client = opened();
    assert_eq!(client.handle_input(&frame(Opcode::Text, true, b"a")), 3);
    client.handle_eof();
    assert_eq!(hear(&mut client, b""), [text("a"), Said::Lost]);
    assert!(client.is_finished());
    assert_eq!(
        client.send(MessageType::Text, b"b"),
        Err(SendError::Closing)
    );

    let mut client = connecting(ClientConfig::default());
    client.handle_input(b"HTTP/1.1 101 ");
    client.handle_eof();
    let truncated = Said::Failed(Failure::Response(ResponseError::Truncated));
    assert_eq!(hear(&mut client, b""), [truncated]);
    assert!(
        client.is_finished(),
        "no rest of the request is worth writing"
    );
}

#[test]
fn another_status_is_told_with_its_head() {
    for status in [100, 200, 302, 401, 503] {
        let mut client = connecting(ClientConfig::default());
        assert_eq!(client.send(MessageType::Text, b""), Err(SendError::NotOpen));
        assert_eq!(client.close(None, ""), Err(SendError::NotOpen));
        let head = format!("HTTP/1.1 {status} Sorry\r\nLocation: ws://b/\r\n\r\n");
        client.handle_input(format!("{head}body").as_bytes());
        let Some(Event::Refused {
            status: told,
            head: shown,
        }) = client.poll_event()
        else {
            panic!("not refused");
        };
        assert_eq!((told, shown), (status, head.as_bytes()));
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
fn fragments_are_one_message_and_let_control_frames_through() {
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
        Said::Ping(b"between".into()),
        text("h\u{e9}"),
        Said::Message(MessageType::Binary, b"\xFF".into()),
    ];
    assert_eq!(read(sent(&mut client)), expected);
}

#[test]
fn what_may_not_be_sent_is_not() {
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
fn pings_to_a_client_that_cannot_write_cost_little() {
    let mut client = opened();
    let pings: Vec<u8> = (0..100)
        .flat_map(|n| frame(Opcode::Ping, true, &[n]))
        .collect();
    assert_eq!(hear(&mut client, &pings).len(), 100);
    assert_eq!(
        client.queued_bytes(),
        16 * 7,
        "so many pongs wait and no more"
    );
    // One byte of the first pong makes no room; all of it does.
    let mut bytes = client.poll_transmit()[..7].to_vec();
    client.handle_transmitted(1);
    assert_eq!(client.queued_bytes(), 16 * 7 - 1);
    client.handle_transmitted(6);
    assert_eq!(client.queued_bytes(), 16 * 7, "the latest follows");
    bytes.extend(sent(&mut client));
    let pongs: Vec<Said> = (0..16)
        .chain([99])
        .map(|n| Said::Pong([n].into()))
        .collect();
    assert_eq!(read(bytes), pongs);
    assert_eq!(client.queued_bytes(), 0);
}

#[test]
fn a_longest_message_of_a_server() {
    let config = ClientConfig {
        message: MessageLimits {
            bytes: 100_000,
            ..MessageLimits::default()
        },
        ..ClientConfig::default()
    };
    for (len, fits) in [(100_000, true), (100_001, false)] {
        let mut client = connecting(config);
        let answer = answer(&mut client);
        hear(&mut client, &answer);
        let heard = hear(
            &mut client,
            &frame(Opcode::Binary, true, &[b'x'; 100_001][..len]),
        );
        assert_eq!(matches!(&heard[..], [Said::Message(..)]), fits);
    }
}
