//! What messages cost in allocations: nothing, once a shard has warmed up.

use core::time::Duration;
use std::collections::VecDeque;

use stentor_core::channels::ShardMessage;
use stentor_core::delivery::Chunks;
use stentor_core::id::WorkerId;
use stentor_core::proto::transport::{Opened, Transport, TransportError};
use stentor_core::shard::{Admission, SLOT_BYTES};
use stentor_core::tasks::{AttemptEnd, Dispatcher, TaskOrder};
use stentor_core::testing::wire::Opcode;
use stentor_core::{
    Config, ConnId, Echo, Failure, Handler, Output, OverflowPolicy, Shard, ShardId, TaskOptions,
    Timestamp,
};
use stentor_sim::Rooms;
use stentor_sim::simulator::{REQUEST, masked};

use crate::counting::{ALLOCATIONS, LIVE};

/// Shards and the least of an adapter, whose buffers grow once.
struct ShardSet<H: Handler> {
    shards: Vec<Shard<H>>,
    mail: VecDeque<(ShardId, ShardMessage)>,
    written: usize,
    now: Timestamp,
    /// One whose socket takes nothing.
    stuck: Option<ConnId>,
}

const NOW: Timestamp = Timestamp::from_micros(1);

impl<H: Handler> ShardSet<H> {
    fn new(shards: u16, handler: impl Fn() -> H) -> Self {
        let config = Config::builder().shards(shards).compression(true);
        let config = config.build().expect("in range");
        Self {
            shards: (0..shards)
                .map(|id| Shard::new(ShardId(id), &config, handler()))
                .collect(),
            mail: VecDeque::with_capacity(1_024),
            written: 0,
            now: NOW,
            stuck: None,
        }
    }

    fn connect(&mut self, shard: usize) -> ConnId {
        let id = self.shards[shard].accept(self.now, Admission::Normal);
        self.receive(id, REQUEST);
        id
    }

    fn connect_offering(&mut self, shard: usize) -> ConnId {
        let id = self.shards[shard].accept(self.now, Admission::Normal);
        let head = str::from_utf8(REQUEST).expect("text");
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        let head = head.replace("\r\n\r\n", &format!("\r\n{offer}"));
        self.receive(id, head.as_bytes());
        id
    }

    fn receive(&mut self, id: ConnId, bytes: &[u8]) {
        let shard = id.shard().index();
        let buffer = self.shards[shard].read_buffer();
        buffer[..bytes.len()].copy_from_slice(bytes);
        self.shards[shard].handle_read(self.now, id, bytes.len());
        self.turn(shard);
        while let Some((to, message)) = self.mail.pop_front() {
            self.shards[to.index()].handle_message(self.now, message);
            self.turn(to.index());
        }
    }

    fn turn(&mut self, shard: usize) {
        while let Some(output) = self.shards[shard].poll_output().work() {
            match output {
                Output::Flush(id) => {
                    let mut chunks = Chunks::new();
                    self.shards[shard].poll_transmit(id, &mut chunks);
                    let takes = self.stuck != Some(id);
                    let n = if takes { chunks.len() } else { 0 };
                    drop(chunks);
                    self.written += n;
                    self.shards[shard].handle_transmitted(self.now, id, n);
                }
                Output::Send(to, message) => self.mail.push_back((to, message)),
                Output::Event(_) | Output::StopReading(_) | Output::StartReading(_) => {}
                other => panic!("{other:?} in steady state"),
            }
        }
    }

    /// Lets time pass, with the timers that are due meanwhile.
    fn pass(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
        for shard in 0..self.shards.len() {
            self.shards[shard].handle_timeout(self.now);
            self.turn(shard);
        }
    }
}

/// Allocations a round, after as many rounds again to warm up.
fn allocations(rounds: u64, mut round: impl FnMut()) -> f64 {
    for _ in 0..rounds {
        round();
    }
    let before = ALLOCATIONS.get();
    for _ in 0..rounds {
        round();
    }
    (ALLOCATIONS.get() - before) as f64 / rounds as f64
}

fn frames(n: usize, payload: &[u8]) -> Vec<u8> {
    masked(Opcode::Binary, true, [5, 6, 7, 8], payload).repeat(n)
}

#[test]
fn an_echo() {
    for len in [16, 1 << 10, 16 << 10, 64 << 10] {
        for pipelined in [1, 16] {
            if len * pipelined > 250 << 10 {
                continue;
            }
            let mut server = ShardSet::new(1, || Echo);
            let id = server.connect(0);
            let bytes = frames(pipelined, &vec![7; len]);
            let before = server.written;
            let count = allocations(200, || server.receive(id, &bytes));
            assert!(count == 0.0, "{count} for {pipelined} of {len} bytes");
            assert!(server.written - before >= 400 * pipelined * len);
        }
    }
}

/// Changes every byte.
#[derive(Debug)]
struct Xor;

