//! Tests that messages keep their frames and their order, independent of batching and of the number
//! of shards.

use std::io::Write;
use std::sync::mpsc;
use std::thread;

use stentor_tests::Adapter;

use crate::raw::{BINARY, CLOSE, RawSocket, ReceivedFrame, TEXT, frame};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    each_message_has_a_frame_of_its_own_however_many_come_at_once,
    a_message_a_join_and_a_message_in_one_segment_go_to_the_room_of_their_moment,
    members_hear_one_sender_in_order_while_it_moves_between_rooms,
    senders_on_every_shard_lose_nothing_for_members_that_read,
    long_messages_arrive_whole_on_every_shard_however_few_credits_there_are,
    a_burst_of_commands_loses_nothing_for_a_reader_that_reads,
}

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

fn joined(server: &ServerProcess, room: &str) -> RawSocket {
    let mut raw = RawSocket::open(server);
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

fn each_message_has_a_frame_of_its_own_however_many_come_at_once(adapter: Adapter) {
    for shards in SHARDS {
        let server = ServerProcess::start(adapter, &format!("--shards {shards}"));
        let mut members: Vec<RawSocket> = (0..6).map(|_| joined(&server, "A")).collect();
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
                assert_eq!(member.hear(), Some(ReceivedFrame { opcode, payload }));
            }
        }
        // Who sends outside the shard's lock counts a moment later.
        server.await_metric("ws_messages_sent_total", 6 + 6 * 200);
        assert_eq!(server.metrics().get("ws_messages_dropped_total"), 0);
    }
}

fn a_message_a_join_and_a_message_in_one_segment_go_to_the_room_of_their_moment(adapter: Adapter) {
    for shards in SHARDS {
        let server = ServerProcess::start(adapter, &format!("--shards {shards}"));
        for (from, to) in ROOMS {
            let mut in_from: Vec<RawSocket> = (0..4).map(|_| joined(&server, from)).collect();
            let mut in_to: Vec<RawSocket> = (0..4).map(|_| joined(&server, to)).collect();
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

fn members_hear_one_sender_in_order_while_it_moves_between_rooms(adapter: Adapter) {
    for shards in SHARDS {
        let server =
            ServerProcess::start(adapter, &format!("--shards {shards} --queue.messages 4096"));
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

fn senders_on_every_shard_lose_nothing_for_members_that_read(adapter: Adapter) {
    for shards in SHARDS {
        // As much as a queue takes, from each of eight: far more than it may hold, and no
        // more than sockets do for somebody who is about to read.
        all_hear_all(adapter, &format!("--shards {shards}"), 8, 250);
        // Here it may hold whatever a reader lags behind with.
        all_hear_all(
            adapter,
            &format!("--shards {shards} --queue.messages 16000"),
            1,
            2_000,
        );
    }
}

/// Every member of a room speaks at the same time, in so many bursts of so many messages,
/// each when it has heard its last; and hears them all, in one order.
fn all_hear_all(adapter: Adapter, flags: &str, bursts: usize, burst: usize) {
    const MEMBERS: usize = 8;
    let server = ServerProcess::start(adapter, flags);
    let members: Vec<RawSocket> = (0..MEMBERS).map(|_| joined(&server, "A")).collect();
    let (mut senders, mut readers) = (Vec::new(), Vec::new());
    for (at, mut raw) in members.into_iter().enumerate() {
        let stream = raw.stream().try_clone().expect("a second handle");
        // What is said before everyone has heard the last is for queues to refuse.
        let (heard_own, all_heard) = mpsc::channel();
        senders.push(thread::spawn(move || {
            for nth in 0..bursts {
                let numbers = nth * burst..(nth + 1) * burst;
                let said = numbers.flat_map(|n| frame(TEXT, format!("msg:{at} {n}").as_bytes()));
                (&stream)
                    .write_all(&said.collect::<Vec<u8>>())
                    .expect("taken");
                all_heard.recv().expect("the reader");
            }
        }));
        readers.push(thread::spawn(move || {
            let mut next = [0; MEMBERS];
            let mut heard = Vec::new();
            for _ in 0..MEMBERS * bursts * burst {
                let text = text_of(raw.hear());
                let (from, number) = text.split_once(' ').expect("two numbers");
                let from: usize = from.parse().expect("a member");
                assert_eq!(number, next[from].to_string(), "of {from}");
                next[from] += 1;
                if from == at && next[from] % burst == 0 {
                    heard_own.send(()).expect("the sender");
                }
                heard.push(text);
            }
            (raw, heard)
        }));
    }
    for sender in senders {
        sender.join().expect("no panic");
    }
    let heard: Vec<_> = readers
        .into_iter()
        .map(|reader| reader.join().expect("no panic"))
        .collect();
    for (_, other) in &heard {
        assert!(*other == heard[0].1, "a room has one order for all");
    }
    assert_eq!(server.metrics().get("ws_messages_dropped_total"), 0);
}

fn long_messages_arrive_whole_on_every_shard_however_few_credits_there_are(adapter: Adapter) {
    for shards in SHARDS {
        let server = ServerProcess::start(
            adapter,
            &format!("--shards {shards} --shard.credit-bytes 4KiB"),
        );
        for (room, _) in ROOMS {
            let mut members: Vec<RawSocket> = (0..4).map(|_| joined(&server, room)).collect();
            for (at, len) in [(0, 1 << 10), (1, 300_000), (2, (1 << 20) - 4), (3, 70_000)] {
                let payload: Vec<u8> = (0..len).map(|n| (n / 97 + at) as u8).collect();
                members[at].send(&frame(BINARY, &[b"msg:", &payload[..]].concat()));
                for raw in &mut members {
                    let heard = raw.hear().expect("open");
                    assert!(
                        heard.opcode == BINARY && heard.payload == payload,
                        "{len} bytes"
                    );
                }
            }
        }
    }
}

fn a_burst_of_commands_loses_nothing_for_a_reader_that_reads(adapter: Adapter) {
    for shards in SHARDS {
        let server = ServerProcess::start(adapter, &format!("--shards {shards}"));
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
        let writing = thread::spawn({
            let stream = raw.stream().try_clone().expect("a second handle");
            move || (&stream).write_all(&bytes).expect("taken")
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
        writing.join().expect("no panic");
        assert_eq!(heard, [count / 4; 4]);
        // What was said in room A is all that its other members would have heard.
        other.say("done");
        other.expect("echo:done");
        assert_eq!(server.metrics().get("ws_messages_dropped_total"), 0);
    }
}

pub(crate) fn text_of(frame: Option<ReceivedFrame>) -> String {
    let frame = frame.expect("not the end");
    assert_ne!(frame.opcode, CLOSE, "{frame:?}");
    frame.text().to_owned()
}
