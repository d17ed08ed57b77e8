//! Tests that a peer that violates the protocol gets the right close code, is counted and does not
//! affect other connections.

use stentor_tests::Adapter;

use crate::raw::{
    BINARY, CLOSE, CONTINUATION, PING, PONG, RawSocket, TEXT, close, fragment, frame, header,
};
use crate::server::ServerProcess;
use crate::witnesses::Witnesses;

stentor_tests::for_each_adapter! {
    each_bad_frame_gets_its_code_and_its_counter_and_harms_nobody,
    the_close_handshake_answers_with_the_code_that_came,
    a_message_of_the_longest_length_passes_and_one_byte_more_does_not,
    as_many_empty_fragments_as_may_be_and_not_one_more,
    a_frame_in_single_bytes_is_a_frame,
    commands_in_fragments_are_answered_at_once,
}

const FIN: u8 = 0x80;

/// A frame that is not masked.
fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&[FIN | opcode, payload.len() as u8], payload].concat()
}

/// The header of a frame of text with its length in this form.
fn long_form(form: u8, length: &[u8]) -> Vec<u8> {
    [&[FIN | TEXT, 0x80 | form], length, &[0; 4]].concat()
}

fn label(error: &str) -> String {
    format!("stentor_peer_errors_total{{error=\"{error}\"}}")
}