impl Transport for Xor {
    fn open(
        &mut self,
        input: &mut [u8],
        plain: &mut Vec<u8>,
        _: &mut Vec<u8>,
    ) -> Result<Opened, TransportError> {
        plain.extend(input.iter().map(|byte| byte ^ 0x5A));
        Ok(Opened::so_far(input.len()))
    }

    fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        out.extend(plain.iter().map(|byte| byte ^ 0x5A));
    }

    fn memory(&self) -> usize {
        0
    }
}

#[test]
fn an_echo_through_a_transport() {
    for (pipelined, len) in [(1, 16), (16, 128), (1, 16 << 10)] {
        let mut server = ShardSet::new(1, || Echo);
        let peer = "192.0.2.1:1".parse().expect("an address");
        let transport = Box::new(Xor);
        let id = server.shards[0].accept_from(NOW, Admission::Normal, peer);
        server.shards[0].set_transport(id, transport);
        let seal = |bytes: &[u8]| bytes.iter().map(|byte| byte ^ 0x5A).collect::<Vec<u8>>();
        server.receive(id, &seal(REQUEST));
        let bytes = seal(&frames(pipelined, &vec![7; len]));
        let before = server.written;
        let count = allocations(200, || server.receive(id, &bytes));
        assert!(count == 0.0, "{count} for {pipelined} of {len} bytes");
        assert!(server.written - before >= 400 * pipelined * len);
    }
}

#[test]
fn an_echo_that_comes_in_several_reads() {
    let mut server = ShardSet::new(1, || Echo);
    let id = server.connect(0);
    let bytes = frames(5, &vec![7; 64 << 10]);
    let count = allocations(100, || {
        for piece in bytes.chunks(100 << 10) {
            server.receive(id, piece);
        }
    });
    assert!(count == 0.0, "{count}");
}

#[test]
fn a_message_to_a_room_of_a_thousand() {
    for in_flight in [1, 16] {
        let mut server = ShardSet::new(1, Rooms::default);
        let ids: Vec<_> = (0..1_000).map(|_| server.connect(0)).collect();
        for &id in &ids {
            server.receive(id, &frames(1, b"join:r"));
        }
        let payload = [&b"msg:"[..], &[7; 128]].concat();
        let bytes = frames(in_flight, &payload);
        let before = server.written;
        let count = allocations(20, || server.receive(ids[3], &bytes));
        assert!(count == 0.0, "{count} for {in_flight} at once");
        assert_eq!(server.written - before, 40 * in_flight * 1_000 * 132);
    }
}

/// What is given back from time to time is not what is needed again at once.
#[test]
fn a_message_to_a_room_every_second() {
    for in_flight in [1, 16] {
        let mut server = ShardSet::new(1, Rooms::default);
        let ids: Vec<_> = (0..100).map(|_| server.connect(0)).collect();
        for &id in &ids {
            server.receive(id, &frames(1, b"join:r"));
        }
        let bytes = frames(in_flight, &[&b"msg:"[..], &[7; 128]].concat());
        let count = allocations(10, || {
            server.receive(ids[3], &bytes);
            server.pass(Duration::from_millis(1_100));
        });
        assert!(count == 0.0, "{count} for {in_flight} at once");
    }
}

#[test]
fn a_slow_reader_whatever_becomes_of_its_messages() {
    for overflow in [
        OverflowPolicy::EvictLower,
        OverflowPolicy::DropNew,
        OverflowPolicy::DropOldest,
        OverflowPolicy::Conflate,
    ] {
        let rooms = Rooms {
            overflow,
            ttl: Some(Duration::from_secs(9)),
            ..Rooms::default()
        };
        let mut server = ShardSet::new(1, || rooms);
        let ids: Vec<_> = (0..20).map(|_| server.connect(0)).collect();
        for &id in &ids {
            server.receive(id, &frames(1, b"join:r"));
        }
        server.stuck = Some(ids[7]);
        // More keys than may wait, and messages without.
        let said: Vec<_> = (0..400)
            .map(|n| frames(1, format!("msg#{}:{n:0100}", n % 300).as_bytes()))
            .chain([frames(1, b"msg:x")])
            .collect();
        let count = allocations(3, || {
            for bytes in &said {
                server.receive(ids[3], bytes);
            }
        });
        assert!(count == 0.0, "{count}, {overflow:?}");
        let delivery = server.shards[0].stats().delivery;
        assert!(
            delivery.waiting >= 256 && delivery.conflated > 100,
            "{delivery:?}"
        );
    }
}

#[test]
fn what_is_compressed() {
    let mut server = ShardSet::new(1, || Echo);
    let id = server.connect_offering(0);
    let bytes = frames(4, &[7; 2_000]);
    let count = allocations(50, || server.receive(id, &bytes));
    assert!(count == 0.0, "{count}");
    assert!(server.written < 100 * 4 * 200, "{}", server.written);

    let mut server = ShardSet::new(1, Rooms::default);
    let ids: Vec<_> = (0..100).map(|_| server.connect_offering(0)).collect();
    for &id in &ids {
        server.receive(id, &frames(1, b"join:r"));
    }
    let bytes = frames(1, &[&b"msg:"[..], &[7; 2_000]].concat());
    let before = server.shards[0].stats().deflate.deflated;
    let count = allocations(20, || server.receive(ids[3], &bytes));
    assert!(count == 0.0, "{count}");
    let deflated = server.shards[0].stats().deflate.deflated - before;
    assert_eq!(deflated, 40, "once for all members");
}

