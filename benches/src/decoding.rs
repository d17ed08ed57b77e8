//! Decoding of a stream as a shard does it: reads go into one buffer, and the bytes that were not
//! consumed are moved in front of the next read.

use core::hint::black_box;
use std::io::Read;

use stentor_core::proto::ws::{
    Connection, ConnectionEvent, DecodeBuffers, MessageLimits, Payload, Role,
};

/// Decodes a stream from a client. Returns the number of messages.
pub fn decode(mut stream: impl Read, scratch: &mut [u8]) -> usize {
    let limits = MessageLimits {
        bytes: 1 << 20,
        empty_fragments: 1,
    };
    let (mut conn, mut workspace) = (Connection::new(Role::Server), DecodeBuffers::default());
    let (mut messages, mut held) = (0, 0);
    while let Ok(n @ 1..) = stream.read(&mut scratch[held..]) {
        let (mut at, end) = (0, held + n);
        loop {
            let step = conn.poll_event(&mut scratch[at..end], limits, &mut workspace);
            let step = step.expect("well formed");
            at += step.consumed;
            match step.event {
                Some(ConnectionEvent::Message {
                    payload: Payload::InPlace(_),
                    ..
                }) => messages += 1,
                Some(ConnectionEvent::Message { .. }) => {
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
