//! Sessions over wires without handshake: the same channels, queues, limits and counts as a WebSocket,
//! and an end that a last message tells.

use std::time::Duration;

use stentor_core::testing::wire::Opcode;
use stentor_core::{CloseCause, Config, ConnId};

use super::{Chat, Net, frame};

/// The paths of the wires without handshake.
const WIRES: [&str; 3] = ["/lines", "/bytes", "/events"];

/// A message as a wire has it.
fn framed(path: &str, text: &str) -> String {
    match path.split('?').next() {
        Some("/lines") => format!("{text}\n"),
        Some("/events") => format!("data: {text}\n\n"),
        _ => text.to_owned(),
    }
}

fn heard(net: &mut Net<Chat>, id: ConnId) -> String {
    String::from_utf8(net.take(id)).expect("text")
}

#[test]
fn every_wire_carries_the_same_messages_in_one_channel() {
    for shards in [1, 3] {
        let mut net = Net::new(shards, Config::builder(), || Chat);
        let ids = WIRES.map(|path| net.connect(0, path));
        let socket = net.connect(usize::from(shards) - 1, "/ws");
        net.say(socket, Opcode::Text, b"hello");
        assert_eq!(net.take(socket), frame(Opcode::Text, b"hello"));
        for (path, id) in WIRES.into_iter().zip(ids) {
            assert_eq!(heard(&mut net, id), framed(path, "hello"));
        }
        let delivery = net.stats().delivery;
        // Four greetings, and a message to each of four.
        assert_eq!((delivery.offered, delivery.written), (8, 8));
    }
}

#[test]
fn messages_of_one_read_arrive_in_order_however_they_are_batched() {
    let mut net = Net::new(1, Config::builder(), || Chat);
    let paths = ["/ws", "/lines", "/bytes", "/events"];
    let ids: Vec<_> = (0..40).map(|n| net.connect(0, paths[n % 4])).collect();
    let said: Vec<String> = (0..20).map(|n| format!("message {n}")).collect();
    let burst: Vec<u8> = said
        .iter()
        .flat_map(|text| super::masked(Opcode::Text, text.as_bytes()))
        .collect();
    net.send(ids[0], &burst);
    let frames: Vec<u8> = said
        .iter()
        .flat_map(|text| frame(Opcode::Text, text.as_bytes()))
        .collect();
    for (n, &id) in ids.iter().enumerate() {
        match paths[n % 4] {
            "/ws" => assert_eq!(net.take(id), frames, "{n}"),
            path => {
                let expected: String = said.iter().map(|text| framed(path, text)).collect();
                assert_eq!(heard(&mut net, id), expected, "{n}");
            }
        }
    }
}

#[test]
fn a_request_opens_a_session_wherever_it_is_cut() {
    for path in WIRES {
        for said in [
            format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
            format!("POST {path} HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"),
            format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
            ),
        ] {
            let mut whole = None;
            for cut in (1..=said.len()).rev() {
                let mut net = Net::new(1, Config::builder(), || Chat);
                let id = net.accept(0, None);
                for piece in said.as_bytes().chunks(cut) {
                    net.send(id, piece);
                }
                let heard = heard(&mut net, id);
                let whole = whole.get_or_insert_with(|| heard.clone());
                assert_eq!(heard, *whole, "in pieces of {cut}");
                assert!(net.closed.is_empty());
            }
            let whole = whole.expect("a response");
            let (head, content) = whole.split_once("\r\n\r\n").expect("a head");
            assert!(
                head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: "),
                "{head}"
            );
            for field in [
                "Cache-Control: private, no-cache, no-store, must-revalidate, max-age=0",
                "X-Accel-Buffering: no",
                "Connection: close",
            ] {
                assert!(head.contains(field), "{head}");
            }
            assert!(!head.contains("Content-Length"), "{head}");
            let first = if path == "/events" { "\n" } else { "" };
            assert_eq!(content, first.to_owned() + &framed(path, "welcome"));
        }
    }
}

#[test]
fn what_is_urgent_overtakes_and_what_overflows_is_counted_on_every_wire() {
    for path in WIRES {
        let mut net = Net::new(1, Config::builder().queue_messages(4), || Chat);
        let reader = net.connect(0, path);
        let writer = net.connect(0, "/ws");
        net.takes = 0;
        for n in 0..8 {
            net.say(writer, Opcode::Text, format!("idle {n}").as_bytes());
        }
        net.say(writer, Opcode::Text, b"!urgent");
        net.takes = usize::MAX;
        for id in [reader, writer] {
            net.shards[0].handle_writable(net.now, id);
        }
        net.settle();
        let heard = heard(&mut net, reader);
        let urgent = heard.find("urgent").expect("it came");
        let idle = heard.match_indices("idle").filter(|&(at, _)| at < urgent);
        assert!(idle.count() <= 1, "{heard:?}");
        let delivery = net.stats().delivery;
        assert!(delivery.refused_full + delivery.evicted > 0);
        assert_eq!(delivery.waiting, 0);
    }
}

