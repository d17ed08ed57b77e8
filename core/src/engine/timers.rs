//! Timeouts of a connection: handshake, answer, closing handshake, write, minimum rates and
//! keepalive. The next one is entered in the wheel.

use alloc::vec::Vec;
use core::time::Duration;

use crate::engine::Engine;
use crate::engine::memory_budget::SMALL;
use crate::id::ConnId;
use crate::inspect::connection_info::TimerKind;
use crate::proto::http::HandshakeError;
use crate::proto::proxy::ProxyError;
use crate::proto::ws::{KeepaliveAction, KeepaliveTimes, SilenceAction};
use crate::session::app_types::AppTypes;
use crate::session::http_exchange::AnswerSource;
use crate::session::phase::Phase;
use crate::stats::CloseCause;
use crate::time::Timestamp;

impl<A: AppTypes> Engine<A> {
    /// Whether there is something to be done in the next turn that could be done now.
    pub(crate) fn wants_turn(&self) -> bool {
        self.out.is_turn_over()
            || self.fan_outs.has_slice(&self.out)
            || self.has_sweep()
            || self.out.is_shedding()
    }

    /// Lets input wait no longer for writes that have been under way for too long.
    pub(crate) fn end_stalls(&mut self) -> bool {
        let mut blocked = Vec::new();
        let over = self.out.end_stalls(|at| blocked.push(at));
        blocked.into_iter().for_each(|at| self.rearm(at));
        over
    }

    /// Does what is due for a slot, and enters it for the next time. Says
    /// whether anything was due.
    pub(crate) fn check_timers(
        &mut self,
        at: u32,
        is_ready: &mut impl FnMut(ConnId, Direction) -> bool,
    ) -> bool {
        let (now, id) = (self.now, self.slots.id(at));
        if let Some(deadline) = self.slots[at].deadline()
            && deadline <= now
        {
            self.end_phase(at, deadline, is_ready);
            return true;
        }
        if let Some(end) = self.out.write_deadline(at)
            && end <= now
            && !self.takes_more(at, end, is_ready)
        {
            self.abort(at, CloseCause::WriteTimeout);
            return true;
        }
        if let Some(end) = self.out.read_deadline(at)
            && end <= now
            && !self.takes_more(at, end, is_ready)
        {
            self.close_too_slow(at, CloseCause::ReadRate, READS_TOO_SLOWLY);
            return true;
        }
        if let Some(end) = self.send_end(at)
            && end <= now
            && !self.sends_more(at, end, is_ready)
        {
            self.close_too_slow(at, CloseCause::SendRate, SENDS_TOO_SLOWLY);
            return true;
        }
        let mut due = self.end_throttle(at);
        if self.is_pinged(at) {
            let times = self.keepalive_times();
            let slot = &mut self.slots[at];
            if slot.flags.unread() {
                // Whoever is not read cannot be heard.
                slot.keepalive.handle_input(now, times.ping_interval);
            }
            match slot.keepalive.handle_timeout(now, times) {
                KeepaliveAction::Sleep(_) => {}
                KeepaliveAction::Ping(_) => {
                    due = true;
                    self.out.send_ping(at);
                }
                KeepaliveAction::Dead if is_ready(id, Direction::Read) => {
                    slot.keepalive.handle_input(now, times.ping_interval);
                }
                KeepaliveAction::Dead => {
                    self.close_silent(at);
                    return true;
                }
            }
        }
        self.rearm(at);
        due
    }

    /// The time for a phase of a connection is over; what it waited for may have come
    /// and not be handled yet.
    pub(crate) fn end_phase(
        &mut self,
        at: u32,
        deadline: Timestamp,
        is_ready: &mut impl FnMut(ConnId, Direction) -> bool,
    ) {
        let (id, phase) = (self.slots.id(at), self.slots[at].phase());
        let source = self.exchange(at).map(|exchange| exchange.waits_for);
        let is_awaited = phase == Phase::Answering
            && matches!(source, Some(AnswerSource::Task | AnswerSource::Handler));
        let (awaited, delay) = match phase {
            Phase::Proxy | Phase::Head => (Some(Direction::Read), self.config.handshake_timeout),
            // The socket has no part in that.
            Phase::Answering if is_awaited => (None, self.config.answer_timeout),
            Phase::Answering => (Some(Direction::Write), self.config.write_timeout),
            _ => (Some(Direction::Read), self.config.close_timeout),
        };
        let is_ready = awaited.is_some_and(|awaited| is_ready(id, awaited));
        if self.may_be_excused(at) && (self.is_late(deadline) || is_ready) {
            self.set_deadline(at, delay);
            self.slots[at].flags.set_excused(true);
            return;
        }
        self.slots[at].moment = None;
        match phase {
            Phase::Proxy => self.refuse_proxy(at, ProxyError::Timeout),
            Phase::Head if self.is_amid_request(at) => {
                let connection = self.take_connection(at);
                self.refuse(at, connection, HandshakeError::Timeout);
            }
            // The connection ends with that, so the end of the task cannot be taken for that of
            // another.
            Phase::Answering if is_awaited => {
                self.end_held(at, CloseCause::Handler);
                let connection = self.take_connection(at);
                self.refuse(at, connection, HandshakeError::AnswerTimeout);
                self.forget_input(at);
                self.update_reading(at);
            }
            Phase::Head => {
                // Of a connection that is kept, the next request may come or not.
                let is_first = self.exchange(at).is_none();
                self.counts.refused[HandshakeError::Timeout.index()] += u64::from(is_first);
                self.close_socket(at);
            }
            _ => self.close_socket(at),
        }
    }

