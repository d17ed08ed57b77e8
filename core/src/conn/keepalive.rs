//! Owns when a silent peer is pinged and when it is given up.

use core::time::Duration;

use crate::time::Timestamp;

/// When a connection last heard from its peer, and when it asks next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    heard: Timestamp,
    ping_at: Timestamp,
    /// Whether the first ping is still to come: it goes out at its time whoever
    /// was heard meanwhile, or the spread would not last.
    first: bool,
}

/// What a look at the clock says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Alarm {
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
        let half = ping_interval.as_micros() as u64 / 2;
        let early = half * (spread as u64) / (u32::MAX as u64);
        let first = Duration::from_micros(2 * half - early);
        Self {
            heard: now,
            ping_at: now.after(first),
            first: true,
        }
    }

    pub(crate) const fn handle_input(&mut self, now: Timestamp) {
        self.heard = now;
    }

    /// When the peer was last heard.
    pub(crate) const fn heard(&self) -> Timestamp {
        self.heard
    }

    /// When it is pinged next, if it is not heard before.
    pub(crate) const fn ping_at(&self) -> Timestamp {
        self.ping_at
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to say at the latest.
    pub(crate) fn next(&self, pong_wait: Duration) -> Timestamp {
        self.ping_at.min(self.heard.after(pong_wait))
    }

    pub(crate) fn handle_timeout(
        &mut self,
        now: Timestamp,
        ping_interval: Duration,
        pong_wait: Duration,
    ) -> Alarm {
        if now >= self.heard.after(pong_wait) {
            return Alarm::Dead;
        }
        if now < self.ping_at {
            return Alarm::Sleep(self.next(pong_wait));
        }
        // A peer that has just been heard needs no ping; its silence begins anew.
        let quiet_until = self.heard.after(ping_interval);
        if !self.first && now < quiet_until {
            self.ping_at = quiet_until;
            return Alarm::Sleep(self.next(pong_wait));
        }
        self.first = false;
        self.ping_at = now.after(ping_interval);
        Alarm::Ping(self.next(pong_wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: Duration = Duration::from_secs(54);
    const PONG: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn first_pings_are_spread_over_half_an_interval() {
        assert_eq!(Keepalive::new(at(0), PING, 0).ping_at, at(54));
        assert_eq!(Keepalive::new(at(0), PING, u32::MAX).ping_at, at(27));
    }

    #[test]
    fn silence_is_answered_with_a_ping_and_then_with_death() {
        let mut peer = Keepalive::new(at(0), PING, 0);
        assert_eq!(
            peer.handle_timeout(at(53), PING, PONG),
            Alarm::Sleep(at(54))
        );
        assert_eq!(peer.handle_timeout(at(54), PING, PONG), Alarm::Ping(at(60)));
        assert_eq!(
            peer.handle_timeout(at(59), PING, PONG),
            Alarm::Sleep(at(60))
        );
        assert_eq!(peer.handle_timeout(at(60), PING, PONG), Alarm::Dead);
    }

    #[test]
    fn whoever_is_heard_lives_and_is_not_asked() {
        let mut peer = Keepalive::new(at(0), PING, u32::MAX);
        assert_eq!(peer.handle_timeout(at(27), PING, PONG), Alarm::Ping(at(60)));
        peer.handle_input(at(50));
        assert_eq!(
            peer.handle_timeout(at(81), PING, PONG),
            Alarm::Sleep(at(104))
        );
        assert_eq!(
            peer.handle_timeout(at(104), PING, PONG),
            Alarm::Ping(at(110))
        );
        peer.handle_input(at(105));
        assert_eq!(
            peer.handle_timeout(at(158), PING, PONG),
            Alarm::Sleep(at(159))
        );
    }
}
