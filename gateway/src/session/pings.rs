//! Pings of the protocol, and the pongs that are waited for.

use core::time::Duration;

use stentor_core::Timestamp;

/// The pings of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pings {
    /// When the next ping is due, or the answer to the last one.
    due: Timestamp,
    is_outstanding: bool,
    /// The wait for the last answer was begun anew, because nobody looked when it was over.
    is_excused: bool,
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PingAction {
    /// Nothing.
    None,
    /// A ping is to be sent.
    Send,
    /// The client has not answered in time.
    Dead,
}

impl Pings {
    /// Returns pings the first of which is due after half an interval to a whole one. `chance` says
    /// when, so that clients that connected together are not pinged together.
    pub(super) fn new(now: Timestamp, interval: Duration, chance: u64) -> Self {
        let half = interval / 2;
        let micros = half.as_micros() as u64;
        let more = (u128::from(chance) * u128::from(micros)) >> 64;
        Self {
            due: now.after(half).after(Duration::from_micros(more as u64)),
            is_outstanding: false,
            is_excused: false,
        }
    }

    /// Returns when something is due.
    pub(super) const fn due(&self) -> Timestamp {
        self.due
    }

    /// Returns what is due. `timeout` is how long an answer may take; 0 if none is wanted.
    pub(super) fn handle_timeout(
        &mut self,
        now: Timestamp,
        interval: Duration,
        timeout: Duration,
    ) -> PingAction {
        if now < self.due {
            return PingAction::None;
        }
        if self.is_outstanding && is_late(self.due, now) && !self.is_excused {
            // The answer may lie in the socket.
            self.is_excused = true;
            self.due = now.after(timeout);
            return PingAction::None;
        }
        if self.is_outstanding {
            return PingAction::Dead;
        }
        self.is_outstanding = !timeout.is_zero();
        self.due = now.after(if timeout.is_zero() { interval } else { timeout });
        PingAction::Send
    }

    /// Takes a pong. Returns whether one was waited for.
    pub(super) fn handle_pong(&mut self, interval: Duration, timeout: Duration) -> bool {
        let was_outstanding = self.is_outstanding;
        if was_outstanding {
            self.is_outstanding = false;
            self.is_excused = false;
            // A whole interval after the ping.
            self.due = self.due.after(interval.saturating_sub(timeout));
        }
        was_outstanding
    }
}

/// Returns whether it is so long after something was due that the process was stopped, or is overloaded.
/// A client is not to blame for that.
pub(super) fn is_late(due: Timestamp, now: Timestamp) -> bool {
    now.since(due) > Duration::from_secs(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(25);
    const TIMEOUT: Duration = Duration::from_secs(8);

    fn at(millis: u64) -> Timestamp {
        Timestamp::ORIGIN.after(Duration::from_millis(millis))
    }

    #[test]
    fn the_first_ping_is_due_after_half_an_interval_to_a_whole_one() {
        for (chance, expected) in [(0, 12_500), (1 << 63, 18_750), (u64::MAX, 24_999)] {
            let pings = Pings::new(at(0), INTERVAL, chance);
            let millis = pings.due().as_micros() / 1_000;
            assert_eq!(millis, expected);
        }
    }

    #[test]
    fn a_ping_is_answered_once_and_the_next_is_an_interval_later() {
        let mut pings = Pings::new(at(0), INTERVAL, 0);
        assert!(!pings.handle_pong(INTERVAL, TIMEOUT));
        assert_eq!(
            pings.handle_timeout(at(12_499), INTERVAL, TIMEOUT),
            PingAction::None
        );
        assert_eq!(
            pings.handle_timeout(at(12_500), INTERVAL, TIMEOUT),
            PingAction::Send
        );
        assert_eq!(pings.due(), at(20_500));
        assert!(pings.handle_pong(INTERVAL, TIMEOUT));
        assert!(!pings.handle_pong(INTERVAL, TIMEOUT));
        assert_eq!(pings.due(), at(37_500));
        assert_eq!(
            pings.handle_timeout(at(37_500), INTERVAL, TIMEOUT),
            PingAction::Send
        );
        assert_eq!(
            pings.handle_timeout(at(45_499), INTERVAL, TIMEOUT),
            PingAction::None
        );
        assert_eq!(
            pings.handle_timeout(at(45_500), INTERVAL, TIMEOUT),
            PingAction::Dead
        );
    }

    #[test]
    fn without_a_timeout_no_answer_is_waited_for() {
        let mut pings = Pings::new(at(0), INTERVAL, 0);
        assert_eq!(
            pings.handle_timeout(at(12_500), INTERVAL, Duration::ZERO),
            PingAction::Send
        );
        assert!(!pings.handle_pong(INTERVAL, Duration::ZERO));
        assert_eq!(pings.due(), at(37_500));
    }

    #[test]
    fn after_a_stop_of_the_process_a_client_has_its_time_once_more() {
        let mut pings = Pings::new(at(0), INTERVAL, 0);
        assert_eq!(
            pings.handle_timeout(at(12_500), INTERVAL, TIMEOUT),
            PingAction::Send
        );
        // The answer was due at 20.5 s.
        assert_eq!(
            pings.handle_timeout(at(60_000), INTERVAL, TIMEOUT),
            PingAction::None
        );
        assert_eq!(pings.due(), at(68_000));
        let mut answered = pings;
        assert!(answered.handle_pong(INTERVAL, TIMEOUT));
        assert_eq!(answered.due(), at(85_000));
        // Once only.
        assert_eq!(
            pings.handle_timeout(at(99_000), INTERVAL, TIMEOUT),
            PingAction::Dead
        );
    }
}
