//! WriteBackpressure: input waits while a queue is more than half full and its socket has not been
//! tried. A message is not refused only because many arrive at once.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::delivery::conn::Pressure;
use crate::delivery::{Outbound, shrink};
use crate::time::Timestamp;

/// The connections for which input waits.
#[derive(Debug)]
pub(super) struct WriteBackpressure {
    /// How many there are.
    waited_for: u32,
    /// Since when there have been any.
    since: Timestamp,
    /// Whether the wait has begun anew because nobody looked when it was over.
    is_excused: bool,
    /// Connections that were waited for, each once: those whose sockets have not been tried for
    /// too long are found here.
    listed: VecDeque<u32>,
}

impl Default for WriteBackpressure {
    fn default() -> Self {
        Self {
            waited_for: 0,
            since: Timestamp::ORIGIN,
            is_excused: false,
            listed: VecDeque::new(),
        }
    }
}

impl WriteBackpressure {
    pub(super) fn memory(&self) -> usize {
        self.listed.capacity() * size_of::<u32>()
    }

    pub(super) fn shrink(&mut self, connections: usize) {
        shrink(&mut self.listed, connections);
    }
}

impl Outbound {
    /// Returns whether input is to wait for writes.
    #[inline]
    pub(crate) const fn is_backpressured(&self) -> bool {
        self.pressure.waited_for > 0
    }

    /// Lets input wait until this connection's socket has been tried.
    #[inline]
    pub(super) fn add_pressure(&mut self, at: u32) {
        let conn = &mut self.conns[at];
        if conn.pressure == Pressure::Yes || conn.stop.is_any() {
            return;
        }
        let pressure = &mut self.pressure;
        if core::mem::replace(&mut conn.pressure, Pressure::Yes) == Pressure::No {
            pressure.listed.push_back(at);
        }
        if pressure.waited_for == 0 {
            pressure.since = self.now;
            pressure.is_excused = false;
        }
        pressure.waited_for += 1;
    }

    /// This connection's socket has been tried, or need not be.
    #[inline]
    pub(super) fn clear_pressure(&mut self, at: u32) {
        let conn = &mut self.conns[at];
        if conn.pressure == Pressure::Yes {
            conn.pressure = Pressure::Listed;
            self.pressure.waited_for -= 1;
            self.pressure.since = self.now;
            self.pressure.is_excused = false;
        }
    }

    /// Returns when input waits no longer for writes that are under way.
    pub(crate) fn stall_timeout(&self) -> Option<Timestamp> {
        self.is_backpressured()
            .then(|| self.pressure.since.after(STALL_TIMEOUT))
    }

    /// If writes have been under way for too long, their sockets count as blocked: one that
    /// takes nothing must not hold up everyone. Visits a part of the connections a turn.
    /// `blocked` gets each connection that counts as blocked from now on. Returns whether the
    /// time was over.
    pub(crate) fn end_stalls(&mut self, mut blocked: impl FnMut(u32)) -> bool {
        let since = self.pressure.since;
        let late = self.stall_timeout().map(|at| self.now.since(at));
        if late > Some(STALL_TIMEOUT) && !self.pressure.is_excused {
            // The threads that write had no time either.
            self.pressure.since = self.now;
            self.pressure.is_excused = true;
            return true;
        }
        let over = self.stall_timeout().is_some_and(|at| at <= self.now);
        let mut left = self.settings.slice;
        while over
            && left > 0
            && let Some(at) = self.pressure.listed.pop_front()
        {
            left -= 1;
            // Its place may have been given back meanwhile.
            if at >= self.conns.len() {
                continue;
            }
            let conn = &mut self.conns[at];
            if conn.pressure == Pressure::Yes && conn.offered {
                conn.stop.set_blocked(true);
                let link = Self::link(&mut conn.link, &mut self.link_bytes);
                link.stalled.get_or_insert(self.now);
                self.add_to_shedding_list(at);
                blocked(at);
            }
            self.clear_pressure(at);
            self.conns[at].pressure = Pressure::No;
        }
        if self.is_backpressured() {
            // The others at once, in the next turn.
            self.pressure.since = since;
            self.pressure.is_excused |= over;
        }
        over
    }
}

/// How long input waits for a write that is done elsewhere: as long as a thread may have to wait
/// for its turn on a loaded machine. An adapter that writes at once never comes near it.
const STALL_TIMEOUT: Duration = Duration::from_millis(50);
