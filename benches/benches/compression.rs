//! Benchmark: permessage-deflate in a shard, for one message to its sender and one to a thousand
//! members. The bytes written are printed first; they do not change from run to run.
#![allow(missing_docs, reason = "criterion's macros write undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stentor_benches::messages::client_frame;
use stentor_benches::{BenchShard, publication, samples};
use stentor_core::{Config, Echo, Handler, MessageType};
use stentor_gateway::Rooms;

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
const MEMBERS: usize = 1_000;

/// Name, compression level (0 is off), and whether each connection keeps a context.
const WAYS: [(&str, usize, bool); 4] = [
    ("off", 0, false),
    ("level1", 1, false),
    ("level6", 6, false),
    ("level6-contexts", 6, true),
];

fn shard<H: Handler>(
    handler: H,
    peers: usize,
    (_, level, contexts): (&str, usize, bool),
) -> BenchShard<H> {
    let config = Config::builder()
        .compression(level > 0)
        .compression_level(level.max(1))
        .compression_threshold(1)
        .compression_contexts(if contexts { 1 << 36 } else { 0 })
        .build()
        .expect("in range");
    BenchShard::new(&config, handler, peers, OFFER)
}

fn print_savings() {
    println!("bytes written for each message (and of its length)");
    for (name, messages) in samples(256) {
        let len: usize = messages.iter().map(Vec::len).sum();
        print!("{name:>6} {:>5} bytes", len / messages.len());
        for way in WAYS {
            let mut shard = shard(Echo, 1, way);
            let mut written = 0;
            for message in &messages {
                let mut frame = Vec::new();
                client_frame(&mut frame, MessageType::Binary, &[message]);
                written += shard.receive(&frame);
            }
            let (each, share) = (written / messages.len(), written as f64 / len as f64);
            print!("   {} {each} ({:.0} %)", way.0, share * 100.0);
        }
        println!();
    }
}

fn echo(c: &mut Criterion) {
    print_savings();
    let mut group = c.benchmark_group("compression/echo");
    for (name, messages) in samples(256) {
        let frames: Vec<Vec<u8>> = messages
            .iter()
            .map(|message| {
                let mut frame = Vec::new();
                client_frame(&mut frame, MessageType::Binary, &[message]);
                frame
            })
            .collect();
        for way in WAYS {
            let mut shard = shard(Echo, 1, way);
            let mut next = frames.iter().cycle();
            group.bench_function(BenchmarkId::new(way.0, name), |b| {
                b.iter(|| shard.receive(next.next().expect("a cycle")));
            });
        }
    }
    group.finish();
}

fn fan_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("compression/fanout");
    group.throughput(Throughput::Elements(MEMBERS as u64));
    for (name, messages) in samples(256) {
        let frames: Vec<Vec<u8>> = messages
            .iter()
            .map(|message| publication(message))
            .collect();
        // A thousand contexts need half a gigabyte.
        for way in &WAYS[..3] {
            let mut shard = shard(Rooms::default(), MEMBERS, *way);
            let mut next = frames.iter().cycle();
            group.bench_function(BenchmarkId::new(way.0, name), |b| {
                b.iter(|| shard.receive(next.next().expect("a cycle")));
            });
        }
    }
    group.finish();
}

criterion_group!(name = benches; config = stentor_benches::settings(); targets = echo, fan_out);
criterion_main!(benches);
