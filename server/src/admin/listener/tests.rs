//! Tests of the listener's bounds: connections, heads, time, and its end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use stentor_core::channels::RemoteStats;
use stentor_core::node::ConnectionLimiter;
use stentor_core::tasks::Wakeups;
use stentor_core::{Config, ShardId};

use super::super::connection::MAX_CONTENT;
use super::*;
use crate::counters::ServerCounters;
use crate::dispatch::SharedDispatcher;
use crate::inspect::{AdminQuery, ShardAnswer};
use crate::remote::{AcceptError, IncomingSocket};
use crate::{Endpoint, Settings};

/// A server whose shards do not answer.
struct Silent {
    dispatcher: SharedDispatcher<u8>,
    limiter: ConnectionLimiter,
    counters: ServerCounters,
}

impl AdminBackend for Silent {
    type Task = u8;

    fn ask(&self, _: &[ShardId], _: &Arc<AdminQuery>) -> Vec<(ShardId, ShardAnswer)> {
        Vec::new()
    }

    fn dispatcher(&self) -> &SharedDispatcher<u8> {
        &self.dispatcher
    }

    fn wake(&self, _: Wakeups) {}

    fn limiter(&self) -> &ConnectionLimiter {
        &self.limiter
    }

    fn counters(&self) -> &ServerCounters {
        &self.counters
    }

    fn accept(self: Arc<Self>, _: IncomingSocket) -> Result<(), AcceptError> {
        Err(AcceptError::Ended)
    }

    fn remote_stats(&self) -> RemoteStats {
        RemoteStats::default()
    }
}

fn start(times: Timeouts) -> (Serving, SocketAddr) {
    let (serving, addresses) = start_with(&["--admin-listen=127.0.0.1:0"], times);
    (serving, addresses[0])
}

fn start_with(flags: &[&str], times: Timeouts) -> (Serving, Vec<SocketAddr>) {
    let (admin, settings) = open(flags);
    let addresses = admin.addresses();
    (serve_at(admin, settings, times), addresses)
}

/// Starts it when these bytes have arrived on connections of their own, so that a machine under load
/// is not taken for a slow client.
fn start_with_received(times: Timeouts, received: &[&str]) -> (Serving, Vec<TcpStream>) {
    let (admin, settings) = open(&["--admin-listen=127.0.0.1:0"]);
    let address = admin.addresses()[0];
    let send = |bytes: &&str| {
        let mut stream = connect(address);
        stream.write_all(bytes.as_bytes()).expect("taken");
        stream
    };
    let streams = received.iter().map(send).collect();
    (serve_at(admin, settings, times), streams)
}

fn open(flags: &[&str]) -> (Admin, Settings) {
    let args = [&["stentor"], flags].concat();
    let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
    let at = |at: &Endpoint| at.listen_at(settings.socket_mode);
    let listen = settings.admin_listen.iter().map(at).collect();
    let listeners = listen::open(listen, &settings.config).expect("a free port");
    let admin = Admin::new(listeners, settings.admin_hosts.clone());
    let admin = admin.expect("asked for");
    (admin, settings)
}

fn serve_at(admin: Admin, settings: Settings, times: Timeouts) -> Serving {
    let backend = Silent {
        dispatcher: SharedDispatcher::new(&settings.config, 1, 1),
        limiter: ConnectionLimiter::new(1, None),
        counters: ServerCounters::default(),
    };
    let collector = Arc::new(Collector::new(&Arc::new(settings)));
    let serving = admin.serve_within(Arc::new(backend), collector, times);
    serving.expect("threads")
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("an option");
    stream
}

/// Returns the response to these bytes.
fn answer(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).expect("taken");
    rest(&mut stream)
}

fn rest(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("an answer, and the end");
    answer
}

fn assert_status(answer: &str, status: u16) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{status}: {answer}"
    );
}

