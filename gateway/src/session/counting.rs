//! The limit of the connections of a user. What a client asks for waits until it is known whether its
//! connection may stay.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use stentor_core::{Handler, ShardId};

use super::{SessionCall, SessionPhase, UserCount};
use crate::client_protocol::DisconnectCode;
use crate::questions::{self, ShardQuestion};
use crate::user_connections::{UserConnections, UserVerdict};

impl<H: Handler> SessionCall<'_, '_, H> {
    /// Asks whether the connection may be one more of its user. All that is sent and asked for from now
    /// on waits for the answer.
    pub(super) fn count(&mut self) {
        let user = &*self.session.user;
        if self.settings.client.user_connection_limit == 0 || user.is_empty() {
            return;
        }
        let question = ShardQuestion::AdmitUser {
            user: String::from(user),
        };
        let shard = UserConnections::shard_of(user);
        self.session.count = UserCount::Asked;
        self.ctx.ask(0, shard, questions::encode(&question));
    }

    /// Takes the answer.
    pub(crate) fn handle_user_verdict(&mut self, answers: &[(ShardId, Bytes)]) {
        let verdict = answers
            .first()
            .and_then(|(_, answer)| questions::decode(answer));
        let verdict: UserVerdict = verdict.unwrap_or_default();
        if !verdict.is_admitted {
            self.session.count = UserCount::Uncounted;
            return self.disconnect(DisconnectCode::ConnectionLimit);
        }
        self.session.count = UserCount::Counted;
        if matches!(self.session.phase, SessionPhase::Established) {
            self.count_connected();
        }
        let replaced = verdict.replaced.iter();
        let replaced: Vec<_> = replaced.filter_map(|name| name.parse().ok()).collect();
        self.close_others(&replaced);
    }

    /// Counts a client that has connected.
    pub(super) fn count_connected(&mut self) {
        let counts = self.shared.stats.link(self.session.link);
        counts.connects += 1;
        counts.connected += 1;
        self.session.is_connected = true;
    }

    /// The connection has ended, and another one may take its place.
    pub(super) fn uncount(&mut self) {
        if self.session.count == UserCount::Uncounted {
            return;
        }
        let question = ShardQuestion::RemoveUser {
            user: String::from(&*self.session.user),
        };
        let shard = UserConnections::shard_of(&self.session.user);
        self.ctx.ask(0, shard, questions::encode(&question));
    }
}