#[test]
fn compression_costs_an_idle_connection_nothing() {
    let mut server = ShardSet::new(1, || Echo);
    let compressible = frames(1, &[7; 2_000]);
    let mut measure = |offering: bool| {
        let before = LIVE.get();
        for _ in 0..1_024 {
            let id = if offering {
                server.connect_offering(0)
            } else {
                server.connect(0)
            };
            server.receive(id, &compressible);
        }
        LIVE.get() - before
    };
    measure(true);
    let (without, with) = (measure(false), measure(true));
    // The table has doubled in either, from 1,024 places to 2,048 and then to 4,096.
    assert_eq!(with, 2 * without);
}

#[test]
fn a_message_between_four_shards() {
    for len in [128, 8 << 10] {
        let mut server = ShardSet::new(4, Rooms::default);
        let ids: Vec<_> = (0..40).map(|n| server.connect(n % 4)).collect();
        for &id in &ids {
            server.receive(id, &frames(1, b"join:r"));
        }
        let payload = [&b"msg:"[..], &vec![7; len]].concat();
        let bytes = frames(1, &payload);
        for (speaker, &id) in ids[..4].iter().enumerate() {
            let count = allocations(200, || server.receive(id, &bytes));
            println!("{count} allocations for {len} bytes from shard {speaker} to four");
            // The name, the payload, the parcel; and what shares a long payload.
            assert!(count <= 4.0, "{count}");
        }
    }
}

#[test]
fn a_task_from_its_submission_to_its_end() {
    let mut server = ShardSet::new(1, Rooms::default);
    let ids: Vec<_> = (0..4).map(|_| server.connect(0)).collect();
    let mut dispatcher = Dispatcher::new(2, 16, &Config::default());
    let mut round = || {
        for (task, &id) in ids.iter().enumerate() {
            for options in [TaskOptions::new(), TaskOptions::new().order(TaskOrder::Any)] {
                let taken = dispatcher.handle_submit(NOW, id, task, options);
                assert!(taken.is_ok());
            }
        }
        // The first has to be tried again.
        let mut assigned = 0;
        while let Some(job) = dispatcher.poll_assign(NOW, WorkerId(0)) {
            assigned += 1;
            let end = match assigned {
                1 => AttemptEnd::Failed(Failure::Retry),
                _ => AttemptEnd::Done,
            };
            let attempt = job.attempt;
            drop(job);
            let _ = dispatcher.handle_end(NOW, WorkerId(0), end);
            while dispatcher.poll_spent().is_some() {}
            if assigned == 7
                && let Some(due) = dispatcher.poll_timeout()
            {
                dispatcher.handle_timeout(due);
            }
            assert!(attempt <= 2);
        }
        assert_eq!(assigned, 9);
        assert!(dispatcher.is_idle());
    };
    let begin = std::time::Instant::now();
    let count = allocations(2_000, &mut round);
    println!(
        "{count} allocations, {:?} a task",
        begin.elapsed() / (4_000 * 8)
    );
    assert!(count < 0.01, "{count}");
}

#[test]
fn an_idle_connection_has_nothing_but_its_slot_and_its_membership() {
    let mut server = ShardSet::new(1, Rooms::default);
    let join = frames(1, b"join:r");
    let mut connect = || {
        let id = server.connect(0);
        server.receive(id, &join);
    };
    connect();
    let before = LIVE.get();
    for _ in 1..1_024 {
        connect();
    }
    let delta = LIVE.get() - before;
    // Both tables grow by doubling, from four places to 1,024.
    let tables = 1_020 * (SLOT_BYTES as i64 + 4);
    assert!(delta <= tables, "{delta} bytes, {tables} in tables");
}

#[test]
fn a_peer_that_never_ends_a_read_with_a_frame_holds_little() {
    let mut server = ShardSet::new(1, || Echo);
    let id = server.connect(0);
    let bytes = frames(2, &[7; 100]);
    // A header is begun in each read and ended in the next.
    let mut turned = bytes.clone();
    turned.rotate_left(3);
    server.shards[0].handle_input(NOW, id, &mut bytes[..3].to_vec());
    let before = LIVE.get();
    let mut buffer = turned.clone();
    for _ in 0..10_000 {
        buffer.copy_from_slice(&turned);
        server.shards[0].handle_input(NOW, id, &mut buffer);
        server.turn(0);
    }
    let grown = LIVE.get() - before;
    assert!(grown < 64 << 10, "{grown} bytes");
}