const GET: &str = "GET /dead-letters HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// After this one the connection may be kept.
const GET_KEPT: &str = "GET /dead-letters HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LONG: Duration = Duration::from_secs(20);
const PATIENT: Timeouts = Timeouts {
    request: Duration::from_secs(60),
    response: Duration::from_secs(60),
    close: Duration::from_secs(1),
};
const SHORT: Timeouts = Timeouts {
    request: Duration::from_millis(200),
    response: Duration::from_millis(200),
    close: Duration::from_millis(200),
};

#[test]
fn there_is_no_listener_unless_it_is_set() {
    let settings = Settings::parse(["stentor"], |_| None, |_| unreachable!()).expect("valid");
    assert!(settings.admin_listen.is_none());
    let admin = Admin::new(Vec::new(), settings.admin_hosts);
    assert!(admin.is_none());
}

#[test]
fn a_request_is_answered_even_if_it_arrives_byte_by_byte() {
    let (_serving, address) = start(Timeouts::DEFAULT);
    let whole = answer(address, GET);
    assert_status(&whole, 200);
    assert!(
        whole.contains("\r\nContent-Type: application/json\r\n"),
        "{whole}"
    );
    let mut stream = connect(address);
    for byte in GET.bytes() {
        stream.write_all(&[byte]).expect("taken");
    }
    assert_eq!(rest(&mut stream), whole);
    let head = answer(address, &GET.replace("GET", "HEAD"));
    assert_eq!(Some(&*head), whole.split_inclusive("\r\n\r\n").next());
    assert_eq!(
        answer(address, &GET.repeat(2)),
        whole,
        "it asked for the end"
    );
}

#[test]
fn a_head_has_a_maximum_length() {
    let (_serving, address) = start(Timeouts::DEFAULT);
    let most = Config::default().max_head();
    let request = |len: usize| {
        let fill = "x".repeat(len - GET.len() - "A: \r\n".len());
        GET.replace(
            "Host: localhost\r\n",
            &format!("Host: localhost\r\nA: {fill}\r\n"),
        )
    };
    assert_eq!(request(most).len(), most);
    assert_status(&answer(address, &request(most)), 200);
    assert_status(&answer(address, &request(most + 1)), 431);
    assert_status(&answer(address, "nonsense\r\n\r\n"), 400);
    assert_status(&answer(address, "GET / HTTP/2\r\n\r\n"), 505);
}

#[test]
fn a_slow_request_gets_a_response_and_a_silent_connection_does_not() {
    let (serving, address) = start(SHORT);
    assert_status(&answer(address, &GET[..10]), 408);
    let mut cut_off = connect(address);
    cut_off.write_all(&GET.as_bytes()[..10]).expect("taken");
    cut_off.shutdown(Shutdown::Write).expect("connected");
    assert_status(&rest(&mut cut_off), 400);
    let mut mute = connect(address);
    mute.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(rest(&mut mute), "");
    drop(serving);
}

#[test]
fn pipelined_requests_are_answered_in_their_order_on_a_kept_connection() {
    let (_serving, address) = start(PATIENT);
    let head = GET_KEPT.replace("GET", "HEAD");
    let options = GET_KEPT.replace("GET", "OPTIONS");
    let missing = GET_KEPT.replace("/dead-letters", "/x");
    let all = [GET_KEPT, &head, &options, &missing, GET].concat();
    let whole = answer(address, &all);
    let statuses: Vec<&str> = whole
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|response| &response[..3])
        .collect();
    assert_eq!(statuses, ["200", "200", "200", "404", "200"], "{whole}");
    assert_eq!(whole.matches("\r\nConnection: close\r\n").count(), 1);
    assert_eq!(whole.matches("\"dead_letters\"").count(), 2);
    // The same byte by byte, and over the end of the client's side.
    let mut stream = connect(address);
    for byte in all.replace("Connection: close\r\n", "").bytes() {
        stream.write_all(&[byte]).expect("taken");
    }
    stream.shutdown(Shutdown::Write).expect("connected");
    let kept = whole.replace("Connection: close\r\n", "");
    assert_eq!(rest(&mut stream), kept);
}

