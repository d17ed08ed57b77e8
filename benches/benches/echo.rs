//! Benchmark: an echo in a shard, from received bytes to bytes to send, for one message per read
//! and for sixteen. The baseline copies the same bytes once.
#![allow(missing_docs, reason = "criterion's macros write undocumented items")]

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stentor_benches::BenchShard;
use stentor_benches::messages::client_frame;
use stentor_core::{Config, Echo, MessageType};

fn echo(c: &mut Criterion) {
    let mut group = c.benchmark_group("echo");
    for (kind, name) in [(MessageType::Binary, "binary"), (MessageType::Text, "text")] {
        for len in [16, 128, 1_024, 16_384] {
            for count in [1, 16] {
                let mut frames = Vec::new();
                for _ in 0..count {
                    client_frame(&mut frames, kind, &[&vec![b'x'; len]]);
                }
                let id = format!("{name}/{count}x{len}");
                group.throughput(Throughput::Elements(count));
                if frames.len() <= 250 << 10 {
                    let mut shard = BenchShard::new(&Config::default(), Echo, 1, "");
                    group.bench_function(BenchmarkId::new("stentor", &id), |b| {
                        b.iter(|| shard.receive(&frames));
                    });
                }
                let mut copy = vec![0; frames.len()];
                group.bench_function(BenchmarkId::new("copy", &id), |b| {
                    b.iter(|| black_box(&mut copy).copy_from_slice(black_box(&frames)));
                });
            }
        }
    }
    group.finish();
}

criterion_group!(name = benches; config = stentor_benches::settings(); targets = echo);
criterion_main!(benches);
