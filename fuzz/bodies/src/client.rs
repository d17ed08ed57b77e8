//! Fuzzes the client's end: a hostile server's bytes mean the same however they
//! are cut, what opens is read once more by the letter, and what is answered is
//! what RFC 6455 asks for.

use stentor_core::CloseCode;
use stentor_core::testing::client::{
    Client, ClientConfig, ClientError, ClientEvent, ClientRequest, ResponseError, Uri,
};
use stentor_core::testing::conn::{MessageLimits, Role};
use stentor_core::testing::handshake::HeadLimits;

use super::InputReader;
use super::handshake::naive_accept;
use super::peer::{DecodedStream, PeerOutput, decode_naively};
use super::stream::{StreamSetup, frames};

/// Bytes as limits, a way to cut, and what a server says: as it stands, or
/// behind a right answer, and there as frames that are well formed one by one.
///
/// # Panics
/// If what is heard or answered depends on how the bytes are cut or differs from the naive
/// reading, or if a server that is not written to makes the client keep much for it.
pub fn client(data: &[u8]) {
    let mut input = InputReader::new(data);
    let flags = input.byte();
    let config = ClientConfig {
        message: MessageLimits {
            bytes: 1 + usize::from(input.short()) % 2_000,
            empty_fragments: u32::from(input.byte() % 16),
        },
        head: HeadLimits {
            bytes: 512,
            fields: 12,
        },
        ..ClientConfig::default()
    };
    let cuts: [u8; 4] = input.array();
    let mut stream = Vec::new();
    if flags & 1 != 0 {
        stream.extend_from_slice(right_answer().as_bytes());
    }
    if flags & 2 != 0 {
        let setup = StreamSetup {
            role: Role::Client,
            limits: config.message,
            takeover: None,
        };
        stream.extend(frames(&mut input, &setup));
    } else {
        stream.extend_from_slice(input.rest());
    }

    let whole = converse(&stream, config, core::iter::once(stream.len()), true);
    let bytewise = converse(&stream, config, core::iter::repeat(1), true);
    assert_eq!(bytewise, whole, "byte by byte");
    let pieces = cuts.iter().map(|&cut| 1 + usize::from(cut)).cycle();
    let stuck = converse(&stream, config, pieces, false);
    assert_eq!(stuck.said, whole.said, "cut by {cuts:?}");
    check(&stream, config, &whole);
}

/// What a client heard, and what it answered.
#[derive(PartialEq, Eq, Debug, Default)]
struct Talk {
    /// Whether it opened, and if not why.
    opening: Option<Result<(), Refusal>>,
    said: DecodedStream,
    lost: bool,
    frames: Vec<u8>,
}

#[derive(PartialEq, Eq, Debug)]
enum Refusal {
    Status(u16),
    Fault(ResponseError),
}

fn connecting(config: ClientConfig) -> Client {
    let uri = Uri::parse("ws://h/ws").expect("an address");
    let request = ClientRequest::new(&uri)
        .subprotocol("chat")
        .and_then(|request| request.subprotocol("superchat"))
        .expect("well-formed");
    Client::new(request, config, [7; 32])
}

/// Lets a client hear a stream in pieces, and then its end.
fn converse(
    stream: &[u8],
    config: ClientConfig,
    pieces: impl Iterator<Item = usize>,
    writes: bool,
) -> Talk {
    let mut client = connecting(config);
    let request = client.queued_bytes();
    let mut talk = Talk::default();
    let mut written = Vec::new();
    let mut rest = stream;
    for piece in pieces {
        let (mut now, later) = rest.split_at(piece.min(rest.len()));
        rest = later;
        while !now.is_empty() {
            let n = client.handle_input(now);
            assert!(n > 0, "there is room once all is polled");
            now = &now[n..];
            hear(&mut client, &mut talk, writes.then_some(&mut written));
        }
        if rest.is_empty() {
            break;
        }
    }
    client.handle_eof();
    hear(&mut client, &mut talk, writes.then_some(&mut written));
    if writes {
        assert!(client.is_finished(), "the end of the stream is the end");
        talk.frames = written.split_off(request.min(written.len()));
    }
    assert!(
        client.queued_bytes() <= request + (MOST_PONGS + 1) * CONTROL,
        "what waits is bounded"
    );
    talk
}

