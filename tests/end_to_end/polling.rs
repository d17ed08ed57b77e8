//! Long polling against the running server: answers that are lost, requests that are repeated or overtake
//! one another, two polls at once, sessions that end, and requests that are wrong.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stentor_tests::Adapter;
use stentor_tests::process::SOON;

use crate::raw::RawSocket;
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    each_publication_comes_once_and_in_order_whatever_is_lost,
    a_batch_is_given_again_until_it_is_acknowledged,
    a_second_poll_ends_the_first,
    commands_that_come_again_are_carried_out_once,
    a_poll_waits_as_long_as_is_set_and_a_session_as_long_as_it_may,
    requests_that_are_wrong_get_their_status_and_touch_nobody,
    a_session_whose_queue_is_full_ends_and_others_go_on,
}

fn start(adapter: Adapter, flags: &str) -> ServerProcess {
    let channels = "--shards 2 --channel.without-namespace.history-size 1000 \
                    --channel.without-namespace.history-ttl 1h --client.insecure";
    ServerProcess::start(adapter, &format!("{channels} {flags}"))
}

/// Returns a request with this content.
fn request(body: &str) -> Vec<u8> {
    let len = body.len();
    let head = "POST /connection/poll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    format!("{head}Content-Type: application/json\r\nContent-Length: {len}\r\n\r\n{body}")
        .into_bytes()
}

/// Sends a request over a connection of its own.
fn post(server: &ServerProcess, body: &str) -> RawSocket {
    let mut raw = RawSocket::connect(server.address());
    raw.send(&request(body));
    raw
}

fn answer(mut raw: RawSocket) -> (u16, Value) {
    let response = raw.response();
    let body = serde_json::from_str(&response.body);
    (
        response.status,
        body.unwrap_or_else(|_| panic!("{}", response.body)),
    )
}

fn ask(server: &ServerProcess, body: &Value) -> (u16, Value) {
    answer(post(server, &body.to_string()))
}

/// A client that polls.
struct Poller {
    session: String,
    node: String,
    seq: u64,
    command: u32,
}

impl Poller {
    fn connect(server: &ServerProcess) -> Self {
        let (status, page) = ask(server, &json!({ "commands": [{ "id": 1, "connect": {} }] }));
        assert_eq!(status, 200, "{page}");
        assert!(
            page["replies"][0]["connect"]["client"].is_string(),
            "{page}"
        );
        let text = |name: &str| page[name].as_str().expect("a text").to_owned();
        Self {
            session: text("session"),
            node: text("node"),
            seq: page["seq"].as_u64().expect("a number"),
            command: 1,
        }
    }

    fn subscribed(server: &ServerProcess, channel: &str) -> Self {
        let mut poller = Self::connect(server);
        let replies = poller.command(server, json!({ "subscribe": { "channel": channel } }));
        assert!(replies[0]["subscribe"].is_object(), "{replies:?}");
        poller
    }

    fn body(&self, commands: &[Value]) -> String {
        json!({
            "session": self.session,
            "node": self.node,
            "seq": self.seq,
            "commands": commands,
        })
        .to_string()
    }

    /// Polls, and acknowledges what comes with the next one.
    fn poll(&mut self, server: &ServerProcess, commands: &[Value]) -> Vec<Value> {
        let (status, page) = answer(post(server, &self.body(commands)));
        assert_eq!(status, 200, "{page}");
        self.take(&page)
    }

    fn take(&mut self, page: &Value) -> Vec<Value> {
        self.seq = page["seq"].as_u64().expect("a number");
        page["replies"].as_array().expect("a list").clone()
    }

    fn command(&mut self, server: &ServerProcess, mut command: Value) -> Vec<Value> {
        self.command += 1;
        command["id"] = self.command.into();
        self.poll(server, &[command])
    }
}

fn publish(server: &ServerProcess, channel: &str, data: u64) {
    let command = json!({ "id": 2, "publish": { "channel": channel, "data": data } });
    let connect = json!({ "id": 1, "connect": {} });
    let (status, page) = ask(server, &json!({ "commands": [connect, command] }));
    assert_eq!(status, 200, "{page}");
}

fn data(replies: &[Value]) -> Vec<u64> {
    let pushes = replies
        .iter()
        .filter(|reply| reply["push"]["pub"].is_object());
    pushes
        .map(|push| push["push"]["pub"]["data"].as_u64().expect("a number"))
        .collect()
}

