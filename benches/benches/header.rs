//! Benchmark: encoding and parsing frame headers of the three lengths, compared with tungstenite,
//! and for encoding with fastwebsockets, which parses headers only from a stream.
#![allow(missing_docs, reason = "criterion's macros write undocumented items")]

use core::hint::black_box;
use std::io::Cursor;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stentor_core::proto::ws::header::Header;
use stentor_core::proto::ws::opcode::Opcode;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

const LENGTHS: [u64; 3] = [20, 2_000, 200_000];
const KEY: [u8; 4] = [1, 2, 3, 4];

fn ours(payload_len: u64) -> Header {
    Header {
        fin: true,
        rsv: 0,
        opcode: Opcode::Binary,
        mask: Some(KEY),
        payload_len,
    }
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("header-encode");
    group.throughput(Throughput::Elements(1));
    let theirs = FrameHeader {
        opcode: OpCode::Data(Data::Binary),
        mask: Some(KEY),
        ..FrameHeader::default()
    };
    for len in LENGTHS {
        group.bench_function(BenchmarkId::new("stentor", len), |b| {
            b.iter(|| black_box(ours(black_box(len))).encode());
        });
        let mut out = Vec::with_capacity(14);
        group.bench_function(BenchmarkId::new("tungstenite", len), |b| {
            b.iter(|| {
                out.clear();
                black_box(&theirs).format(black_box(len), &mut out)
            });
        });
        let payload = vec![0; len as usize];
        let mut head = [0; 16];
        group.bench_function(BenchmarkId::new("fastwebsockets", len), |b| {
            let payload = fastwebsockets::Payload::Borrowed(&payload);
            let binary = fastwebsockets::OpCode::Binary;
            let mut frame = fastwebsockets::Frame::new(true, binary, Some(KEY), payload);
            b.iter(|| black_box(&mut frame).fmt_head(&mut head));
        });
    }
    group.finish();
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("header-parse");
    group.throughput(Throughput::Elements(1));
    for len in LENGTHS {
        let (bytes, n) = ours(len).encode();
        group.bench_function(BenchmarkId::new("stentor", len), |b| {
            b.iter(|| Header::parse(black_box(&bytes[..n])));
        });
        group.bench_function(BenchmarkId::new("tungstenite", len), |b| {
            b.iter(|| FrameHeader::parse(&mut Cursor::new(black_box(&bytes[..n]))));
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = stentor_benches::settings(); targets = encode, parse);
criterion_main!(benches);
