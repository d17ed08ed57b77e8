//! permessage-deflate (RFC 7692) as a client of another make sees it: what is
//! agreed on, what goes over the wire, and what a bomb costs.

use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush};
use stentor_tests::Adapter;

use crate::raw::{BINARY, CONTINUATION, PING, RawSocket, ReceivedFrame, TEXT, fragment, upgrade};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    of_a_list_of_offers_the_first_that_will_do_is_answered,
    what_is_no_list_of_extensions_is_refused_with_or_without_compression,
    messages_are_compressed_both_ways_each_for_itself,
    contexts_are_kept_where_there_is_room,
    whatever_is_wrong_with_compression_is_told,
    a_bomb_costs_the_limit,
    a_room_hears_the_same_whoever_compresses,
}

const COMPRESSED: u8 = 0x40;
const FIN: u8 = 0x80;

/// The two machines of a client, with their contexts.
struct MinizCodec {
    deflater: Box<CompressorOxide>,
    inflater: Box<InflateState>,
}

impl MinizCodec {
    fn new() -> Self {
        let flags = create_comp_flags_from_zip_params(6, -15, 0);
        Self {
            deflater: Box::new(CompressorOxide::new(flags)),
            inflater: InflateState::new_boxed(DataFormat::Raw),
        }
    }

    fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = vec![0; message.len() + 1_024];
        let result = miniz_oxide::deflate::stream::deflate(
            &mut self.deflater,
            message,
            &mut out,
            MZFlush::Sync,
        );
        assert_eq!(result.bytes_consumed, message.len());
        out.truncate(result.bytes_written);
        let payload = out.strip_suffix(&[0, 0, 0xFF, 0xFF]);
        payload.expect("an empty block at the end").to_vec()
    }

    fn inflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let input = [payload, &[0, 0, 0xFF, 0xFF]].concat();
        let mut out = vec![0; 1 << 20];
        let result = inflate(&mut self.inflater, &input, &mut out, MZFlush::Sync);
        assert_eq!(result.bytes_consumed, input.len());
        out.truncate(result.bytes_written);
        out
    }
}

fn offering(server: &ServerProcess, offer: &str) -> (RawSocket, Option<String>) {
    let mut raw = RawSocket::connect(server.address());
    let line = format!("Sec-WebSocket-Extensions: {offer}");
    raw.send(&upgrade(&[&line]));
    let head = raw.expect_upgrade();
    let answers = head.lines().filter_map(|line| line.split_once(": "));
    let mut answers =
        answers.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-extensions"));
    let answer = answers.next().map(|(_, value)| value.to_owned());
    assert_eq!(answers.next(), None);
    (raw, answer)
}

fn echo(adapter: Adapter, flags: &str) -> ServerProcess {
    ServerProcess::start(adapter, &format!("--handler echo --compression {flags}"))
}

/// Hears a message that must be compressed.
fn hear_compressed(raw: &mut RawSocket) -> ReceivedFrame {
    let (first, frame) = raw.any_frame().expect("not the end");
    assert_eq!(first & 0xF0, FIN | COMPRESSED);
    frame
}

fn of_a_list_of_offers_the_first_that_will_do_is_answered(adapter: Adapter) {
    let server = echo(adapter, "");
    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for (offer, more) in [
        ("permessage-deflate", ""),
        ("permessage-deflate; client_max_window_bits", ""),
        (
            "permessage-deflate;server_max_window_bits=8, permessage-deflate; server_max_window_bits=10",
            "; server_max_window_bits=10",
        ),
        (
            "foo; bar=\"baz\" , permessage-deflate; what, permessage-deflate;client_max_window_bits=9",
            "; client_max_window_bits=9",
        ),
        (
            "permessage-deflate; server_max_window_bits=\"1\\1\"",
            "; server_max_window_bits=11",
        ),
    ] {
        let answer = offering(&server, offer).1;
        assert_eq!(
            answer.as_deref(),
            Some(&*format!("{both}{more}")),
            "{offer}"
        );
    }
    for declined in [
        "permessage-deflate; server_max_window_bits=8",
        "x-webkit-deflate-frame",
    ] {
        assert_eq!(offering(&server, declined).1, None, "{declined}");
    }
    // Over two lines is the same list.
    let mut raw = RawSocket::connect(server.address());
    let lines = [
        "Sec-WebSocket-Extensions: foo",
        "Sec-WebSocket-Extensions: permessage-deflate",
    ];
    raw.send(&upgrade(&lines));
    assert!(raw.expect_upgrade().contains(both));
    assert_eq!(
        offering(&ServerProcess::start(adapter, ""), "permessage-deflate").1,
        None,
        "off by default"
    );
}

