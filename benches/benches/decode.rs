//! Benchmark: decoding a stream of masked messages, compared with tungstenite and fastwebsockets.
//! Each copies from the stream what it would read from a socket.
#![allow(missing_docs, reason = "criterion's macros write undocumented items")]

use core::future::Future;
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::io::{Read, Result, Write};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stentor_benches::decode;
use stentor_benches::messages::client_frame;
use stentor_core::MessageType;

/// A socket that always has data, and discards what is written.
struct EndlessSocket<'a>(&'a [u8]);

impl Read for EndlessSocket<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        self.0.read(out)
    }
}

impl Write for EndlessSocket<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fn tungstenite(stream: &[u8], messages: usize) {
    let mut context =
        tungstenite::protocol::WebSocketContext::new(tungstenite::protocol::Role::Server, None);
    let mut source = EndlessSocket(stream);
    for _ in 0..messages {
        black_box(context.read(&mut source).expect("well formed"));
    }
}

fn fastwebsockets(stream: &[u8], messages: usize) {
    let stream = tokio::io::join(stream, tokio::io::sink());
    let socket = fastwebsockets::WebSocket::after_handshake(stream, fastwebsockets::Role::Server);
    let mut socket = fastwebsockets::FragmentCollector::new(socket);
    for _ in 0..messages {
        let read = pin!(socket.read_frame());
        let Poll::Ready(frame) = read.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("it is all there");
        };
        black_box(frame.expect("well formed"));
    }
}

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let mut scratch = vec![0; 256 << 10];
    for (name, kind, len, messages) in [
        ("text-20", MessageType::Text, 20, 10_000),
        ("text-1000", MessageType::Text, 1_000, 1_000),
        ("binary-65536", MessageType::Binary, 65_536, 64),
    ] {
        let mut stream = Vec::new();
        for _ in 0..messages {
            client_frame(&mut stream, kind, &[&vec![b'x'; len]]);
        }
        assert_eq!(decode(&stream[..], &mut scratch), messages);
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_function(BenchmarkId::new("stentor", name), |b| {
            b.iter(|| decode(black_box(&stream[..]), &mut scratch));
        });
        group.bench_function(BenchmarkId::new("tungstenite", name), |b| {
            b.iter(|| tungstenite(black_box(&stream), messages));
        });
        group.bench_function(BenchmarkId::new("fastwebsockets", name), |b| {
            b.iter(|| fastwebsockets(black_box(&stream), messages));
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = stentor_benches::settings(); targets = decoding);
criterion_main!(benches);
