//! Owns the proof that messages keep their frames and their order: however
//! they are batched, whoever waits, and however many shards there are.

use std::time::Instant;

use crate::raw::{BINARY, CLOSE, Frame, Raw, TEXT, frame};
use crate::server::{SOON, Server};

const SHARDS: [&str; 2] = ["1", "4"];
/// Rooms that are at home on different shards.
const ROOMS: [(&str, &str); 6] = [
    ("A", "B"),
    ("B", "A"),
    ("C", "lobby"),
    ("x", "y"),
    ("Zürich", "1"),
    ("2", "room"),
];

fn joined(server: &Server, room: &str) -> Raw {
    let mut raw = Raw::open(server);
    raw.say(&format!("join:{room}"));
    raw.expect(&format!("joined:{room}"));
    raw
}

/// Several whole frames, one behind the other.
fn together(texts: &[&str]) -> Vec<u8> {
    texts
        .iter()
        .flat_map(|text| frame(TEXT, text.as_bytes()))
        .collect()
}

#[test]
fn each_message_has_a_frame_of_its_own_however_many_come_at_once() {
    for shards in SHARDS {
        let server = Server::start(&format!("--shards {shards}"));
        let mut members: Vec<Raw> = (0..6).map(|_| joined(&server, "A")).collect();
        let said: Vec<String> = (0..200).map(|n| format!("{n}{}", "x".repeat(n))).collect();
        let mut bytes = Vec::new();
        for (n, text) in said.iter().enumerate() {
            let opcode = if n % 3 == 0 { BINARY } else { TEXT };
            bytes.extend(frame(opcode, format!("msg:{text}").as_bytes()));
        }
        members[0].send(&bytes);
        for member in &mut members {
            for (n, text) in said.iter().enumerate() {
                let opcode = if n % 3 == 0 { BINARY } else { TEXT };
                let payload = text.clone().into_bytes();
                assert_eq!(member.hear(), Some(Frame { opcode, payload }));
            }
        }
        let metrics = server.metrics();
        assert_eq!(metrics.get("ws_messages_dropped_total"), 0);
        assert_eq!(metrics.get("ws_messages_sent_total"), 6 + 6 * 200);
    }
}

#[test]
fn a_message_a_join_and_a_message_in_one_segment_go_to_the_room_of_their_moment() {
    for shards in SHARDS {
        let server = Server::start(&format!("--shards {shards}"));
        for (from, to) in ROOMS {
            let mut in_from: Vec<Raw> = (0..4).map(|_| joined(&server, from)).collect();
            let mut in_to: Vec<Raw> = (0..4).map(|_| joined(&server, to)).collect();
            for _ in 0..4 {
                let mut mover = joined(&server, from);
                let join = format!("join:{to}");
                mover.send(&together(&[
                    "msg:1", &join, "msg:2", "leave:", "msg:3", "end",
                ]));
                // One connection hears by urgency what waits together, and in order what does not.
                let mut heard: Vec<String> = (0..5).map(|_| text_of(mover.hear())).collect();
                heard.sort();
                let (joined, left) = (format!("joined:{to}"), format!("left:{to}"));
                assert_eq!(heard, ["1", "2", "echo:end", &joined, &left]);
                for member in &mut in_from {
                    member.expect("1");
                }
                for member in &mut in_to {
                    member.expect("2");
                }
            }
            for member in in_from.iter_mut().chain(&mut in_to) {
                member.say("nothing else");
                member.expect("echo:nothing else");
            }
        }
    }
}