#[test]
fn a_kept_connection_without_a_request_is_closed_without_a_word() {
    let amid_next = format!("{GET_KEPT}GET ");
    let (_serving, mut streams) = start_with_received(SHORT, &[GET_KEPT, &amid_next]);
    let kept = rest(&mut streams[0]);
    assert_status(&kept, 200);
    assert_eq!(kept.matches("HTTP/1.1 ").count(), 1);
    let cut_off = rest(&mut streams[1]);
    assert_status(&cut_off, 200);
    let (_, last) = cut_off.rsplit_once("HTTP/1.1 ").expect("two");
    assert!(last.starts_with("408 "), "{last}");
}

/// Returns the head of the next response, and reads its content.
fn next(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text");
    let length = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .and_then(|length| length.parse().ok())
        .expect("a length");
    stream.read_exact(&mut vec![0; length]).expect("content");
    head
}

#[test]
fn one_thread_is_left_for_connections_that_are_not_kept() {
    let (_serving, address) = start(PATIENT);
    let ask = |stream: &mut TcpStream| {
        stream.write_all(GET_KEPT.as_bytes()).expect("taken");
        next(stream)
    };
    let mut kept: Vec<_> = (0..MAX_KEPT).map(|_| connect(address)).collect();
    for stream in &mut kept {
        for _ in 0..2 {
            let head = ask(stream);
            assert!(!head.contains("Connection: close"), "{head}");
        }
    }
    for _ in 0..3 {
        let mut more = connect(address);
        let head = ask(&mut more);
        assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
        assert_eq!(rest(&mut more), "");
    }
    // The place of one that has ended is free again.
    let last = kept.pop().expect("some");
    last.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(rest(&mut { last }), "");
    let mut next = connect(address);
    let begin = Instant::now();
    while ask(&mut next).contains("Connection: close") {
        assert!(begin.elapsed() < LONG, "it is never kept");
        next = connect(address);
    }
}

