//! Tests that an application that hangs blocks the metrics only for connections on its own shard,
//! that the page names the shard that does not answer, and that a server ends without it.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use stentor_core::id::WorkerId;
use stentor_core::{
    Context, Decision, Failure, Handler, HttpRequest, Message as Received, MessageType, ShardId,
};
use stentor_server::HungShards;
use stentor_tests::Adapter;
use stentor_tests::running::{Running, TaskRunner};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, client};

stentor_tests::for_each_adapter! {
    a_shard_that_hangs_is_named_and_holds_up_no_other,
    a_server_ends_without_a_shard_that_hangs_and_says_which,
}

/// Where applications hang until it is opened.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    waiting: usize,
    open: bool,
}

impl Gate {
    fn pass(&self) {
        self.change(|state| state.waiting += 1);
        self.wait(|state| state.open);
    }

    fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.state.lock().expect("no panic"));
        self.changed.notify_all();
    }

    fn wait(&self, until: impl Fn(&GateState) -> bool) {
        let state = self.state.lock().expect("no panic");
        let waited = self
            .changed
            .wait_timeout_while(state, LONG, |state| !until(state));
        let (state, _) = waited.expect("no panic");
        assert!(until(&state), "it does not come to that");
    }
}

/// Whatever is said to it, it hangs, and then answers.
struct Hangs(Arc<Gate>);

impl Handler for Hangs {
    type State = ();
    type Task = Infallible;
    type Outcome = Infallible;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, _: Received<'_>) {
        self.0.pass();
        ctx.reply(MessageType::Text, 0, b"passed");
    }
}

struct NoWork;

impl TaskRunner<Hangs> for NoWork {
    fn run(&self, _: WorkerId, task: &Infallible) -> Result<Infallible, Failure> {
        match *task {}
    }
}

fn ask(mut socket: &TcpStream) {
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    socket.write_all(request).expect("taken");
}

fn page(mut socket: &TcpStream) -> String {
    let mut page = String::new();
    socket.read_to_string(&mut page).expect("a page in time");
    page
}

/// What an admin page says; it must be there in time.
fn admin(address: SocketAddr, path: &str) -> (bool, String) {
    let mut socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(LONG)).expect("an option");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("taken");
    let page = page(&socket);
    let body = page.split_once("\r\n\r\n").expect("a head").1;
    (page.starts_with("HTTP/1.1 200 "), body.into())
}

/// The list of connections names these as shards that do not answer, and only the others' sockets.
fn assert_listed(address: SocketAddr, silent: &[u16]) {
    let (is_ok, page) = admin(address, "/connections");
    let page: serde_json::Value = serde_json::from_str(&page).expect("JSON");
    assert!(
        is_ok && page["silent_shards"] == serde_json::json!(silent),
        "{page}"
    );
    let shard = |one: &serde_json::Value| one["shard"].as_u64().expect("a number") as u16;
    let mut listed = page["connections"].as_array().expect("a list").iter();
    assert!(listed.all(|one| !silent.contains(&shard(one))), "{page}");
}

fn assert_silent(page: &str, silent: [u8; 3]) {
    for (shard, silent) in silent.into_iter().enumerate() {
        let line = format!("\nstentor_shard_silent{{shard=\"{shard}\"}} {silent}\n");
        assert!(page.contains(&line), "{line}{page}");
    }
    // Whatever the silent ones said last counts.
    assert!(page.contains("\nws_active_connections 2\n"), "{page}");
}

fn a_shard_that_hangs_is_named_and_holds_up_no_other(adapter: Adapter) {
    let gate = Arc::new(Gate::default());
    let to_pass = gate.clone();
    let flags = [
        "--shards=3",
        "--client.handshake-timeout=60s",
        "--admin-listen=127.0.0.1:0",
    ];
    let server = Running::start(adapter, &flags, move |_| Hangs(to_pass.clone()), NoWork);
    let admin_pages = server.addresses[1];
    // Two on each shard: they go round.
    let sockets: Vec<TcpStream> = (0..6)
        .map(|_| {
            let socket = TcpStream::connect(server.addresses[0]).expect("it listens");
            socket.set_read_timeout(Some(LONG)).expect("an option");
            socket
        })
        .collect();
    let [first, second, free, on_first, on_second, also_free] = &sockets[..] else {
        unreachable!("six")
    };
    let url = format!("ws://{}/ws", server.addresses[0]);
    let upgrade = |socket| client(&url, socket).expect("an upgrade").0;
    let (mut first, mut second) = (upgrade(first), upgrade(second));
    ask(free);
    assert_silent(&page(free), [0, 0, 0]);

    // The second hangs, so that the answer to this takes its time; and before it is there,
    // so does the first, for which it is.
    second.send(Message::text("hang")).expect("taken");
    gate.wait(|state| state.waiting == 1);
    ask(on_first);
    thread::sleep(Duration::from_millis(500));
    first.send(Message::text("hang")).expect("taken");
    gate.wait(|state| state.waiting == 2);
    ask(also_free);
    assert_silent(&page(also_free), [1, 1, 0]);
    assert_listed(admin_pages, &[0, 1]);
    let (is_ok, text) = admin(admin_pages, "/connections/1.0%230");
    assert_eq!(
        (is_ok, &*text),
        (false, "shard 1 does not answer within 2s\n")
    );

    gate.change(|state| state.open = true);
    assert_silent(&page(on_first), [0, 1, 0]);
    for socket in [&mut first, &mut second] {
        assert_eq!(socket.read().expect("an answer"), Message::text("passed"));
    }
    assert_listed(admin_pages, &[]);
    assert!(admin(admin_pages, "/connections/1.0%230").0);
    ask(on_second);
    assert_silent(&page(on_second), [0, 0, 0]);
    drop(sockets);
    server.stop().report();
}

fn a_server_ends_without_a_shard_that_hangs_and_says_which(adapter: Adapter) {
    let gate = Arc::new(Gate::default());
    let to_pass = gate.clone();
    let flags = [
        "--shards=2",
        "--shutdown-timeout=1s",
        "--client.handshake-timeout=60s",
    ];
    let server = Running::start(adapter, &flags, move |_| Hangs(to_pass.clone()), NoWork);
    let open = || {
        let socket = TcpStream::connect(server.addresses[0]).expect("it listens");
        socket.set_read_timeout(Some(LONG)).expect("an option");
        socket
    };
    let url = format!("ws://{}/ws", server.addresses[0]);
    let upgrade = |socket| client(&url, socket).expect("an upgrade").0;
    // They go round.
    let (mut hangs, mut other) = (upgrade(open()), upgrade(open()));
    hangs.send(Message::text("hang")).expect("taken");
    gate.wait(|state| state.waiting == 1);
    // The shard that hangs is the next in turn.
    let late = open();

    let begin = Instant::now();
    let ending = server.stop();
    let told = other.read().expect("a goodbye");
    assert!(matches!(told, Message::Close(Some(frame)) if frame.code == CloseCode::Away));
    drop(other);
    let error = ending.result().expect_err("one hangs");
    let hang = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<HungShards>());
    let shards = hang.map(HungShards::shards);
    assert_eq!(shards, Some(&[ShardId(0)][..]), "{error}");
    let took = begin.elapsed();
    // The drain, then the time for cutting off, then that for threads to end.
    assert!(took > Duration::from_secs(1) && took < 3 * LONG, "{took:?}");
    gate.change(|state| state.open = true);
    drop((hangs, late));
}

/// Longer than a server waits for the answers of its shards.
const LONG: Duration = Duration::from_secs(20);