#[test]
fn a_slow_reader_gets_whole_messages_in_writes_of_any_size() {
    for path in WIRES {
        let text = "x".repeat(40);
        let mut expected = None;
        for takes in [usize::MAX, 1, 2, 3, 5, 7, 11, 64] {
            let mut net = Net::new(1, Config::builder(), || Chat);
            let reader = net.connect(0, path);
            let writer = net.connect(0, "/ws");
            net.takes = takes;
            for n in 0..5 {
                net.say(writer, Opcode::Text, format!("{text}{n}").as_bytes());
            }
            net.say(writer, Opcode::Text, format!("-{reader}").as_bytes());
            let heard = heard(&mut net, reader);
            let expected = expected.get_or_insert_with(|| heard.clone());
            assert_eq!(heard, *expected, "{takes} bytes at a time");
        }
        let expected = expected.expect("a reader");
        assert!(expected.ends_with(&framed(path, "closed 1013 later")));
    }
}

/// Opens a session on a wire, and a WebSocket beside it.
fn pair(path: &str, config: stentor_core::config::ConfigBuilder) -> (Net<Chat>, ConnId, ConnId) {
    let mut net = Net::new(1, config, || Chat);
    let stream = net.connect(0, path);
    let socket = net.connect(0, "/ws");
    (net, stream, socket)
}

#[test]
fn the_last_message_says_why_the_server_ends_a_session() {
    for path in WIRES {
        let (mut net, id, socket) = pair(path, Config::builder());
        net.say(socket, Opcode::Text, format!("-{id}").as_bytes());
        assert_eq!(heard(&mut net, id), framed(path, "closed 1013 later"));
        assert_eq!(net.closed, [id]);

        let (mut net, id, socket) = pair(path, Config::builder());
        net.shards[0].handle_close_all(net.now, stentor_core::CloseCode::GOING_AWAY);
        net.settle();
        assert_eq!(heard(&mut net, id), framed(path, "closed 1001 "));
        assert_eq!(net.take(socket), frame(Opcode::Close, b"\x03\xe9"));
        assert_eq!(net.stats().closed[CloseCause::Drain as usize], 2);
    }
}

#[test]
fn a_session_ends_without_a_last_message_if_there_is_none_or_its_codec_panics() {
    for path in ["/lines?2", "/lines?3", "/events?2", "/bytes?3"] {
        let (mut net, id, socket) = pair(path, Config::builder());
        net.say(socket, Opcode::Text, format!("-{id}").as_bytes());
        assert_eq!(heard(&mut net, id), "");
        assert_eq!(net.closed, [id]);
        let stats = net.stats();
        assert_eq!(stats.closed[CloseCause::Handler as usize], 1);
        assert_eq!(stats.links.panics, u64::from(path.ends_with('3')));
        net.say(socket, Opcode::Text, b"still here");
        assert_eq!(net.take(socket), frame(Opcode::Text, b"still here"));
    }
}

#[test]
fn a_session_ends_with_the_stream_of_its_client() {
    for path in WIRES {
        let (mut net, id, _) = pair(path, Config::builder());
        net.shards[0].handle_eof(net.now, id);
        net.settle();
        assert_eq!(
            (heard(&mut net, id).as_str(), &net.closed[..]),
            ("", &[id][..])
        );
        assert_eq!(net.stats().closed[CloseCause::Eof as usize], 1);
    }
}

#[test]
fn what_a_client_sends_behind_its_request_ends_its_session() {
    for path in WIRES {
        for (surplus, is_fault) in [
            (&b"\r\n"[..], false),
            (&[b'x'; 16][..], false),
            (&[b'x'; 17][..], true),
            (b"GET /lines HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ] {
            for cut in [1, 5, surplus.len()] {
                let (mut net, id, socket) = pair(path, Config::builder());
                for piece in surplus.chunks(cut) {
                    net.send(id, piece);
                }
                let expected = match is_fault {
                    true => framed(path, "closed 1002 "),
                    false => String::new(),
                };
                assert_eq!(heard(&mut net, id), expected);
                assert_eq!(net.closed.contains(&id), is_fault);
                net.say(socket, Opcode::Text, b"still here");
                assert_eq!(net.take(socket), frame(Opcode::Text, b"still here"));
            }
        }
    }
}

#[test]
fn a_silent_client_is_not_pinged_and_stays() {
    let config = || {
        Config::builder()
            .ping_interval(Duration::from_secs(10))
            .pong_wait(Duration::from_secs(15))
    };
    for path in WIRES {
        let mut net = Net::new(1, config(), || Chat);
        let id = net.connect(0, path);
        for _ in 1..=60 {
            net.now = net.now.after(Duration::from_secs(1));
            net.shards[0].handle_timeout(net.now);
            net.settle();
        }
        assert_eq!(heard(&mut net, id), "");
        assert!(net.closed.is_empty());
    }
}

#[test]
fn a_client_that_takes_nothing_is_given_up_on_every_wire() {
    let config = || Config::builder().write_timeout(Duration::from_secs(5));
    for path in WIRES {
        let (mut net, id, socket) = pair(path, config());
        net.takes = 0;
        net.say(socket, Opcode::Text, b"hello");
        net.takes = usize::MAX;
        net.shards[0].handle_writable(net.now, socket);
        for _ in 1..=20 {
            net.now = net.now.after(Duration::from_secs(1));
            net.shards[0].handle_timeout_with(net.now, |_, _| false);
            net.settle();
        }
        assert_eq!(net.closed, [id]);
        assert_eq!(net.stats().closed[CloseCause::WriteTimeout as usize], 1);
    }
}

#[test]
fn only_the_wire_that_needs_a_handshake_asks_for_one() {
    let mut net = Net::new(1, Config::builder(), || Chat);
    let id = net.accept(0, None);
    net.send(id, b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(net.take(id).starts_with(b"HTTP/1.1 426 "));
}