fn each_publication_comes_once_and_in_order_whatever_is_lost(adapter: Adapter) {
    const COUNT: u64 = 300;
    let server = start(adapter, "");
    let mut poller = Poller::subscribed(&server, "news");
    let mut publisher = Poller::connect(&server);
    let (mut heard, mut published, mut chance) = (Vec::new(), 0, 12_345_u64);
    let mut next = move |below: u64| {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (chance >> 33) % below
    };
    let begin = Instant::now();
    while (heard.len() as u64) < COUNT {
        assert!(begin.elapsed() < 4 * SOON, "{} came", heard.len());
        for _ in 0..next(4) {
            if published < COUNT {
                let publish = json!({ "publish": { "channel": "news", "data": published } });
                publisher.command(&server, publish);
                published += 1;
            }
        }
        if published == heard.len() as u64 {
            continue;
        }
        match next(5) {
            // The answer is lost: the connection ends before it, or is not read.
            0 => post(&server, &poller.body(&[])).reset(),
            1 => drop(post(&server, &poller.body(&[]))),
            // The request comes twice, and the second one is read.
            2 => {
                let first = post(&server, &poller.body(&[]));
                heard.extend(data(&poller.poll(&server, &[])));
                drop(first);
            }
            _ => heard.extend(data(&poller.poll(&server, &[]))),
        }
    }
    assert!(heard.iter().copied().eq(0..COUNT), "{heard:?}");
}

fn a_batch_is_given_again_until_it_is_acknowledged(adapter: Adapter) {
    let server = start(adapter, "");
    let mut poller = Poller::subscribed(&server, "news");
    publish(&server, "news", 1);
    let body = poller.body(&[]);
    let first = answer(post(&server, &body));
    // More that waits meanwhile does not come into it.
    publish(&server, "news", 2);
    for _ in 0..3 {
        assert_eq!(answer(post(&server, &body)), first);
    }
    assert_eq!(data(&poller.take(&first.1)), [1]);
    assert_eq!(data(&poller.poll(&server, &[])), [2]);
    // What is acknowledged is gone, and what never was is not there.
    assert_eq!(answer(post(&server, &body)).0, 409);
    let seq = poller.seq;
    for wrong in [seq + 1, seq + 100, u64::MAX] {
        poller.seq = wrong;
        let (status, page) = answer(post(&server, &poller.body(&[])));
        assert_eq!((status, &page["code"]), (409, &json!(409)), "{wrong}");
    }
    poller.seq = seq;
    publish(&server, "news", 3);
    assert_eq!(data(&poller.poll(&server, &[])), [3]);
}

fn a_second_poll_ends_the_first(adapter: Adapter) {
    let server = start(adapter, "");
    let mut poller = Poller::subscribed(&server, "news");
    let first = post(&server, &poller.body(&[]));
    // The first one must be there, or it would end the second.
    crate::server::eventually("the first waits", || {
        server
            .metrics()
            .get("stentor_connections_waiting{for=\"shards\"}")
            == 1
    });
    let second = post(&server, &poller.body(&[]));
    let (status, page) = answer(first);
    assert_eq!((status, &page["replies"]), (200, &json!([])));
    assert_eq!(page["seq"], poller.seq);
    publish(&server, "news", 7);
    let (_, page) = answer(second);
    assert_eq!(data(&poller.take(&page)), [7]);
    publish(&server, "news", 8);
    assert_eq!(data(&poller.poll(&server, &[])), [8]);
}

fn commands_that_come_again_are_carried_out_once(adapter: Adapter) {
    let server = start(adapter, "");
    let mut listener = Poller::subscribed(&server, "news");
    let mut poller = Poller::connect(&server);
    let publish =
        |id: u32, data: u64| json!({ "id": id, "publish": { "channel": "news", "data": data } });
    // The answer is lost, so the commands come again, with a new one behind them.
    let body = poller.body(&[publish(2, 1), publish(3, 2)]);
    let lost = answer(post(&server, &body));
    let again = answer(post(
        &server,
        &poller.body(&[publish(2, 1), publish(3, 2), publish(4, 3)]),
    ));
    assert_eq!(again.1["seq"], lost.1["seq"]);
    poller.take(&again.1);
    // One that was overtaken.
    poller.poll(&server, &[publish(6, 5)]);
    poller.poll(&server, &[publish(5, 4), publish(6, 5)]);
    let mut heard = Vec::new();
    while heard.len() < 5 {
        heard.extend(data(&listener.poll(&server, &[])));
    }
    assert_eq!(heard, [1, 2, 3, 5, 4]);
}