fn what_is_no_list_of_extensions_is_refused_with_or_without_compression(adapter: Adapter) {
    for flags in ["", "--compression"] {
        let server = ServerProcess::start(adapter, flags);
        for line in [
            "",
            ",",
            ";",
            "permessage-deflate;",
            "a b",
            "a; b=",
            "a; b=\"c d\"",
            "permessage-deflate, a=b",
        ] {
            let mut raw = RawSocket::connect(server.address());
            raw.send(&upgrade(&[&format!("Sec-WebSocket-Extensions: {line}")]));
            let response = raw.response();
            assert_eq!(response.status, 400, "{line}");
            assert!(response.body.contains("Sec-WebSocket-Extensions"));
        }
        let refused = "stentor_handshakes_refused_total{cause=\"extensions\"}";
        assert_eq!(server.metrics().get(refused), 8);
    }
}

fn messages_are_compressed_both_ways_each_for_itself(adapter: Adapter) {
    let server = echo(adapter, "");
    let mut raw = offering(&server, "permessage-deflate").0;
    for (n, text) in ["hello ".repeat(100), "again ".repeat(50_000)]
        .iter()
        .enumerate()
    {
        for pieces in [1, 3] {
            let payload = MinizCodec::new().deflate(text.as_bytes());
            let mut rest = &payload[..];
            for piece in 0..pieces {
                let (now, later) = rest.split_at(rest.len() / (pieces - piece));
                rest = later;
                let (opcode, rsv) = if piece == 0 {
                    (TEXT, COMPRESSED)
                } else {
                    (CONTINUATION, 0)
                };
                let fin = if piece + 1 == pieces { FIN } else { 0 };
                raw.send(&fragment(fin | rsv | opcode, now));
            }
            let frame = hear_compressed(&mut raw);
            assert!(frame.payload.len() < text.len() / 10);
            // A machine that knows no message before can read each.
            assert_eq!(
                MinizCodec::new().inflate(&frame.payload),
                text.as_bytes(),
                "{n}"
            );
        }
    }
    // Nobody has to compress, and what is short is not.
    raw.say("short");
    raw.expect("short");
    raw.send(&fragment(FIN | COMPRESSED | BINARY, &[0]));
    assert_eq!(raw.hear().map(|frame| frame.payload), Some(Vec::new()));
    let metrics = server.metrics();
    assert_eq!(
        metrics.get("stentor_compressed_messages_total{direction=\"in\"}"),
        5
    );
    assert_eq!(
        metrics.get("stentor_compressed_messages_total{direction=\"out\"}"),
        4
    );
}

fn contexts_are_kept_where_there_is_room(adapter: Adapter) {
    let server = echo(
        adapter,
        "--shards 1 --compression-contexts 450000 --compression.threshold 1",
    );
    let (mut raw, answer) = offering(&server, "permessage-deflate");
    assert_eq!(answer.as_deref(), Some("permessage-deflate"));
    let mut codec = MinizCodec::new();
    let text = b"{\"kind\":\"tick\",\"symbol\":\"STNR\",\"bid\":101.25,\"ask\":101.5}";
    let lengths = [0, 1, 2].map(|_| {
        let payload = codec.deflate(text);
        raw.send(&fragment(FIN | COMPRESSED | TEXT, &payload));
        let frame = hear_compressed(&mut raw);
        assert_eq!(codec.inflate(&frame.payload), text);
        (payload.len(), frame.payload.len())
    });
    assert!(
        lengths[1].0 * 3 < lengths[0].0,
        "what the client says refers back: {lengths:?}"
    );
    assert!(
        lengths[1].1 * 3 < lengths[0].1,
        "so does the answer: {lengths:?}"
    );
    // There is room for one.
    let (_, answer) = offering(&server, "permessage-deflate");
    let none = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(answer.as_deref(), Some(none));
    let metrics = server.metrics();
    assert_eq!(metrics.get("stentor_compression_contexts_denied_total"), 1);
    assert_eq!(metrics.get("stentor_compression_context_bytes"), 442_368);
    drop(raw);
    server.await_metric("stentor_compression_context_bytes", 0);
}

