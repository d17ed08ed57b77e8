//! A stream of masked messages, from reads to messages: ours, tungstenite's,
//! and that of fastwebsockets. Each copies what it reads out of the stream, as
//! it would out of a socket.
#![allow(missing_docs, reason = "criterion's macros write undocumented items")]

use core::future::Future;
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::io::{Read, Result, Write};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stentor_benches::client_frame;
use stentor_core::Kind;
use stentor_core::conn::{Connection, Event, MessageLimits, Payload, Role, Workspace};

/// A socket that has it all, and takes anything.
struct Source<'a>(&'a [u8]);

impl Read for Source<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        self.0.read(out)
    }
}

impl Write for Source<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The part of a read that was not consumed goes in front of the next, as a
/// shard does it.
fn ours(mut stream: &[u8], scratch: &mut [u8]) -> usize {
    let limits = MessageLimits {
        bytes: 1 << 20,
        empty_fragments: 1,
    };
    let (mut conn, mut workspace) = (Connection::new(Role::Server), Workspace::default());
    let (mut messages, mut held) = (0, 0);
    while let Ok(n @ 1..) = stream.read(&mut scratch[held..]) {
        let (mut at, end) = (0, held + n);
        loop {
            let step = conn.poll_event(&mut scratch[at..end], limits, &mut workspace);
            let step = step.expect("well formed");
            at += step.consumed;
            match step.event {
                Some(Event::Message {
                    payload: Payload::Here(_),
                    ..
                }) => messages += 1,
                Some(Event::Message { .. }) => {
                    messages += 1;
                    let message = workspace.take_message();
                    workspace.give(black_box(message));
                }
                Some(_) => {}
                None => break,
            }
        }
        scratch.copy_within(at..end, 0);
        held = end - at;
    }
    messages
}

fn tungstenite(stream: &[u8], messages: usize) {
    let mut context =
        tungstenite::protocol::WebSocketContext::new(tungstenite::protocol::Role::Server, None);
    let mut source = Source(stream);
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
        ("text-20", Kind::Text, 20, 10_000),
        ("text-1000", Kind::Text, 1_000, 1_000),
        ("binary-65536", Kind::Binary, 65_536, 64),
    ] {
        let mut stream = Vec::new();
        for _ in 0..messages {
            client_frame(&mut stream, kind, &vec![b'x'; len]);
        }
        assert_eq!(ours(&stream, &mut scratch), messages);
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_function(BenchmarkId::new("stentor", name), |b| {
            b.iter(|| ours(black_box(&stream), &mut scratch));
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
