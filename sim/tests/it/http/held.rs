//! Requests that the application holds: what it does before it answers, and what becomes of those
//! that it does not answer.

use stentor_core::inspect::{Lookup, WaitReason};
use stentor_core::proto::http::HandshakeError;

use super::*;

fn hold(body: &str) -> String {
    let length = body.len();
    format!("POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// What the application has seen behind the first thing.
fn last_seen(one: &One) -> String {
    one.seen().pop().expect("the request at least")
}

#[test]
fn it_is_answered_at_once_or_from_a_later_callback_and_the_connection_is_kept() {
    let mut one = One::new(config());
    assert_eq!(
        responses(&one.send(hold("at once").as_bytes())),
        [answered(200, "at once")]
    );
    assert_eq!(
        responses(&one.send(hold("twice").as_bytes())),
        [answered(200, "first")]
    );
    assert_eq!(
        responses(&one.send(hold("publish").as_bytes())),
        [answered(200, "accepted 7")]
    );
    assert_eq!(one.send(hold("timer").as_bytes()), "");
    assert_eq!(
        responses(&one.pass(Duration::from_millis(200))),
        [answered(200, "timer")]
    );
    assert_eq!(one.send(hold("task").as_bytes()), "");
    one.shard.handle_task(one.now, one.id, TaskEnd::Done(3));
    assert_eq!(responses(&one.turn()), [answered(200, "Done")]);
    // It is no session, and no one hears of its end.
    let stats = one.shard.stats();
    assert_eq!((stats.links.opened, stats.links.requests_held), (0, 5));
    assert_eq!(stats.channels.members, 0);
    assert_eq!(stats.delivery.queued, 0);
    assert!(one.shard.is_quiet());
    one.shard.handle_eof(one.now, one.id);
    one.turn();
    assert!(one.is_closed);
    assert!(!one.seen().iter().any(|seen| seen.starts_with("closed")));
    one.shard.assert_bare();
}

#[test]
fn requests_behind_it_wait() {
    let mut one = One::new(config());
    let all = [hold("none"), get("/page"), get("/page")].concat();
    assert_eq!(one.send(all.as_bytes()), "");
    assert!(!one.shard.is_reading(one.id));
    let Some(Lookup::Here(known)) = one.shard.explain(one.now, one.id) else {
        panic!("it is here");
    };
    assert!(known.awaits.contains(&WaitReason::Application), "{known:?}");
    let all = [hold("timer"), get("/page")].concat();
    let mut two = One::new(config());
    assert_eq!(two.send(all.as_bytes()), "");
    assert_eq!(
        responses(&two.pass(Duration::from_millis(200))),
        [answered(200, "timer"), answered(200, "GET ")]
    );
}

#[test]
fn questions_hold_up_what_follows_until_all_shards_have_answered() {
    let mut one = One::new(config());
    assert_eq!(
        responses(&one.send(hold("ask").as_bytes())),
        [answered(200, "behind the answers")]
    );
    let seen = one.seen();
    assert_eq!(
        seen[1..],
        [r#"asked b"who""#, r#"1: [(ShardId(0), b"me")]"#, "2: []"]
    );
    assert_eq!(one.shard.stats().channels.questions, 1);
    assert!(one.shard.is_quiet());
}

#[test]
fn one_that_is_not_answered_in_time_is_refused_and_the_application_told() {
    let timeout = Duration::from_millis(800);
    let mut one = One::new(config().answer_timeout(timeout));
    one.send((hold("none") + &get("/page")).as_bytes());
    for _ in 0..16 {
        assert_eq!(one.pass(timeout / 16), "");
    }
    let refused = one.pass(timeout / 8);
    assert!(refused.starts_with("HTTP/1.1 504 "), "{refused}");
    assert_eq!(last_seen(&one), "closed none handler");
    let late = HandshakeError::AnswerTimeout.index();
    assert_eq!(one.shard.stats().refused[late], 1);
    assert!(one.is_shut, "what is behind it is not answered");
    one.shard.handle_eof(one.now, one.id);
    one.turn();
    one.shard.assert_bare();
}

#[test]
fn one_may_take_longer_if_the_application_says_so() {
    let timeout = Duration::from_millis(800);
    let mut one = One::new(config().answer_timeout(timeout));
    one.send(hold("longer").as_bytes());
    for _ in 0..200 {
        assert_eq!(one.pass(timeout / 8), "");
    }
    assert!(!one.is_shut);
}

#[test]
fn a_client_that_goes_is_told_to_the_application_once() {
    for body in ["none", "task", "timer"] {
        let mut one = One::new(config());
        one.send(hold(body).as_bytes());
        one.shard.handle_disconnect(one.now, one.id);
        one.turn();
        assert!(one.is_closed);
        assert_eq!(last_seen(&one), format!("closed {body} reset"));
        assert_eq!(one.pass(Duration::from_secs(1)), "");
        if body == "task" {
            one.shard.handle_task(one.now, one.id, TaskEnd::Done(1));
            one.turn();
        }
        one.shard.assert_bare();
    }
}

#[test]
fn a_panic_answers_it_with_500_and_nobody_else_is_harmed() {
    let mut one = One::new(config());
    let refused = one.send(hold("panic").as_bytes());
    assert!(refused.starts_with("HTTP/1.1 500 "), "{refused}");
    assert_eq!(last_seen(&one), "closed panic panic");
    assert_eq!(one.shard.stats().links.panics, 1);
    one.shard.handle_eof(one.now, one.id);
    one.turn();
    one.shard.assert_bare();
}