fn each_bad_frame_gets_its_code_and_its_counter_and_harms_nobody(adapter: Adapter) {
    let begun = fragment(TEXT, b"begun");
    let table: &[(&str, Vec<u8>, u16, &str)] = &[
        ("an unmasked frame", unmasked(TEXT, b"x"), 1002, "unmasked"),
        ("an unmasked ping", unmasked(PING, b""), 1002, "unmasked"),
        (
            "an unmasked length",
            vec![FIN | BINARY, 127],
            1002,
            "unmasked",
        ),
        (
            "bit RSV1",
            fragment(FIN | 0x40 | TEXT, b"x"),
            1002,
            "reserved_bit",
        ),
        (
            "bit RSV2",
            fragment(FIN | 0x20 | TEXT, b"x"),
            1002,
            "reserved_bit",
        ),
        (
            "bit RSV3",
            fragment(FIN | 0x10 | TEXT, b"x"),
            1002,
            "reserved_bit",
        ),
        (
            "RSV1 on a ping",
            fragment(FIN | 0x40 | PING, b""),
            1002,
            "reserved_bit",
        ),
        ("opcode 3", frame(3, b"x"), 1002, "reserved_opcode"),
        ("opcode 7", frame(7, b""), 1002, "reserved_opcode"),
        ("opcode 11", frame(11, b""), 1002, "reserved_opcode"),
        ("opcode 15", frame(15, b"x"), 1002, "reserved_opcode"),
        (
            "a ping of 126 bytes",
            frame(PING, &[0; 126]),
            1002,
            "long_control",
        ),
        (
            "a pong of 64 KiB",
            header(FIN | PONG, 1 << 16),
            1002,
            "long_control",
        ),
        (
            "a close of 126 bytes",
            frame(CLOSE, &[3; 126]),
            1002,
            "long_control",
        ),
        (
            "a fragmented ping",
            fragment(PING, b""),
            1002,
            "fragmented_control",
        ),
        (
            "a fragmented close",
            fragment(CLOSE, b""),
            1002,
            "fragmented_control",
        ),
        (
            "a stray continuation",
            frame(CONTINUATION, b"x"),
            1002,
            "stray_continuation",
        ),
        (
            "a continuation behind a whole message",
            [frame(PONG, b""), fragment(CONTINUATION, b"")].concat(),
            1002,
            "stray_continuation",
        ),
        (
            "text inside text",
            [&begun[..], &frame(TEXT, b"x")].concat(),
            1002,
            "interrupted_message",
        ),
        (
            "binary inside text",
            [&begun[..], &fragment(BINARY, b"")].concat(),
            1002,
            "interrupted_message",
        ),
        (
            "text that is not UTF-8",
            frame(TEXT, b"a\xFF"),
            1007,
            "invalid_utf8",
        ),
        (
            "a surrogate",
            frame(TEXT, b"\xED\xA0\x80"),
            1007,
            "invalid_utf8",
        ),
        (
            "text that ends within a character",
            frame(TEXT, b"a\xC3"),
            1007,
            "invalid_utf8",
        ),
        (
            "a character cut off at the end of the last fragment",
            [&fragment(TEXT, b"\xE2\x82")[..], &frame(CONTINUATION, b"")].concat(),
            1007,
            "invalid_utf8",
        ),
        (
            "bad UTF-8 in an unfinished message",
            fragment(TEXT, b"ok \xC0"),
            1007,
            "invalid_utf8",
        ),
        (
            "bad UTF-8 in an unfinished frame",
            [&header(FIN | TEXT, 1_000)[..], &[0x5A ^ 0xF5]].concat(),
            1007,
            "invalid_utf8",
        ),
        (
            "bad UTF-8 across fragments",
            [fragment(TEXT, b"\xF0\x9F"), fragment(CONTINUATION, b"\x41")].concat(),
            1007,
            "invalid_utf8",
        ),
        (
            "a close reason that is not UTF-8",
            frame(CLOSE, b"\x03\xE8\xFF"),
            1007,
            "invalid_utf8",
        ),
        ("close code 0", close(0), 1002, "bad_close_code"),
        ("close code 999", close(999), 1002, "bad_close_code"),
        ("close code 1004", close(1004), 1002, "bad_close_code"),
        ("close code 1005", close(1005), 1002, "bad_close_code"),
        ("close code 1006", close(1006), 1002, "bad_close_code"),
        ("close code 1015", close(1015), 1002, "bad_close_code"),
        ("close code 2999", close(2999), 1002, "bad_close_code"),
        ("close code 5000", close(5000), 1002, "bad_close_code"),
        (
            "a close payload of one byte",
            frame(CLOSE, b"\x03"),
            1002,
            "short_close",
        ),
        (
            "125 in two bytes",
            long_form(126, &[0, 125]),
            1002,
            "length_not_minimal",
        ),
        (
            "0 in two bytes",
            long_form(126, &[0, 0]),
            1002,
            "length_not_minimal",
        ),
        (
            "65,535 in eight bytes",
            long_form(127, &[0, 0, 0, 0, 0, 0, 0xFF, 0xFF]),
            1002,
            "length_not_minimal",
        ),
        (
            "a length with its top bit set",
            long_form(127, &[0x80, 0, 0, 0, 0, 0, 0, 1]),
            1002,
            "length_overflow",
        ),
        (
            "a length over the limit",
            header(FIN | BINARY, (64 << 10) + 1),
            1009,
            "message_too_big",
        ),
        (
            "the longest length",
            header(FIN | BINARY, u64::MAX >> 1),
            1009,
            "message_too_big",
        ),
        (
            "a message over the limit by fragments",
            [
                fragment(BINARY, &[1; 40 << 10]),
                fragment(CONTINUATION, &[1; 24 << 10]),
                frame(CONTINUATION, &[1]),
            ]
            .concat(),
            1009,
            "message_too_big",
        ),
        (
            "empty fragments without end",
            [fragment(TEXT, b""), fragment(CONTINUATION, b"").repeat(100)].concat(),
            1008,
            "empty_fragments",
        ),
    ];
    let server = ServerProcess::start(
        adapter,
        "--shards 2 --max-message 64KiB --websocket.max-empty-fragments 100",
    );
    let mut witnesses = Witnesses::of(&server);
    for (what, bytes, code, error) in table {
        let before = server.metrics();
        let mut raw = RawSocket::open(&server);
        raw.say("join:witnesses");
        raw.expect("joined:witnesses");
        // What was said before a fault is still answered, and nothing after it.
        raw.send(
            &[
                &frame(TEXT, b"before")[..],
                bytes,
                &frame(TEXT, b"msg:after"),
            ]
            .concat(),
        );
        raw.expect("echo:before");
        assert_eq!(raw.expect_close(), Some(*code), "{what}");
        let after = server.metrics();
        assert_eq!(after.since(&before, &label(error)), 1, "{what}");
        let closed = "stentor_connections_closed_total{cause=\"peer_error\"}";
        assert_eq!(after.since(&before, closed), 1, "{what}");
        witnesses.talk(what);
    }
    server.await_metric("ws_active_connections", 2);
    server.await_metric("stentor_room_members", 2);
    let metrics = server.metrics();
    let errors: u64 = metrics
        .family("stentor_peer_errors_total")
        .map(|(_, n)| n)
        .sum();
    assert_eq!(errors, table.len() as u64, "each is counted once");
}

