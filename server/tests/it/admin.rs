//! Tests of the admin pages, over shards without a driver.

mod fake;

use serde_json::{Value, json};
use stentor_core::tasks::WorkerStep;
use stentor_core::{ShardId, Timestamp};
use stentor_server::counters::{STATUSES, StatusCounters};

use fake::*;

fn ids(page: &Value, list: &str) -> Vec<String> {
    let all = page[list].as_array().expect("a list").iter();
    all.map(|one| one["id"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn connections_of_all_shards_are_listed_and_shown() {
    let fake = FakeServer::new(&[]);
    let first = fake.connect(1);
    let second = fake.connect(0);
    let page = fake.json("GET /connections");
    assert_eq!(page["matching"], 2);
    assert_eq!(page["silent_shards"], json!([]));
    assert_eq!(
        ids(&page, "connections"),
        [second.to_string(), first.to_string()]
    );
    let listed = &page["connections"][1];
    let path = first.to_string().replace('#', "%23");
    let none = json!({ "waiting": 0, "delayed": 0, "running": 0 });
    for method in ["GET", "HEAD"] {
        let mut page = fake.json(&format!("{method} /connections/{path}"));
        assert_eq!(page["tasks"].take(), none);
        let mut listed = listed.clone();
        listed["tasks"] = Value::Null;
        assert_eq!(page, listed);
    }
    assert_eq!(
        (&listed["stage"], &listed["shard"]),
        (&json!("open"), &json!(1))
    );
    assert_eq!(listed["open_seconds"], 1.5);
    assert_eq!(listed["silent_seconds"], 1.5);
    assert_eq!(listed["next_timer"]["what"], "ping");
    let dropped = json!({ "refused": 0, "evicted": 0, "expired": 0, "conflated": 0, "shed": 0, "discarded": 0 });
    assert_eq!(listed["dropped"], dropped);
    let queue = json!({
        "messages": 0, "bytes": 0, "oldest_seconds": 0.0, "control_frames": 1, "priorities": []
    });
    assert_eq!(
        listed["queue"], queue,
        "the answer to its request is still to be written"
    );
    assert_eq!(
        listed["waits_for"]
            .as_array()
            .map(|all| all.last().cloned()),
        Some(Some(json!({
            "what": "write", "text": "the next write to its socket"
        })))
    );
    for absent in ["ending", "subprotocol"] {
        assert_eq!(listed[absent], Value::Null, "{absent}");
    }
}

#[test]
fn lists_have_a_limit() {
    let fake = FakeServer::new(&[]);
    for n in 0..150 {
        fake.connect(n % 2);
    }
    let listed = |query: &str| {
        let page = fake.json(&format!("GET /connections{query}"));
        assert_eq!(page["matching"], 150);
        ids(&page, "connections").len()
    };
    let all = ["", "?limit=1", "?limit=149", "?limit=1000"].map(listed);
    assert_eq!(all, [100, 1, 149, 150]);
    // One shard owns the room, and connections of the other wait for it.
    let members = fake.json("GET /connections?room=r&limit=1");
    assert_eq!(members["matching"], 75);
    assert_eq!(fake.json("GET /connections?room=%C3%A9+x")["matching"], 0);
    assert_eq!(fake.json("GET /connections?min-queued=1")["matching"], 0);
}

#[test]
fn closed_connections_are_listed_with_the_cause() {
    let fake = FakeServer::new(&[]);
    let ids_of = [fake.connect(0), fake.connect(1)];
    for (at, id) in ids_of.into_iter().enumerate() {
        let mut shard = fake.shards[at].lock().expect("no panic");
        let when = Timestamp::from_micros(2_000_000 - 100_000 * at as u64);
        shard.handle_disconnect(when, id);
    }
    let page = fake.json("GET /gone");
    assert_eq!(ids(&page, "gone"), ids_of.map(|id| id.to_string()));
    let latest = &page["gone"][0];
    assert_eq!(
        (&latest["gone_seconds"], &latest["open_seconds"]),
        (&json!(0.5), &json!(1.0))
    );
    assert_eq!(
        latest["ending"],
        json!({ "cause": "reset", "code": null, "error": null })
    );
    let path = ids_of[0].to_string().replace('#', "%23");
    // Its query may still be in flight.
    fake.submit(ids_of[0]);
    let page = fake.json(&format!("GET /connections/{path}"));
    assert_eq!(
        (&page["id"], &page["ending"]),
        (&latest["id"], &latest["ending"])
    );
    assert_eq!(page["tasks"]["waiting"], 1);
    assert_eq!(
        ids(&fake.json("GET /gone?limit=1"), "gone"),
        [ids_of[0].to_string()]
    );
}

#[test]
fn a_shard_that_does_not_answer_is_named() {
    let mut fake = FakeServer::new(&[]);
    let there = fake.connect(0);
    fake.silent.push(ShardId(1));
    let page = fake.json("GET /connections");
    assert_eq!(page["silent_shards"], json!([1]));
    assert_eq!(ids(&page, "connections"), [there.to_string()]);
    assert_eq!(fake.json("GET /gone")["silent_shards"], json!([1]));
    let (status, text) = fake.says("GET /connections/1.0%230");
    assert_eq!((status, &*text), (504, "shard 1 does not answer within 2s"));
}

#[test]
fn dead_letters_are_listed_resubmitted_and_deleted() {
    let fake = FakeServer::new(&["--tasks.queue=1"]);
    let conn = fake.connect(0);
    for _ in 0..4 {
        fake.add_dead_letter(conn);
    }
    // No worker has a job, so they sleep.
    assert!(matches!(fake.next(), WorkerStep::Sleep));
    let page = fake.json("GET /dead-letters");
    assert_eq!(
        (&page["kept"], &page["dead_letters"][3]["id"]),
        (&json!(4), &json!(3))
    );
    let oldest = &page["dead_letters"][0];
    assert_eq!(oldest["connection"], conn.to_string());
    assert_eq!(
        (&oldest["attempts"], &oldest["cause"]),
        (&json!(1), &json!("fatal"))
    );
    let few = fake.json("GET /dead-letters?limit=2");
    assert_eq!(
        (
            few["kept"].as_u64(),
            few["dead_letters"].as_array().map(Vec::len)
        ),
        (Some(4), Some(2))
    );

    assert_eq!(
        fake.json("POST /dead-letters/1/resubmit"),
        json!({ "resubmitted": 1 })
    );
    assert_eq!(
        *fake.woken.lock().expect("no panic"),
        1,
        "a worker is woken"
    );
    assert_eq!(fake.says("POST /dead-letters/1/resubmit").0, 404);
    let (status, text) = fake.says("POST /dead-letters/0/resubmit");
    assert_eq!(
        (status, &*text),
        (503, "the task queue is full; try again later")
    );
    assert_eq!(
        fake.json("POST /dead-letters/resubmit"),
        json!({ "resubmitted": 0 })
    );
    assert!(matches!(fake.next(), WorkerStep::Run(_)));
    assert_eq!(
        fake.json("POST /dead-letters/resubmit"),
        json!({ "resubmitted": 1 })
    );
    assert_eq!(
        fake.json("DELETE /dead-letters/3"),
        json!({ "discarded": 1 })
    );
    assert_eq!(fake.says("DELETE /dead-letters/3").0, 404);
    assert_eq!(ids_of_letters(&fake), [2]);
}

fn ids_of_letters(fake: &FakeServer) -> Vec<u64> {
    let page = fake.json("GET /dead-letters");
    let letters = page["dead_letters"].as_array().expect("a list").iter();
    letters.filter_map(|letter| letter["id"].as_u64()).collect()
}

#[test]
fn unknown_pages_are_404_and_wrong_methods_405() {
    let fake = FakeServer::new(&[]);
    for path in ["/", "/x", "/connections/0.0%230/x", "/metrics/", "/ws", "*"] {
        assert_eq!(fake.says(&format!("GET {path}")).0, 404, "{path}");
    }
    assert_eq!(fake.says("OPTIONS /x").0, 404);
    for path in [
        "/connections/0.0%230",
        "/connections/2.0%230",
        "/connections/65535.1%232",
    ] {
        let (status, text) = fake.says(&format!("GET {path}"));
        assert!(
            status == 404 && text.starts_with("there is no connection "),
            "{path}: {text}"
        );
    }
    for (head, allow) in [
        ("POST /connections", "GET, HEAD, OPTIONS"),
        ("DELETE /connections/0.0%230", "GET, HEAD, OPTIONS"),
        ("PUT /gone", "GET, HEAD, OPTIONS"),
        ("POST /dead-letters", "GET, HEAD, OPTIONS"),
        ("POST /metrics", "GET, HEAD, OPTIONS"),
        ("GET /dead-letters/resubmit", "POST, OPTIONS"),
        ("GET /dead-letters/1/resubmit", "POST, OPTIONS"),
        ("DELETE /dead-letters/resubmit", "POST, OPTIONS"),
        ("GET /dead-letters/1", "DELETE, OPTIONS"),
    ] {
        let (_, path) = head.split_once(' ').expect("two words");
        let refused = fake.response(&format!("{head} HTTP/1.1\r\nHost: localhost"));
        let told = fake.response(&format!("OPTIONS {path} HTTP/1.0"));
        for (out, begin) in [
            (refused, "HTTP/1.1 405 Method Not Allowed\r\n"),
            (told, "HTTP/1.1 200 OK\r\n"),
        ] {
            assert!(out.starts_with(begin), "{out}");
            let allow = format!("\r\nAllow: {allow}\r\n");
            assert!(out.contains(&allow), "{head}: {out}");
        }
    }
    assert_eq!(fake.says("OPTIONS *"), (200, String::new()));
}

#[test]
fn the_metrics_page_adds_all_shards_up() {
    let fake = FakeServer::new(&[]);
    fake.connect(0);
    fake.connect(1);
    for method in ["GET", "HEAD"] {
        let (status, page) = fake.says(&format!("{method} /metrics"));
        assert_eq!(status, 200);
        assert!(page.contains("\nws_active_connections 2\n"), "{page}");
    }
    let head = fake.response("HEAD /metrics HTTP/1.0");
    for line in [
        "Content-Type: text/plain; version=0.0.4",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
    }
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(fake.says("GET /metrics?x=1").0, 400);
}

#[test]
fn a_wrong_parameter_is_refused_with_what_is_allowed() {
    let fake = FakeServer::new(&[]);
    for (target, says) in [
        (
            "/connections?limit=0",
            "limit cannot be \"0\"; it takes 1 to 1000",
        ),
        (
            "/connections?limit=1001",
            "limit cannot be \"1001\"; it takes 1 to 1000",
        ),
        (
            "/connections?min-queued=-1",
            "min-queued cannot be \"-1\"; it takes 0 to 4294967295",
        ),
        ("/connections?min-bytes=4GiB", "min-bytes cannot be"),
        ("/connections?min-age=5", "min-age cannot be"),
        ("/connections?min-age=25h", "min-age cannot be"),
        (
            "/connections?sort=name",
            "sort cannot be \"name\"; it takes queued, bytes, age",
        ),
        ("/connections?sort=age&sort=age", "sort stands twice"),
        (
            "/connections?rooms=r",
            "there is no parameter \"rooms\"; this page takes room, ",
        ),
        (
            "/connections/0.0%230?limit=1",
            "there is no parameter \"limit\"; this page takes no",
        ),
        (
            "/gone?room=r",
            "there is no parameter \"room\"; this page takes limit",
        ),
        ("/dead-letters?limit=x", "limit cannot be \"x\""),
        (
            "/connections/0.0",
            "a connection is named like 0.12#3: shard, slot and generation; in",
        ),
        ("/connections/x", "a connection is named like"),
        ("/connections/", "a connection is named like"),
    ] {
        let (status, text) = fake.says(&format!("GET {target}"));
        assert!(
            status == 400 && text.starts_with(says),
            "{target}: {status} {text}"
        );
    }
    for target in ["/dead-letters/x/resubmit", "/dead-letters/+1/resubmit"] {
        assert_eq!(fake.says(&format!("POST {target}")).0, 400, "{target}");
    }
    for good in [
        "limit=1&sort=age&min-age=24h&min-bytes=4294967295&min-queued=4294967295&room=",
        "min-age=0s&min-bytes=64KiB&sort=queued",
        "sort=bytes",
        "",
    ] {
        assert_eq!(
            fake.says(&format!("GET /connections?{good}")).0,
            200,
            "{good}"
        );
    }
}

#[test]
fn browsers_may_change_nothing_and_content_is_ignored() {
    let fake = FakeServer::new(&[]);
    let status = |method: &str, field: &str| {
        let head =
            format!("{method} /dead-letters/resubmit HTTP/1.1\r\nHost: localhost\r\n{field}");
        fake.request(&head).status()
    };
    assert_eq!(status("POST", "Accept: */*"), 200);
    assert_eq!(status("POST", "Content-Length: 0"), 200);
    assert_eq!(status("POST", "Origin: http://h"), 403);
    assert_eq!(status("POST", "Sec-Fetch-Site: cross-site"), 403);
    assert_eq!(status("POST", "Content-Length: 1"), 200);
    assert_eq!(status("POST", "Transfer-Encoding: chunked"), 200);
    let reading = "GET /connections HTTP/1.1\r\nHost: localhost\r\nOrigin: http://h";
    assert_eq!(fake.request(reading).status(), 200);
}

#[test]
fn responses_are_counted_by_status() {
    let answered = StatusCounters::default();
    for status in [200, 200, 405, 599] {
        answered.count(status);
    }
    let counted = STATUSES.into_iter().zip(answered.counts());
    let some: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
    assert_eq!(some, [(200, 2), (405, 1), (500, 1)]);
}

#[test]
fn a_server_takes_traffic_if_all_shards_answer_and_none_is_about_to_end() {
    let mut fake = FakeServer::new(&[]);
    assert_eq!(fake.says("GET /healthz"), (200, "ok".into()));
    assert_eq!(fake.says("GET /readyz"), (200, "ready".into()));
    assert_eq!(fake.says("HEAD /readyz").0, 200);
    assert_eq!(fake.says("POST /readyz").0, 405);
    assert_eq!(fake.says("GET /readyz?limit=1").0, 400);
    fake.silent.push(ShardId(1));
    let (status, text) = fake.says("GET /readyz");
    assert_eq!(status, 503);
    assert!(text.starts_with("shard 1 does not answer"), "{text}");
    assert_eq!(fake.says("GET /healthz").0, 200);
    fake.silent.clear();
    fake.shards[0].lock().expect("no panic").handle_leaving();
    assert_eq!(fake.says("GET /readyz"), (503, "about to end".into()));
}
