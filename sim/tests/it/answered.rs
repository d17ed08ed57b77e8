//! Connections whose opening handshake another server has answered: no response, no compression, and
//! close frames instead of refusals.

use stentor_core::config::ConfigBuilder;
use stentor_core::shard::Admission;
use stentor_core::testing::wire::Opcode;
use stentor_core::{Config, TaskEnd};
use stentor_sim::simulator::masked;

use super::http::{One, config, upgrade};

/// Hands a connection over with these bytes.
fn answered(config: ConfigBuilder, input: &[u8]) -> One {
    let mut input = input.to_vec();
    One::with(config, |shard, now, peer| {
        shard.accept_upgraded(now, Admission::Normal, peer, &mut input)
    })
}

fn close(code: u16) -> String {
    let [high, low] = code.to_be_bytes();
    String::from_utf8_lossy(&[0x88, 2, high, low]).into_owned()
}

#[test]
fn it_is_open_without_a_response_wherever_the_input_is_cut() {
    let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let head = upgrade("/chat").replace("\r\n\r\n", offer);
    let frame = masked(Opcode::Text, true, [0; 4], b"time");
    for cut in 0..=frame.len() {
        let read = [head.as_bytes(), &frame[..cut]].concat();
        let mut one = answered(Config::builder().compression(true), &read);
        let written = one.turn() + &one.send(&frame[cut..]);
        // The first byte of a frame is no UTF-8.
        let frames = ["\u{11}hello 192.0.2.7:9", "\u{3}1 0"].map(|rest| format!("\u{fffd}{rest}"));
        assert_eq!(written, frames.concat());
        let stats = one.shard.stats();
        assert_eq!((stats.links.opened, stats.deflate.agreed), (1, 0));
    }
}

#[test]
fn a_request_that_is_not_whole_or_not_for_a_websocket_ends_it() {
    let head = upgrade("/chat");
    let inputs = [
        &head[..0],
        &head[..40],
        "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /table HTTP/1.1\r\nHost: h\r\n\r\n",
        "OPTIONS /table HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /page HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /page HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n",
        "\0",
    ];
    for input in inputs {
        let mut one = answered(config(), input.as_bytes());
        assert_eq!(one.turn(), close(1008), "{input:?}");
        assert!(one.is_shut, "{input:?}");
        one.shard.handle_eof(one.now, one.id);
        one.turn();
        one.shard.assert_bare();
    }
}

#[test]
fn it_can_wait_for_a_task_and_is_refused_by_a_close_frame() {
    let frame = masked(Opcode::Text, true, [0; 4], b"time");
    let input = [upgrade("/later").as_bytes(), &frame].concat();
    let waiting = || {
        let mut one = answered(Config::builder(), &input);
        assert_eq!(one.turn(), "");
        assert_eq!(one.tasks, ["later"]);
        one
    };
    let mut one = waiting();
    one.shard.handle_task(one.now, one.id, TaskEnd::Done(200));
    let opened = one.turn();
    assert!(
        opened.contains("hello late") && opened.ends_with("1 0"),
        "{opened}"
    );
    assert!(!opened.contains("HTTP"), "{opened}");

    let mut one = waiting();
    let refused = TaskEnd::Refused("later".into());
    one.shard.handle_task(one.now, one.id, refused);
    assert_eq!(one.turn(), close(1013));

    let mut one = waiting();
    one.shard.handle_drain(one.now);
    one.shard.handle_task(one.now, one.id, TaskEnd::Done(200));
    assert_eq!(one.turn(), close(1013));
    for (path, code) in [("/forbidden", 1008), ("/teapot", 1008), ("/odd", 1008)] {
        let mut one = answered(Config::builder(), upgrade(path).as_bytes());
        assert_eq!(one.turn(), close(code), "{path}");
        assert!(one.is_shut);
    }
}
