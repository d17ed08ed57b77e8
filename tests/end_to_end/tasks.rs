//! Tests that tasks are run, rejected and reported as in the protocol table, with one shard and
//! with four.

use stentor_tests::Adapter;
use tokio_tungstenite::tungstenite::Message;

use crate::guest::Guest;
use crate::raw::RawSocket;
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    async
    the_sender_gets_the_result_from_one_of_the_workers,
    the_room_of_the_sender_is_told_too,
    it_is_the_room_at_completion_that_is_told,
    a_full_worker_queue_rejects,
    a_result_for_a_sender_that_has_gone_is_counted,
    the_sender_hears_what_its_room_is_told_even_where_it_is_left_out_of_messages,
    tasks_of_one_connection_run_one_after_the_other_and_those_of_many_at_once,
    tasks_of_one_connection_run_at_once_where_they_may,
    a_task_that_takes_too_long_is_tried_again_and_then_fails,
    only_so_many_failed_tasks_are_kept,
}

fn servers(adapter: Adapter, flags: &str) -> impl Iterator<Item = ServerProcess> {
    ["1", "4"]
        .into_iter()
        .map(move |shards| ServerProcess::start(adapter, &format!("--shards {shards} {flags}")))
}

/// The worker that did it, of an answer such as `processed_by_3:text`.
fn worker(answer: &str, text: &str) -> usize {
    let rest = answer.strip_prefix("processed_by_");
    let rest = rest.unwrap_or_else(|| panic!("{answer} is no result"));
    let (worker, of) = rest.split_once(':').expect("a colon");
    assert_eq!(of, text);
    worker.parse().expect("a number")
}

async fn the_sender_gets_the_result_from_one_of_the_workers(adapter: Adapter) {
    for server in servers(adapter, "--tasks.workers 3") {
        for (at, mut guest) in Guest::connect_all(&server, 8).await.into_iter().enumerate() {
            for text in ["", "hello", "a:b", "é"] {
                guest.say(&format!("task:{text}")).await;
                assert!(worker(&guest.text().await, text) < 3);
                guest.hears_nothing().await;
            }
            guest.send(Message::binary(b"task:\xFF".to_vec())).await;
            let Some(Message::Binary(answer)) = guest.hear().await else {
                panic!("the opcode is mirrored")
            };
            assert!(answer.starts_with(b"processed_by_") && answer.ends_with(b":\xFF"));
            let done = server
                .metrics()
                .get("stentor_tasks_ended_total{result=\"done\"}");
            assert_eq!(done, 5 * (at as u64 + 1));
        }
        let metrics = server.metrics();
        assert_eq!(metrics.get("ws_tasks_submitted_total"), 40);
        assert_eq!(metrics.get("ws_tasks_dropped_total"), 0);
        assert_eq!(metrics.get("ws_worker_queue_length"), 0);
    }
}

async fn the_room_of_the_sender_is_told_too(adapter: Adapter) {
    for server in servers(adapter, "") {
        for room in ["A", "lobby", "Zürich"] {
            let mut guests = Vec::new();
            for _ in 0..6 {
                guests.push(Guest::member(&server, room).await);
            }
            for sender in 0..guests.len() {
                let text = format!("from {sender}");
                guests[sender].say(&format!("task:{text}")).await;
                worker(&guests[sender].text().await, &text);
                for guest in &mut guests {
                    guest.hears(&format!("room_broadcast:{text}")).await;
                }
            }
            for guest in &mut guests {
                guest.hears_nothing().await;
            }
        }
    }
}

async fn it_is_the_room_at_completion_that_is_told(adapter: Adapter) {
    for server in servers(adapter, "--rooms.work-time 300ms") {
        for room in ["B", "C", "D", "E"] {
            let mut before = Guest::member(&server, "A").await;
            let mut after = Guest::member(&server, room).await;
            let mut sender = Guest::member(&server, "A").await;
            sender.say("task:moving").await;
            server.await_metric("stentor_tasks_running", 1);
            sender.join(room).await;
            worker(&sender.text().await, "moving");
            sender.hears("room_broadcast:moving").await;
            after.hears("room_broadcast:moving").await;
            before.hears_nothing().await;

            sender.say("task:leaving").await;
            server.await_metric("stentor_tasks_running", 1);
            sender.say("leave:").await;
            sender.hears(&format!("left:{room}")).await;
            worker(&sender.text().await, "leaving");
            sender.hears_nothing().await;
            after.hears_nothing().await;
        }
    }
}

async fn a_full_worker_queue_rejects(adapter: Adapter) {
    for server in servers(
        adapter,
        "--tasks.workers 1 --tasks.queue 1 --rooms.work-time 1s",
    ) {
        let mut guests = Guest::connect_all(&server, 4).await;
        guests[0].say("task:runs").await;
        server.await_metric("stentor_tasks_running", 1);
        guests[1].say("task:waits").await;
        server.await_metric("ws_worker_queue_length", 1);
        guests[2].say("task:is rejected").await;
        guests[2].hears("task_rejected").await;
        guests[3].send(Message::binary(b"task:too".to_vec())).await;
        let rejected = Message::binary(b"task_rejected".to_vec());
        assert_eq!(guests[3].hear().await, Some(rejected));
        let metrics = server.metrics();
        assert_eq!(metrics.get("ws_tasks_dropped_total"), 2);
        assert_eq!(metrics.get("ws_tasks_submitted_total"), 2);
        worker(&guests[0].text().await, "runs");
        worker(&guests[1].text().await, "waits");
        for guest in &mut guests {
            guest.hears_nothing().await;
        }
        guests[2].say("task:again").await;
        worker(&guests[2].text().await, "again");
    }
}

