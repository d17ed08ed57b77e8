//! Tests of the listener's bounds: connections, heads, time, and its end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use stentor_core::channels::RemoteStats;
use stentor_core::node::ConnectionLimiter;
use stentor_core::tasks::Wakeups;
use stentor_core::{Config, ShardId};

use super::*;
use crate::counters::ServerCounters;
use crate::dispatch::SharedDispatcher;
use crate::inspect::{AdminQuery, ShardAnswer};
use crate::listen::ListenAt;
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

    fn remote_stats(&self) -> RemoteStats {
        RemoteStats::default()
    }
}

fn start(times: Timeouts) -> (Serving, SocketAddr) {
    let (serving, addresses) = start_with(&["--admin-listen=127.0.0.1:0"], times);
    (serving, addresses[0])
}

fn start_with(flags: &[&str], times: Timeouts) -> (Serving, Vec<SocketAddr>) {
    let args = [&["stentor"], flags].concat();
    let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
    let admin = open(&settings).expect("a free port").expect("asked for");
    let addresses = admin.addresses().expect("an address");
    let backend = Silent {
        dispatcher: SharedDispatcher::new(&settings.config, 1, 1),
        limiter: ConnectionLimiter::new(1, None),
        counters: ServerCounters::default(),
    };
    let collector = Arc::new(Collector::new(&Arc::new(settings)));
    let serving = admin.serve_within(Arc::new(backend), collector, times);
    (serving.expect("threads"), addresses)
}

fn open(settings: &Settings) -> io::Result<Option<Admin>> {
    let at = |at: &Endpoint| ListenAt::Addresses(at.to_string(), at.addresses().to_vec());
    let listen = settings.admin_listen.iter().map(at).collect();
    Admin::new(
        listen::open(listen, &settings.config)?,
        settings.admin_hosts.clone(),
    )
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

const GET: &str = "GET /dead-letters HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LONG: Duration = Duration::from_secs(20);
const SHORT: Timeouts = Timeouts {
    head: Duration::from_millis(200),
    response: Duration::from_millis(200),
    close: Duration::from_millis(200),
};

#[test]
fn there_is_no_listener_unless_it_is_set() {
    let settings = Settings::parse(["stentor"], |_| None, |_| unreachable!()).expect("valid");
    assert!(open(&settings).expect("nothing to fail").is_none());
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
    // One connection, one request.
    assert_eq!(answer(address, &GET.repeat(2)), whole);
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
        begin.elapsed() < Timeouts::DEFAULT.head / 2,
        "it does not wait for clients"
    );
}
