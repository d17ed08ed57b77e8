//! Owns the proof that what waits for a peer leaves by urgency and in order,
//! that a full queue loses the right messages, and that the gauges show it.

use std::time::Instant;

use crate::order::text_of;
use crate::process::{POLL, SOON};
use crate::raw::Raw;
use crate::server::{Metrics, Server};

fn joined(mut raw: Raw, room: &str) -> Raw {
    raw.say(&format!("join:{room}"));
    raw.expect(&format!("joined:{room}"));
    raw
}

#[test]
fn what_waits_leaves_by_urgency() {
    for shards in ["1", "4"] {
        let server = Server::start(&format!("--shards {shards} --write-timeout 60s"));
        for room in ["A", "B", "C"] {
            let mut slow = joined(Raw::open_narrow(&server), "before");
            let sent = fill_queue(&server, &mut slow, 100);
            let before = server.metrics().get("ws_send_queue_length");
            let join = format!("join:{room}");
            for text in ["last of all", &join, "msg:said", "task:done", "join:"] {
                slow.say(text);
            }
            server.await_metric("ws_send_queue_length", before + 6);
            let mut heard: Vec<String> = (0..sent + 6).map(|_| text_of(slow.hear())).collect();
            let first = heard.iter().position(|text| text == "error:bad_room");
            let mut urgent = heard.split_off(first.expect("an error"));
            assert!(
                urgent.len() as u64 >= before + 4,
                "it came before all that waited"
            );
            let echoes = urgent.split_off(5);
            assert!(urgent[1].starts_with("processed_by_"), "{urgent:?}");
            let joined = format!("joined:{room}");
            assert_eq!(urgent[2..], ["said", "room_broadcast:done", &joined]);
            assert_eq!(echoes.last().map(String::as_str), Some("echo:last of all"));
            slow.reset();
            server.await_metric("ws_active_connections", 0);
        }
    }
}

#[test]
fn the_result_of_a_task_overtakes_what_waits_in_our_queue() {
    for shards in ["1", "4"] {
        let server = Server::start(&format!("--shards {shards} --write-timeout 60s"));
        let mut slow = Raw::open_narrow(&server);
        let sent = fill_queue(&server, &mut slow, 100);
        slow.say("task:urgent");
        server.await_metric("stentor_tasks_ended_total{result=\"done\"}", 1);
        server.await_metric("stentor_tasks_pending", 0);
        let behind = server.metrics().get("ws_send_queue_length");
        assert!(behind > 100, "the result and what it waits with: {behind}");

        let mut before = 0;
        loop {
            let text = text_of(slow.hear());
            if text.starts_with("processed_by_") {
                assert!(text.ends_with(":urgent"));
                break;
            }
            assert_eq!(
                number_of(&text),
                before,
                "equal priorities keep their order"
            );
            before += 1;
        }
        for n in before..sent {
            assert_eq!(number_of(&text_of(slow.hear())), n, "and the tail follows");
        }
        // All that waited came behind it, but for the one message that was half out.
        assert!(
            sent - before >= behind as usize - 2,
            "{before} of {sent} came first"
        );
        slow.say("the end");
        slow.expect("echo:the end");
        // What has been heard may not be counted yet.
        server.await_metric("ws_send_queue_length", 0);
        assert_eq!(server.metrics().get("ws_messages_dropped_total"), 0);
    }
}

#[test]
fn a_full_queue_keeps_the_oldest_and_the_most_urgent() {
    let server = Server::start("--shards 1 --queue-messages 64 --write-timeout 60s");
    let mut slow = Raw::open_narrow(&server);
    slow.say("join:A");
    slow.expect("joined:A");
    let mut member = joined(Raw::open(&server), "A");
    // What has been heard may not be counted yet.
    server.await_metric("ws_send_queue_length", 0);
    // Fills the queue with echoes, the least urgent there is.
    let sent = fill_queue(&server, &mut slow, 64);
    server.await_metric("ws_send_queue_length", 64);
    // Publications are more urgent, and push the newest echoes out.
    for n in 0..40 {
        member.say(&format!("msg:p{n}"));
        member.expect(&format!("p{n}"));
    }
    // What the member has heard may be counted a moment later.
    let metrics = server.await_metrics("the queue is full", |metrics| {
        metrics.get("ws_send_queue_length") == 64
    });
    assert_eq!(
        metrics.get("stentor_messages_dropped_total{reason=\"evicted\"}"),
        40
    );
    let refused = metrics.get("stentor_messages_dropped_total{reason=\"refused_full\"}");

    let mut echoes = Vec::new();
    let mut publications: Vec<usize> = Vec::new();
    for _ in 0..sent + 40 - 40 - refused as usize {
        let text = text_of(slow.hear());
        match text.strip_prefix('p') {
            Some(number) => publications.push(number.parse().expect("a number")),
            None => echoes.push(number_of(&text)),
        }
    }
    assert_eq!(publications, (0..40).collect::<Vec<usize>>());
    let kept = sent - refused as usize - 40;
    assert_eq!(echoes, (0..kept).collect::<Vec<_>>());
    slow.say("x");
    slow.expect("echo:x");
}

#[test]
fn the_gauge_of_queues_is_their_sum() {
    let server = Server::start("--shards 4 --write-timeout 60s");
    let mut slow: Vec<Raw> = (0..3).map(|_| Raw::open_narrow(&server)).collect();
    for (at, raw) in slow.iter_mut().enumerate() {
        fill_queue(&server, raw, 50 * (at as u64 + 1));
        let metrics = server.metrics();
        let of_shards: u64 = metrics
            .family("stentor_shard_send_queue_length")
            .map(|(_, length)| length)
            .sum();
        assert_eq!(metrics.get("ws_send_queue_length"), of_shards);
        assert!(of_shards >= 50 * (at as u64 + 1));
    }
    let lengths: Vec<u64> = server
        .metrics()
        .family("stentor_shard_send_queue_length")
        .map(|(_, length)| length)
        .collect();
    assert!(
        lengths.iter().filter(|&&length| length >= 50).count() == 3,
        "{lengths:?}"
    );
    for raw in slow {
        raw.reset();
    }
    server.await_metric("ws_send_queue_length", 0);
}

/// Makes the server echo to a peer that does not read, until at least so many
/// messages wait in the queues besides those that did, and no more is written.
/// Says how many were sent.
pub(crate) fn fill_queue(server: &Server, slow: &mut Raw, waiting: u64) -> usize {
    let begin = Instant::now();
    let received = "stentor_messages_received_total{kind=\"text\"}";
    let before = server.metrics();
    let mut sent = 0;
    loop {
        for _ in 0..16 {
            slow.say(&numbered(sent));
            sent += 1;
        }
        let all = sent as u64;
        let metrics = server.await_metrics("all taken in", |metrics| {
            metrics.since(&before, received) >= all
        });
        if length(&metrics) >= length(&before) + waiting {
            break;
        }
        assert!(begin.elapsed() < SOON, "{metrics}");
        std::thread::yield_now();
    }
    let (mut last, mut same) = (length(&server.metrics()), 0);
    while same < 3 {
        std::thread::sleep(POLL);
        let now = length(&server.metrics());
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    sent
}

fn length(metrics: &Metrics) -> u64 {
    metrics.get("ws_send_queue_length")
}

/// A message of 8 KiB with its number.
fn numbered(n: usize) -> String {
    format!("{n:08192}")
}

fn number_of(echo: &str) -> usize {
    let number = echo.strip_prefix("echo:").expect("an echo");
    number.parse().expect("a number")
}