fn the_close_handshake_answers_with_the_code_that_came(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2");
    let mut witnesses = Witnesses::of(&server);
    for code in [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999] {
        let mut raw = RawSocket::open(&server);
        raw.send(&close(code));
        assert_eq!(raw.expect_close_answer(), Some(code));
    }
    let mut raw = RawSocket::open(&server);
    raw.send(&frame(CLOSE, b""));
    assert_eq!(raw.expect_close_answer(), None);
    let mut raw = RawSocket::open(&server);
    raw.send(
        &[
            &frame(TEXT, b"1")[..],
            &frame(CLOSE, b"\x03\xE8bye"),
            &frame(TEXT, b"2"),
        ]
        .concat(),
    );
    raw.expect("echo:1");
    assert_eq!(raw.expect_close_answer(), Some(1000));
    server.await_metric("ws_active_connections", 2);
    let metrics = server.metrics();
    assert_eq!(
        metrics.get("stentor_connections_closed_total{cause=\"peer\"}"),
        10
    );
    assert_eq!(
        metrics.get("stentor_connections_closed_total{cause=\"peer_error\"}"),
        0
    );
    witnesses.talk("after");
}

fn a_message_of_the_longest_length_passes_and_one_byte_more_does_not(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2");
    let longest = 1 << 20;
    let room_for_prefix = "echo:".len();
    let mut raw = RawSocket::open(&server);
    raw.send(&frame(BINARY, &vec![7; longest]));
    assert_eq!(
        raw.hear().expect("open").payload.len(),
        longest + room_for_prefix
    );
    // The same in pieces.
    let half = vec![8; longest / 2];
    raw.send(&[fragment(BINARY, &half), frame(CONTINUATION, &half)].concat());
    assert_eq!(
        raw.hear().expect("open").payload.len(),
        longest + room_for_prefix
    );
    raw.send(&[fragment(BINARY, &half), fragment(CONTINUATION, &half)].concat());
    raw.send_as_far_as_possible(&frame(CONTINUATION, b"x"));
    assert_eq!(raw.expect_close(), Some(1009));

    let mut raw = RawSocket::open(&server);
    raw.send_as_far_as_possible(&frame(BINARY, &vec![7; longest + 1]));
    assert_eq!(raw.expect_close(), Some(1009));
}

fn as_many_empty_fragments_as_may_be_and_not_one_more(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2 --websocket.max-empty-fragments 10");
    let mut raw = RawSocket::open(&server);
    let empty = fragment(CONTINUATION, b"");
    let begun = [fragment(TEXT, b"x"), empty.repeat(10)].concat();
    // Those with payload are many, and the count begins anew with each message.
    for _ in 0..3 {
        let many = fragment(CONTINUATION, b"y").repeat(1_000);
        raw.send(&[&begun[..], &many, &frame(CONTINUATION, b"")].concat());
        raw.expect(&format!("echo:x{}", "y".repeat(1_000)));
    }
    raw.send(&begun);
    raw.send(&empty);
    assert_eq!(raw.expect_close(), Some(1008));
}

fn a_frame_in_single_bytes_is_a_frame(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2");
    let mut raw = RawSocket::open(&server);
    let mut drip = |bytes: Vec<u8>| {
        for byte in bytes {
            raw.send(&[byte]);
        }
        raw.hear().expect("open")
    };
    let echo = drip(frame(TEXT, "Zürich".as_bytes()));
    assert_eq!(echo.text(), "echo:Zürich");
    assert_eq!(drip(frame(PING, b"p")).payload, b"p");
    assert_eq!(drip(frame(BINARY, &[1; 300])).payload.len(), 305);
}

fn commands_in_fragments_are_answered_at_once(adapter: Adapter) {
    for shards in ["1", "4"] {
        let server = ServerProcess::start(adapter, &format!("--shards {shards}"));
        let mut witnesses = Witnesses::of(&server);
        let mut raw = RawSocket::open(&server);
        let mut in_pieces = |text: &str, answer: &str| {
            let (first, rest) = text.as_bytes().split_at(2);
            let (second, third) = rest.split_at(rest.len() / 2);
            raw.send(&fragment(TEXT, first));
            raw.send(&frame(PING, b""));
            raw.send(&fragment(CONTINUATION, second));
            raw.send(&frame(CONTINUATION, third));
            assert_eq!(raw.frame().expect("open").opcode, PONG);
            raw.expect(answer);
        };
        for (text, answer) in [
            ("hello", "echo:hello"),
            ("join:elsewhere", "joined:elsewhere"),
            ("leave:", "left:elsewhere"),
            ("join:witnesses", "joined:witnesses"),
            ("msg:in pieces", "in pieces"),
        ] {
            in_pieces(text, answer);
        }
        witnesses.hear("in pieces");
    }
}
