//! Tests that queued messages leave by priority and in order, that a full queue drops the right
//! messages, that a publisher can learn of it, and that the gauges show it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use stentor_tests::Adapter;
use stentor_tests::process::{POLL, SOON};

use crate::order::text_of;
use crate::raw::{CLOSE, RawSocket};
use crate::server::{Metrics, ServerProcess};

stentor_tests::for_each_adapter! {
    what_waits_leaves_by_urgency,
    the_result_of_a_task_overtakes_what_waits_in_our_queue,
    a_full_queue_keeps_the_oldest_and_the_most_urgent,
    the_gauge_of_queues_is_their_sum,
    who_waits_too_long_is_not_starved_by_the_urgent,
    a_publisher_can_learn_what_became_of_its_message,
    a_publisher_learns_of_a_full_queue_and_the_oldest_go_if_that_is_wanted,
    what_has_outlived_its_time_is_not_sent,
    a_slow_reader_hears_the_latest_of_each_key,
    a_slow_reader_is_closed_if_that_is_wanted,
}

pub(crate) fn joined(mut raw: RawSocket, room: &str) -> RawSocket {
    raw.say(&format!("join:{room}"));
    raw.expect(&format!("joined:{room}"));
    raw
}

fn what_waits_leaves_by_urgency(adapter: Adapter) {
    for shards in ["1", "4"] {
        let server = ServerProcess::start(
            adapter,
            &format!("--shards {shards} --client.write-timeout 60s"),
        );
        for room in ["A", "B", "C"] {
            let mut slow = joined(RawSocket::open_narrow(&server), "before");
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

fn the_result_of_a_task_overtakes_what_waits_in_our_queue(adapter: Adapter) {
    for shards in ["1", "4"] {
        let server = ServerProcess::start(
            adapter,
            &format!("--shards {shards} --client.write-timeout 60s"),
        );
        let mut slow = RawSocket::open_narrow(&server);
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

fn a_full_queue_keeps_the_oldest_and_the_most_urgent(adapter: Adapter) {
    let server = ServerProcess::start(
        adapter,
        "--shards 1 --queue.messages 64 --client.write-timeout 60s",
    );
    let mut slow = RawSocket::open_narrow(&server);
    slow.say("join:A");
    slow.expect("joined:A");
    let mut member = joined(RawSocket::open(&server), "A");
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

fn the_gauge_of_queues_is_their_sum(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 4 --client.write-timeout 60s");
    let mut slow: Vec<RawSocket> = (0..3).map(|_| RawSocket::open_narrow(&server)).collect();
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

/// A server with a slow member of the room A, for whom so many messages wait, and
/// one that reads.
fn slow_and_quick(
    adapter: Adapter,
    flags: &str,
    waiting: u64,
) -> (ServerProcess, RawSocket, usize, RawSocket) {
    let server = ServerProcess::start(adapter, &format!("{flags} --client.write-timeout 60s"));
    let mut slow = joined(RawSocket::open_narrow(&server), "A");
    let quick = joined(RawSocket::open(&server), "A");
    // What has been heard may not have been counted as written yet.
    server.await_metric("ws_send_queue_length", 0);
    let sent = fill_queue(&server, &mut slow, waiting);
    (server, slow, sent, quick)
}

/// What a peer hears that is no echo, until it has heard so many of those.
fn heard_besides(slow: &mut RawSocket, echoes: usize) -> Vec<String> {
    let (mut seen, mut others) = (0, Vec::new());
    while seen < echoes {
        let text = text_of(slow.hear());
        if text.starts_with("echo:") {
            assert_eq!(number_of(&text), seen, "equal priorities keep their order");
            seen += 1;
        } else {
            others.push(text);
        }
    }
    others
}

/// What the sender of these hears: each comes to itself, and the answer.
fn ask(quick: &mut RawSocket, said: &str, text: &str) -> String {
    quick.say(said);
    let mut heard = [text_of(quick.hear()), text_of(quick.hear())];
    heard.sort_by_key(|text| text.starts_with("sent:"));
    let [own, answer] = heard;
    assert_eq!(own, text);
    answer
}

fn who_waits_too_long_is_not_starved_by_the_urgent(adapter: Adapter) {
    for shards in ["1", "4"] {
        let flags =
            format!("--shards {shards} --queue.starvation-after 4 --queue.starvation-wait 20ms");
        let (_server, mut slow, sent, mut quick) = slow_and_quick(adapter, &flags, 30);
        sleep(Duration::from_millis(40));
        for n in 0..60 {
            quick.say(&format!("msg:{n}"));
            quick.expect(&format!("{n}"));
        }
        let (mut echoes, mut said, mut in_turn) = (0, 0, 0);
        while echoes < sent || said < 60 {
            let text = text_of(slow.hear());
            if text.starts_with("echo:") {
                assert_eq!(
                    number_of(&text),
                    echoes,
                    "equal priorities keep their order"
                );
                echoes += 1;
                in_turn = 0;
            } else {
                assert_eq!(text, said.to_string(), "and so do these");
                said += 1;
                in_turn += 1;
                // One more may have gone before the first that had waited.
                assert!(in_turn <= 5 || echoes == sent, "{in_turn} in a row");
            }
        }
    }
}

fn a_publisher_can_learn_what_became_of_its_message(adapter: Adapter) {
    for shards in ["1", "4"] {
        let server = ServerProcess::start(adapter, &format!("--shards {shards}"));
        let mut members: Vec<RawSocket> = (0..5)
            .map(|_| joined(RawSocket::open(&server), "A"))
            .collect();
        let (first, others) = members.split_first_mut().expect("there are some");
        assert_eq!(ask(first, "msg?:to all", "to all"), "sent:5,5,0,0,0,0");
        for other in others {
            other.expect("to all");
        }
        let mut nobody = RawSocket::open(&server);
        nobody.say("msg?:to whom");
        nobody.expect("error:no_room");
    }
}

fn a_publisher_learns_of_a_full_queue_and_the_oldest_go_if_that_is_wanted(adapter: Adapter) {
    for (policy, told, kept) in [
        ("drop-new", "sent:2,1,1,0,0,0", &[][..]),
        ("drop-oldest", "sent:2,2,0,1,0,0", &["news"][..]),
    ] {
        let flags = format!("--shards 4 --queue.messages 32 --rooms.overflow-policy {policy}");
        let (server, mut slow, sent, mut quick) = slow_and_quick(adapter, &flags, 32);
        let refused = "stentor_priority_dropped_total{priority=\"100\",reason=\"refused_full\"}";
        let lost = server.metrics().get(refused) as usize;
        assert_eq!(ask(&mut quick, "msg?:news", "news"), told, "{policy}");
        let evicted = kept.len();
        let mut heard = Vec::new();
        for _ in 0..sent - lost {
            let text = text_of(slow.hear());
            if !text.starts_with("echo:") {
                heard.push(text);
            }
        }
        assert_eq!(heard, kept, "{policy}");
        let metrics = server.metrics();
        let series = "stentor_messages_dropped_total{reason=\"evicted\"}";
        assert_eq!(metrics.get(series), evicted as u64);
        let delivered = metrics.get("stentor_delivery_seconds_count{priority=\"10\"}");
        assert_eq!(delivered, 1 + kept.len() as u64);
    }
}

fn what_has_outlived_its_time_is_not_sent(adapter: Adapter) {
    let (server, mut slow, sent, mut quick) =
        slow_and_quick(adapter, "--shards 4 --rooms.message-ttl 150ms", 30);
    quick.say("msg:old");
    quick.expect("old");
    sleep(Duration::from_millis(200));
    quick.say("msg:new");
    quick.expect("new");
    assert_eq!(heard_besides(&mut slow, sent), ["new"]);
    let series = "stentor_messages_dropped_total{reason=\"expired\"}";
    server.await_metric(series, 1);
}

fn a_slow_reader_hears_the_latest_of_each_key(adapter: Adapter) {
    let (server, mut slow, sent, mut quick) = slow_and_quick(adapter, "--shards 4", 30);
    for text in ["msg#x:1", "msg#y:2", "msg:3", "msg#x:4"] {
        quick.say(text);
        quick.expect(&text[text.len() - 1..]);
    }
    assert_eq!(ask(&mut quick, "msg#y?:5", "5"), "sent:2,2,0,0,1,0");
    assert_eq!(heard_besides(&mut slow, sent), ["4", "5", "3"]);
    let series = "stentor_messages_dropped_total{reason=\"conflated\"}";
    assert_eq!(server.metrics().get(series), 2);
}

fn a_slow_reader_is_closed_if_that_is_wanted(adapter: Adapter) {
    let flags = "--shards 4 --queue.messages 32 --rooms.overflow-policy disconnect";
    let (server, mut slow, _, mut quick) = slow_and_quick(adapter, flags, 32);
    assert_eq!(ask(&mut quick, "msg?:news", "news"), "sent:2,1,1,0,0,0");
    let series = "stentor_connections_closed_total{cause=\"slow_consumer\"}";
    server.await_metric(series, 1);
    let close = loop {
        let frame = slow.hear().expect("a close frame before the end");
        if frame.opcode == CLOSE {
            break frame;
        }
        assert!(
            text_of(Some(frame)).starts_with("echo:"),
            "it was in the kernel"
        );
    };
    assert_eq!(close.close_code(), Some(1013));
    assert_eq!(&close.payload[2..], b"slow consumer");
    assert_eq!(ask(&mut quick, "msg?:again", "again"), "sent:1,1,0,0,0,0");
}

/// Makes the server echo to a peer that does not read, until at least so many
/// messages wait in the queues besides those that did, and no more is written.
/// Says how many were sent.
pub(crate) fn fill_queue(server: &ServerProcess, slow: &mut RawSocket, waiting: u64) -> usize {
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
