//! What becomes due for a client: pings, expiry, the end of its time to connect. A connection has one
//! timer, which is set for the first of them.

use core::time::Duration;

use stentor_core::Handler;

use super::pings::{PingAction, is_late};
use super::{CommandOutcome, SessionCall, SessionPhase, disconnect};
use crate::client_protocol::{DisconnectCode, ExpiryInfo, UnsubscribeCode};

/// The most seconds until an expiry that a client is told.
const MAX_TTL: u64 = 365 * 24 * 60 * 60;

/// Returns what a client is told about an expiry.
pub(super) fn expiry_info(expires_at: Option<u64>, unix_now: u64) -> ExpiryInfo {
    match expires_at {
        None => ExpiryInfo::default(),
        // A ttl of 0 would mean never.
        Some(at) => ExpiryInfo {
            expires: true,
            ttl: at.saturating_sub(unix_now).clamp(1, MAX_TTL) as u32,
        },
    }
}

impl<H: Handler> SessionCall<'_, '_, H> {
    /// Returns the wall clock, in seconds of Unix time.
    pub(super) fn unix_now(&self) -> u64 {
        self.ctx.unix_time().as_secs()
    }

    /// Sets the timer for what is due next.
    pub(super) fn set_timer(&mut self) {
        if let Some(delay) = self.next_due() {
            self.ctx.set_timer(delay);
        }
    }

    fn next_due(&self) -> Option<Duration> {
        let now = self.ctx.now();
        let poll = self.poll_due().map(|due| due.since(now));
        self.next_due_but_polls().into_iter().chain(poll).min()
    }

    fn next_due_but_polls(&self) -> Option<Duration> {
        let session = &*self.session;
        let now = self.ctx.now();
        match session.phase {
            SessionPhase::AwaitingConnect { until, .. } | SessionPhase::Unusable { until } => {
                Some(until.since(now))
            }
            SessionPhase::Accepted { .. } | SessionPhase::Connecting(_) | SessionPhase::Closing => {
                None
            }
            SessionPhase::Established => {
                let client = &self.settings.client;
                let ping = session.pings.as_ref().map(|pings| pings.due().since(now));
                let connection = session.expires_at.map(|at| {
                    Duration::from_secs(at.get()).saturating_add(client.expired_close_delay)
                });
                let subscription = session.subscriptions.next_expiry().map(|at| {
                    Duration::from_secs(at).saturating_add(client.expired_sub_close_delay)
                });
                let unix = self.ctx.unix_time();
                let expiries = [connection, subscription].into_iter().flatten();
                let expiries = expiries.map(|at| at.saturating_sub(unix));
                ping.into_iter().chain(expiries).min()
            }
        }
    }

    /// Does what is due.
    pub(crate) fn handle_timer(&mut self) {
        self.handle_poll_timeout();
        let now = self.ctx.now();
        match self.session.phase {
            SessionPhase::AwaitingConnect { until, is_excused } if now >= until => {
                if is_late(until, now) && !is_excused {
                    // Its command may lie in the socket.
                    self.session.phase = SessionPhase::AwaitingConnect {
                        until: now.after(self.settings.client.stale_close_delay),
                        is_excused: true,
                    };
                } else {
                    self.disconnect(DisconnectCode::Stale);
                }
            }
            SessionPhase::Unusable { until } if now >= until => {
                self.disconnect(DisconnectCode::Stale);
            }
            SessionPhase::AwaitingConnect { .. } | SessionPhase::Unusable { .. } => {}
            SessionPhase::Established => {
                self.handle_expiry();
                self.handle_ping_timeout();
            }
            SessionPhase::Accepted { .. } | SessionPhase::Connecting(_) | SessionPhase::Closing => {
            }
        }
        self.flush();
        self.set_timer();
    }

    fn handle_expiry(&mut self) {
        let client = &self.settings.client;
        let unix = self.ctx.unix_time();
        let by = |delay: Duration| unix.checked_sub(delay).map(|by| by.as_secs());
        let connection = self.session.expires_at.zip(by(client.expired_close_delay));
        if connection.is_some_and(|(at, by)| at.get() <= by) {
            return self.disconnect(DisconnectCode::ConnectionExpired);
        }
        let Some(by) = by(client.expired_sub_close_delay) else {
            return;
        };
        while let Some(expired) = self
            .session
            .subscriptions
            .take_expired(by, &mut self.shared.stats.namespaces)
        {
            if expired.is_server_side {
                return self.disconnect(DisconnectCode::SubscriptionExpired);
            }
            self.flush();
            self.ctx.unsubscribe(expired.channel.as_bytes());
            self.push_unsubscribe(&expired.channel, UnsubscribeCode::Expired);
        }
    }

    fn handle_ping_timeout(&mut self) {
        let (interval, timeout) = (self.settings.client.ping_interval, self.pong_timeout());
        let now = self.ctx.now();
        let Some(pings) = &mut self.session.pings else {
            return;
        };
        match pings.handle_timeout(now, interval, timeout) {
            PingAction::None => {}
            PingAction::Send => self.ping(),
            PingAction::Dead => self.disconnect(DisconnectCode::NoPong),
        }
    }

    /// Returns how long the client has to answer a ping; 0 if it does not answer.
    pub(super) const fn pong_timeout(&self) -> Duration {
        match self.session.link.is_one_way() {
            true => Duration::ZERO,
            false => self.settings.client.pong_timeout,
        }
    }

    /// Takes a pong, which must be the answer to a ping.
    pub(super) fn pong(&mut self) -> CommandOutcome {
        let client = &self.settings.client;
        let is_expected = self
            .session
            .pings
            .as_mut()
            .is_some_and(|pings| pings.handle_pong(client.ping_interval, client.pong_timeout));
        // What a client that polls sends again may be a pong.
        if is_expected || self.session.polling.is_some() {
            Ok(())
        } else {
            Err(disconnect(DisconnectCode::BadRequest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_the_seconds_that_are_left() {
        let told = |expires_at, now| {
            let ExpiryInfo { expires, ttl } = expiry_info(expires_at, now);
            (expires, ttl)
        };
        assert_eq!(told(None, 5), (false, 0));
        assert_eq!(told(Some(100), 40), (true, 60));
        assert_eq!(told(Some(100), 100), (true, 1));
        assert_eq!(told(Some(100), 200), (true, 1));
        assert_eq!(told(Some(u64::MAX), 0), (true, 31_536_000));
    }
}
