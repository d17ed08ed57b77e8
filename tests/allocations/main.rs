//! Tests that a warm server, including its sockets and event loop, allocates nothing per message:
//! echo of any size, and a broadcast to a channel of 1,000 members. The clients are plain sockets
//! that allocate nothing either.

mod log;

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use stentor_core::id::WorkerId;
use stentor_core::{Echo, Failure};
use stentor_gateway::{RoomOutcome, RoomTask, Rooms};
use stentor_tests::Adapter;
use stentor_tests::counting_allocator::CountingAllocator;
use stentor_tests::running::{Running, TaskRunner};

stentor_tests::for_each_adapter! {
    echo_allocates_nothing,
    a_broadcast_to_a_thousand_allocates_nothing,
}

/// The count is the process's, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

struct NoWork;

impl TaskRunner<Echo> for NoWork {
    fn run(&self, _: WorkerId, task: &Infallible) -> Result<Infallible, Failure> {
        match *task {}
    }
}

impl TaskRunner<Rooms> for NoWork {
    fn run(&self, worker: WorkerId, task: &RoomTask) -> Result<RoomOutcome, Failure> {
        Ok(task.run(worker))
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("a listener");
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout");
    socket.set_nodelay(true).expect("no delay");
    socket
        .write_all(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .expect("an open socket");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    socket
}

/// A masked frame; the key is zero, which leaves the payload as it is.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        n @ ..126 => frame.push(0x80 | n as u8),
        n @ ..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((n as u16).to_be_bytes());
        }
        n => {
            frame.push(0x80 | 127);
            frame.extend((n as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// How many allocations so many `rounds` of `work` cost once the server is warm.
/// What is rare, such as a socket that is full for a moment, may need memory the
/// first time it happens; whatever is paid per message would be there every time.
fn allocations(rounds: usize, mut work: impl FnMut()) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..ATTEMPTS {
        let before = CountingAllocator::allocations();
        for _ in 0..rounds {
            work();
        }
        least = least.min(CountingAllocator::allocations() - before);
        if least == 0 {
            break;
        }
    }
    least
}

fn echo_allocates_nothing(adapter: Adapter) {
    let _alone = ALONE.lock();
    let server = Running::start(adapter, FLAGS, |_| Echo, NoWork);
    let mut socket = connect(server.addresses[0]);
    for (size, at_once) in [
        (16, 1),
        (16, 16),
        (1_000, 16),
        (16_384, 1),
        (16_384, 4),
        (100_000, 1),
    ] {
        let out = frame(2, &vec![7; size]).repeat(at_once);
        let mut back = vec![0; out.len() - 4 * at_once];
        let count = allocations(ECHOES, || {
            socket.write_all(&out).expect("an open socket");
            socket.read_exact(&mut back).expect("an echo");
        });
        assert_eq!(count, 0, "{at_once} x {size} bytes, {ECHOES} times");
    }
    drop(socket);
    server.stop().report();
}

fn a_broadcast_to_a_thousand_allocates_nothing(adapter: Adapter) {
    let _alone = ALONE.lock();
    let server = Running::start(adapter, FLAGS, |_| Rooms::default(), NoWork);
    let mut sockets: Vec<TcpStream> = (0..1_000).map(|_| connect(server.addresses[0])).collect();
    let mut joined = [0; 10];
    for socket in &mut sockets {
        socket
            .write_all(&frame(1, b"join:a"))
            .expect("an open socket");
        socket.read_exact(&mut joined).expect("an answer");
    }
    for at_once in [1, 16] {
        let out = frame(1, &[b"msg:", &[b'x'; 124][..]].concat()).repeat(at_once);
        let mut back = vec![0; 126 * at_once];
        let count = allocations(BROADCASTS, || {
            sockets[0].write_all(&out).expect("an open socket");
            for socket in &mut sockets {
                socket.read_exact(&mut back).expect("a message");
            }
        });
        assert_eq!(
            count, 0,
            "{at_once} at once to 1,000 members, {BROADCASTS} times"
        );
    }
    drop(sockets);
    server.stop().report();
}

/// One shard, and no pings meanwhile, however slow the machine is.
const FLAGS: &[&str] = &["--shards=1", "--ping-interval=1h", "--pong-wait=2h"];
const ATTEMPTS: usize = 10;
const ECHOES: usize = 200;
const BROADCASTS: usize = 50;
