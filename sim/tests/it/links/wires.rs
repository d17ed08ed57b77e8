//! A session over a wire of lines: the same channels, queues, limits and counts as a WebSocket.

use std::time::Duration;

use stentor_core::testing::wire::Opcode;
use stentor_core::{CloseCause, Config};

use super::{Chat, Net, frame};

#[test]
fn a_line_and_a_frame_carry_the_same_messages_in_one_channel() {
    for shards in [1, 3] {
        let mut net = Net::new(shards, Config::builder(), || Chat);
        let last = usize::from(shards) - 1;
        let lines = net.connect(0, "/lines");
        let socket = net.connect(last, "/ws");
        net.send(lines, b"from a line\n");
        assert_eq!(net.take(lines), b"from a line\n");
        assert_eq!(net.take(socket), frame(Opcode::Text, b"from a line"));
        net.say(socket, Opcode::Text, b"from a frame");
        assert_eq!(net.take(lines), b"from a frame\n");
        assert_eq!(net.take(socket), frame(Opcode::Text, b"from a frame"));
        let delivery = net.stats().delivery;
        // Two greetings, and two messages to each of two.
        assert_eq!((delivery.offered, delivery.written), (6, 6));
    }
}

#[test]
fn messages_of_one_read_reach_lines_in_order_however_they_are_batched() {
    let mut net = Net::new(1, Config::builder(), || Chat);
    let ids: Vec<_> = (0..40)
        .map(|n| net.connect(0, if n % 3 == 0 { "/lines" } else { "/ws" }))
        .collect();
    let said: Vec<String> = (0..20).map(|n| format!("message {n}")).collect();
    let burst = said.join("\n") + "\n";
    net.send(ids[0], burst.as_bytes());
    let frames: Vec<u8> = said
        .iter()
        .flat_map(|text| frame(Opcode::Text, text.as_bytes()))
        .collect();
    for (n, &id) in ids.iter().enumerate() {
        let heard = net.take(id);
        if n % 3 == 0 {
            assert_eq!(String::from_utf8_lossy(&heard), burst, "{n}");
        } else {
            assert_eq!(heard, frames, "{n}");
        }
    }
}

#[test]
fn any_cut_of_the_bytes_of_a_line_gives_the_same_messages() {
    let said = "GET /lines HTTP/1.1\r\nHost: a\r\n\r\none\ntwo\n!ping x\nthree\n";
    let whole = heard_in_cuts(said, said.len());
    for line in ["welcome", "one", "two", "three", "!pong x"] {
        assert!(whole.lines().any(|heard| heard == line), "{whole}");
    }
    for cut in 1..said.len() {
        let mut lines: Vec<_> = heard_in_cuts(said, cut).lines().map(String::from).collect();
        let mut expected: Vec<_> = whole.lines().map(String::from).collect();
        lines.sort_unstable();
        expected.sort_unstable();
        assert_eq!(lines, expected, "in pieces of {cut}");
    }
}

fn heard_in_cuts(said: &str, cut: usize) -> String {
    let mut net = Net::new(1, Config::builder(), || Chat);
    let id = net.accept(0, None);
    for piece in said.as_bytes().chunks(cut) {
        net.send(id, piece);
    }
    String::from_utf8(net.take(id)).expect("text")
}

#[test]
fn what_is_urgent_overtakes_and_what_overflows_is_counted_on_a_line() {
    let mut net = Net::new(1, Config::builder().queue_messages(4), || Chat);
    let reader = net.connect(0, "/lines");
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
    let heard = String::from_utf8(net.take(reader)).expect("text");
    let lines: Vec<_> = heard.lines().collect();
    assert!(lines.contains(&"urgent"), "{lines:?}");
    let urgent = lines.iter().position(|&line| line == "urgent");
    assert!(urgent <= Some(1), "{lines:?}");
    let delivery = net.stats().delivery;
    assert!(delivery.refused_full + delivery.evicted > 0);
    assert_eq!(delivery.waiting, 0);
}

#[test]
fn a_line_is_closed_by_its_last_line_and_by_the_end_of_its_stream() {
    let mut net = Net::new(1, Config::builder(), || Chat);
    let id = net.connect(0, "/lines");
    net.send(id, b"bye\n");
    assert_eq!(net.take(id), b"!close\x03\xe9\n");
    assert_eq!(net.closed, [id]);
    let id = net.connect(0, "/lines");
    net.shards[0].handle_eof(net.now, id);
    net.settle();
    assert_eq!(net.closed.last(), Some(&id));
    let closed = net.stats().closed;
    assert_eq!(closed[CloseCause::Handler as usize], 1);
    assert_eq!(closed[CloseCause::Eof as usize], 1);
}

#[test]
fn a_silent_line_is_asked_and_closed_like_any_other() {
    let config = Config::builder()
        .ping_interval(Duration::from_secs(10))
        .pong_wait(Duration::from_secs(15));
    let mut net = Net::new(1, config, || Chat);
    let id = net.connect(0, "/lines");
    for second in 1..=60 {
        net.now = net.now.after(Duration::from_secs(1));
        net.shards[0].handle_timeout(net.now);
        net.settle();
        if second == 12 {
            assert_eq!(net.take(id), b"!ping\n");
        }
    }
    assert_eq!(net.closed, [id]);
}

#[test]
fn bad_lines_are_a_fault_of_their_peer() {
    let config = || Config::builder().max_message(64);
    for bad in [
        &b"\xff\xfe\n"[..],
        &[b'x'; 65],
        b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
        xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
    ] {
        let mut net = Net::new(1, config(), || Chat);
        let id = net.connect(0, "/lines");
        let other = net.connect(0, "/lines");
        net.send(id, bad);
        assert!(net.take(id).starts_with(b"!close"));
        net.send(other, b"still here\n");
        assert_eq!(net.take(other), b"still here\n");
        assert_eq!(net.stats().closed[CloseCause::PeerError as usize], 1);
    }
}

#[test]
fn only_the_wire_that_needs_a_handshake_asks_for_one() {
    let mut net = Net::new(1, Config::builder(), || Chat);
    let id = net.accept(0, None);
    net.send(id, b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(net.take(id).starts_with(b"HTTP/1.1 426 "));
    let id = net.accept(0, None);
    net.send(
        id,
        b"POST /lines HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi?echo\n",
    );
    let heard = String::from_utf8(net.take(id)).expect("text");
    assert!(
        heard.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain"),
        "{heard}"
    );
    assert!(heard.ends_with("\r\n\r\nwelcome\necho\n"), "{heard}");
}
