//! Ticker thread of a shard: handles its timers and the messages of other shards.

use std::sync::atomic::Ordering;

use stentor_core::{Handler, ShardId};

use crate::locked_shard::LockedShards;
use crate::primitive::{AtomicBool, thread};
use crate::stream::Stream;

/// Handles messages and timers until `stop` is set and the thread is woken.
pub(crate) fn run<H: Handler, S: Stream>(
    host: &LockedShards<H, S>,
    at: ShardId,
    stop: &AtomicBool,
) {
    host.set_ticker(at, thread::current());
    while !stop.load(Ordering::Acquire) {
        let next = host.tick(at);
        host.sleep(next);
    }
}
