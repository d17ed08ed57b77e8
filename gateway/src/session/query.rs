//! Questions of clients: presence and history of channels, and remote procedures.

use alloc::vec::Vec;

use stentor_core::Handler;
use stentor_core::channels::{ChannelAnswer, ChannelQuery, HistoryQuery};

use super::rules::since;
use super::subscribe::rejection;
use super::{CommandOutcome, SessionCall, error};
use crate::annotation;
use crate::client_protocol::{
    ChannelRequest, CommandResult, ErrorCode, HistoryRequest, HistoryResult, PresenceStats,
    RpcRequest,
};
use crate::namespaces::{ChannelAction, ResolvedChannel};
use crate::publication_encoding::DecodedPublication;
use crate::token::Rejection;

impl<'a, H: Handler> SessionCall<'a, '_, H> {
    /// Asks who is subscribed to a channel.
    pub(super) fn presence(&mut self, id: u32, request: &ChannelRequest<'_>) -> CommandOutcome {
        self.ask_presence(id, request, ChannelQuery::Members)
    }

    /// Asks how many are subscribed to a channel.
    pub(super) fn presence_stats(
        &mut self,
        id: u32,
        request: &ChannelRequest<'_>,
    ) -> CommandOutcome {
        self.ask_presence(id, request, ChannelQuery::Occupancy)
    }

    fn ask_presence(
        &mut self,
        id: u32,
        request: &ChannelRequest<'_>,
        query: ChannelQuery,
    ) -> CommandOutcome {
        let resolved = self.readable(&request.channel, ChannelAction::Presence)?;
        self.ask(id, resolved, query);
        Ok(())
    }

    /// Asks what was published to a channel.
    pub(super) fn history(&mut self, id: u32, request: &HistoryRequest<'_>) -> CommandOutcome {
        let resolved = self.readable(&request.channel, ChannelAction::History)?;
        let is_before_all = request
            .since
            .as_ref()
            .is_some_and(|since| since.offset == 0);
        if request.reverse && is_before_all {
            return Err(error(ErrorCode::BadRequest));
        }
        let retention = self.retention(resolved);
        let retention = retention.ok_or_else(|| error(ErrorCode::NotAvailable))?;
        let max = self.settings.client.history_max_publication_limit;
        let query = ChannelQuery::History(HistoryQuery {
            retention,
            since: request
                .since
                .as_ref()
                .map(|position| since(&position.epoch, position.offset)),
            // A negative one is no limit.
            limit: u32::try_from(request.limit).unwrap_or(max).min(max),
            reverse: request.reverse,
        });
        self.ask(id, resolved, query);
        Ok(())
    }

    fn readable<'c>(
        &self,
        channel: &'c str,
        action: ChannelAction,
    ) -> Result<ResolvedChannel<'a, 'c>, Rejection> {
        let resolved = self
            .settings
            .namespaces
            .resolve(channel)
            .map_err(rejection)?;
        let is_subscribed = self.session.subscriptions.get(channel).is_some();
        let client = self.channel_client(is_subscribed);
        resolved.check(action, client).map_err(error)?;
        Ok(resolved)
    }

    /// Asks the channel. The answer comes under the number of the command.
    fn ask(&mut self, id: u32, resolved: ResolvedChannel<'_, '_>, query: ChannelQuery) {
        self.ctx.query(resolved.name().as_bytes(), id.into(), query);
    }

    /// Takes the answer of a channel.
    pub(crate) fn handle_answer(&mut self, ticket: u64, answer: ChannelAnswer) {
        // No other tickets are given.
        let id = ticket as u32;
        match answer {
            ChannelAnswer::Members(members) => {
                let infos = members.iter();
                let infos = infos.filter_map(|(_, member)| annotation::read(&member.info)?.info);
                let clients: Vec<_> = infos.map(|info| (info.client, info)).collect();
                self.succeed(id, CommandResult::Presence(&clients));
            }
            ChannelAnswer::Occupancy { clients, users } => {
                let count = |number: u64| number.try_into().unwrap_or(u32::MAX);
                let stats = PresenceStats {
                    num_clients: count(clients),
                    num_users: count(users),
                };
                self.succeed(id, CommandResult::PresenceStats(stats));
            }
            ChannelAnswer::History {
                position,
                publications,
            } => {
                let decoded: Vec<_> = publications
                    .iter()
                    .map(|kept| DecodedPublication::new(self.session.link.codec, kept))
                    .collect();
                let publications: Vec<_> = decoded
                    .iter()
                    .map(DecodedPublication::as_publication)
                    .collect();
                let result = HistoryResult {
                    publications: &publications,
                    epoch: position.epoch.as_str(),
                    offset: position.offset,
                };
                self.succeed(id, CommandResult::History(result));
            }
            ChannelAnswer::ForeignEpoch(_) => self.fail(id, ErrorCode::UnrecoverablePosition),
            _ => self.fail(id, ErrorCode::Internal),
        }
        self.flush();
    }

    /// Calls a remote procedure. There is one, `ping`, if that is switched on.
    pub(super) fn rpc(&mut self, id: u32, request: &RpcRequest<'_>) -> CommandOutcome {
        match &*request.method {
            "ping" if self.settings.client.rpc_ping => {
                self.succeed(id, CommandResult::Rpc(&[]));
                Ok(())
            }
            // There are no namespaces of procedures.
            method if method.contains(':') => Err(error(ErrorCode::MethodNotFound)),
            _ => Err(error(ErrorCode::NotAvailable)),
        }
    }
}
