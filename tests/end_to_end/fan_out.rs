//! Tests that a room that is served in slices loses nothing, and that other connections are served
//! in between.

use std::thread;

use rustix::process::Signal;
use stentor_tests::Adapter;

use crate::raw::{CLOSE, RawSocket, TEXT, frame};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    a_room_larger_than_a_slice_hears_everything_in_order_and_others_are_answered,
    everyone_is_told_goodbye_where_that_takes_many_turns,
}

const MEMBERS: usize = 40;
const SAID: usize = 60;

fn joined(server: &ServerProcess, room: &str) -> RawSocket {
    let mut raw = RawSocket::open(server);
    raw.say(&format!("join:{room}"));
    raw.expect(&format!("joined:{room}"));
    raw
}

fn a_room_larger_than_a_slice_hears_everything_in_order_and_others_are_answered(adapter: Adapter) {
    for shards in ["1", "4"] {
        let server = ServerProcess::start(
            adapter,
            &format!("--shards {shards} --shard.fan-out-slice 3"),
        );
        let members: Vec<RawSocket> = (0..MEMBERS).map(|_| joined(&server, "hall")).collect();
        let mut speaker = joined(&server, "hall");
        let said = (0..SAID).flat_map(|n| frame(TEXT, format!("msg:{n}").as_bytes()));
        let asked = frame(TEXT, b"msg?:last");
        speaker.send(&said.chain(asked).collect::<Vec<u8>>());
        // Somebody else asks, and somebody joins, while that is under way.
        let mut other = RawSocket::open(&server);
        for n in 0..20 {
            other.say(&format!("{n}"));
            other.expect(&format!("echo:{n}"));
        }
        let mut late = joined(&server, "hall");
        let hear_all = |mut member: RawSocket| {
            for n in 0..SAID {
                member.expect(&format!("{n}"));
            }
            member.expect("last");
            member
        };
        let listeners: Vec<_> = { members.into_iter() }
            .map(|member| thread::spawn(move || hear_all(member)))
            .collect();
        // Of the two, the receipt is the more urgent.
        let mut heard: Vec<String> = (0..SAID + 2)
            .map(|_| speaker.hear().expect("a message").text().to_owned())
            .collect();
        let receipt = heard.iter().position(|text| text.starts_with("sent:"));
        let receipt = heard.remove(receipt.expect("a receipt"));
        let numbers: Vec<usize> = receipt["sent:".len()..]
            .split(',')
            .map(|n| n.parse().expect("a number"))
            .collect();
        // The one that joined late may be among them, and was in any case offered it then.
        assert!(
            (MEMBERS + 1..=MEMBERS + 2).contains(&numbers[0]),
            "{receipt}"
        );
        assert_eq!(numbers[1..], [numbers[0], 0, 0, 0, 0], "{receipt}");
        let mut expected: Vec<String> = (0..SAID).map(|n| n.to_string()).collect();
        expected.push("last".to_owned());
        assert_eq!(heard, expected);
        let mut members: Vec<RawSocket> = listeners
            .into_iter()
            .map(|listener| listener.join().expect("it hears everything"))
            .collect();
        // What it hears of that is the end of it, without a gap.
        speaker.say("msg:after");
        let mut tail = Vec::new();
        loop {
            let text = late.hear().expect("a message").text().to_owned();
            if text == "after" {
                break;
            }
            tail.push(text);
        }
        assert_eq!(tail, expected[expected.len() - tail.len()..]);
        for member in &mut members {
            member.expect("after");
        }
        let metrics = server.await_metrics("nothing is unfinished", |metrics| {
            metrics.get("stentor_fan_outs_unfinished") == 0
        });
        assert!(metrics.get("stentor_fan_out_slices_total") > 0);
        assert_eq!(metrics.get("ws_messages_dropped_total"), 0);
    }
}

fn everyone_is_told_goodbye_where_that_takes_many_turns(adapter: Adapter) {
    let mut server = ServerProcess::start(adapter, "--shards 2 --shard.fan-out-slice 1");
    let members: Vec<RawSocket> = (0..MEMBERS).map(|_| joined(&server, "hall")).collect();
    let listeners: Vec<_> = { members.into_iter() }
        .map(|mut member| {
            thread::spawn(move || {
                let goodbye = member.hear().expect("a close frame");
                assert_eq!((goodbye.opcode, goodbye.close_code()), (CLOSE, Some(1001)));
                member.send(&frame(CLOSE, &goodbye.payload));
                assert_eq!(member.hear(), None);
            })
        })
        .collect();
    server.signal(Signal::TERM);
    let status = server.exit_within(std::time::Duration::from_secs(30));
    for listener in listeners {
        listener.join().expect("it is told");
    }
    assert!(status.success());
    let line = server.log().wait_for("shutdown complete");
    assert_eq!(line.ended(), line.number("accepted"), "{line:?}");
}
