//! Keepalive of one connection: the times at which a silent peer is pinged and disconnected.

use core::time::Duration;

use crate::time::{Timestamp, micros};

/// The time of the last received bytes and of the next ping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    last_received: Timestamp,
    ping: Ping,
}

/// The state of the pings, and in microseconds the time of the next one; after a
/// [late ping](PingState::Late), the end of the wait. Both in eight bytes: there is one of these
/// for each connection. The time has 62 bits, which is 146,000 years.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ping(u64);

impl Ping {
    const STATE: u64 = 0b11;

    const fn new(state: PingState, at: Timestamp) -> Self {
        Self(at.as_micros().saturating_mul(4) & !Self::STATE | state as u64)
    }

    const fn at(self) -> Timestamp {
        Timestamp::from_micros(self.0 >> 2)
    }

    const fn state(self) -> PingState {
        match self.0 & Self::STATE {
            0 => PingState::None,
            1 => PingState::First,
            2 => PingState::InTime,
            _ => PingState::Late,
        }
    }

    const fn is(self, state: PingState) -> bool {
        self.0 & Self::STATE == state as u64
    }
}

impl core::fmt::Debug for Ping {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} {:?}", self.state(), self.at())
    }
}

/// Whether the peer has been pinged since its last bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PingState {
    None,
    /// Not yet, and the first ping is still to be sent. It is sent at its time even if bytes arrive
    /// before, or the spread would not last.
    First,
    /// Early enough for a response before the pong wait ends.
    InTime,
    /// Too late for that: the process or its machine was stopped. The peer has the whole wait from
    /// then on, once.
    Late,
}

/// The keepalive settings of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepaliveTimes {
    /// The silence after which a peer is pinged.
    pub(crate) ping_interval: Duration,
    /// The silence after which a peer is disconnected; longer than `ping_interval`.
    pub(crate) pong_wait: Duration,
    /// The lateness of a timer that is normal under load.
    pub(crate) tolerance: Duration,
}

/// The action at a timeout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeepaliveAction {
    /// None until this time.
    Sleep(Timestamp),
    /// Send a ping; the next timeout is at this time.
    Ping(Timestamp),
    /// Close the connection.
    Dead,
}

impl Keepalive {
    /// Returns the keepalive of a new connection. `spread` (any number) selects a time in the
    /// second half of the interval for the first ping, so that connections that opened together are
    /// not pinged together.
    pub(crate) const fn new(now: Timestamp, ping_interval: Duration, spread: u32) -> Self {
        let half = micros(ping_interval) / 2;
        // Half a day in microseconds times 32 bits exceeds 64 bits.
        let early = (half as u128 * spread as u128 / u32::MAX as u128) as u64;
        let first = Duration::from_micros(2 * half - early);
        Self {
            last_received: now,
            ping: Ping::new(PingState::First, now.after(first)),
        }
    }

    #[inline]
    pub(crate) fn handle_input(&mut self, now: Timestamp, ping_interval: Duration) {
        self.last_received = now;
        if !self.ping.is(PingState::None) {
            self.handle_answer(now, ping_interval);
        }
    }

    fn handle_answer(&mut self, now: Timestamp, ping_interval: Duration) {
        self.ping = match self.ping.state() {
            PingState::None | PingState::First => return,
            PingState::InTime => Ping::new(PingState::None, self.ping.at()),
            PingState::Late => Ping::new(PingState::None, now.after(ping_interval)),
        };
    }

    /// Returns the time of the last received bytes.
    pub(crate) const fn last_received(&self) -> Timestamp {
        self.last_received
    }

    /// Returns the next action without further bytes, a ping or the end, and its time.
    pub(crate) fn next(&self, pong_wait: Duration) -> (SilenceAction, Timestamp) {
        let end = self.end(pong_wait);
        if !self.ping.is(PingState::Late) && self.ping.at() <= end {
            (SilenceAction::Ping, self.ping.at())
        } else {
            (SilenceAction::End, end)
        }
    }

    fn end(&self, pong_wait: Duration) -> Timestamp {
        match self.ping.state() {
            PingState::Late => self.ping.at(),
            _ => self.last_received.after(pong_wait),
        }
    }

    /// Returns the action that is due. A peer is not disconnected before it was pinged and had its
    /// wait for the response. If the end of that wait is noticed late, the peer is pinged again,
    /// once.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Timestamp,
        times: KeepaliveTimes,
    ) -> KeepaliveAction {
        let KeepaliveTimes {
            ping_interval,
            pong_wait,
            tolerance,
        } = times;
        let end = self.end(pong_wait);
        if now >= end {
            let is_late = now.since(end) > tolerance;
            return match self.ping.state() {
                PingState::Late => KeepaliveAction::Dead,
                PingState::InTime if !is_late => KeepaliveAction::Dead,
                _ => self.ping_late(now, pong_wait),
            };
        }
        let state = self.ping.state();
        if state == PingState::Late || now < self.ping.at() {
            return KeepaliveAction::Sleep(self.next(pong_wait).1);
        }
        // A peer that sent bytes recently needs no ping; its silence starts again.
        let quiet_until = self.last_received.after(ping_interval);
        if state != PingState::First && now < quiet_until {
            self.ping = Ping::new(state, quiet_until);
            return KeepaliveAction::Sleep(self.next(pong_wait).1);
        }
        let usual = pong_wait.saturating_sub(ping_interval);
        if state != PingState::InTime && end.since(now) < usual / 2 {
            return self.ping_late(now, pong_wait);
        }
        self.ping = Ping::new(PingState::InTime, now.after(ping_interval));
        KeepaliveAction::Ping(self.next(pong_wait).1)
    }

    fn ping_late(&mut self, now: Timestamp, pong_wait: Duration) -> KeepaliveAction {
        self.ping = Ping::new(PingState::Late, now.after(pong_wait));
        KeepaliveAction::Ping(self.ping.at())
    }
}