#[test]
fn content_has_a_maximum_length() {
    let (_serving, address) = start(PATIENT);
    let head = |field: &str| {
        let post = GET.replace("GET /dead-letters", "POST /dead-letters/resubmit");
        post.replace("\r\n\r\n", &format!("\r\n{field}\r\n\r\n"))
    };
    let most = MAX_CONTENT as usize;
    let with_length = |len: usize, sent: usize| {
        let head = head(&format!("Content-Length: {len}"));
        answer(address, &(head + &"x".repeat(sent)))
    };
    assert_status(&with_length(most, most), 200);
    assert_status(&with_length(most + 1, 0), 413);
    let chunked = |len: usize| {
        let head = head("Transfer-Encoding: chunked");
        format!("{head}{len:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(len))
    };
    assert_status(&answer(address, &chunked(most)), 200);
    assert_status(&answer(address, &chunked(most + 1)), 413);
    // What is behind content is the next request.
    let kept = chunked(3).replace("Connection: close\r\n", "");
    let both = answer(address, &(kept + GET));
    assert_eq!(both.matches("HTTP/1.1 200 ").count(), 2, "{both}");
}

#[test]
fn a_request_that_http_does_not_allow_has_its_status() {
    let (_serving, address) = start(PATIENT);
    for (field, status) in [
        ("Content-Length: 1\r\nContent-Length: 1", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1", 400),
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Expect: 200-ok\r\nContent-Length: 1", 417),
    ] {
        let request = GET.replace("\r\n\r\n", &format!("\r\n{field}\r\n\r\n"));
        assert_status(&answer(address, &request), status);
    }
}

#[test]
fn content_that_is_not_wanted_is_not_asked_for() {
    let (_serving, address) = start(PATIENT);
    let expects = "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let post = |path: &str| {
        let head = GET_KEPT.replace("GET /dead-letters", &format!("POST {path}"));
        head.replace("\r\n\r\n", &format!("\r\n{expects}"))
    };
    let mut stream = connect(address);
    let request = post("/dead-letters/resubmit");
    stream.write_all(request.as_bytes()).expect("taken");
    let told = "HTTP/1.1 100 Continue\r\n\r\n";
    let mut line = vec![0; told.len()];
    stream.read_exact(&mut line).expect("it is told");
    assert_eq!(line, told.as_bytes());
    stream.write_all(b"ok").expect("taken");
    assert_status(&next(&mut stream), 200);
    let refused = answer(address, &post("/x"));
    assert_status(&refused, 404);
    assert!(refused.contains("\r\nConnection: close\r\n"), "{refused}");
}

#[test]
fn content_that_does_not_arrive_in_time_is_refused() {
    let post = GET_KEPT.replace("GET /dead-letters", "POST /dead-letters/resubmit");
    let post = post.replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\nx");
    let (_serving, mut streams) = start_with_received(SHORT, &[&post]);
    assert_status(&rest(&mut streams[0]), 408);
    let (_serving, mut streams) = start_with_received(PATIENT, &[&post]);
    streams[0].shutdown(Shutdown::Write).expect("connected");
    assert_status(&rest(&mut streams[0]), 400);
}

#[test]
fn further_connections_wait() {
    let (_serving, address) = start(Timeouts::DEFAULT);
    let mut busy: Vec<_> = (0..CONNECTIONS - 1).map(|_| connect(address)).collect();
    // They are accepted before later ones.
    assert_status(&answer(address, GET), 200);
    busy.push(connect(address));
    let mut next = connect(address);
    next.write_all(GET.as_bytes()).expect("taken");
    next.set_read_timeout(Some(Duration::from_millis(300)))
        .expect("an option");
    let early = next.read(&mut [0]).expect_err("it has to wait");
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    busy.pop();
    next.set_read_timeout(Some(LONG)).expect("an option");
    assert_status(&rest(&mut next), 200);
}

#[test]
fn a_host_must_be_allowed() {
    let (_serving, addresses) = start_with(&["--admin-listen=localhost:0"], Timeouts::DEFAULT);
    let to = |address: SocketAddr, host: &str| {
        answer(
            address,
            &GET.replace("Host: localhost", &format!("Host: {host}")),
        )
    };
    for &address in &addresses {
        assert_eq!(address.port(), addresses[0].port(), "one port for all");
        for host in ["evil.example", "localhost.evil.example", "a:9090"] {
            let refused = to(address, host);
            assert_status(&refused, 421);
            assert!(refused.contains("--client.allowed-hosts"), "{refused}");
        }
        for host in ["localhost:9090", "127.0.0.1", "[::1]:9090", "10.0.0.1"] {
            assert_status(&to(address, host), 200);
        }
        assert_status(&answer(address, "GET /dead-letters HTTP/1.0\r\n\r\n"), 200);
        assert_status(&answer(address, "GET /dead-letters HTTP/1.1\r\n\r\n"), 400);
        assert_status(&answer(address, "OPTIONS / HTTP/1.0\r\n\r\n"), 404);
        assert_status(&answer(address, "OPTIONS * HTTP/1.0\r\n\r\n"), 200);
    }

    let flags = [
        "--admin-listen=127.0.0.1:0",
        "--client.allowed-hosts=admin.example",
    ];
    let (_serving, addresses) = start_with(&flags, Timeouts::DEFAULT);
    assert_status(&to(addresses[0], "admin.example:9090"), 200);
    assert_status(&to(addresses[0], "evil.example"), 421);

    let (_serving, addresses) = start_with(&["--admin-listen=0.0.0.0:0"], Timeouts::DEFAULT);
    let here = SocketAddr::from(([127, 0, 0, 1], addresses[0].port()));
    assert_status(&to(here, "stentor.cluster.local"), 200);
}

#[test]
fn it_ends_while_clients_are_connected() {
    let (serving, address) = start(Timeouts::DEFAULT);
    let mut some: Vec<_> = (0..CONNECTIONS).map(|_| connect(address)).collect();
    some[0].write_all(&GET.as_bytes()[..10]).expect("taken");
    let begin = Instant::now();
    drop(serving);
    assert!(
        begin.elapsed() < Timeouts::DEFAULT.request / 2,
        "it does not wait for clients"
    );
}