    /// Whether a peer that has taken nothing until the `end` of its time has another one:
    /// its socket takes bytes again and was not written to yet, or nobody looked.
    pub(crate) fn takes_more(
        &mut self,
        at: u32,
        end: Timestamp,
        is_ready: &mut impl FnMut(ConnId, Direction) -> bool,
    ) -> bool {
        let id = self.slots.id(at);
        let is_excused = self.may_be_excused(at) && self.is_late(end);
        if !is_excused && self.out.is_blocked(at) && !is_ready(id, Direction::Write) {
            return false;
        }
        self.slots[at].flags.set_excused(is_excused);
        self.out.restart_stall(at, is_excused);
        true
    }

    /// The same for a peer that has sent too little of a message.
    pub(crate) fn sends_more(
        &mut self,
        at: u32,
        end: Timestamp,
        is_ready: &mut impl FnMut(ConnId, Direction) -> bool,
    ) -> bool {
        let (now, id, is_late) = (self.now, self.slots.id(at), self.is_late(end));
        let rate = self.config.send_rate();
        let Some(pace) = self.slots[at].decoder.pace_mut() else {
            return true;
        };
        let is_excused = is_late && !pace.excused;
        if !is_excused && !is_ready(id, Direction::Read) {
            return false;
        }
        pace.excused |= is_excused;
        if let Some(since) = pace.since.replace(now)
            && let Some(rate) = rate.filter(|_| !is_excused)
        {
            pace.behind = rate.advance(pace.behind, now.since(since), 0);
        }
        true
    }

    /// When a peer that sends too little of a message is too far behind.
    pub(crate) fn send_end(&self, at: u32) -> Option<Timestamp> {
        let slot = &self.slots[at];
        if slot.phase() != Phase::Open || slot.flags.unread() {
            return None;
        }
        let pace = slot.decoder.pace_beyond(SMALL)?;
        Some(self.config.send_rate()?.deadline(pace.behind, pace.since?))
    }

    /// Whether a time-out of the peer may begin anew.
    pub(crate) fn may_be_excused(&self, at: u32) -> bool {
        !self.slots[at].flags.excused()
    }

    /// Whether it is so long after `due` that something has kept this shard from looking.
    pub(crate) fn is_late(&self, due: Timestamp) -> bool {
        self.now.since(due) > self.config.timer_tolerance()
    }

    pub(crate) fn keepalive_times(&self) -> KeepaliveTimes {
        KeepaliveTimes {
            ping_interval: self.config.ping_interval,
            pong_wait: self.config.pong_wait,
            tolerance: self.config.timer_tolerance(),
        }
    }

    /// Returns whether a connection is pinged if nothing comes of it. On wires without pings that is
    /// for the application to see to.
    #[inline]
    fn is_pinged(&self, at: u32) -> bool {
        let slot = &self.slots[at];
        slot.phase() == Phase::Open && slot.decoder.has_pings()
    }

    /// Sets the timer of the application for an open connection, or cancels it.
    pub(crate) fn set_app_timer(&mut self, at: u32, delay: Option<Duration>) {
        match delay {
            Some(delay) if self.is_acting(at) => {
                self.app_timers.set(at, self.now.after(delay));
            }
            Some(_) => {}
            None => self.app_timers.cancel(at),
        }
    }

    /// Enters a slot into the wheel for the next moment at which something may be due.
    pub(crate) fn rearm(&mut self, at: u32) {
        if let Some((_, next)) = self.next_timer(at) {
            self.wheel.arm(&mut self.slots, at, next);
        }
    }

    /// What may be due next for a slot, and when.
    #[inline]
    pub(crate) fn next_timer(&self, at: u32) -> Option<(TimerKind, Timestamp)> {
        let (slot, config) = (&self.slots[at], &self.config);
        let deadline = slot.deadline().map(|at| match slot.phase() {
            Phase::Proxy | Phase::Head => (TimerKind::Handshake, at),
            Phase::Answering => (TimerKind::Answer, at),
            _ => (TimerKind::Close, at),
        });
        let stalled = self.out.write_deadline(at).map(|at| (TimerKind::Write, at));
        let silent = self.is_pinged(at).then(|| {
            let (next, at) = slot.keepalive.next(config.pong_wait);
            let timer = match next {
                SilenceAction::Ping => TimerKind::Ping,
                SilenceAction::End => TimerKind::Silence,
            };
            (timer, at)
        });
        let reads = self
            .out
            .read_deadline(at)
            .map(|at| (TimerKind::ReadRate, at));
        let sends = self.send_end(at).map(|at| (TimerKind::SendRate, at));
        let throttled = self.throttled_until(at);
        let throttled = throttled.map(|at| (TimerKind::Throttle, at));
        let timers = [deadline, stalled, silent, reads, sends, throttled];
        let timers = timers.into_iter().flatten();
        timers.min_by_key(|&(_, at)| at)
    }
}

/// A direction in which a socket can be ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// There are bytes to be read from it, or their end.
    Read,
    /// It takes bytes.
    Write,
}

/// What peers are told that are closed for their rate.
const READS_TOO_SLOWLY: &str = "reads too slowly";
const SENDS_TOO_SLOWLY: &str = "sends too slowly";