/// The next action for a silent peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SilenceAction {
    Ping,
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: Duration = Duration::from_secs(54);
    const TIMES: KeepaliveTimes = KeepaliveTimes {
        ping_interval: PING,
        pong_wait: Duration::from_secs(60),
        tolerance: Duration::from_secs(1),
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn first_pings_are_spread_over_half_an_interval() {
        assert_eq!(Keepalive::new(at(0), PING, 0).ping.at(), at(54));
        assert_eq!(Keepalive::new(at(0), PING, u32::MAX).ping.at(), at(27));
    }

    #[test]
    fn the_spread_is_right_for_every_interval_and_time() {
        const DAY: u64 = 86_400;
        for hours in [2, 3, 24, 1_000_000] {
            let interval = Duration::from_secs(hours * 3_600);
            let first = |spread| Keepalive::new(at(0), interval, spread).ping.at();
            assert_eq!(first(0), at(hours * 3_600));
            assert_eq!(first(u32::MAX), at(hours * 1_800));
            let middle = first(u32::MAX / 2).since(at(hours * 2_700));
            assert!(middle < Duration::from_secs(DAY), "{middle:?}");
        }
        let late = Keepalive::new(Timestamp::from_micros(u64::MAX >> 2), Duration::MAX, 1);
        assert_eq!(late.ping.at(), Timestamp::from_micros(u64::MAX >> 2));
    }

    #[test]
    fn a_silent_peer_is_pinged_and_then_disconnected() {
        let mut peer = Keepalive::new(at(0), PING, 0);
        assert_eq!(
            peer.handle_timeout(at(53), TIMES),
            KeepaliveAction::Sleep(at(54))
        );
        assert_eq!(
            peer.handle_timeout(at(54), TIMES),
            KeepaliveAction::Ping(at(60))
        );
        assert_eq!(
            peer.handle_timeout(at(59), TIMES),
            KeepaliveAction::Sleep(at(60))
        );
        assert_eq!(peer.handle_timeout(at(60), TIMES), KeepaliveAction::Dead);
    }

    #[test]
    fn an_active_peer_is_kept_and_not_pinged() {
        let mut peer = Keepalive::new(at(0), PING, u32::MAX);
        assert_eq!(
            peer.handle_timeout(at(27), TIMES),
            KeepaliveAction::Ping(at(60))
        );
        peer.handle_input(at(50), PING);
        assert_eq!(
            peer.handle_timeout(at(81), TIMES),
            KeepaliveAction::Sleep(at(104))
        );
        assert_eq!(
            peer.handle_timeout(at(104), TIMES),
            KeepaliveAction::Ping(at(110))
        );
        peer.handle_input(at(105), PING);
        assert_eq!(
            peer.handle_timeout(at(158), TIMES),
            KeepaliveAction::Sleep(at(159))
        );
    }

    #[test]
    fn an_unpinged_peer_is_pinged_and_gets_the_whole_wait() {
        // The process was stopped from the first second on.
        for resumed in [58, 60, 61, 500] {
            let mut peer = Keepalive::new(at(0), PING, 0);
            let end = at(resumed + 60);
            assert_eq!(
                peer.handle_timeout(at(resumed), TIMES),
                KeepaliveAction::Ping(end)
            );
            assert_eq!(peer.next(TIMES.pong_wait), (SilenceAction::End, end));
            let before = at(resumed + 59);
            assert_eq!(
                peer.handle_timeout(before, TIMES),
                KeepaliveAction::Sleep(end)
            );
            assert_eq!(peer.handle_timeout(end, TIMES), KeepaliveAction::Dead);
            // A response restores the normal state.
            peer.handle_input(before, PING);
            let next = before.after(PING);
            assert_eq!(peer.next(TIMES.pong_wait), (SilenceAction::Ping, next));
            let end = before.after(TIMES.pong_wait);
            assert_eq!(peer.handle_timeout(next, TIMES), KeepaliveAction::Ping(end));
            assert_eq!(peer.handle_timeout(end, TIMES), KeepaliveAction::Dead);
        }
    }

    #[test]
    fn a_peer_whose_timeout_is_late_is_pinged_again_once() {
        let mut peer = Keepalive::new(at(0), PING, 0);
        assert_eq!(
            peer.handle_timeout(at(54), TIMES),
            KeepaliveAction::Ping(at(60))
        );
        // A timer within the tolerance makes no difference; a later one does.
        assert_eq!(
            peer.clone().handle_timeout(at(61), TIMES),
            KeepaliveAction::Dead
        );
        assert_eq!(
            peer.handle_timeout(at(62), TIMES),
            KeepaliveAction::Ping(at(122))
        );
        // At any lateness of the next timer.
        assert_eq!(peer.handle_timeout(at(999), TIMES), KeepaliveAction::Dead);
    }

    #[test]
    fn further_pings_do_not_extend_the_pong_wait() {
        let times = KeepaliveTimes {
            ping_interval: Duration::from_secs(10),
            ..TIMES
        };
        let mut peer = Keepalive::new(at(0), times.ping_interval, 0);
        for n in 1..=5 {
            let next = at(10 * (n + 1));
            assert_eq!(
                peer.handle_timeout(at(10 * n), times),
                KeepaliveAction::Ping(next)
            );
        }
        assert_eq!(peer.handle_timeout(at(60), times), KeepaliveAction::Dead);
    }
}