fn whatever_is_wrong_with_compression_is_told(adapter: Adapter) {
    let server = echo(adapter, "");
    let mut bystander = RawSocket::open(&server);
    let half = MinizCodec::new().deflate(&[0xFF; 300]);
    for (offer, bytes, code) in [
        ("", fragment(FIN | COMPRESSED | TEXT, &[0]), 1002),
        (
            "permessage-deflate",
            fragment(FIN | COMPRESSED | PING, &[0]),
            1002,
        ),
        (
            "permessage-deflate",
            fragment(FIN | 0x20 | TEXT, &[0]),
            1002,
        ),
        (
            "permessage-deflate",
            fragment(FIN | 0x60 | TEXT, &[0]),
            1002,
        ),
        (
            "permessage-deflate",
            [
                fragment(COMPRESSED | TEXT, &[0]),
                fragment(FIN | COMPRESSED | CONTINUATION, &[0]),
            ]
            .concat(),
            1002,
        ),
        (
            "permessage-deflate",
            fragment(FIN | COMPRESSED | TEXT, &[0xFF; 9]),
            1007,
        ),
        (
            "permessage-deflate",
            fragment(FIN | COMPRESSED | TEXT, &half),
            1007,
        ),
    ] {
        let mut raw = match offer {
            "" => RawSocket::open(&server),
            offer => offering(&server, offer).0,
        };
        raw.send(&bytes);
        assert_eq!(raw.expect_close(), Some(code), "{bytes:x?}");
        bystander.say("meanwhile");
        bystander.expect("meanwhile");
    }
    // As binary it is a message.
    let mut raw = offering(&server, "permessage-deflate").0;
    raw.send(&fragment(FIN | COMPRESSED | BINARY, &half));
    let frame = hear_compressed(&mut raw);
    assert_eq!(MinizCodec::new().inflate(&frame.payload), [0xFF; 300]);
}

fn a_bomb_costs_the_limit(adapter: Adapter) {
    let server = echo(adapter, "--max-message 1MiB");
    let mut codec = MinizCodec::new();
    codec.deflate(&[0; 1]);
    // Each piece repeats the byte before it a million times.
    let piece = codec.deflate(&vec![0; 1 << 20]);
    let flush = [0, 0, 0xFF, 0xFF];
    let mut bomb = [&MinizCodec::new().deflate(&[0; 1])[..], &flush].concat();
    for _ in 0..1 << 10 {
        bomb.extend_from_slice(&piece);
        bomb.extend_from_slice(&flush);
    }
    assert!(bomb.len() < 9 << 17, "1 GiB in {} bytes", bomb.len());
    let mut bystander = RawSocket::open(&server);
    let before = server.memory();
    for _ in 0..5 {
        let mut raw = offering(&server, "permessage-deflate").0;
        raw.send_as_far_as_possible(&fragment(FIN | COMPRESSED | BINARY, &bomb));
        assert_eq!(raw.expect_close(), Some(1009));
        bystander.say("meanwhile");
        bystander.expect("meanwhile");
    }
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    // At the edge: a message of the limit is one, one byte more is not.
    for (len, is_taken) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let mut raw = offering(&server, "permessage-deflate").0;
        let payload = MinizCodec::new().deflate(&vec![7; len]);
        raw.send(&fragment(FIN | COMPRESSED | BINARY, &payload));
        if is_taken {
            let frame = hear_compressed(&mut raw);
            assert_eq!(MinizCodec::new().inflate(&frame.payload).len(), len);
        } else {
            assert_eq!(raw.expect_close(), Some(1009));
        }
    }
}

fn a_room_hears_the_same_whoever_compresses(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--compression --shards 2");
    let mut members: Vec<(RawSocket, bool)> = (0..12)
        .map(|n| match n % 3 {
            0 => (RawSocket::open(&server), false),
            _ => (offering(&server, "permessage-deflate").0, true),
        })
        .collect();
    for (raw, _) in &mut members {
        raw.say("join:r");
        raw.expect("joined:r");
    }
    let text = "said to all ".repeat(100);
    members[0].0.say(&format!("msg:{text}"));
    for (raw, compresses) in &mut members {
        if *compresses {
            let frame = hear_compressed(raw);
            assert_eq!(MinizCodec::new().inflate(&frame.payload), text.as_bytes());
        } else {
            raw.expect(&text);
        }
    }
    let metrics = server.metrics();
    assert_eq!(
        metrics.get("stentor_compressed_messages_total{direction=\"out\"}"),
        1
    );
}
