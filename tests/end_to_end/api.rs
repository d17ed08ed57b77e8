//! Tests of the server API: a backend publishes, asks and disconnects over kept connections, and what
//! is no call, or a caller that does not read, harms nobody.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use stentor_tests::Adapter;

use crate::raw::{CLOSE, RawSocket, TEXT};
use crate::server::{ServerProcess, eventually};
use crate::witnesses::Witnesses;

stentor_tests::for_each_adapter! {
    a_backend_publishes_to_clients_of_both_protocols,
    many_calls_go_over_one_connection,
    a_backend_acts_on_the_clients_of_all_shards,
    what_is_no_call_harms_nobody,
    half_a_call_ends_with_the_handshake_timeout,
    wrong_keys_are_refused_and_counted_as_nothing_else,
    a_caller_that_does_not_read_its_answers_waits_alone,
    a_caller_that_goes_before_its_answer_leaves_nothing,
    with_an_internal_listener_the_api_is_there_and_only_there,
}

const FLAGS: &str = "--shards 4 --http-api.key=key --channel.without-namespace.presence=true \
    --channel.without-namespace.history-size=10 --channel.without-namespace.history-ttl=300s \
    --seed-protocol.enabled=true";

/// The witnesses, a backend, and the request for the metrics.
const KEPT_BY_TESTS: u64 = 4;

/// A caller of the API, whose connection is kept.
struct Backend(RawSocket);

impl Backend {
    fn of(server: &ServerProcess) -> Self {
        Self::at(server.address())
    }

    fn at(address: SocketAddr) -> Self {
        Self(RawSocket::connect(address))
    }

    fn send(&mut self, method: &str, body: &str) {
        self.0.send(&call(method, "key", body));
    }

    /// The status of the next answer, and its content.
    fn receive(&mut self) -> (u16, String) {
        let head = self.0.head();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let len = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let len = len.and_then(|len| len.parse().ok()).expect("a length");
        let body = String::from_utf8(self.0.bytes(len)).expect("text");
        (status.expect("a status"), body)
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.send(method, &params.to_string());
        let (status, body) = self.receive();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }
}

