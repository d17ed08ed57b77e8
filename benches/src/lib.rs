//! What the benches share: how long to measure, what a client sends, a shard full
//! of peers whose sockets take everything, a queue and a stream to be decoded; and
//! the counting of instructions, for what a clock is too coarse for.
//!
//! `cargo bench -p stentor-benches` runs them all in about a minute.

mod counting;
mod crowd;
mod decoding;
mod free_address;
mod queueing;
mod samples;

use core::time::Duration;

use criterion::Criterion;
use stentor_core::MessageType;
use stentor_core::proto::ws::header::Header;
use stentor_core::proto::ws::mask;

pub use counting::{Case, count};
pub use crowd::{Crowd, publication};
pub use decoding::decode;
pub use free_address::free_address;
pub use queueing::{MESSAGES, PAYLOAD, Queueing};
pub use samples::{Sample, samples};

/// Short measurements: enough to tell 10 % apart, all of them in a minute.
pub fn settings() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(600))
        .sample_size(20)
}

/// Appends a message as a client sends it, in one masked frame.
pub fn client_frame(out: &mut Vec<u8>, kind: MessageType, payload: &[u8]) {
    let key = [0x37, 0xFA, 0x21, 0x3D];
    let header = Header {
        fin: true,
        rsv: 0,
        opcode: kind.opcode(),
        mask: Some(key),
        payload_len: payload.len() as u64,
    };
    let (bytes, len) = header.encode();
    out.extend_from_slice(&bytes[..len]);
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[start..], key, 0);
}