#[test]
fn members_hear_one_sender_in_order_while_it_moves_between_rooms() {
    for shards in SHARDS {
        let server = Server::start(&format!("--shards {shards} --queue-messages 4096"));
        let mut in_a = joined(&server, "A");
        let mut in_b = joined(&server, "B");
        let mut mover = joined(&server, "A");
        let rounds = 200;
        let mut bytes = Vec::new();
        for n in 0..rounds {
            let (in_a, in_b) = (format!("msg:{n}a"), format!("msg:{n}b"));
            bytes.extend(together(&[&in_a, "join:B", &in_b, "join:A"]));
        }
        mover.send(&bytes);
        for n in 0..rounds {
            in_a.expect(&format!("{n}a"));
            in_b.expect(&format!("{n}b"));
        }
        let heard: Vec<String> = (0..4 * rounds).map(|_| text_of(mover.hear())).collect();
        let own: Vec<&String> = heard.iter().filter(|text| !text.starts_with('j')).collect();
        let expected: Vec<String> = (0..rounds)
            .flat_map(|n| [format!("{n}a"), format!("{n}b")])
            .collect();
        assert_eq!(own, expected.iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_burst_of_commands_loses_nothing_for_a_reader_that_reads() {
    for shards in SHARDS {
        let server = Server::start(&format!("--shards {shards}"));
        let mut other = joined(&server, "B");
        let mut raw = joined(&server, "A");
        let count = 2_000;
        let bytes: Vec<u8> = (0..count)
            .flat_map(|n| {
                let text = match n % 4 {
                    0 => format!("echo this {n}"),
                    1 => format!("msg:{n}"),
                    2 => "join:B".into(),
                    _ => "join:A".into(),
                };
                frame(TEXT, text.as_bytes())
            })
            .collect();
        let reading = std::thread::spawn({
            let stream = raw.stream().try_clone().expect("a second handle");
            move || std::io::Write::write_all(&mut &stream, &bytes).expect("taken")
        });
        let mut heard = [0; 4];
        let mut last = [-1_i64; 2];
        for _ in 0..count {
            let text = text_of(raw.hear());
            let (which, number) = match text.strip_prefix("echo:echo this ") {
                Some(number) => (0, number.parse().ok()),
                None => match text.parse() {
                    Ok(number) => (1, Some(number)),
                    Err(_) => (if text == "joined:B" { 2 } else { 3 }, None),
                },
            };
            heard[which] += 1;
            if let Some(number) = number {
                assert!(number > last[which], "{number} after {}", last[which]);
                last[which] = number;
            }
        }
        reading.join().expect("no panic");
        assert_eq!(heard, [count / 4; 4]);
        // What was said in room A is all that its other members would have heard.
        other.say("done");
        other.expect("echo:done");
        assert_eq!(server.metrics().get("ws_messages_dropped_total"), 0);
    }
}

#[test]
fn the_result_of_a_task_overtakes_what_waits_in_our_queue() {
    for shards in SHARDS {
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
        let metrics = server.metrics();
        assert_eq!(metrics.get("ws_messages_dropped_total"), 0);
        assert_eq!(metrics.get("ws_send_queue_length"), 0);
    }
}

#[test]
fn a_full_queue_keeps_the_oldest_and_the_most_urgent() {
    let server = Server::start("--shards 1 --queue-messages 64 --write-timeout 60s");
    let mut slow = Raw::open_narrow(&server);
    slow.say("join:A");
    slow.expect("joined:A");
    let mut member = joined(&server, "A");
    // Fills the queue with echoes, the least urgent there is.
    let sent = fill_queue(&server, &mut slow, 64);
    server.await_metric("ws_send_queue_length", 64);
    // Publications are more urgent, and push the newest echoes out.
    for n in 0..40 {
        member.say(&format!("msg:p{n}"));
        member.expect(&format!("p{n}"));
    }
    let metrics = server.metrics();
    assert_eq!(metrics.get("ws_send_queue_length"), 64);
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
/// messages wait in the queues besides those that did. Says how many were sent.
pub(crate) fn fill_queue(server: &Server, slow: &mut Raw, waiting: u64) -> usize {
    let begin = Instant::now();
    let before = server.metrics().get("ws_send_queue_length");
    let mut sent = 0;
    loop {
        for _ in 0..16 {
            slow.say(&numbered(sent));
            sent += 1;
        }
        let all = sent as u64;
        let metrics = server.await_metrics("all taken in", |metrics| {
            metrics.get("stentor_messages_received_total{kind=\"text\"}") >= all
        });
        if metrics.get("ws_send_queue_length") >= before + waiting {
            return sent;
        }
        assert!(begin.elapsed() < SOON, "{metrics}");
        std::thread::yield_now();
    }
}

/// A message of 8 KiB with its number.
fn numbered(n: usize) -> String {
    format!("{n:08192}")
}

fn number_of(echo: &str) -> usize {
    let number = echo.strip_prefix("echo:").expect("an echo");
    number.parse().expect("a number")
}

fn text_of(frame: Option<Frame>) -> String {
    let frame = frame.expect("not the end");
    assert_ne!(frame.opcode, CLOSE, "{frame:?}");
    frame.text().to_owned()
}
