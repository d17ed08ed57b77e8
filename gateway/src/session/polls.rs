//! Sessions that are polled: which batch of replies a poll gets, and how long a session lasts without
//! one. A batch stays in the queue of the connection until it is acknowledged.

use stentor_core::app::ShardRequest;
use stentor_core::{Handler, Timestamp};

use super::{SessionCall, SessionPhase};
use crate::client_protocol::DisconnectCode;
use crate::emulation::{ArrivedPoll, PollAnswer, WaitingPoll, refuse};

impl<H: Handler> SessionCall<'_, '_, H> {
    /// Takes a poll. It acknowledges the batch with its number, brings commands, and is answered once
    /// something waits.
    pub(crate) fn handle_poll(&mut self, request: ShardRequest, poll: &ArrivedPoll) {
        let Some(polling) = &mut self.session.polling else {
            return self
                .ctx
                .answer(request, refuse(404, "not a session that is polled"));
        };
        let is_repeated =
            poll.seq.checked_add(1) == Some(polling.given) && polling.unacknowledged > 0;
        if poll.seq != polling.given && !is_repeated {
            let refusal = refuse(409, "the number is not that of the last batch");
            return self.ctx.answer(request, refusal);
        }
        if !is_repeated {
            let acknowledged = core::mem::take(&mut polling.unacknowledged);
            self.ctx.consume_output(acknowledged);
        }
        // An earlier one is over.
        self.answer_empty();
        let until = self.ctx.now().after(self.settings.transports.poll_wait);
        if let Some(polling) = &mut self.session.polling {
            polling.waiting = Some(WaitingPoll { request, until }.into());
        }
        if !poll.commands.is_empty() {
            self.handle_message(&poll.commands);
        }
        self.give_output();
        self.set_timer();
    }

    /// Answers the poll that waits, if one does and something waits for it.
    pub(crate) fn give_output(&mut self) {
        // The reply to `connect` comes before all else, and is not there yet; or what is left comes
        // with the end.
        let is_early = matches!(
            self.session.phase,
            SessionPhase::Connecting(_) | SessionPhase::Closing
        );
        if !is_early && !self.answer_with_output() {
            self.ctx.await_output();
        }
    }

    /// Answers the poll that waits with what waits for the client. Returns whether no poll waits now.
    fn answer_with_output(&mut self) -> bool {
        let Some(polling) = self.session.polling.as_mut() else {
            return true;
        };
        if polling.waiting.is_none() {
            return true;
        }
        let mut replies = core::mem::take(&mut self.shared.out);
        replies.clear();
        self.ctx.peek_output(&mut replies);
        if polling.unacknowledged == 0 {
            polling.given += u64::from(!replies.is_empty());
            polling.unacknowledged = replies.len();
        } else {
            // Given again as it was.
            replies.truncate(polling.unacknowledged);
        }
        let seq = polling.given;
        let is_empty = replies.is_empty();
        if !is_empty {
            self.answer_poll(seq, &replies);
        }
        replies.clear();
        self.shared.out = replies;
        !is_empty
    }

    /// Answers the poll that waits, if one does, with nothing.
    fn answer_empty(&mut self) {
        if let Some(polling) = &self.session.polling {
            // Of a batch that is not acknowledged, it is not to acknowledge it unseen.
            let seq = polling.given - u64::from(polling.unacknowledged > 0);
            self.answer_poll(seq, b"");
        }
    }

    fn answer_poll(&mut self, seq: u64, replies: &[u8]) {
        let now = self.ctx.now();
        let Some(polling) = &mut self.session.polling else {
            return;
        };
        let Some(waiting) = polling.waiting.take() else {
            return;
        };
        polling.detached_until = now.after(self.settings.client.detached_for);
        let is_first = seq <= 1;
        let secret = is_first.then(|| self.settings.session_key.secret(self.ctx.id()));
        let answer = PollAnswer {
            names: secret.as_deref().map(|secret| (secret, self.settings.node)),
            seq,
            replies,
        };
        self.ctx.answer(waiting.request, answer.encode());
        self.set_timer();
    }

    /// Returns when a poll has waited long enough, or the session has waited long enough for one.
    pub(super) fn poll_due(&self) -> Option<Timestamp> {
        let polling = self.session.polling.as_ref()?;
        let waiting = polling.waiting.as_ref();
        Some(waiting.map_or(polling.detached_until, |waiting| waiting.until))
    }

    /// Answers a poll that has waited long enough, or ends a session for which none has come.
    pub(super) fn handle_poll_timeout(&mut self) {
        if self.poll_due().is_none_or(|due| due > self.ctx.now()) {
            return;
        }
        let has_poll = |polling: &crate::emulation::Polling| polling.waiting.is_some();
        if self.session.polling.as_deref().is_some_and(has_poll) {
            self.answer_empty();
        } else {
            self.disconnect(DisconnectCode::ConnectionClosed);
        }
    }

    /// The session has ended: its client is not found any more, and a poll that waits gets what is
    /// left.
    pub(crate) fn handle_close(&mut self) {
        self.shared
            .users
            .remove(&self.session.user, self.session.client);
        self.session
            .subscriptions
            .clear(&mut self.shared.stats.namespaces);
        if self.session.is_connected {
            self.shared.stats.link(self.session.link).connected -= 1;
        }
        self.uncount();
        self.answer_with_output();
        let Some(polling) = &mut self.session.polling else {
            return;
        };
        self.shared.stats.polled -= 1;
        if let Some(waiting) = polling.waiting.take() {
            self.ctx
                .answer(waiting.request, refuse(404, "no such session"));
        }
    }
}
