//! Tests of the memory budget: connections that do not read are charged for it, connections that
//! read are not, and no new connection is accepted while it is used up.

use stentor_tests::Adapter;

use crate::raw::{RawSocket, frame, upgrade};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    those_who_take_nothing_pay_and_those_who_read_lose_nothing,
    a_message_for_which_there_is_no_memory_ends_its_sender_only,
}

const BUDGET: u64 = 4 << 20;
const CHARGED: &str = "stentor_memory_charged_bytes";
const SHED: &str = "stentor_messages_dropped_total{reason=\"shed\"}";
const CLOSED: &str = "stentor_connections_closed_total{cause=\"memory\"}";
const REFUSED: &str = "stentor_handshakes_refused_total{cause=\"memory\"}";

fn start(adapter: Adapter) -> ServerProcess {
    let bounds = "--queue.messages 100000 --queue.bytes 1GiB --max-message 4MiB";
    let flags = format!("--shards 2 --memory.budget {BUDGET} --client.write-timeout 60s {bounds}");
    ServerProcess::start(adapter, &flags)
}

fn those_who_take_nothing_pay_and_those_who_read_lose_nothing(adapter: Adapter) {
    let server = start(adapter);
    let join = |mut raw: RawSocket| {
        raw.say("join:A");
        raw.expect("joined:A");
        raw
    };
    let stuck: Vec<RawSocket> = (0..8)
        .map(|_| join(RawSocket::open_narrow(&server)))
        .collect();
    let mut reader = join(RawSocket::open(&server));
    let text = "x".repeat(10_000);
    let mut metrics = server.metrics();
    // What the kernel takes of it before it waits here is not known.
    for n in 0.. {
        assert!(n < 20_000, "nothing was dropped: {metrics}");
        reader.say(&format!("msg:{n}:{text}"));
        reader.expect(&format!("{n}:{text}"));
        if n % 100 == 0 {
            metrics = server.metrics();
            assert!(metrics.get(CHARGED) <= BUDGET, "{metrics}");
            if metrics.get(SHED) > 100 {
                break;
            }
        }
    }
    assert_eq!(
        metrics.get("ws_messages_dropped_total"),
        0,
        "queues have room"
    );

    // Both shards have a member that is stuck, so each is short of memory.
    let mut late = RawSocket::connect(server.address());
    late.send(&upgrade(&[]));
    let answer = late.response();
    assert!(answer.head.starts_with("HTTP/1.1 503 "), "{}", answer.head);
    assert!(answer.head.contains("\r\nRetry-After: "), "{}", answer.head);
    assert!(server.metrics().get(REFUSED) > 0);
    reader.say("msg:still here");
    reader.expect("still here");

    drop(stuck);
    server.await_metric("ws_send_queue_length", 0);
    join(RawSocket::open(&server));
}

fn a_message_for_which_there_is_no_memory_ends_its_sender_only(adapter: Adapter) {
    let server = start(adapter);
    let mut senders: Vec<RawSocket> = (0..4).map(|_| RawSocket::open(&server)).collect();
    let mut other = RawSocket::open(&server);
    // All but the last byte, so that each of them is held: more than there is room for.
    let whole = frame(2, &vec![0; 1_500_000]);
    for sender in &mut senders {
        sender.send_as_far_as_possible(&whole[..whole.len() - 1]);
    }
    let metrics = server.await_metrics("somebody is closed", |metrics| metrics.get(CLOSED) > 0);
    assert!(metrics.get(CHARGED) <= BUDGET, "{metrics}");
    other.say("hello");
    other.expect("echo:hello");
    let codes: Vec<Option<u16>> = senders
        .iter_mut()
        .take(4)
        .map(|sender| {
            sender.send_as_far_as_possible(&whole[whole.len() - 1..]);
            sender.hear().expect("an answer").close_code()
        })
        .collect();
    assert!(codes.contains(&Some(1_013)), "{codes:?}");
}
