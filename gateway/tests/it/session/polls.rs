//! Clients that poll: a conformance script with answers that are lost, duplicates, requests that
//! overtake one another, two polls at once, and sessions that have expired.

use std::time::Duration;

use serde_json::{Value, json};
use stentor_core::ConnId;
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings};

use super::server::Server;
use super::{insecure, settings, token, with_history};

const PATH: &str = "/connection/poll";

fn open() -> Server {
    Server::new(insecure(with_history(1_000)))
}

fn post(server: &mut Server, body: &Value) -> ConnId {
    server.post(PATH, &[], body.to_string().as_bytes())
}

/// Returns the answer to a poll; `None` if it waits.
fn answer(server: &Server, poll: ConnId) -> Option<(u16, Value)> {
    let status = server.status_if_any(poll)?;
    let body = serde_json::from_str(server.body(poll)).expect("JSON");
    Some((status, body))
}

/// A client that polls, and what it has taken.
struct Poller {
    session: String,
    node: String,
    /// The number of the last batch that it has taken.
    seq: u64,
    command: u32,
    replies: Vec<Value>,
}

impl Poller {
    fn begin(server: &mut Server) -> Self {
        Self::begin_with(server, &json!([{"id": 1, "connect": {}}]))
    }

    fn begin_with(server: &mut Server, commands: &Value) -> Self {
        let poll = post(server, &json!({"commands": commands}));
        let (status, body) = answer(server, poll).expect("an answer at once");
        assert_eq!((status, &body["seq"]), (200, &json!(1)), "{body}");
        let text = |key: &str| body[key].as_str().expect("a text").to_owned();
        let mut poller = Self {
            session: text("session"),
            node: text("node"),
            seq: 0,
            command: 1,
            replies: Vec::new(),
        };
        poller.take(&body);
        poller
    }

    fn body(&self, commands: &[Value]) -> Value {
        json!({"session": self.session, "node": self.node, "seq": self.seq, "commands": commands})
    }

    fn poll(&self, server: &mut Server, commands: &[Value]) -> ConnId {
        post(server, &self.body(commands))
    }

    /// Takes an answer, as a client does that may get one twice.
    fn take(&mut self, body: &Value) {
        let seq = body["seq"].as_u64().expect("a number");
        if seq > self.seq {
            assert_eq!(seq, self.seq + 1);
            self.seq = seq;
            let replies = body["replies"].as_array().expect("a list");
            self.replies.extend(replies.iter().cloned());
        }
    }

    /// Takes the answer to a poll, if there is one.
    fn take_from(&mut self, server: &Server, poll: ConnId) -> bool {
        let Some((status, body)) = answer(server, poll) else {
            return false;
        };
        if status == 200 {
            self.take(&body);
        }
        true
    }

    /// Polls, and takes the answer, which comes at once.
    fn ask(&mut self, server: &mut Server, commands: &[Value]) {
        let poll = self.poll(server, commands);
        assert!(self.take_from(server, poll), "an answer at once");
    }

    fn publish(&mut self, channel: &str, n: u64) -> Value {
        self.command += 1;
        json!({"id": self.command, "publish": {"channel": channel, "data": {"n": n}}})
    }

    fn subscribe(&mut self, server: &mut Server, channel: &str) {
        self.command += 1;
        let command = json!({"id": self.command, "subscribe": {"channel": channel}});
        self.ask(server, &[command]);
    }

    /// Returns the numbers of the publications that it has taken.
    fn publications(&self) -> Vec<u64> {
        let pushes = self
            .replies
            .iter()
            .map(|reply| &reply["push"]["pub"]["data"]["n"]);
        pushes.filter_map(Value::as_u64).collect()
    }
}

