//! Owns what is due when: handshakes that take too long, silent peers, peers
//! that take nothing, closing handshakes that are not answered.

use core::time::Duration;

use super::Shard;
use super::engine::Engine;
use super::explain::Timer;
use super::slot::Phase;
use crate::conn::Alarm;
use crate::error::HandshakeError;
use crate::frame::Rank;
use crate::handler::Handler;
use crate::stats::CloseCause;
use crate::time::Timestamp;
use crate::wire::opcode::Opcode;

/// Why a shard wants to be called at a certain time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// A connection's timers are to be looked at.
    Connection,
    /// Writes take long on which input waits; it need not wait any longer.
    Press,
    /// So much was done at a stretch that others were to have their turn; it can
    /// go on at once.
    Turn,
}

impl<H: Handler> Shard<H> {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called at the
    /// latest, and why. It may turn out that nothing is due, which is counted.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Reason)> {
        let connection = self.engine.wheel.next().map(|at| (at, Reason::Connection));
        let press = self.engine.patience().map(|at| (at, Reason::Press));
        let spent = self
            .engine
            .is_spent()
            .then_some((self.engine.now, Reason::Turn));
        connection
            .into_iter()
            .chain(press)
            .chain(spent)
            .min_by_key(|&(at, _)| at)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.engine.now = now;
        let mut idle = !self.engine.lose_patience() && !self.engine.is_spent();
        self.engine.begin_stretch();
        while let Some(at) = self.engine.wheel.expired(&mut self.engine.slots, now) {
            idle &= !self.engine.look_at(at);
        }
        self.engine.counts.links.idle_wakeups += u64::from(idle);
        self.settle();
    }
}

impl<H: Handler> Engine<H> {
    /// Until when input waits for writes that are under way.
    fn patience(&self) -> Option<Timestamp> {
        (self.pressing > 0).then(|| self.pressing_since.after(PATIENCE))
    }

    /// If writes have been under way for too long, their sockets are as good as
    /// blocked: one that takes nothing must not hold up everyone.
    fn lose_patience(&mut self) -> bool {
        let over = self.patience().is_some_and(|at| at <= self.now);
        if over {
            for at in 0..self.slots.len() {
                let slot = &mut self.slots[at];
                if slot.flags.pressing && slot.flags.offered {
                    slot.flags.blocked = true;
                    slot.stalled.get_or_insert(self.now);
                    self.rearm(at);
                }
                self.relieve(at);
            }
        }
        over
    }

    /// Does what is due for a slot, and enters it for the next time. Says
    /// whether anything was due.
    fn look_at(&mut self, at: u32) -> bool {
        let now = self.now;
        let write_timeout = self.config.write_timeout;
        let slot = &mut self.slots[at];
        if slot.deadline().is_some_and(|deadline| deadline <= now) {
            slot.moment = None;
            match slot.phase {
                Phase::Head if slot.pending.is_some() => {
                    self.refuse(at, HandshakeError::Timeout, false);
                }
                Phase::Head => {
                    self.counts.refused[HandshakeError::Timeout.index()] += 1;
                    self.give_up(at);
                }
                _ => self.give_up(at),
            }
            return true;
        }
        if slot
            .stalled
            .is_some_and(|since| since.after(write_timeout) <= now)
        {
            self.cut(at, CloseCause::WriteTimeout);
            return true;
        }
        let mut due = false;
        if slot.phase == Phase::Open {
            if slot.flags.unread {
                // Whoever is not read cannot be heard.
                slot.keepalive.handle_input(now);
            }
            let alarm = slot.keepalive.handle_timeout(
                now,
                self.config.ping_interval,
                self.config.pong_wait,
            );
            match alarm {
                Alarm::Sleep(_) => {}
                Alarm::Ping(_) => {
                    due = true;
                    self.ping(at);
                }
                Alarm::Dead => {
                    self.cut(at, CloseCause::PongTimeout);
                    return true;
                }
            }
        }
        self.rearm(at);
        due
    }

    /// Enters a slot into the wheel for the next moment at which something may be due.
    pub(super) fn rearm(&mut self, at: u32) {
        if let Some((_, next)) = self.next_timer(at) {
            self.wheel.arm(&mut self.slots, at, next);
        }
    }

    /// What may be due next for a slot, and when.
    #[inline]
    pub(super) fn next_timer(&self, at: u32) -> Option<(Timer, Timestamp)> {
        let (slot, config) = (&self.slots[at], &self.config);
        let deadline = slot.deadline().map(|at| match slot.phase {
            Phase::Head => (Timer::Handshake, at),
            Phase::Answering => (Timer::Answer, at),
            _ => (Timer::Close, at),
        });
        let stalled = slot.stalled;
        let stalled = stalled.map(|since| (Timer::Write, since.after(config.write_timeout)));
        let silent = (slot.phase == Phase::Open).then(|| {
            let (ping, end) = (slot.keepalive.ping_at(), slot.keepalive.heard());
            let end = end.after(config.pong_wait);
            if ping <= end {
                (Timer::Ping, ping)
            } else {
                (Timer::Silence, end)
            }
        });
        let timers = [deadline, stalled, silent].into_iter().flatten();
        timers.min_by_key(|&(_, at)| at)
    }

    fn ping(&mut self, at: u32) {
        if self.slots[at].queue.waiting(&self.nodes, Rank::PING) == 0 {
            self.counts.sent.pings += 1;
            let frame = self.store.encode(Rank::PING, Opcode::Ping, &[]);
            self.push_control(at, frame);
        }
    }
}

/// How long input waits for a write that is done elsewhere: as long as a thread
/// may have to wait for its turn on a loaded machine. An adapter that writes at
/// once, as the tokio one does, never comes near it.
const PATIENCE: Duration = Duration::from_millis(50);