async fn a_result_for_a_sender_that_has_gone_is_counted(adapter: Adapter) {
    for server in servers(adapter, "--rooms.work-time 300ms") {
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(Guest::member(&server, "A").await);
        }
        let leaver = Guest::member(&server, "A").await;
        let mut leavers = vec![leaver];
        let mut resetter = RawSocket::open(&server);
        resetter.say("join:A");
        resetter.expect("joined:A");
        leavers[0].say("task:1").await;
        resetter.say("task:2");
        server.await_metric("stentor_tasks_running", 2);
        for guest in leavers {
            guest.leave().await;
        }
        resetter.reset();
        server.await_metric("stentor_task_outcomes_gone_total", 2);
        let metrics = server.metrics();
        assert_eq!(metrics.get("stentor_tasks_ended_total{result=\"done\"}"), 2);
        assert_eq!(metrics.get("stentor_tasks_pending"), 0);
        for guest in &mut others {
            guest.hears_nothing().await;
        }
    }
}

async fn the_sender_hears_what_its_room_is_told_even_where_it_is_left_out_of_messages(
    adapter: Adapter,
) {
    for server in servers(adapter, "--rooms.exclude-sender") {
        for room in ["A", "B", "C"] {
            let mut sender = Guest::member(&server, room).await;
            sender.say("msg:not for me").await;
            sender.say("task:for all").await;
            worker(&sender.text().await, "for all");
            sender.hears("room_broadcast:for all").await;
            sender.leave().await;
        }
    }
}

async fn tasks_of_one_connection_run_one_after_the_other_and_those_of_many_at_once(
    adapter: Adapter,
) {
    for server in servers(adapter, "--tasks.workers 4 --rooms.work-time 30ms") {
        let mut guests = Guest::connect_all(&server, 4).await;
        for guest in &mut guests {
            for n in 0..8 {
                guest.say(&format!("task:{n}")).await;
            }
        }
        server.await_metrics("all are at work", |metrics| {
            metrics.get("stentor_tasks_running") == 4
        });
        for guest in &mut guests {
            for n in 0..8 {
                worker(&guest.text().await, &n.to_string());
            }
            guest.hears_nothing().await;
        }
    }
}

async fn tasks_of_one_connection_run_at_once_where_they_may(adapter: Adapter) {
    for server in servers(
        adapter,
        "--tasks.workers 4 --rooms.work-time 1s --tasks.order none",
    ) {
        let mut guest = Guest::connect(&server).await;
        for n in 0..4 {
            guest.say(&format!("task:{n}")).await;
        }
        server.await_metric("stentor_tasks_running", 4);
        for _ in 0..4 {
            assert!(guest.text().await.starts_with("processed_by_"));
        }
    }
}

async fn a_task_that_takes_too_long_is_tried_again_and_then_fails(adapter: Adapter) {
    let flags = "--tasks.workers 4 --rooms.work-time 700ms --tasks.timeout 100ms --tasks.attempts 2 \
                 --tasks.backoff 1ms";
    for server in servers(adapter, flags) {
        let mut guests = Guest::connect_all(&server, 2).await;
        for guest in &mut guests {
            guest.say("task:too long").await;
            guest.say("task:too long too").await;
        }
        for guest in &mut guests {
            guest.hears("task_failed").await;
            guest.hears("task_failed").await;
        }
        let metrics = server.metrics();
        for (name, count) in [
            ("stentor_task_attempts_failed_total{cause=\"timed_out\"}", 8),
            ("stentor_tasks_retried_total", 4),
            ("stentor_tasks_ended_total{result=\"failed\"}", 4),
            ("stentor_tasks_ended_total{result=\"done\"}", 0),
            ("stentor_dead_letters", 4),
            ("stentor_tasks_pending", 0),
        ] {
            assert_eq!(metrics.get(name), count, "{name}");
        }
        // Whoever was at it still comes back, and nobody is told of that.
        server.await_metric("stentor_workers_overdue", 0);
        for guest in &mut guests {
            guest.hears_nothing().await;
        }
    }
}

async fn only_so_many_failed_tasks_are_kept(adapter: Adapter) {
    let flags =
        "--rooms.work-time 1h --tasks.timeout 10ms --tasks.attempts 1 --tasks.dead-letters 2";
    for server in servers(adapter, flags) {
        let mut guests = Guest::connect_all(&server, 5).await;
        for guest in &mut guests {
            guest.say("task:for ever").await;
            guest.hears("task_failed").await;
        }
        let metrics = server.metrics();
        assert_eq!(metrics.get("stentor_dead_letters"), 2);
        assert_eq!(metrics.get("stentor_dead_letters_dropped_total"), 3);
    }
}
