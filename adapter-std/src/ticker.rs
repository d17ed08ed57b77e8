//! Owns the thread that sees to a shard's letters and timers.

use std::sync::atomic::Ordering;

use stentor_core::{Handler, ShardId};

use crate::locked_shard::LockedShards;
use crate::primitive::{AtomicBool, thread};
use crate::stream::Stream;

/// Sees to letters and timers until told to stop, and woken then.
pub(crate) fn run<H: Handler, S: Stream>(
    stations: &LockedShards<H, S>,
    at: ShardId,
    stop: &AtomicBool,
) {
    stations.set_ticker(at, thread::current());
    while !stop.load(Ordering::Acquire) {
        let next = stations.tick(at);
        stations.sleep(next);
    }
}
