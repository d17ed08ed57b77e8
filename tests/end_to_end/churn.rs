//! Tests that peers that connect, send and disconnect at any time, on all shards at once and with
//! few credits between them, leave nothing behind.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use stentor_tests::Adapter;

use crate::raw::{BINARY, CLOSE, CONTINUATION, PING, RawSocket, TEXT, fragment, frame};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    churn_on_all_shards_leaves_nothing_behind,
    a_server_told_to_end_in_the_middle_of_churn_ends_in_time_and_accounts_for_everything,
}

const ROOMS: u64 = 12;
const FLAGS: &str = "--shards 4 --shard.credit-messages 4 --shard.credit-bytes 4KiB --queue.messages 64 \
    --tasks.workers 2 --rooms.work-time 5ms --tasks.queue 16";

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn message(&mut self) -> Vec<u8> {
        let text = |text: String| frame(TEXT, text.as_bytes());
        let room = self.roll(ROOMS);
        match self.roll(12) {
            0..3 => text(format!("join:{room}")),
            3 => text("leave:".into()),
            4..8 => text(format!("msg:{}", "x".repeat(self.roll(3_000) as usize))),
            8 => text(format!("task:{room}")),
            9 => frame(PING, b"?"),
            10 => [fragment(BINARY, b"ms"), frame(CONTINUATION, b"g:in pieces")].concat(),
            _ => text("something else".into()),
        }
    }
}

/// One peer after the other until told to stop; each says some things at once,
/// hears some or nothing, and goes in one of many ways.
fn churn(server: &ServerProcess, seed: u64, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (address, stop) = (server.address(), stop.clone());
    thread::spawn(move || {
        let mut dice = Dice(seed);
        while !stop.load(Ordering::Relaxed) {
            let Some(mut raw) = RawSocket::try_open(address) else {
                return;
            };
            let _ = raw
                .stream()
                .set_read_timeout(Some(Duration::from_millis(5)));
            for _ in 0..dice.roll(4) {
                let said: Vec<u8> = (0..dice.roll(30)).flat_map(|_| dice.message()).collect();
                raw.send_as_far_as_possible(&said);
                if dice.roll(3) > 0 {
                    let _ = (&mut raw.stream()).read(&mut [0; 65_536]);
                }
            }
            match dice.roll(6) {
                0 => raw.reset(),
                1 => raw.send_as_far_as_possible(&frame(CLOSE, b"\x03\xE8")),
                2 => raw.send_as_far_as_possible(&frame(TEXT, b"\xFF")),
                3 => {
                    let half = frame(TEXT, b"msg:never finished");
                    raw.send_as_far_as_possible(&half[..9]);
                    let _ = raw.stream().shutdown(std::net::Shutdown::Write);
                    let _ = (&mut raw.stream()).read(&mut [0; 65_536]);
                }
                4 => raw.send_as_far_as_possible(&frame(3, b"")),
                _ => {}
            }
        }
    })
}

fn start_churn(server: &ServerProcess) -> (Vec<JoinHandle<()>>, Arc<AtomicBool>) {
    let stop = Arc::new(AtomicBool::new(false));
    let peers = (1..=16).map(|seed| churn(server, 0x9E37_79B9_7F4A_7C15 + seed, &stop));
    (peers.collect(), stop)
}

fn churn_on_all_shards_leaves_nothing_behind(adapter: Adapter) {
    let server = ServerProcess::start(adapter, FLAGS);
    server.await_metric("stentor_sockets", 1);
    let descriptors = server.descriptors();
    let (peers, stop) = start_churn(&server);
    // Each scrape checks the sums of the counters, in the middle of everything.
    let metrics = server.await_metrics("much has happened", |metrics| {
        metrics.get("stentor_connections_opened_total") > 3_000
            && metrics.get("stentor_publish_waits_total{for=\"credit\"}") > 100
            && metrics.get("stentor_publish_waits_total{for=\"owner\"}") > 100
            && metrics.get("stentor_task_outcomes_gone_total") > 10
            && metrics.get("ws_tasks_dropped_total") > 10
    });
    for (cause, count) in metrics.family("stentor_connections_closed_total") {
        let expected = ["peer", "eof", "reset", "peer_error"].contains(&cause);
        assert_eq!(count > 0, expected, "{cause}");
    }
    stop.store(true, Ordering::Relaxed);
    for peer in peers {
        peer.join().expect("no panic");
    }
    server.await_metrics("nothing left", |metrics| {
        metrics.get("ws_active_connections") == 0
            && metrics.get("stentor_sockets") == 1
            && metrics.get("stentor_rooms") == 0
            && metrics.get("stentor_room_members") == 0
            && metrics.get("ws_send_queue_length") == 0
            && metrics.get("stentor_tasks_pending") == 0
    });
    assert_eq!(server.descriptors(), descriptors);
    assert_eq!(server.metrics().get("stentor_callback_panics_total"), 0);

    // Every room works, from every shard to every other: no credit is lost.
    for room in 0..ROOMS {
        let mut members: Vec<RawSocket> = (0..4).map(|_| RawSocket::open(&server)).collect();
        for raw in &mut members {
            raw.say(&format!("join:{room}"));
            raw.expect(&format!("joined:{room}"));
        }
        for from in 0..4 {
            for n in 0..20 {
                members[from].say(&format!("msg:{from} {n}"));
            }
            for raw in &mut members {
                for n in 0..20 {
                    raw.expect(&format!("{from} {n}"));
                }
            }
        }
    }
}

fn a_server_told_to_end_in_the_middle_of_churn_ends_in_time_and_accounts_for_everything(
    adapter: Adapter,
) {
    for _ in 0..3 {
        let mut server = ServerProcess::start(adapter, &format!("{FLAGS} --shutdown-timeout 4s"));
        let (peers, stop) = start_churn(&server);
        server.await_metrics("much has happened", |metrics| {
            metrics.get("stentor_connections_opened_total") > 500
        });
        server.terminate();
        let status = server.exit_within(Duration::from_secs(5));
        stop.store(true, Ordering::Relaxed);
        for peer in peers {
            peer.join().expect("no panic");
        }
        assert_eq!(status.code(), Some(0));
        let line = server.log().wait_for("shutdown complete");
        assert_eq!(line.ended(), line.number("accepted"), "{line:?}");
    }
}
