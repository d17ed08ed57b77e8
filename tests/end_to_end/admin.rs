//! Tests that the admin pages show the state of a connection, why another one was closed, and the
//! failed tasks, which can be resubmitted there; and that the pages are served on the admin
//! listener only, and only if enabled.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stentor_tests::Adapter;
use stentor_tests::process::{POLL, SOON};

use crate::queues::{fill_queue, joined};
use crate::raw::{HttpResponse, RawSocket, get};
use crate::server::{ServerProcess, eventually};

stentor_tests::for_each_adapter! {
    a_reader_that_is_stuck_is_found_and_explained,
    whoever_has_gone_says_why,
    a_connection_that_is_told_to_go_says_so_while_it_is_there,
    the_tasks_of_a_connection_are_told_with_it,
    what_failed_for_good_is_listed_and_submitted_again,
    the_pages_of_either_listener_are_not_on_the_other,
    nothing_more_listens_unless_it_is_asked_for,
}

const LISTEN: &str = "--admin-listen 127.0.0.1:0";

/// A server with admin pages, and where they are.
fn start(adapter: Adapter, flags: &str) -> (ServerProcess, SocketAddr) {
    let server = ServerProcess::start(adapter, &format!("{LISTEN} {flags}"));
    let line = server.log().wait_for("admin pages on");
    let address = line.text("address").parse().expect("an address");
    (server, address)
}

fn ask(address: SocketAddr, method: &str, path: &str) -> HttpResponse {
    let mut raw = RawSocket::connect(address);
    raw.send(
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .as_bytes(),
    );
    raw.response()
}

fn json(address: SocketAddr, method: &str, path: &str) -> Value {
    let response = ask(address, method, path);
    assert_eq!(response.status, 200, "{path}: {}", response.body);
    serde_json::from_str(&response.body).expect("JSON")
}

fn list(address: SocketAddr, query: &str) -> Vec<Value> {
    let mut page = json(address, "GET", &format!("/connections{query}"));
    assert_eq!(page["silent_shards"], json!([]));
    let Value::Array(all) = page["connections"].take() else {
        panic!("no list: {page}")
    };
    assert_eq!(page["matching"], all.len());
    all
}

/// The page of one connection, which is here or has gone.
fn one(address: SocketAddr, id: &Value) -> Value {
    let id = id.as_str().expect("a name").replace('#', "%23");
    json(address, "GET", &format!("/connections/{id}"))
}

/// The page of one connection once it has gone.
fn gone(address: SocketAddr, id: &Value) -> Value {
    let begin = Instant::now();
    loop {
        let page = one(address, id);
        if page["stage"] == "gone" {
            assert_eq!(page["id"], *id);
            return page;
        }
        assert!(begin.elapsed() < SOON, "still here: {page}");
        sleep(POLL);
    }
}

fn waits_for(page: &Value) -> Vec<&str> {
    let all = page["waits_for"].as_array().expect("a list").iter();
    all.filter_map(|one| one["what"].as_str()).collect()
}

fn number(page: &Value, path: &str) -> f64 {
    let value = page.pointer(path).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("no {path} in {page}"))
}

fn a_reader_that_is_stuck_is_found_and_explained(adapter: Adapter) {
    for shards in ["1", "4"] {
        let flags = format!("--shards {shards} --queue.messages 64 --client.write-timeout 20s");
        let (server, address) = start(adapter, &flags);
        let mut slow = joined(RawSocket::open_narrow(&server), "A b");
        let mut quick = joined(RawSocket::open(&server), "A b");
        let _elsewhere = joined(RawSocket::open(&server), "B");
        server.await_metric("ws_send_queue_length", 0);
        assert_eq!(list(address, "?room=A%20b").len(), 2);
        assert_eq!(list(address, "?min-queued=1"), [] as [Value; 0]);

        fill_queue(&server, &mut slow, 32);
        let found = list(address, "?room=A+b&min-queued=32&sort=age");
        let [early] = &found[..] else {
            panic!("it alone is stuck: {found:?}")
        };
        let id = &early["id"];
        assert_eq!(early["stage"], "open");
        assert_eq!(
            (&early["rooms"], &early["room_count"]),
            (&json!(["A b"]), &json!(1))
        );
        assert!(waits_for(early).contains(&"socket"), "{early}");
        assert_eq!(early["next_timer"]["what"], "write");
        assert!(number(early, "/queue/bytes") > 32.0 * 8_192.0, "{early}");
        assert_eq!(early["queue"]["priorities"][0]["priority"], 100);
        // The longest that a list could be is no shorter.
        assert_eq!(list(address, "?limit=1000&sort=bytes")[0]["id"], *id);

        // It ages, and the queue that is full of echoes makes room for what is more urgent.
        for n in 0..100 {
            quick.say(&format!("msg:{n}"));
            quick.expect(&n.to_string());
        }
        sleep(Duration::from_millis(300));
        assert_eq!(list(address, "?min-age=300ms").len(), 1);
        let late = one(address, id);
        let grows = |path: &str| number(&late, path) - number(early, path);
        assert_eq!(late["queue"]["messages"], 64, "{late}");
        assert!(grows("/queue/oldest_seconds") >= 0.3, "{early} {late}");
        assert!(grows("/open_seconds") >= 0.3, "{early} {late}");
        assert!(
            grows("/dropped/evicted") > 0.0 && grows("/dropped/refused") > 0.0,
            "{late}"
        );
        let priorities = late["queue"]["priorities"].as_array().expect("a list");
        let priorities: Vec<_> = priorities.iter().map(|of| of["priority"].clone()).collect();
        assert_eq!(priorities[0], 10, "{late}");
        // What it has lost is all that was lost.
        let metrics = server.metrics();
        for (here, there) in [("evicted", "evicted"), ("refused", "refused_full")] {
            let all = metrics.get(&format!(
                "stentor_messages_dropped_total{{reason=\"{there}\"}}"
            ));
            assert_eq!(late["dropped"][here], all, "{late}");
        }

        slow.reset();
        let page = gone(address, id);
        assert_eq!(page["ending"]["cause"], "reset");
        assert_eq!(
            (&page["rooms"], &page["dropped"]["discarded"]),
            (&json!(["A b"]), &json!(64))
        );
        assert_eq!(list(address, "?room=A+b").len(), 1);
    }
}

