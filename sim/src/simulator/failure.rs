//! Failure of a shard: a handler that panics on purpose, and how an adapter reacts.

use core::panic::AssertUnwindSafe;

use stentor_core::{Handler, ShardId};

use super::Sim;

/// What a handler of a simulated server panics with.
struct Crash(ShardId);

/// For a handler: fails the shard that it is in, as a panic would, and as
/// quietly as a simulation should.
pub fn crash(shard: ShardId) -> ! {
    std::panic::resume_unwind(Box::new(Crash(shard)))
}

impl<H: Handler> Sim<H> {
    /// Does something with a shard. If its handler [crashes](crash), the shard
    /// begins anew; `None` then.
    pub(super) fn guarded<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> Option<R> {
        match std::panic::catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(done) => Some(done),
            Err(panic) => match panic.downcast::<Crash>() {
                Ok(crash) => {
                    self.begin_anew(crash.0);
                    None
                }
                Err(other) => std::panic::resume_unwind(other),
            },
        }
    }

    /// Closes the sockets of a shard that has failed, and puts an empty one in its place.
    fn begin_anew(&mut self, id: ShardId) {
        let shard = id.index();
        self.failures += 1;
        for slot in core::mem::take(&mut self.slots[shard]) {
            let Some(at) = slot else { continue };
            self.release(at);
            self.links[at].taken = None;
        }
        let handler = (self.handler)(id);
        self.shards[shard].restart(handler);
    }

    /// How many shards have failed.
    pub const fn failures(&self) -> u64 {
        self.failures
    }
}
