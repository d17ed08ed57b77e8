//! Tests that the echo application returns every message unchanged and drops none: the server stops
//! reading from a peer that does not read.

use std::io::Write;
use std::time::Duration;

use stentor_tests::Adapter;
use tokio_tungstenite::tungstenite::Message;

use crate::guest::Guest;
use crate::raw::{BINARY, RawSocket, TEXT, fragment, frame};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    a_message_in_fragments_comes_back_whole_with_pongs_between,
    a_burst_beyond_the_queue_comes_back_in_order,
    a_peer_that_does_not_read_is_not_read_and_then_gets_everything,
    ; async
    everything_comes_back_as_it_came,
}

async fn everything_comes_back_as_it_came(adapter: Adapter) {
    for shards in ["1", "4"] {
        let server = ServerProcess::start(adapter, &format!("--handler echo --shards {shards}"));
        for mut guest in Guest::connect_all(&server, 5).await {
            for text in ["", "x", "join:A", "msg:x", "task:x", "leave:", "Zürich"] {
                guest.say(text).await;
                guest.hears(text).await;
            }
            for len in [0, 1, 125, 126, 127, 4_096, 65_535, 65_536, 300_000, 1 << 20] {
                let bytes: Vec<u8> = (0..len).map(|n| (n * 7 % 251) as u8).collect();
                let message = Message::binary(bytes);
                guest.send(message.clone()).await;
                assert!(guest.hear().await == Some(message), "{len} bytes");
            }
        }
    }
}

fn a_message_in_fragments_comes_back_whole_with_pongs_between(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--handler echo");
    let mut raw = RawSocket::open(&server);
    let mut bytes = fragment(BINARY, b"ab");
    bytes.extend(frame(9, b"1"));
    bytes.extend(fragment(0, b""));
    bytes.extend(fragment(0, b"cd"));
    bytes.extend(frame(9, b"2"));
    bytes.extend(fragment(0x80, b"ef"));
    raw.send(&bytes);
    let heard: Vec<_> = (0..3).map(|_| raw.frame().expect("open")).collect();
    let payloads: Vec<&[u8]> = heard.iter().map(|frame| &frame.payload[..]).collect();
    assert_eq!(payloads, [&b"1"[..], b"2", b"abcdef"]);
}

fn a_burst_beyond_the_queue_comes_back_in_order(adapter: Adapter) {
    let server = ServerProcess::start(
        adapter,
        "--handler echo --queue.messages 8 --queue.bytes 4KiB",
    );
    let mut raw = RawSocket::open(&server);
    let count = 20_000;
    let stream = raw.stream().try_clone().expect("a second handle");
    let writing = std::thread::spawn(move || {
        for n in 0..count {
            let text = format!("{n}");
            let sent = (&stream).write_all(&frame(TEXT, text.as_bytes()));
            sent.expect("taken");
        }
    });
    for n in 0..count {
        raw.expect(&format!("{n}"));
    }
    writing.join().expect("no panic");
    assert_eq!(server.metrics().get("ws_messages_dropped_total"), 0);
}

fn a_peer_that_does_not_read_is_not_read_and_then_gets_everything(adapter: Adapter) {
    const MESSAGE: usize = 64 << 10;
    const COUNT: usize = 1_024;
    let server = ServerProcess::start(
        adapter,
        "--handler echo --shards 1 --client.write-timeout 60s",
    );
    let mut raw = RawSocket::open(&server);
    let before = server.memory();
    let stream = raw.stream().try_clone().expect("a second handle");
    let patience = Some(Duration::from_secs(120));
    stream.set_write_timeout(patience).expect("an option");
    // The kernel backs off from a peer that takes nothing; of a server that does, the
    // write timeout would tell.
    stream.set_read_timeout(patience).expect("an option");
    let writing = std::thread::spawn(move || {
        for n in 0..COUNT {
            let sent = (&stream).write_all(&frame(BINARY, &content(n, MESSAGE)));
            sent.expect("taken in the end");
        }
    });

    // Nothing more is read once a second has passed without a byte.
    let read = |server: &ServerProcess| server.metrics().get("stentor_socket_read_bytes_total");
    let mut last = 0;
    let mut unchanged = 0;
    while unchanged < 10 {
        std::thread::sleep(Duration::from_millis(100));
        let now = server.metrics();
        // The scrape itself is read too, a few dozen bytes.
        let bytes = now.get("stentor_socket_read_bytes_total");
        unchanged = if bytes - last < 1_024 {
            unchanged + 1
        } else {
            0
        };
        last = bytes;
    }
    assert!(
        read(&server) < (MESSAGE * COUNT / 2) as u64,
        "it is not read"
    );
    assert!(!writing.is_finished());
    let metrics = server.metrics();
    assert!(metrics.get("stentor_read_pauses_total") > 0);
    assert!(metrics.get("stentor_send_queue_bytes") <= (4 << 20) + 1_024);
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 16 << 20, "{} MiB more", grown >> 20);

    for n in 0..COUNT {
        let frame = raw.hear().expect("not the end");
        assert!(
            frame.opcode == BINARY && frame.payload == content(n, MESSAGE),
            "message {n}"
        );
    }
    writing.join().expect("no panic");
    // Who sends outside the shard's lock counts a moment later.
    server.await_metric("ws_messages_sent_total", COUNT as u64);
    assert_eq!(server.metrics().get("ws_messages_dropped_total"), 0);
}

fn content(n: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (n + at / 251) as u8).collect()
}
