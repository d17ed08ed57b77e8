//! Time of the next timeout of a shard, and the handling of all that is due.

use core::time::Duration;

use crate::engine::output::Reason;
use crate::engine::timers::Direction;

use crate::app::{Handler, Isolation};
use crate::id::ConnId;
use crate::session::deferred::PendingOp;
use crate::shard::Shard;
use crate::time::Timestamp;

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// Returns what the next [`Output::Timeout`](crate::Output::Timeout) says.
    #[cfg(feature = "testing")]
    pub fn poll_timeout(&self) -> Option<(Timestamp, Reason)> {
        self.next_timeout()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is to be called at the latest, and
    /// why. It may turn out that nothing is due, which is counted.
    pub(crate) fn next_timeout(&self) -> Option<(Timestamp, Reason)> {
        let connection = self.engine.wheel.next().map(|at| (at, Reason::Connection));
        let press = self
            .engine
            .out
            .stall_timeout()
            .map(|at| (at, Reason::Press));
        let spent = self
            .engine
            .wants_turn()
            .then_some((self.engine.now, Reason::Turn));
        let application = self.engine.app_timers.next();
        let application = application.map(|at| (at, Reason::Application));
        let due = self.engine.streams.next_due();
        let due = due.map(|at| (at, Reason::Stream));
        let paced = self.engine.paced_until().map(|at| (at, Reason::Drain));
        connection
            .into_iter()
            .chain(paced)
            .chain(due)
            .chain(press)
            .chain(spent)
            .chain(application)
            .min_by_key(|&(at, _)| at)
    }

    /// Takes note of the wall clock: `unix` is the time since the Unix epoch at `now`. The
    /// application sees it as [`Context::unix_time`](crate::Context::unix_time); nothing else
    /// depends on it. An adapter says it once before it accepts connections, and again from time
    /// to time, since wall clocks are set.
    pub fn handle_wall_clock(&mut self, now: Timestamp, unix: Duration) {
        self.engine.set_time(now);
        self.engine.unix_origin = unix.saturating_sub(now.since(Timestamp::ORIGIN));
    }

    /// Does what is due. For an adapter that has read before whatever its sockets had;
    /// another uses [`handle_timeout_with`](Self::handle_timeout_with).
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.handle_timeout_with(now, |_, _| false);
    }

    /// Does what is due, and asks about the socket of each connection whose time is over
    /// whether it is ready all the same: a peer whose bytes lie there unread is not
    /// silent, and one whose socket takes bytes again has taken some. What is ready has
    /// to be handed in then, as always.
    ///
    /// Where nobody called at the time that [`Output::Timeout`](crate::Output::Timeout) said,
    /// but an eighth of the shortest time-out later or more, the process was stopped, or
    /// is overloaded. A peer is not to blame for that: each time-out that has passed
    /// meanwhile is restarted, but only once until the peer shows a sign of life.
    pub fn handle_timeout_with(
        &mut self,
        now: Timestamp,
        mut is_ready: impl FnMut(ConnId, Direction) -> bool,
    ) {
        self.engine.set_time(now);
        let was_spent = self.engine.out.is_turn_over();
        let mut idle = !self.engine.end_stalls() && !self.engine.wants_turn();
        self.engine.begin_turn();
        if self.engine.has_sweep() {
            self.engine.sweep_slice();
        }
        if self.engine.out.is_shedding() {
            self.engine.reclaim();
        }
        // Before what is to be flushed: that may be much, and less urgent.
        while was_spent && !self.engine.must_wait() && self.resume_next() {}
        let mut left = self.engine.config.fan_out_slice;
        while left > 0
            && let Some(at) = self.engine.wheel.expired(&mut self.engine.slots, now)
        {
            idle &= !self.engine.check_timers(at, &mut is_ready);
            left -= 1;
        }
        while left > 0
            && let Some(at) = self.engine.app_timers.pop_due(now)
        {
            self.notify(at, PendingOp::Timer);
            idle = false;
            left -= 1;
        }
        idle &= !self.engine.expire_streams();
        self.engine.counts.links.idle_wakeups += u64::from(idle);
        self.engine.decay();
        self.settle();
    }
}
