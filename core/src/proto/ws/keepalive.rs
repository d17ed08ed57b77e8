//! Owns when a silent peer is pinged and when it is given up.

use core::time::Duration;

use crate::time::{Timestamp, micros};

/// When a connection last heard from its peer, and when it asks next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    heard: Timestamp,
    /// When it asks next; where the peer was [asked late](Asked::Late), when the wait ends.
    ping_at: Timestamp,
    /// Whether the first ping is still to come: it goes out at its time whoever
    /// was heard meanwhile, or the spread would not last.
    first: bool,
    asked: Asked,
}

/// Whether the peer has been pinged since it was last heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    No,
    /// Early enough to answer before its silence is over.
    InTime,
    /// Too late for that, because nobody looked in time: the process was stopped,
    /// or its machine was. It has the whole wait from then on, once.
    Late,
}

/// The times of a server by which peers are pinged and given up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepaliveTimes {
    /// After how much silence a peer is pinged.
    pub(crate) ping_interval: Duration,
    /// After how much silence it is given up; longer than that.
    pub(crate) pong_wait: Duration,
    /// By how much a look at the clock may be late as long as all is well.
    pub(crate) tolerance: Duration,
}

/// What a look at the clock says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeepaliveAction {
    /// Nothing until then.
    Sleep(Timestamp),
    /// A ping is due, and the next look is then.
    Ping(Timestamp),
    /// The peer is gone.
    Dead,
}

impl Keepalive {
    /// `spread` (any number) decides how early in the second half of the
    /// interval the first ping goes out, so that connections opened together
    /// are not pinged together for ever.
    pub(crate) const fn new(now: Timestamp, ping_interval: Duration, spread: u32) -> Self {
        let half = micros(ping_interval) / 2;
        // Half a day of microseconds times 32 bits is more than fits into 64.
        let early = (half as u128 * spread as u128 / u32::MAX as u128) as u64;
        let first = Duration::from_micros(2 * half - early);
        Self {
            heard: now,
            ping_at: now.after(first),
            first: true,
            asked: Asked::No,
        }
    }

    #[inline]
    pub(crate) fn handle_input(&mut self, now: Timestamp, ping_interval: Duration) {
        self.heard = now;
        if self.asked != Asked::No {
            self.handle_answer(now, ping_interval);
        }
    }

    fn handle_answer(&mut self, now: Timestamp, ping_interval: Duration) {
        if self.asked == Asked::Late {
            self.ping_at = now.after(ping_interval);
        }
        self.asked = Asked::No;
    }

    /// When the peer was last heard.
    pub(crate) const fn heard(&self) -> Timestamp {
        self.heard
    }

    /// What comes next if the peer is not heard before, a ping or the end of its
    /// silence, and when.
    pub(crate) fn next(&self, pong_wait: Duration) -> (Next, Timestamp) {
        let end = self.end(pong_wait);
        if self.asked != Asked::Late && self.ping_at <= end {
            (Next::Ping, self.ping_at)
        } else {
            (Next::End, end)
        }
    }

    fn end(&self, pong_wait: Duration) -> Timestamp {
        match self.asked {
            Asked::Late => self.ping_at,
            Asked::No | Asked::InTime => self.heard.after(pong_wait),
        }
    }

    /// Does what is due. A peer is not gone before it was asked and had its wait for
    /// the answer, and where nobody looked when that was over, it is asked again, once.
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
            match self.asked {
                Asked::Late => return KeepaliveAction::Dead,
                Asked::InTime if !is_late => return KeepaliveAction::Dead,
                Asked::InTime | Asked::No => return self.ask_late(now, pong_wait),
            }
        }
        if self.asked == Asked::Late || now < self.ping_at {
            return KeepaliveAction::Sleep(self.next(pong_wait).1);
        }
        // A peer that has just been heard needs no ping; its silence begins anew.
        let quiet_until = self.heard.after(ping_interval);
        if !self.first && now < quiet_until {
            self.ping_at = quiet_until;
            return KeepaliveAction::Sleep(self.next(pong_wait).1);
        }
        let usual = pong_wait.saturating_sub(ping_interval);
        if self.asked == Asked::No && end.since(now) < usual / 2 {
            return self.ask_late(now, pong_wait);
        }
        self.first = false;
        self.asked = Asked::InTime;
        self.ping_at = now.after(ping_interval);
        KeepaliveAction::Ping(self.next(pong_wait).1)
    }

    fn ask_late(&mut self, now: Timestamp, pong_wait: Duration) -> KeepaliveAction {
        self.first = false;
        self.asked = Asked::Late;
        self.ping_at = now.after(pong_wait);
        KeepaliveAction::Ping(self.ping_at)
    }
}