fn hear(client: &mut Client, talk: &mut Talk, mut written: Option<&mut Vec<u8>>) {
    loop {
        if let Some(written) = &mut written {
            written.extend_from_slice(client.poll_transmit());
            client.handle_transmitted(client.queued_bytes());
        }
        let Some(event) = client.poll_event() else {
            return;
        };
        assert!(
            !talk.lost && talk.said.1.is_none(),
            "the last event is the last"
        );
        let number = |code: CloseCode| code.get();
        match event {
            ClientEvent::Opened => talk.opening = Some(Ok(())),
            ClientEvent::Refused { status, head } => {
                assert!(head.ends_with(b"\r\n\r\n"));
                talk.opening = Some(Err(Refusal::Status(status)));
            }
            ClientEvent::Failed(ClientError::Response(error)) => {
                talk.opening = Some(Err(Refusal::Fault(error)));
            }
            ClientEvent::Message { kind, payload } => {
                talk.said
                    .0
                    .push(PeerOutput::Message(kind, payload.to_vec()));
            }
            ClientEvent::Ping(payload) => talk.said.0.push(PeerOutput::Ping(payload.to_vec())),
            ClientEvent::Pong(payload) => talk.said.0.push(PeerOutput::Pong(payload.to_vec())),
            ClientEvent::Closed { code, .. } => {
                talk.said.0.push(PeerOutput::Close(code.map(number)));
            }
            ClientEvent::Failed(ClientError::Peer(error)) => talk.said.1 = Some(error),
            ClientEvent::Lost => talk.lost = true,
            other => unreachable!("a new event: {other:?}"),
        }
    }
}

/// Reads everything once more.
fn check(stream: &[u8], config: ClientConfig, talk: &Talk) {
    let opening = talk
        .opening
        .as_ref()
        .expect("the end of the stream decides");
    if opening.is_err() {
        assert_eq!(
            talk.said,
            DecodedStream::default(),
            "nothing is said before it opens"
        );
        assert!(talk.frames.is_empty() && !talk.lost);
        if let Err(Refusal::Status(status)) = opening {
            assert_ne!(*status, 101);
        }
        return;
    }
    let after = read_again(stream);
    let (said, error) = decode_naively(after, Role::Client, config.message, None);
    let mut answers: Vec<PeerOutput> = said
        .iter()
        .filter_map(|said| match said {
            PeerOutput::Ping(payload) => Some(PeerOutput::Pong(payload.clone())),
            PeerOutput::Close(code) => Some(PeerOutput::Close(*code)),
            PeerOutput::Message(..) | PeerOutput::Pong(_) => None,
        })
        .collect();
    answers.extend(error.map(|error| PeerOutput::Close(Some(error.close_code().get()))));
    let ended = error.is_some() || matches!(said.last(), Some(PeerOutput::Close(_)));
    assert_eq!(talk.lost, !ended);
    assert_eq!(talk.said, (said, error), "by the RFC");
    let unlimited = MessageLimits {
        bytes: usize::MAX,
        empty_fragments: u32::MAX,
    };
    let (answered, fault) = decode_naively(&talk.frames, Role::Server, unlimited, None);
    assert_eq!(fault, None, "a client keeps to the protocol");
    assert_eq!(answered, answers);
}

/// Reads a head that opened, by splitting it; says what stands behind it.
fn read_again(stream: &[u8]) -> &[u8] {
    let mut start = 0;
    while stream[start..].starts_with(b"\r\n") {
        start += 2;
    }
    let head = stream[start..]
        .windows(4)
        .position(|four| four == b"\r\n\r\n");
    let end = start + head.expect("the head ends");
    // Latin-1, so that every byte has a place.
    let head: String = stream[start..end].iter().copied().map(char::from).collect();
    let mut lines = head.split("\r\n");
    let line = lines.next().expect("a status line");
    assert!(
        line == "HTTP/1.1 101" || line.starts_with("HTTP/1.1 101 "),
        "{line}"
    );
    let fields: Vec<(String, &str)> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').expect("name and value");
            (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']))
        })
        .collect();
    let all = |name: &str| -> Vec<&str> {
        let named = fields.iter().filter(|(n, _)| n == name);
        named.map(|(_, value)| *value).collect()
    };
    let elements = |name: &str| -> Vec<String> {
        let joined = all(name).join(",").to_ascii_lowercase();
        let elements = joined.split(',').map(|element| element.trim_ascii().into());
        elements
            .filter(|element: &String| !element.is_empty())
            .collect()
    };
    let upgrades = elements("upgrade");
    assert!(!upgrades.is_empty() && upgrades.iter().all(|protocol| protocol == "websocket"));
    assert!(
        elements("connection")
            .iter()
            .any(|option| option == "upgrade")
    );
    assert_eq!(all("sec-websocket-accept"), [naive_accept(&key())]);
    let subprotocols = all("sec-websocket-protocol");
    assert!(matches!(subprotocols[..], [] | ["chat"] | ["superchat"]));
    assert!(
        elements("sec-websocket-extensions").is_empty(),
        "none is offered"
    );
    &stream[end + 4..]
}

/// The key of the client's request.
fn key() -> String {
    let client = connecting(ClientConfig::default());
    let request = String::from_utf8(client.poll_transmit().to_vec()).expect("text");
    let field = request.split("Sec-WebSocket-Key: ").nth(1).expect("a key");
    field[..24].into()
}

fn right_answer() -> String {
    let accept = naive_accept(&key());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Pongs that may wait, and the longest frame of a client's that is one.
const MOST_PONGS: usize = 16;
const CONTROL: usize = 2 + 4 + 125;