fn whoever_has_gone_says_why(adapter: Adapter) {
    let flags = "--shards 2 --queue.messages 32 --rooms.overflow-policy disconnect --ping-interval 800ms \
                 --pong-wait 1600ms";
    let (server, address) = start(adapter, flags);
    // Each is alone in a room that only it is in.
    let open = |raw: RawSocket, room: &str| {
        let raw = joined(raw, room);
        let found = list(address, &format!("?room={room}"));
        (raw, found[0]["id"].clone())
    };
    let (_mute, mute) = open(RawSocket::open(&server), "mute");
    let (mut errs, erring) = open(RawSocket::open(&server), "errs");
    errs.send(&[0x81, 0x01, b'x']);
    assert_eq!(errs.expect_close(), Some(1002));
    let (mut leaves, leaver) = open(RawSocket::open(&server), "leaves");
    leaves.send(&crate::raw::close(4_000));
    assert_eq!(leaves.expect_close_answer(), Some(4_000));
    let (mut slow, slow_one) = open(RawSocket::open_narrow(&server), "slow");
    let mut quick = joined(RawSocket::open(&server), "slow");
    fill_queue(&server, &mut slow, 32);
    quick.say("msg:one too many");
    quick.expect("one too many");

    for (id, cause, code, error) in [
        (&erring, "peer_error", json!(1002), json!("unmasked")),
        (&leaver, "peer", json!(4000), Value::Null),
        (&slow_one, "slow_consumer", json!(1013), Value::Null),
        (&mute, "pong_timeout", json!(1011), Value::Null),
    ] {
        // One that is closed for being slow may still be here, and says the same.
        let begin = Instant::now();
        let page = loop {
            let page = one(address, id);
            if page["ending"] != Value::Null {
                break page;
            }
            assert!(begin.elapsed() < SOON, "still open: {page}");
            sleep(POLL);
        };
        let ending = json!({ "cause": cause, "code": code, "error": error });
        assert_eq!(page["ending"], ending, "{page}");
    }
    drop((slow, errs, leaves));
    for id in [&erring, &leaver] {
        gone(address, id);
    }
    // The message that closed it, and what it said to itself before.
    assert!(number(&gone(address, &slow_one), "/dropped/refused") >= 1.0);
    assert!(number(&gone(address, &mute), "/open_seconds") >= 1.6);
    let all = json(address, "GET", "/gone");
    let all: HashSet<&str> = all["gone"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["id"].as_str())
        .collect();
    for id in [&erring, &leaver, &slow_one, &mute] {
        assert!(
            all.contains(id.as_str().expect("a name")),
            "{id} of {all:?}"
        );
    }
}

fn a_connection_that_is_told_to_go_says_so_while_it_is_there(adapter: Adapter) {
    let (server, address) = start(
        adapter,
        "--shards 1 --client.write-timeout 60s --shutdown-timeout 60s",
    );
    let mut slow = joined(RawSocket::open_narrow(&server), "A");
    fill_queue(&server, &mut slow, 32);
    let id = list(address, "?min-queued=1")[0]["id"].clone();
    server.terminate();
    eventually("it is told to go", || {
        one(address, &id)["stage"] == "closing"
    });
    let page = one(address, &id);
    assert_eq!(page["ending"]["cause"], "drain");
    assert!(waits_for(&page).contains(&"socket"), "{page}");
    assert_eq!(page["queue"]["control_frames"], 1, "the close frame");
}

