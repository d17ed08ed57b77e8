//! Ways in which a simulated server ends.

use core::time::Duration;

use stentor_core::{Abandoned, CloseCode, Handler, Shard};

use super::Sim;

impl<H: Handler> Sim<H> {
    /// Begins to drain every shard.
    pub fn begin_drain(&mut self) {
        let now = self.time();
        let wakes = self.dispatcher.cancel_delays();
        self.wake(wakes);
        for shard in 0..self.shards.len() {
            self.shards[shard].handle_drain(now);
            self.drain_outputs(shard);
        }
    }

    /// Whether nothing that was accepted is still on its way.
    pub fn is_quiet(&self) -> bool {
        self.dispatcher.is_idle() && self.shards.iter().all(Shard::is_quiet)
    }

    /// Closes every connection with this code.
    pub fn close_all(&mut self, code: CloseCode) {
        let now = self.time();
        self.dispatcher.handle_drain();
        self.wake_workers();
        for shard in 0..self.shards.len() {
            self.shards[shard].handle_close_all(now, code);
            self.drain_outputs(shard);
        }
    }

    /// Cuts every connection off.
    pub fn abort(&mut self) {
        let now = self.time();
        for shard in 0..self.shards.len() {
            self.shards[shard].handle_abort(now);
            self.drain_outputs(shard);
        }
    }

    /// Shuts the server down as an adapter does: drains, closes once all is
    /// quiet, and cuts off what is left at the deadline.
    pub fn shut_down(&mut self, deadline: Duration) {
        let end = self.now + deadline.as_micros() as u64;
        self.begin_drain();
        while !self.is_quiet() && self.step(end) {}
        self.close_all(CloseCode::GOING_AWAY);
        while !self.shards.iter().all(Shard::is_empty) && self.step(end) {}
        if !self.shards.iter().all(Shard::is_empty) {
            self.now = self.now.max(end);
            self.abort();
        }
        self.settle();
    }

    /// Gives up every task that is not over, and says how many there were.
    pub fn abandon(&mut self) -> usize {
        self.take_abandoned().len()
    }

    /// [`abandon`](Self::abandon), and hands them back.
    pub fn take_abandoned(&mut self) -> Vec<Abandoned<H::Task>> {
        self.dispatcher.abandon().collect()
    }
}
