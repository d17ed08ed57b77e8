//! Parts that the benchmarks and `stentor-bench` share.
//!
//! `cargo bench -p stentor-benches` runs all benchmarks in about a minute.

mod bench_shard;
mod decoding;
mod instruction_counts;
pub mod messages;
mod queue_workload;
mod samples;

use core::time::Duration;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use criterion::Criterion;

pub use bench_shard::{BenchShard, publication};
pub use decoding::decode;
pub use instruction_counts::{Case, count};
pub use queue_workload::{MESSAGES, PAYLOAD, QueueWorkload};
pub use samples::{Sample, samples};

/// Returns the settings of all benchmarks. The measurements are short, but long enough to tell a
/// difference of 10 %.
pub fn settings() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(600))
        .sample_size(20)
}

/// Returns a loopback address that nobody listens on. The port is outside the range of ephemeral
/// ports: the system could give such a port to another process before the server listens on it.
///
/// # Errors
/// Returns the error of the system if a thousand ports in a row cannot be used.
pub fn free_address() -> io::Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Spreads the ports of processes that run at the same time.
    let own = (std::process::id() as u16).wrapping_mul(40_503);
    let mut tried = 0;
    loop {
        let port = 10_000 + own.wrapping_add(NEXT.fetch_add(1, Relaxed)) % 20_000;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return listener.local_addr(),
            Err(error) if tried >= 1_000 => return Err(error),
            Err(_) => tried += 1,
        }
    }
}
