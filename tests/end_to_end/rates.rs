//! Tests that a peer that accepts or sends bytes too slowly is closed, and that a slow one that
//! keeps to the minimum rate is not.

use std::io::{Read, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use stentor_tests::Adapter;
use stentor_tests::process::SOON;

use crate::queues::fill_queue;
use crate::raw::{BINARY, CLOSE, RawSocket, header};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    a_reader_that_takes_a_little_now_and_then_is_closed,
    a_slow_reader_that_keeps_to_the_rate_gets_everything,
    a_message_that_is_sent_a_little_now_and_then_is_closed,
}

const STEP: Duration = Duration::from_millis(100);

/// Does something every so often until the metric is there.
fn drip(server: &ServerProcess, metric: &str, mut step: impl FnMut()) {
    let begin = Instant::now();
    while server.metrics().get(metric) == 0 {
        assert!(begin.elapsed() < SOON, "no {metric}");
        step();
        sleep(STEP);
    }
}

fn a_reader_that_takes_a_little_now_and_then_is_closed(adapter: Adapter) {
    let flags = "--shards 1 --client.write-timeout 10m --client.min-read-rate 10k --client.rate-window 2s \
                 --queue.messages 1000 --close-timeout 500ms";
    let server = ServerProcess::start(adapter, flags);
    let mut slow = RawSocket::open_narrow(&server);
    let mut honest = RawSocket::open(&server);
    fill_queue(&server, &mut slow, 20);
    let closed = "stentor_connections_closed_total{cause=\"read_rate\"}";
    drip(&server, closed, || {
        let mut byte = [0];
        slow.stream().read_exact(&mut byte).expect("it is there");
        honest.say("here");
        honest.expect("echo:here");
    });
    server.await_metrics("nothing waits", |metrics| {
        metrics.get("ws_send_queue_length") == 0 && metrics.get("ws_active_connections") == 1
    });
    assert_eq!(server.metrics().get(closed), 1);
    honest.say("still here");
    honest.expect("echo:still here");
}

fn a_slow_reader_that_keeps_to_the_rate_gets_everything(adapter: Adapter) {
    // Some 40 KiB a second, of at most 3 MiB in the end.
    let flags = "--shards 1 --client.write-timeout 10m --client.min-read-rate 1k --client.rate-window 20s \
                 --queue.messages 1000";
    let server = ServerProcess::start(adapter, flags);
    let mut slow = RawSocket::open_narrow(&server);
    fill_queue(&server, &mut slow, 20);
    slow.say("last");
    let mut heard = 0;
    while slow.hear().expect("it is not closed").payload != b"echo:last" {
        heard += 1;
        if heard < 30 {
            sleep(STEP * 2);
        }
    }
    assert!(heard >= 20);
    assert_eq!(server.metrics().get("ws_messages_dropped_total"), 0);
}

fn a_message_that_is_sent_a_little_now_and_then_is_closed(adapter: Adapter) {
    let server = ServerProcess::start(
        adapter,
        "--shards 1 --client.min-send-rate 10k --client.rate-window 2s",
    );
    let mut slow = RawSocket::open(&server);
    slow.send(&header(0x80 | BINARY, 500_000));
    slow.send(&[0; 50_000]);
    let closed = "stentor_connections_closed_total{cause=\"send_rate\"}";
    drip(&server, closed, || {
        // It may have been closed just then.
        let _ = slow.stream().write_all(b"x");
    });
    let close = slow.hear().expect("a close frame");
    assert_eq!((close.opcode, close.close_code()), (CLOSE, Some(1008)));
    assert_eq!(&close.payload[2..], b"sends too slowly");
}
