//! How much a driver does for one shard, socket or listener before the others have their turn.

use crate::app::{Handler, Isolation};
use crate::engine::output::{Output, Reason};
use crate::shard::Shard;

/// What is left of a turn of a shard. The outputs that remain when it is spent stay in the shard
/// until the next turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TurnBudget {
    outputs: usize,
    flushes: usize,
    has_ended: bool,
}

impl TurnBudget {
    /// Budget of a driver that reads and writes the sockets of its shard on one thread.
    ///
    /// A long fan-out is cut into slices of 32 writes, and sockets are read between the slices, so
    /// urgent messages wait for one slice, about 150 microseconds, and not for all of them. The
    /// short slices have no measurable cost. Most of the other outputs cost little; their number
    /// exceeds what may pile up in a shard, or many connections that open or close at once would
    /// delay the writes behind them.
    pub const ONE_THREAD: Self = Self::new(2_048, 32);
    /// Budget of a turn under a lock that other threads wait for. Sockets are written without it.
    pub const LOCKED: Self = Self::new(512, usize::MAX);

    /// Readiness events taken from the kernel at a time.
    pub const EVENTS: usize = 1_024;
    /// Sockets accepted from one listener before anything else is done.
    pub const ACCEPTS: usize = 64;
    /// Reads of one socket in a turn, each of up to 512 KiB. With two, other connections wait four
    /// times as long beside peers that send 64 KiB messages without a pause.
    pub const READS: usize = 1;
    /// Writes of replies by a thread that reads, before it reads on and leaves the rest to the
    /// thread that writes.
    pub const REPLIES: usize = 4;

    /// Returns a budget of this many outputs, and of this many [`Output::Flush`] among them.
    #[must_use]
    pub const fn new(outputs: usize, flushes: usize) -> Self {
        Self {
            outputs,
            flushes,
            has_ended: false,
        }
    }

    /// Returns the next output of a shard, or `None` behind the last one. Where the budget is spent,
    /// that is an [`Output::Timeout`] for the present: timers run however much there is to do.
    pub fn poll<H: Handler, I: Isolation>(&mut self, shard: &mut Shard<H, I>) -> Option<Output<H>> {
        if self.has_ended {
            return None;
        }
        if self.is_spent() {
            self.has_ended = true;
            return Some(Output::Timeout(Some((shard.engine.now, Reason::Turn))));
        }
        let output = shard.poll_output();
        self.has_ended = matches!(output, Output::Timeout(_));
        self.outputs -= usize::from(!self.has_ended);
        self.flushes -= usize::from(matches!(output, Output::Flush(_)));
        Some(output)
    }

    /// Returns whether the turn is over although there may be more outputs.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.outputs == 0 || self.flushes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Echo;
    use crate::config::Config;
    use crate::engine::input::Admission;
    use crate::id::ShardId;
    use crate::time::Timestamp;

    #[test]
    fn outputs_beyond_the_budget_stay_in_the_shard() {
        let config = Config::builder().build().expect("valid");
        let mut shard = Shard::new(ShardId(0), &config, Echo);
        let now = Timestamp::ORIGIN;
        for _ in 0..3 {
            let id = shard.accept(now, Admission::Normal);
            shard.handle_disconnect(now, id);
        }
        let is_end = |output: &Output<Echo>| matches!(output, Output::Disconnect(_));
        let mut ends = 0;
        loop {
            let mut budget = TurnBudget::new(1, 1);
            let outputs = core::iter::from_fn(|| budget.poll(&mut shard));
            ends += outputs.filter(is_end).count();
            if !budget.is_spent() {
                break;
            }
        }
        assert_eq!(ends, 3);
    }

    #[test]
    fn a_turn_ends_after_its_flushes() {
        let config = Config::builder().build().expect("valid");
        let mut shard = Shard::new(ShardId(0), &config, Echo);
        let now = Timestamp::ORIGIN;
        for _ in 0..2 {
            let id = shard.accept(now, Admission::Normal);
            let mut request = *b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
            shard.handle_input(now, id, &mut request);
        }
        let is_flush = |output: Output<Echo>| matches!(output, Output::Flush(_));
        let mut budget = TurnBudget::new(1_000, 1);
        let outputs = core::iter::from_fn(|| budget.poll(&mut shard)).map(is_flush);
        assert_eq!(outputs.filter(|&is_flush| is_flush).count(), 1);
        assert!(budget.is_spent());
    }
}
