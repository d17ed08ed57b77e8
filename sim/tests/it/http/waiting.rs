//! Requests that wait for a task: their order, what else happens meanwhile, and their time limit.

use stentor_core::inspect::{Lookup, WaitReason};
use stentor_core::proto::http::HandshakeError;

use super::*;

#[test]
fn a_request_waits_for_its_task_and_those_behind_it_wait_too() {
    let mut one = One::new(config());
    let post = "POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\njob";
    assert_eq!(
        one.send(&[post.as_bytes(), get("/page").as_bytes()].concat()),
        ""
    );
    assert_eq!(one.tasks, ["job"]);
    assert!(
        !one.shard.is_reading(one.id),
        "what it says next would have to be kept"
    );
    assert!(!one.shard.is_quiet());
    let Some(Lookup::Here(known)) = one.shard.explain(one.now, one.id) else {
        panic!("it is here");
    };
    assert!(known.awaits.contains(&WaitReason::Task), "{known:?}");
    assert_eq!(known.peer, "192.0.2.7:9".parse().ok());
    one.shard.handle_task(one.now, one.id, TaskEnd::Done(201));
    let written = one.turn();
    assert_eq!(
        responses(&written),
        [answered(201, "/waitjob"), answered(200, "GET ")]
    );
    assert!(one.shard.is_reading(one.id));
    // A task that nobody took.
    one.send(post.as_bytes());
    one.shard
        .handle_task(one.now, one.id, TaskEnd::Refused("no room".into()));
    assert_eq!(responses(&one.turn()), [answered(503, "no room")]);
    assert!(one.shard.is_quiet());
}

#[test]
fn an_upgrade_can_wait_for_a_task_and_what_the_client_sent_behind_it_is_read() {
    let mut one = One::new(config());
    let frame = masked(Opcode::Text, true, [0; 4], b"time");
    assert_eq!(
        one.send(&[upgrade("/later").as_bytes(), &frame].concat()),
        ""
    );
    assert_eq!(one.tasks, ["later"]);
    let unix = Duration::from_secs(1_700_000_000);
    one.shard.handle_wall_clock(one.now, unix);
    one.shard.handle_task(one.now, one.id, TaskEnd::Done(200));
    let opened = one.turn();
    assert!(opened.starts_with("HTTP/1.1 101 "), "{opened}");
    assert!(opened.contains("hello late"), "{opened}");
    assert!(opened.ends_with("1 1700000000"), "{opened}");
}

#[test]
fn a_client_that_goes_while_its_request_waits_leaves_nothing() {
    let mut one = One::new(config());
    one.send(get("/wait").as_bytes());
    one.shard.handle_disconnect(one.now, one.id);
    one.turn();
    assert!(one.is_closed);
    one.shard.handle_task(one.now, one.id, TaskEnd::Done(200));
    assert_eq!(one.turn(), "");
    assert_eq!(one.shard.stats().links.outcomes_gone, 1);
    one.shard.assert_bare();
}

/// It would outlive the close of all connections that a drain ends with.
#[test]
fn an_upgrade_that_has_waited_is_refused_if_the_server_drains_by_then() {
    let mut one = One::new(config());
    one.send(upgrade("/later").as_bytes());
    one.shard.handle_drain(one.now);
    one.turn();
    one.shard.handle_task(one.now, one.id, TaskEnd::Done(200));
    let refused = one.turn();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(one.is_shut);
    assert_eq!(one.shard.stats().links.opened, 0);
}

#[test]
fn draining_ends_kept_connections_after_their_answer() {
    let mut one = One::new(config());
    one.send(get("/wait").as_bytes());
    one.shard.handle_drain(one.now);
    one.turn();
    one.shard.handle_task(one.now, one.id, TaskEnd::Done(200));
    let answer = one.turn();
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
    assert!(one.is_shut);
}

/// The edge of the time limit, in steps: whoever looks too late gives the task more time.
fn wait_out(one: &mut One, timeout: Duration) -> String {
    for step in 0..16 {
        assert!(!one.is_shut, "{step}");
        assert_eq!(one.pass(timeout / 16), "", "{step}");
    }
    one.pass(timeout / 8)
}

#[test]
fn a_request_whose_task_takes_too_long_is_refused() {
    let timeout = Duration::from_millis(800);
    for request in [get("/wait"), upgrade("/later")] {
        let mut one = One::new(config().answer_timeout(timeout));
        assert_eq!(one.send((request + &get("/page")).as_bytes()), "");
        let (due, _) = one.shard.poll_timeout().expect("its time limit");
        let (end, tick) = (one.now.after(timeout), one.shard.config().tick());
        assert!((end..=end.after(tick)).contains(&due), "{due:?}");
        let refused = wait_out(&mut one, timeout);
        assert!(refused.starts_with("HTTP/1.1 504 "), "{refused}");
        assert!(refused.contains("\r\nConnection: close\r\n"), "{refused}");
        assert!(one.is_shut, "what is behind it is not answered");
        let stats = one.shard.stats();
        let late = HandshakeError::AnswerTimeout.index();
        assert_eq!(
            (stats.refused[late], stats.refused.iter().sum()),
            (1, 1_u64)
        );
        // The task ends after all.
        one.shard.handle_task(one.now, one.id, TaskEnd::Done(200));
        assert_eq!(one.turn(), "");
        assert_eq!(one.shard.stats().links.outcomes_gone, 1);
        assert!(one.shard.is_reading(one.id), "until the client has closed");
        one.shard.handle_eof(one.now, one.id);
        one.turn();
        assert!(one.is_closed);
        one.shard.assert_bare();
    }
}

#[test]
fn a_task_that_ends_within_the_time_limit_is_in_time() {
    let timeout = Duration::from_millis(800);
    let mut one = One::new(config().answer_timeout(timeout));
    one.send(get("/wait").as_bytes());
    for _ in 0..15 {
        assert_eq!(one.pass(timeout / 16), "");
    }
    one.shard.handle_task(one.now, one.id, TaskEnd::Done(200));
    assert_eq!(responses(&one.turn()), [answered(200, "/wait")]);
    // The next request has all of its time.
    one.send(get("/wait").as_bytes());
    let refused = wait_out(&mut one, timeout);
    assert!(refused.starts_with("HTTP/1.1 504 "), "{refused}");
}

/// The end of the task may be among what it has not handled yet.
#[test]
fn a_shard_that_looks_too_late_gives_a_task_more_time_once() {
    let timeout = Duration::from_millis(800);
    let mut one = One::new(config().answer_timeout(timeout));
    one.send(b"HEAD /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(one.pass(2 * timeout), "");
    assert_eq!(one.pass(timeout - Duration::from_millis(1)), "");
    let refused = one.pass(timeout);
    assert!(refused.starts_with("HTTP/1.1 504 "), "{refused}");
    assert!(refused.ends_with("\r\n\r\n"), "HEAD has no content");
}
