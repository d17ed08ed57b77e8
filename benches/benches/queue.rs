//! Benchmark: the queue of one connection, with 256 messages in, and out again in writes of 64 KiB.
//! The baseline is an unbounded heap of encoded frames with sequence numbers.
#![allow(missing_docs, reason = "criterion's macros write undocumented items")]

use core::cmp::Reverse;
use core::hint::black_box;
use std::collections::BinaryHeap;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stentor_benches::{MESSAGES, PAYLOAD, QueueWorkload};
use stentor_core::proto::ws::header::encode_unmasked;
use stentor_core::proto::ws::opcode::Opcode;

fn queueing(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    for priorities in [1, 4, 256] {
        let mut workload = QueueWorkload::new(priorities);
        let order = workload.priorities().to_vec();
        group.bench_function(BenchmarkId::new("stentor", priorities), |b| {
            b.iter(|| workload.round());
        });
        let mut heap = BinaryHeap::new();
        group.bench_function(BenchmarkId::new("binary-heap", priorities), |b| {
            b.iter(|| {
                for (sequence, &priority) in order.iter().enumerate() {
                    let (header, n) = encode_unmasked(Opcode::Binary, PAYLOAD.len());
                    let frame = [&header[..n], black_box(&PAYLOAD)].concat();
                    heap.push(Reverse((priority, sequence, frame)));
                }
                while let Some(Reverse((_, _, frame))) = heap.pop() {
                    black_box(frame);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = stentor_benches::settings(); targets = queueing);
criterion_main!(benches);
