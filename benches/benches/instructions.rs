//! Instruction counts of hot code, by valgrind: decoding and unmasking, the queue, an echo, fan-out
//! and statistics. A case that takes more than in `instructions.json` fails.
//!
//! `cargo bench -p stentor-benches --bench instructions -- --record` stores new counts.

use std::hint::black_box;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use stentor_benches::messages::client_frame;
use stentor_benches::{BenchShard, Case, MESSAGES, QueueWorkload, count, decode, publication};
use stentor_core::{Config, Echo, MessageType};

fn main() -> ExitCode {
    let baseline = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json");
    count(&baseline, &CASES)
}

const CASES: [Case; 11] = [
    Case {
        name: "decode: a text of 20 B",
        of: 1_000,
        work: || decoding(MessageType::Text, 20, 1_000),
    },
    Case {
        name: "decode: a text of 1,000 B",
        of: 200,
        work: || decoding(MessageType::Text, 1_000, 200),
    },
    Case {
        name: "decode: 16 KiB of binary",
        of: 20,
        work: || decoding(MessageType::Binary, 16 << 10, 20),
    },
    Case {
        name: "queue: a push and a pop, one priority",
        of: MESSAGES,
        work: || queueing(1),
    },
    Case {
        name: "queue: a push and a pop, 16 priorities",
        of: MESSAGES,
        work: || queueing(16),
    },
    Case {
        name: "echo: a text of 128 B, one in a read",
        of: 1,
        work: || echo(1),
    },
    Case {
        name: "echo: a text of 128 B, 16 in a read",
        of: 16,
        work: || echo(16),
    },
    Case {
        name: "fan-out: a member of 1,000, one message",
        of: 1_000,
        work: || fan_out(1),
    },
    Case {
        name: "fan-out: a member of 1,000, one of 16 messages",
        of: 16_000,
        work: || fan_out(16),
    },
    // The cost must not depend on the number of connections, so these two have equal counts.
    Case {
        name: "stats: a shard of 16 connections",
        of: 1,
        work: || stats(16),
    },
    Case {
        name: "stats: a shard of 10,000 connections",
        of: 1,
        work: || stats(10_000),
    },
];

type Workload = Box<dyn FnMut()>;

fn decoding(kind: MessageType, len: usize, messages: usize) -> Workload {
    let mut stream = Vec::new();
    for _ in 0..messages {
        client_frame(&mut stream, kind, &[&vec![b'x'; len]]);
    }
    let mut scratch = vec![0; 256 << 10];
    Box::new(move || assert_eq!(decode(Pieces(black_box(&stream)), &mut scratch), messages))
}

/// A stream that is copied in pieces. A long copy is a single instruction, but valgrind counts it
/// once per byte, and these would outnumber the other instructions.
struct Pieces<'a>(&'a [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        out.chunks_mut(PIECE).map(|piece| self.0.read(piece)).sum()
    }
}

const PIECE: usize = 1 << 10;

fn queueing(priorities: usize) -> Workload {
    let mut workload = QueueWorkload::new(priorities);
    Box::new(move || workload.round())
}

fn echo(messages: usize) -> Workload {
    let mut frames = Vec::new();
    for _ in 0..messages {
        client_frame(&mut frames, MessageType::Text, &[&[b'x'; 128]]);
    }
    let mut shard = BenchShard::new(&Config::default(), Echo, 1, "");
    // The echo has a header of four bytes, and no mask.
    Box::new(move || assert_eq!(shard.receive(&frames), messages * (2 + 2 + 128)))
}

fn fan_out(messages: usize) -> Workload {
    let frames = publication(&[b'x'; 128]).repeat(messages);
    let mut shard = BenchShard::room(1_000);
    Box::new(move || assert!(shard.receive(black_box(&frames)) >= messages * 1_000 * 128))
}

fn stats(connections: usize) -> Workload {
    let shard = BenchShard::room(connections);
    Box::new(move || {
        let stats = black_box(black_box(&shard).stats());
        assert_eq!(stats.links.active, connections as u64);
    })
}