fn the_tasks_of_a_connection_are_told_with_it(adapter: Adapter) {
    let (server, address) = start(
        adapter,
        "--shards 2 --tasks.workers 1 --rooms.work-time 1h --tasks.timeout 2h --shutdown-timeout 0s",
    );
    let [mut first, mut second] = ["A", "B"].map(|room| joined(RawSocket::open(&server), room));
    let [a, b] = ["A", "B"].map(|room| list(address, &format!("?room={room}"))[0]["id"].clone());
    for text in ["task:1", "task:2"] {
        first.say(text);
    }
    server.await_metric("ws_worker_queue_length", 1);
    second.say("task:3");
    server.await_metric("ws_worker_queue_length", 2);
    let tasks = |waiting: u32, running: u32| json!({ "waiting": waiting, "delayed": 0, "running": running });
    assert_eq!(one(address, &a)["tasks"], tasks(1, 1));
    assert_eq!(one(address, &b)["tasks"], tasks(1, 0));
}

fn what_failed_for_good_is_listed_and_submitted_again(adapter: Adapter) {
    let flags =
        "--rooms.work-time 300ms --tasks.timeout 100ms --tasks.attempts 1 --tasks.workers 8";
    let (server, address) = start(adapter, flags);
    let mut client = joined(RawSocket::open(&server), "A");
    let conn = list(address, "?room=A")[0]["id"].clone();
    for n in 0..3 {
        client.say(&format!("task:{n}"));
        client.expect("task_failed");
    }
    let letters = || json(address, "GET", "/dead-letters");
    let page = letters();
    assert_eq!(page["kept"], 3);
    for (n, letter) in page["dead_letters"]
        .as_array()
        .expect("a list")
        .iter()
        .enumerate()
    {
        assert_eq!((&letter["id"], &letter["connection"]), (&json!(n), &conn));
        assert_eq!(
            (&letter["attempts"], &letter["cause"]),
            (&json!(1), &json!("timed_out"))
        );
    }
    let again = json(address, "POST", "/dead-letters/1/resubmit");
    assert_eq!(again, json!({ "resubmitted": 1 }));
    // It takes as long as before, and has failed again.
    eventually("it is back", || letters()["dead_letters"][2]["id"] == 3);
    assert_eq!(ask(address, "POST", "/dead-letters/1/resubmit").status, 404);
    assert_eq!(
        json(address, "DELETE", "/dead-letters/0"),
        json!({ "discarded": 1 })
    );
    let all = json(address, "POST", "/dead-letters/resubmit");
    assert_eq!(all, json!({ "resubmitted": 2 }));
    server.await_metric("stentor_tasks_resubmitted_total", 3);
    eventually("all are back", || letters()["kept"] == 2);
    let metrics = server.metrics();
    assert_eq!(metrics.get("ws_tasks_submitted_total"), 6);
    assert_eq!(metrics.get("stentor_dead_letters_taken_total"), 4);
    // The sender was told once of each.
    client.say("the end");
    client.expect("echo:the end");
}

fn the_pages_of_either_listener_are_not_on_the_other(adapter: Adapter) {
    let (server, address) = start(adapter, "");
    for path in [
        "/connections",
        "/gone",
        "/dead-letters",
        "/connections/0.0%230",
    ] {
        let mut raw = RawSocket::connect(server.address());
        raw.send(&get(path));
        assert_eq!(raw.response().status, 404, "{path}");
    }
    for path in ["/", "/ws"] {
        assert_eq!(ask(address, "GET", path).status, 404, "{path}");
    }
    let mut raw = RawSocket::connect(address);
    raw.send(&crate::raw::upgrade(&[]));
    assert_eq!(raw.response().status, 404, "no WebSocket either");
    let post = ask(address, "POST", "/connections");
    assert_eq!(
        (post.status, post.header("allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
    let options = ask(address, "OPTIONS", "/connections");
    assert_eq!(
        (options.status, options.header("allow")),
        (200, Some("GET, HEAD, OPTIONS"))
    );
    // But for these, which both have.
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(ask(address, "GET", path).status, 200, "{path}");
    }
    assert_eq!(ask(address, "GET", "/connections?limit=0").status, 400);
    assert_eq!(ask(address, "GET", "/connections").status, 200);
    let metrics = server.metrics();
    for (status, times) in [("200", 5), ("400", 1), ("404", 3), ("405", 1), ("504", 0)] {
        let name = format!("stentor_admin_requests_total{{status=\"{status}\"}}");
        assert_eq!(metrics.get(&name), times, "{status}");
    }
}

/// How many TCP sockets of the server listen.
fn listening(server: &ServerProcess) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let listen: HashSet<String> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[3] == "0A")
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let path = format!("/proc/{}/fd", server.child.id());
    let open = std::fs::read_dir(path).expect("it runs").flatten();
    let targets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets
        .filter(|target| listen.contains(&*target.to_string_lossy()))
        .count()
}

fn nothing_more_listens_unless_it_is_asked_for(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    assert_eq!(listening(&server), 1);
    let (server, _) = start(adapter, "");
    assert_eq!(listening(&server), 2);
}
