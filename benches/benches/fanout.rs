//! Benchmark: a message to every member of a room in a shard, from received bytes to the last
//! write. The baseline does less: it encodes a frame for each member into that member's list, and
//! takes it out again.
#![allow(missing_docs, reason = "criterion's macros write undocumented items")]

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stentor_benches::{BenchShard, publication};
use stentor_core::proto::ws::header::encode_unmasked;
use stentor_core::proto::ws::opcode::Opcode;

fn fan_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("fanout");
    for members in [1_000, 5_000] {
        for len in [64, 1_000, 16_000] {
            let text = vec![b'x'; len];
            let name = format!("{members}x{len}");
            group.throughput(Throughput::Elements(members as u64));
            let (mut shard, message) = (BenchShard::room(members), publication(&text));
            assert!(shard.receive(&message) >= members * len, "everyone is told");
            group.bench_function(BenchmarkId::new("stentor", &name), |b| {
                b.iter(|| shard.receive(&message));
            });
            let mut lists: Vec<Vec<Vec<u8>>> = vec![Vec::new(); members];
            group.bench_function(BenchmarkId::new("copy-per-member", &name), |b| {
                b.iter(|| {
                    for list in &mut lists {
                        let (header, n) = encode_unmasked(Opcode::Text, text.len());
                        list.push([&header[..n], black_box(&text)].concat());
                    }
                    for list in &mut lists {
                        black_box(list.pop());
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group!(name = benches; config = stentor_benches::settings(); targets = fan_out);
criterion_main!(benches);
