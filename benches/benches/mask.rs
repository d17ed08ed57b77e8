//! Benchmark: masking, compared with a loop over bytes and with fastwebsockets; that of tungstenite
//! is private.
#![allow(missing_docs, reason = "criterion's macros write undocumented items")]

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stentor_core::proto::ws::mask;

fn masking(c: &mut Criterion) {
    let mut group = c.benchmark_group("mask");
    let key = [0x37, 0xFA, 0x21, 0x3D];
    for len in [16, 125, 1 << 10, 64 << 10] {
        let mut payload = vec![b'x'; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("naive", len), |b| {
            b.iter(|| mask::apply_naive(black_box(&mut payload), black_box(key), 0));
        });
        group.bench_function(BenchmarkId::new("stentor", len), |b| {
            b.iter(|| mask::apply(black_box(&mut payload), black_box(key), 0));
        });
        group.bench_function(BenchmarkId::new("fastwebsockets", len), |b| {
            b.iter(|| fastwebsockets::unmask(black_box(&mut payload), black_box(key)));
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = stentor_benches::settings(); targets = masking);
criterion_main!(benches);