/// What comes next for a silent peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
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
        assert_eq!(Keepalive::new(at(0), PING, 0).ping_at, at(54));
        assert_eq!(Keepalive::new(at(0), PING, u32::MAX).ping_at, at(27));
    }

    #[test]
    fn the_spread_is_right_for_every_interval_and_time() {
        const DAY: u64 = 86_400;
        for hours in [2, 3, 24, 1_000_000] {
            let interval = Duration::from_secs(hours * 3_600);
            let first = |spread| Keepalive::new(at(0), interval, spread).ping_at;
            assert_eq!(first(0), at(hours * 3_600));
            assert_eq!(first(u32::MAX), at(hours * 1_800));
            let middle = first(u32::MAX / 2).since(at(hours * 2_700));
            assert!(middle < Duration::from_secs(DAY), "{middle:?}");
        }
        let late = Keepalive::new(Timestamp::from_micros(u64::MAX), Duration::MAX, 1);
        assert_eq!(late.ping_at, Timestamp::from_micros(u64::MAX));
    }

    #[test]
    fn silence_is_answered_with_a_ping_and_then_with_death() {
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
    fn whoever_is_heard_lives_and_is_not_asked() {
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
    fn whoever_was_not_asked_is_asked_first_and_has_the_whole_wait() {
        // Nobody looked from the first second on.
        for resumed in [58, 60, 61, 500] {
            let mut peer = Keepalive::new(at(0), PING, 0);
            let end = at(resumed + 60);
            assert_eq!(
                peer.handle_timeout(at(resumed), TIMES),
                KeepaliveAction::Ping(end)
            );
            assert_eq!(peer.next(TIMES.pong_wait), (Next::End, end));
            let before = at(resumed + 59);
            assert_eq!(
                peer.handle_timeout(before, TIMES),
                KeepaliveAction::Sleep(end)
            );
            assert_eq!(peer.handle_timeout(end, TIMES), KeepaliveAction::Dead);
            // Its answer, and all is as it was.
            peer.handle_input(before, PING);
            let next = before.after(PING);
            assert_eq!(peer.next(TIMES.pong_wait), (Next::Ping, next));
            let end = before.after(TIMES.pong_wait);
            assert_eq!(peer.handle_timeout(next, TIMES), KeepaliveAction::Ping(end));
            assert_eq!(peer.handle_timeout(end, TIMES), KeepaliveAction::Dead);
        }
    }

    #[test]
    fn whoever_was_asked_before_nobody_looked_is_asked_again_once() {
        let mut peer = Keepalive::new(at(0), PING, 0);
        assert_eq!(
            peer.handle_timeout(at(54), TIMES),
            KeepaliveAction::Ping(at(60))
        );
        // Within the tolerance it makes no difference, and beyond it does.
        assert_eq!(
            peer.clone().handle_timeout(at(61), TIMES),
            KeepaliveAction::Dead
        );
        assert_eq!(
            peer.handle_timeout(at(62), TIMES),
            KeepaliveAction::Ping(at(122))
        );
        // However late the next look is.
        assert_eq!(peer.handle_timeout(at(999), TIMES), KeepaliveAction::Dead);
    }

    #[test]
    fn a_silent_peer_that_is_pinged_many_times_has_no_longer_for_that() {
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
