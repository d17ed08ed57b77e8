//! Ways in which a simulated server ends.

use core::time::Duration;

use stentor_core::node::{Drain, DrainGoal, DrainStep, ShardOrder};
use stentor_core::tasks::Abandoned;
use stentor_core::{CloseCode, Handler, Shard, Timestamp};

use super::Sim;

impl<H: Handler> Sim<H> {
    /// Begins to drain every shard.
    pub fn begin_drain(&mut self) {
        self.cancel_delays();
        self.order(ShardOrder::Drain);
    }

    /// Returns whether nothing that was accepted is still on its way.
    pub fn is_quiet(&self) -> bool {
        self.scheduler.dispatcher().is_idle() && self.has_reached_goal(DrainGoal::Quiet)
    }

    /// Closes every connection with this code.
    pub fn close_all(&mut self, code: CloseCode) {
        self.order(ShardOrder::Close(code));
    }

    /// Cuts every connection off.
    pub fn abort(&mut self) {
        self.order(ShardOrder::Abort);
    }

    /// Shuts the server down as an adapter does.
    pub fn shut_down(&mut self, timeout: Duration) {
        self.cancel_delays();
        let mut drain = Drain::new(self.time(), timeout);
        while let Some(step) = drain.poll(self.time(), |goal| self.has_reached_goal(goal)) {
            match step {
                DrainStep::Order(order) => self.order(order),
                DrainStep::Wait(until) => self.step_until(until),
            }
        }
        self.scheduler.handle_drain();
        self.wake_workers();
        self.settle();
    }

    /// Gives up every task that is not over, and says how many there were.
    pub fn abandon(&mut self) -> usize {
        self.take_abandoned().len()
    }

    /// [`abandon`](Self::abandon), and hands them back.
    pub fn take_abandoned(&mut self) -> Vec<Abandoned<H::Task>> {
        self.scheduler.abandon().collect()
    }

    fn cancel_delays(&mut self) {
        let wakeups = self.scheduler.cancel_delays();
        self.wake(wakeups);
    }

    fn order(&mut self, order: ShardOrder) {
        let now = self.time();
        for shard in 0..self.shards.len() {
            order.apply(now, &mut self.shards[shard]);
            self.drain_outputs(shard);
        }
    }

    fn has_reached_goal(&self, goal: DrainGoal) -> bool {
        self.shards.iter().all(match goal {
            DrainGoal::Quiet => Shard::is_quiet,
            DrainGoal::Empty => Shard::is_empty,
        })
    }

    /// Lets one thing happen, or this time come if nothing happens before.
    fn step_until(&mut self, until: Timestamp) {
        let until = until.as_micros();
        if !self.step(until) {
            self.now = self.now.max(until);
        }
    }
}