fn call(method: &str, key: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!(
        "POST /api/{method} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\
         Content-Length: {len}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A client of the channel protocol.
struct Client(RawSocket);

impl Client {
    fn of(server: &ServerProcess) -> Self {
        let mut raw = RawSocket::connect(server.address());
        let upgrade = String::from_utf8(crate::raw::upgrade(&[])).expect("text");
        raw.send(upgrade.replace("/ws", "/connection/websocket").as_bytes());
        raw.expect_upgrade();
        let mut client = Self(raw);
        client.send(json!({ "id": 1, "connect": {} }));
        client.hear();
        client
    }

    fn subscribed(server: &ServerProcess, channel: &str) -> Self {
        let mut client = Self::of(server);
        client.send(json!({ "id": 2, "subscribe": { "channel": channel } }));
        client.hear();
        client
    }

    fn send(&mut self, command: Value) {
        self.0.say(&command.to_string());
    }

    fn hear(&mut self) -> Value {
        let frame = self.0.hear().expect("not the end");
        assert_eq!(frame.opcode, TEXT, "{frame:?}");
        serde_json::from_str(frame.text()).expect("JSON")
    }
}

fn a_backend_publishes_to_clients_of_both_protocols(adapter: Adapter) {
    let server = ServerProcess::start(adapter, FLAGS);
    let mut witnesses = Witnesses::of(&server);
    let mut clients: Vec<_> = (0..8)
        .map(|_| Client::subscribed(&server, "witnesses"))
        .collect();
    let mut backend = Backend::of(&server);
    for offset in 1..=3 {
        let params = json!({ "channel": "witnesses", "data": { "n": offset } });
        let answer = backend.call("publish", &params);
        assert_eq!(answer["result"]["offset"], offset);
        for client in &mut clients {
            let publication = client.hear()["push"]["pub"].clone();
            assert_eq!(publication["data"], json!({ "n": offset }));
            assert_eq!(publication["offset"], offset);
        }
        witnesses.hear(&format!("{{\"n\":{offset}}}"));
    }
    let history = backend.call("history", &json!({ "channel": "witnesses", "limit": 2 }));
    let publications = &history["result"]["publications"];
    assert_eq!(publications[1], json!({ "data": { "n": 2 }, "offset": 2 }));
    let presence = backend.call("presence", &json!({ "channel": "witnesses" }));
    let presence = presence["result"]["presence"].as_object().expect("a map");
    // Members of a room are shown, too.
    assert_eq!(presence.len(), 10);
}

fn many_calls_go_over_one_connection(adapter: Adapter) {
    let server = ServerProcess::start(adapter, FLAGS);
    let mut backend = Backend::of(&server);
    // All at once, and the answers in order, whichever shards the channels are on.
    const CALLS: usize = 500;
    for number in 0..CALLS {
        let body = json!({ "channel": format!("c{}", number % 50), "data": number });
        backend.send("publish", &body.to_string());
    }
    for number in 0..CALLS {
        let (status, body) = backend.receive();
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        let offset = number as u64 / 50 + 1;
        assert_eq!((status, &answer["result"]["offset"]), (200, &json!(offset)));
    }
    // Some come while its answers are on their way.
    server.await_metric("stentor_requests_held_total", CALLS as u64);
}

fn a_backend_acts_on_the_clients_of_all_shards(adapter: Adapter) {
    let server = ServerProcess::start(adapter, FLAGS);
    let mut clients: Vec<_> = (0..8).map(|_| Client::subscribed(&server, "a")).collect();
    let mut backend = Backend::of(&server);
    let found = backend.call("connections", &json!({ "channel": "a" }));
    assert_eq!(found["result"]["num_connections"], 8);
    let ids = found["result"]["connections"].as_object().expect("a map");
    for id in ids.keys() {
        let params = json!({ "client": id, "channel": "a" });
        assert_eq!(
            backend.call("unsubscribe", &params),
            json!({ "result": {} })
        );
    }
    for client in &mut clients {
        assert_eq!(client.hear()["push"]["unsubscribe"]["code"], 2000);
    }
    let params = json!({ "address": "127.0.0.1", "disconnect": { "code": 4001, "reason": "go" } });
    assert_eq!(backend.call("disconnect", &params), json!({ "result": {} }));
    for client in &mut clients {
        let close = client.0.hear().expect("a close frame");
        assert_eq!((close.opcode, close.close_code()), (CLOSE, Some(4001)));
        assert_eq!(&close.payload[2..], b"go");
    }
    drop(clients);
    eventually("nobody is there", || {
        let info = backend.call("info", &json!({}));
        info["result"]["nodes"][0]["num_clients"] == 0
    });
}

fn what_is_no_call_harms_nobody(adapter: Adapter) {
    let server = ServerProcess::start(adapter, FLAGS);
    let mut witnesses = Witnesses::of(&server);
    let mut backend = Backend::of(&server);
    let deep = "[".repeat(60_000);
    let long = format!("{{\"channel\":\"{}\"}}", "x".repeat(64 << 10));
    for (what, bytes, status) in [
        ("garbage", call("publish", "key", "\u{1}{\"}"), 400),
        (
            "no UTF-8",
            call("publish", "key", "{\"channel\":\"?\"}"),
            400,
        ),
        ("deep", call("publish", "key", &deep), 400),
        (
            "deep data",
            call("publish", "key", &format!("{{\"data\":{deep}")),
            400,
        ),
        ("too long", call("publish", "key", &long), 413),
        ("no method", call("nothing", "key", "{}"), 404),
        ("no key", call("publish", "", "{}"), 401),
        (
            "GET",
            b"GET /api/info HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key\r\n\r\n".to_vec(),
            405,
        ),
        (
            "a chunk that is none",
            b"POST /api/info HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key\r\n\
              Transfer-Encoding: chunked\r\n\r\nxyz\r\n"
                .to_vec(),
            400,
        ),
        (
            "two lengths",
            b"POST /api/info HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key\r\n\
              Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "
                .to_vec(),
            400,
        ),
    ] {
        let mut bytes = bytes;
        if what == "no UTF-8" {
            let place = bytes.iter().position(|&byte| byte == b'?');
            bytes[place.expect("it is there")] = 0xFF;
        }
        let mut caller = Backend::of(&server);
        caller.0.send_as_far_as_possible(&bytes);
        assert_eq!(caller.receive().0, status, "{what}");
        witnesses.talk(what);
        backend.call("publish", &json!({ "channel": "a", "data": what }));
    }
}

fn half_a_call_ends_with_the_handshake_timeout(adapter: Adapter) {
    let server = ServerProcess::start(
        adapter,
        &format!("{FLAGS} --client.handshake-timeout=200ms"),
    );
    let mut witnesses = Witnesses::of(&server);
    let whole = call("publish", "key", r#"{"channel":"witnesses","data":"half"}"#);
    let mut callers: Vec<_> = [10, 60, whole.len() - 30, whole.len() - 1]
        .into_iter()
        .map(|len| {
            let mut caller = Backend::of(&server);
            caller.0.send(&whole[..len]);
            caller
        })
        .collect();
    for caller in &mut callers {
        assert_eq!(caller.receive().0, 408);
    }
    // One that goes in the middle is not answered, and nothing of it is published.
    let mut caller = Backend::of(&server);
    caller.0.send(&whole[..whole.len() - 1]);
    drop(caller);
    witnesses.talk("none of them");
    eventually("they are gone", || {
        server.metrics().get("stentor_sockets") <= KEPT_BY_TESTS
    });
}

fn wrong_keys_are_refused_and_counted_as_nothing_else(adapter: Adapter) {
    let server = ServerProcess::start(adapter, FLAGS);
    let mut witnesses = Witnesses::of(&server);
    let mut callers: Vec<_> = (0..4).map(|_| Backend::of(&server)).collect();
    let wrong = call("publish", "kez", r#"{"channel":"witnesses","data":1}"#);
    for round in 0..50 {
        for caller in &mut callers {
            caller.0.send(&wrong.repeat(20));
        }
        for caller in &mut callers {
            for _ in 0..20 {
                assert_eq!(caller.receive().0, 401);
            }
        }
        witnesses.talk(&format!("round {round}"));
    }
}

fn a_caller_that_does_not_read_its_answers_waits_alone(adapter: Adapter) {
    let server = ServerProcess::start(adapter, FLAGS);
    let mut witnesses = Witnesses::of(&server);
    let mut backend = Backend::of(&server);
    let data = "x".repeat(50_000);
    for _ in 0..10 {
        backend.call("publish", &json!({ "channel": "long", "data": data }));
    }
    let before = server.memory();
    // Half a megabyte of answer each, and some 200 bytes of request.
    let request = call("history", "key", r#"{"channel":"long","limit":10}"#);
    let mut unread: Vec<_> = (0..4)
        .map(|_| RawSocket::connect_with_receive_buffer(server.address(), 4 << 10))
        .collect();
    for caller in &mut unread {
        let timeout = Some(Duration::from_millis(200));
        caller
            .stream()
            .set_write_timeout(timeout)
            .expect("an option");
        caller.send_as_far_as_possible(&request.repeat(2_000));
    }
    for round in 0..20 {
        witnesses.talk(&format!("round {round}"));
        backend.call("publish", &json!({ "channel": "a", "data": round }));
    }
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 32 << 20, "it has grown by {grown} bytes");
    drop(unread);
    eventually("they are gone", || {
        server.metrics().get("stentor_sockets") <= KEPT_BY_TESTS
    });
}

fn a_caller_that_goes_before_its_answer_leaves_nothing(adapter: Adapter) {
    let server = ServerProcess::start(adapter, FLAGS);
    let mut backend = Backend::of(&server);
    let names: Vec<_> = (0..2_000).map(|number| format!("c{number}")).collect();
    let body = json!({ "channels": names, "data": 1 }).to_string();
    for round in 0..20 {
        let mut caller = RawSocket::connect(server.address());
        caller.send(&call("broadcast", "key", &body));
        if round % 2 == 0 {
            caller.reset();
        }
    }
    let answer = backend.call("publish", &json!({ "channel": "c0", "data": 1 }));
    assert!(answer["result"]["offset"].as_u64().is_some_and(|n| n > 0));
    eventually("they are gone", || {
        server.metrics().get("stentor_sockets") <= KEPT_BY_TESTS
    });
}

fn with_an_internal_listener_the_api_is_there_and_only_there(adapter: Adapter) {
    let flags = "--admin-listen=127.0.0.1:0 --client.allowed-hosts=example.com";
    let server = ServerProcess::start(adapter, &format!("{FLAGS} {flags}"));
    let line = server.log().wait_for("admin pages on");
    let admin: SocketAddr = line.text("address").parse().expect("an address");
    let mut witnesses = Witnesses::of(&server);
    let mut public = Backend::of(&server);
    public.send("info", "{}");
    assert_eq!(public.receive().0, 404);

    // As many as the listener has threads, and more.
    let mut backends: Vec<_> = (0..12).map(|_| Backend::at(admin)).collect();
    for round in 0..3 {
        for (number, backend) in backends.iter_mut().enumerate() {
            let text = format!("{round}.{number}");
            backend.call("publish", &json!({ "channel": "witnesses", "data": text }));
            witnesses.hear(&format!("\"{text}\""));
        }
    }
    // A head in pieces, and several calls at once.
    let mut backend = Backend::at(admin);
    let bytes = call("presence_stats", "key", r#"{"channel":"witnesses"}"#);
    backend.0.send(&bytes[..20]);
    backend.0.send(&bytes[20..]);
    backend.0.send(&bytes.repeat(3));
    for _ in 0..4 {
        assert_eq!(backend.receive().0, 200);
    }
    let mut wrong = Backend::at(admin);
    wrong.0.send(&call("info", "other", "{}"));
    assert_eq!(wrong.receive().0, 401);
    // Clients are not served there, and pages are, beside kept callers.
    let mut client = RawSocket::connect(admin);
    client.send(&crate::raw::upgrade(&[]));
    assert!(client.first_line().contains(" 404 "));
    let mut page = RawSocket::connect(admin);
    page.send(&crate::raw::get("/connections"));
    assert_eq!(page.response().status, 200);
    let mut lost = Backend::at(admin);
    lost.send("info", "{}");
    assert_eq!(lost.receive().0, 200);
    lost.0
        .send(b"GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(lost.0.first_line().contains(" 404 "));
}
