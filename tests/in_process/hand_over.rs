//! Tests of sockets that an application hands over: answered by the server or before, with what was
//! read of them, within the limit of connections, and until the end.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use stentor_core::id::WorkerId;
use stentor_core::{Context, Decision, Failure, Handler, HttpRequest, Message, MessageType};
use stentor_server::{AcceptError, UpgradeHead};
use stentor_tests::Adapter;
use stentor_tests::process::SOON;
use stentor_tests::running::{Running, TaskRunner};

stentor_tests::for_each_adapter! {
    a_request_that_was_read_in_part_is_answered,
    frames_behind_the_head_of_an_answered_request_are_read,
    an_answered_request_is_refused_with_a_close_frame,
    a_server_that_is_full_or_has_ended_takes_no_socket,
}

/// Returns messages, and refuses requests with the query `status=NUMBER` with this status.
struct Echoing;

impl Handler for Echoing {
    type State = ();
    type Task = Infallible;
    type Outcome = Infallible;

    fn on_request(&mut self, request: &HttpRequest<'_>) -> Decision<Self> {
        let query = request.query().unwrap_or_default();
        match query.strip_prefix("status=") {
            Some(status) => Decision::reject(status.parse().expect("a number")),
            None => Decision::accept(()),
        }
    }

    fn on_open(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.reply(MessageType::Text, 10, b"open");
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        ctx.reply(message.kind, 10, message.payload);
    }
}

struct NoWork;

impl TaskRunner<Echoing> for NoWork {
    fn run(&self, _: WorkerId, task: &Infallible) -> Result<Infallible, Failure> {
        match *task {}
    }
}

fn start(adapter: Adapter, flags: &[&str]) -> Running {
    Running::start(adapter, flags, |_| Echoing, NoWork)
}

/// Returns a client, the other end, and the client's address.
fn pair() -> (TcpStream, TcpStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let client = TcpStream::connect(address).expect("it listens");
    client.set_read_timeout(Some(SOON)).expect("an option");
    let (stream, peer) = listener.accept().expect("a client");
    (client, stream, peer)
}

fn head(path: &str) -> UpgradeHead {
    let fields = [
        ("host", &b"localhost"[..]),
        ("connection", b"Upgrade"),
        ("upgrade", b"websocket"),
        ("sec-websocket-version", b"13"),
        ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-extensions", b"permessage-deflate"),
    ];
    UpgradeHead::new(path, fields).expect("well-formed")
}

fn assert_reads(client: &mut TcpStream, expected: &[u8]) {
    let mut read = vec![0; expected.len()];
    client.read_exact(&mut read).expect("in time");
    assert_eq!(read, expected);
}

/// A message, masked with zeros.
const HELLO: &[u8] = b"\x81\x85\0\0\0\0hello";

fn a_request_that_was_read_in_part_is_answered(adapter: Adapter) {
    let server = start(adapter, &[]);
    let (mut client, stream, peer) = pair();
    let head = head("/ws");
    let (read, rest) = head.as_bytes().split_at(70);
    let accepted = server.remote.accept(stream, peer, read).wait();
    accepted.expect("there is room");
    client.write_all(&[rest, HELLO].concat()).expect("taken");
    assert_reads(&mut client, b"HTTP/1.1 101 ");
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).expect("in time");
        answer.extend_from_slice(&byte);
    }
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    assert_reads(&mut client, b"\x81\x04open\x81\x05hello");
    drop(client);
    assert_eq!(server.stop().report().stats.links.opened, 1);
}

fn frames_behind_the_head_of_an_answered_request_are_read(adapter: Adapter) {
    let server = start(adapter, &["--compression.enabled"]);
    let (mut client, stream, peer) = pair();
    // Half of the first frame was read with the head.
    let (read, rest) = HELLO.split_at(4);
    let head = head("/ws");
    assert!(server.remote.upgrade_fields(&head).is_ok());
    let accepted = server.remote.accept_upgraded(stream, peer, &head, read);
    accepted.wait().expect("there is room");
    // There is no response, since there was one, and no compression, since that agreed to none.
    assert_reads(&mut client, b"\x81\x04open");
    client.write_all(rest).expect("taken");
    assert_reads(&mut client, b"\x81\x05hello");
    let ending = server.stop();
    assert_reads(&mut client, b"\x88\x02\x03\xe9");
    drop(client);
    let stats = ending.report().stats;
    assert_eq!((stats.links.opened, stats.deflate.agreed), (1, 0));
}

fn an_answered_request_is_refused_with_a_close_frame(adapter: Adapter) {
    let server = start(adapter, &[]);
    for (path, code) in [
        ("/other", 1008_u16),
        ("/ws?status=403", 1008),
        ("/ws?status=500", 1011),
        ("/ws?status=503", 1013),
    ] {
        let (mut client, stream, peer) = pair();
        let head = head(path);
        let is_for_websockets = path.starts_with("/ws");
        assert_eq!(
            server.remote.upgrade_fields(&head).is_ok(),
            is_for_websockets
        );
        let accepted = server.remote.accept_upgraded(stream, peer, &head, HELLO);
        accepted.wait().expect("there is room");
        let mut read = Vec::new();
        client.read_to_end(&mut read).expect("the end");
        assert_eq!(read, [&[0x88, 2], &code.to_be_bytes()[..]].concat());
    }
    let stats = server.stop().report().stats;
    assert_eq!((stats.links.opened, stats.links.held), (0, 0));
}

fn a_server_that_is_full_or_has_ended_takes_no_socket(adapter: Adapter) {
    let server = start(adapter, &["--max-connections=1"]);
    let (mut first, stream, peer) = pair();
    let accepted = server
        .remote
        .accept_upgraded(stream, peer, &head("/ws"), b"");
    accepted.wait().expect("there is room");
    assert_reads(&mut first, b"\x81\x04open");
    let (mut second, stream, peer) = pair();
    let refused = server
        .remote
        .accept_upgraded(stream, peer, &head("/ws"), b"");
    assert!(matches!(refused.wait(), Err(AcceptError::Full)));
    assert_eq!(second.read(&mut [0]).expect("the end"), 0);
    // One that is not answered gets a response.
    let (mut third, stream, peer) = pair();
    let accepted = server.remote.accept(stream, peer, head("/ws").as_bytes());
    accepted.wait().expect("for a response");
    assert_reads(&mut third, b"HTTP/1.1 503 ");
    drop((first, third));
    let remote = server.remote.clone();
    server.stop().report();
    let (_client, stream, peer) = pair();
    let refused = remote.accept(stream, peer, b"").wait();
    assert!(matches!(refused, Err(AcceptError::Ended)));
}