fn a_poll_waits_as_long_as_is_set_and_a_session_as_long_as_it_may(adapter: Adapter) {
    let server = start(adapter, "--poll.wait 300ms --client.detached-for 5s");
    let mut poller = Poller::subscribed(&server, "news");
    let (seq, begin) = (poller.seq, Instant::now());
    assert!(poller.poll(&server, &[]).is_empty());
    assert_eq!(poller.seq, seq, "nothing is acknowledged by nothing");
    assert!(begin.elapsed() >= Duration::from_millis(300));
    crate::server::eventually("the session ends", || {
        server.metrics().get("stentor_poll_sessions") == 0
    });
    let (status, page) = answer(post(&server, &poller.body(&[])));
    assert_eq!((status, &page["code"]), (404, &json!(404)), "{page}");
    assert!(page["message"].is_string());
}

fn requests_that_are_wrong_get_their_status_and_touch_nobody(adapter: Adapter) {
    let server = start(adapter, "");
    let mut other = Poller::subscribed(&server, "news");
    let poller = Poller::connect(&server);
    let with_session = |session: &str| json!({ "session": session, "seq": 1 }).to_string();
    let mut forged = poller.session.clone();
    let last = if forged.pop() == Some('0') { '1' } else { '0' };
    forged.push(last);
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ("null", 400),
        ("\"x\"", 400),
        ("{\"seq\":-1}", 400),
        ("{\"seq\":1.5}", 400),
        ("{\"seq\":18446744073709551616}", 400),
        ("{\"commands\":{}}", 400),
        ("{\"session\":5}", 400),
        ("{} {}", 400),
        (&with_session("x"), 404),
        (&with_session("0.1#1:00"), 404),
        (
            &with_session("99.1#1:00000000000000000000000000000000"),
            404,
        ),
        (&with_session(&forged), 404),
    ] {
        let (got, page) = answer(post(&server, body));
        assert_eq!((got, &page["code"]), (status, &json!(status)), "{body}");
        assert!(page["message"].is_string(), "{body}");
    }
    // Too long, and not complete.
    let long = json!({ "commands": [{ "id": 1, "connect": { "data": "x".repeat(70_000) } }] });
    let mut raw = RawSocket::connect(server.address());
    raw.send_as_far_as_possible(&request(&long.to_string()));
    assert_eq!(raw.response().status, 413);
    let whole = request(&poller.body(&[]));
    RawSocket::connect(server.address()).send(&whole[..whole.len() - 3]);
    // A session does not begin with anything but `connect`.
    let (status, page) = ask(&server, &json!({ "commands": [{ "id": 1, "rpc": {} }] }));
    assert_eq!(status, 200, "{page}");
    assert_eq!(
        page["replies"][0]["push"]["disconnect"]["code"], 3501,
        "{page}"
    );
    publish(&server, "news", 1);
    assert_eq!(data(&other.poll(&server, &[])), [1]);
}

fn a_session_whose_queue_is_full_ends_and_others_go_on(adapter: Adapter) {
    let server = start(adapter, "--client.queue-max-size 16KiB");
    let slow = Poller::subscribed(&server, "news");
    let mut well = Poller::subscribed(&server, "news");
    let mut publisher = Poller::connect(&server);
    let text = "x".repeat(1_000);
    for n in 0..100 {
        let publication =
            json!({ "publish": { "channel": "news", "data": { "n": n, "text": text } } });
        publisher.command(&server, publication);
        let mut heard = 0;
        while heard == 0 {
            let replies = well.poll(&server, &[]);
            let pushes = replies
                .iter()
                .filter(|reply| reply["push"]["pub"].is_object());
            for push in pushes {
                assert_eq!(push["push"]["pub"]["data"]["n"], n);
                heard += 1;
            }
        }
    }
    // It is told why with what it gets last, or it is gone already.
    let (status, page) = answer(post(&server, &slow.body(&[])));
    assert!(
        status == 404 || page.to_string().contains("3008"),
        "{status}: {page}"
    );
    // The two others poll on.
    assert_eq!(server.metrics().get("stentor_poll_sessions"), 2);
}