#[test]
fn a_poll_waits_until_there_is_something_and_gives_it_at_once() {
    let mut server = open();
    let mut poller = Poller::begin(&mut server);
    assert!(poller.replies[0]["connect"]["client"].is_string());
    assert_eq!(poller.replies[0]["connect"]["ping"], Value::Null);
    poller.subscribe(&mut server, "a");
    let (other, _) = server.connected();
    for n in 0..5 {
        let poll = poller.poll(&mut server, &[]);
        assert!(answer(&server, poll).is_none());
        let command = json!({"id": n + 2, "publish": {"channel": "a", "data": {"n": n}}});
        server.ask(other, &command.to_string());
        assert!(poller.take_from(&server, poll));
    }
    // What comes between two polls waits.
    for n in 5..8 {
        let command = json!({"id": n + 2, "publish": {"channel": "a", "data": {"n": n}}});
        server.ask(other, &command.to_string());
    }
    poller.ask(&mut server, &[]);
    assert_eq!(poller.publications(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_poll_for_which_there_is_nothing_is_answered_with_nothing() {
    let mut server = open();
    let mut poller = Poller::begin(&mut server);
    let poll = poller.poll(&mut server, &[]);
    server.advance(Duration::from_millis(24_990));
    assert!(answer(&server, poll).is_none());
    server.advance(Duration::from_millis(20));
    let expected = json!({"session": poller.session, "node": "1", "seq": 1, "replies": []});
    assert_eq!(answer(&server, poll), Some((200, expected)));
    // It is not a batch.
    poller.subscribe(&mut server, "a");
    assert_eq!(poller.seq, 2);
}

#[test]
fn a_session_expires_without_polls_and_not_with_them() {
    let mut server = open();
    let mut poller = Poller::begin(&mut server);
    for _ in 0..10 {
        let poll = poller.poll(&mut server, &[]);
        server.advance(Duration::from_secs(25));
        assert!(poller.take_from(&server, poll));
        server.advance(Duration::from_secs(29));
    }
    poller.subscribe(&mut server, "a");
    server.advance(Duration::from_secs(31));
    let poll = poller.poll(&mut server, &[]);
    let expected = json!({"code": 404, "message": "no such session"});
    assert_eq!(answer(&server, poll), Some((404, expected)));
}

#[test]
fn a_batch_that_is_not_acknowledged_is_given_again() {
    let mut server = open();
    let mut poller = Poller::begin(&mut server);
    poller.subscribe(&mut server, "a");
    for n in 0..6 {
        let command = poller.publish("a", n);
        // These answers are lost.
        let lost = poller.poll(&mut server, std::slice::from_ref(&command));
        let (_, first) = answer(&server, lost).expect("an answer");
        let lost = poller.poll(&mut server, std::slice::from_ref(&command));
        let (status, again) = answer(&server, lost).expect("the same");
        assert_eq!((status, &again), (200, &first));
        // What is said meanwhile is not part of it.
        let more = poller.publish("a", 100 + n);
        let poll = poller.poll(&mut server, &[command, more]);
        let (_, again) = answer(&server, poll).expect("the same");
        assert_eq!(again, first);
        poller.take(&again);
        poller.ask(&mut server, &[]);
    }
    let expected: Vec<u64> = (0..6).flat_map(|n| [n, 100 + n]).collect();
    assert_eq!(poller.publications(), expected);
}

#[test]
fn a_second_poll_ends_the_first() {
    let mut server = open();
    let mut poller = Poller::begin(&mut server);
    poller.subscribe(&mut server, "a");
    let first = poller.poll(&mut server, &[]);
    let second = poller.poll(&mut server, &[]);
    let (status, body) = answer(&server, first).expect("it is over");
    assert_eq!((status, &body["replies"]), (200, &json!([])));
    assert!(answer(&server, second).is_none());
    let command = poller.publish("a", 1);
    let third = poller.poll(&mut server, &[command]);
    assert!(poller.take_from(&server, second));
    assert!(poller.take_from(&server, third));
    assert_eq!(poller.publications(), [1]);
}

#[test]
fn a_poll_whose_client_has_gone_takes_nothing_away() {
    let mut server = open();
    let mut poller = Poller::begin(&mut server);
    poller.subscribe(&mut server, "a");
    let gone = poller.poll(&mut server, &[]);
    server.hang_up(gone);
    let (other, _) = server.connected();
    server.ask(
        other,
        r#"{"id":2,"publish":{"channel":"a","data":{"n":7}}}"#,
    );
    poller.ask(&mut server, &[]);
    assert_eq!(poller.publications(), [7]);
}

#[test]
fn requests_that_are_wrong_say_why() {
    let mut settings = insecure(with_history(1_000));
    // What is longer than any request may be is refused before anyone looks at it.
    settings.client.max_message = 32 << 10;
    let mut server = Server::new(settings);
    let mut poller = Poller::begin(&mut server);
    poller.subscribe(&mut server, "a");
    assert_eq!(poller.seq, 2);
    let body = |session: &str, seq: i64| json!({"session": session, "seq": seq}).to_string();
    let session = poller.session.clone();
    let guess = format!("{}{}", &session[..session.len() - 32], "0".repeat(32));
    let long = format!("{{\"session\":\"{}\"}}", "x".repeat(32 << 10));
    for (body, status) in [
        (String::new(), 400),
        ("[]".into(), 400),
        ("{}".into(), 400),
        (r#"{"commands":[]}"#.into(), 400),
        (r#"{"commands":[{]}"#.into(), 400),
        (body(&session, -1), 400),
        (long, 413),
        (body(&session, 0), 409),
        (body(&session, 3), 409),
        (body(&session, i64::MAX), 409),
        (body("x", 1), 404),
        (body(&guess, 1), 404),
        (
            json!({"session": session, "node": "2", "seq": 2}).to_string(),
            404,
        ),
    ] {
        let poll = server.post(PATH, &[], body.as_bytes());
        let (found, answer) = answer(&server, poll).expect("a refusal");
        assert_eq!(
            (found, &answer["code"]),
            (status, &json!(status)),
            "{body:.80}"
        );
        assert!(answer["message"].is_string());
    }
    // Nothing of that has done it any harm.
    poller.subscribe(&mut server, "b");
    // The batch before the last is acknowledged, and not given again.
    let late = json!({"session": session, "seq": 1, "commands": []});
    let late = post(&mut server, &late);
    assert_eq!(answer(&server, late).expect("a refusal").0, 409);
    // The secret of another session is of no use here.
    let stream = server.post("/connection/http_stream", &[], br#"{"id":1,"connect":{}}"#);
    let secret = server.lines(stream)[0]["connect"]["session"].clone();
    let poll = post(&mut server, &json!({"session": secret, "seq": 0}));
    assert_eq!(answer(&server, poll).expect("a refusal").0, 404);
}

#[test]
fn the_end_of_a_session_is_in_its_last_batch() {
    let mut server = Server::new(settings(ChannelSettings::default()));
    let refused = post(
        &mut server,
        &json!({"commands": [{"id": 1, "connect": {}}]}),
    );
    let (status, body) = answer(&server, refused).expect("an answer");
    assert_eq!(status, 200);
    assert_eq!(body["replies"][0]["push"]["disconnect"]["code"], 3501);

    let connect = json!([{"id": 1, "connect": {"token": token(r#"{"sub":"42"}"#)}}]);
    let mut poller = Poller::begin_with(&mut server, &connect);
    poller.ask(&mut server, &[json!({"id": 2, "connect": {}})]);
    let end = &poller.replies[1]["push"]["disconnect"];
    assert_eq!(end["code"], 3501);
    let poll = poller.poll(&mut server, &[]);
    assert_eq!(answer(&server, poll).expect("a refusal").0, 404);

    let poller = Poller::begin_with(&mut server, &connect);
    let poll = poller.poll(&mut server, &[]);
    server.shut_down();
    let (_, body) = answer(&server, poll).expect("the end");
    assert_eq!(body["replies"][0]["push"]["disconnect"]["code"], 3001);
}

#[test]
fn a_client_that_does_not_connect_or_says_nonsense_is_closed() {
    let mut server = open();
    for commands in [
        json!([{"id": 1, "subscribe": {"channel": "a"}}]),
        json!([5]),
        json!([{}]),
    ] {
        let poll = post(&mut server, &json!({ "commands": commands }));
        let (_, body) = answer(&server, poll).expect("an answer");
        assert_eq!(
            body["replies"][0]["push"]["disconnect"]["code"], 3501,
            "{commands}"
        );
    }
}

#[test]
fn what_waits_for_a_client_that_does_not_poll_is_bounded() {
    let mut settings = insecure(ChannelOptions::default());
    settings.client.queue_max_size = 8 << 10;
    let mut server = Server::new(settings);
    let mut slow = Poller::begin(&mut server);
    slow.subscribe(&mut server, "a");
    let (quick, _) = server.connected();
    server.ask(quick, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    let data = "x".repeat(1_000);
    for n in 3..40 {
        let command = json!({"id": n, "publish": {"channel": "a", "data": data}});
        // The reply, and the push.
        assert_eq!(server.ask(quick, &command.to_string()).len(), 2);
    }
    let poll = slow.poll(&mut server, &[]);
    assert_eq!(answer(&server, poll).expect("it is closed").0, 404);
}

#[test]
fn there_are_only_so_many_sessions() {
    let mut settings = insecure(ChannelOptions::default());
    settings.transports.poll_max_sessions = 2;
    let mut server = Server::new(settings);
    let begin = json!({"commands": [{"id": 1, "connect": {}}]});
    // Each of the shards has two.
    for n in 0..12 {
        let poll = post(&mut server, &begin);
        let expected = if n < 6 { 200 } else { 503 };
        assert_eq!(answer(&server, poll).expect("an answer").0, expected, "{n}");
    }
    server.advance(Duration::from_secs(31));
    let poll = post(&mut server, &begin);
    assert_eq!(answer(&server, poll).expect("an answer").0, 200);
}

/// Numbers that look random.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Requests of a client reach the server late, twice or never, and answers are lost. The client sends
/// again what was not answered, and takes each batch once.
#[test]
fn each_publication_comes_once_and_in_order_over_any_network() {
    for seed in 0..200 {
        let mut chance = Chance(seed);
        let mut server = open();
        let mut poller = Poller::begin(&mut server);
        poller.subscribe(&mut server, "a");
        let (other, _) = server.connected();
        let (mut published, mut own) = (0, 0);
        let mut id = 1;
        // Requests on their way, and polls whose answers are.
        let mut requests: Vec<Value> = Vec::new();
        let mut polls: Vec<ConnId> = Vec::new();
        let mut unanswered: Vec<Value> = Vec::new();
        for _ in 0..120 {
            match chance.below(8) {
                0 | 1 => {
                    id += 1;
                    let command =
                        json!({"id": id, "publish": {"channel": "a", "data": {"n": published}}});
                    published += 1;
                    server.ask(other, &command.to_string());
                }
                2 => {
                    own += 1;
                    let command = poller.publish("b", own);
                    unanswered.push(command);
                    requests.push(poller.body(&unanswered));
                }
                3 => requests.push(poller.body(&unanswered)),
                4 if !requests.is_empty() => {
                    let at = chance.below(requests.len() as u64) as usize;
                    requests.push(requests[at].clone());
                }
                5 | 6 if !requests.is_empty() => {
                    let at = chance.below(requests.len() as u64) as usize;
                    let request = requests.swap_remove(at);
                    if chance.below(5) > 0 {
                        polls.push(post(&mut server, &request));
                    }
                }
                _ => {
                    let mut waiting = Vec::new();
                    for poll in polls.drain(..) {
                        if server.status_if_any(poll).is_none() {
                            waiting.push(poll);
                        } else if chance.below(3) > 0 {
                            poller.take_from(&server, poll);
                        }
                    }
                    polls = waiting;
                }
            }
            let answered = |command: &Value| {
                poller
                    .replies
                    .iter()
                    .any(|reply| reply["id"] == command["id"])
            };
            unanswered.retain(|command| !answered(command));
        }
        for _ in 0..200 {
            let poll = poller.poll(&mut server, &unanswered);
            let was_answered = poller.take_from(&server, poll);
            let answered = |command: &Value| {
                poller
                    .replies
                    .iter()
                    .any(|reply| reply["id"] == command["id"])
            };
            unanswered.retain(|command| !answered(command));
            if !was_answered {
                break;
            }
        }
        assert!(unanswered.is_empty(), "seed {seed}");
        let expected: Vec<u64> = (0..published).collect();
        assert_eq!(poller.publications(), expected, "seed {seed}");
        // Of its own publications, too, each was made once.
        let history = r#"{"id":1000,"history":{"channel":"b","limit":-1}}"#;
        let replies = server.ask(other, history);
        let replies = replies
            .iter()
            .find(|reply| reply["id"] == 1000)
            .expect("a reply");
        let made = replies["history"]["publications"]
            .as_array()
            .expect("a list");
        let mut made: Vec<_> = made
            .iter()
            .filter_map(|one| one["data"]["n"].as_u64())
            .collect();
        made.sort_unstable();
        assert_eq!(made, (1..=own).collect::<Vec<u64>>(), "seed {seed}");
    }
}
