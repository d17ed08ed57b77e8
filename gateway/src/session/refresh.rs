//! New tokens for connections and subscriptions that expire.

use alloc::vec::Vec;
use core::mem;
use core::num::NonZeroU64;

use stentor_core::Handler;

use super::connect::hash_of_channels;
use super::timers::expiry_info;
use super::{CommandOutcome, SessionCall, disconnect, error, is_insecure};
use crate::client_protocol::{
    CommandResult, DisconnectCode, ErrorCode, RefreshRequest, SubRefreshRequest, SubRefreshResult,
};
use crate::token::{TokenError, TokenUse};

impl<H: Handler> SessionCall<'_, '_, H> {
    /// Takes a new connection token.
    pub(super) fn refresh(&mut self, id: u32, request: &RefreshRequest<'_>) -> CommandOutcome {
        if request.token.is_empty() {
            return Err(disconnect(DisconnectCode::BadRequest));
        }
        let mut buffer = mem::take(&mut self.shared.token);
        let result = self.take_connection_token(request.token.as_str(), &mut buffer);
        self.shared.token = buffer;
        result?;
        let expires_at = self.session.expires_at.map(NonZeroU64::get);
        let expiry = expiry_info(expires_at, self.unix_now());
        self.succeed(id, CommandResult::Refresh(expiry));
        self.set_timer();
        Ok(())
    }

    fn take_connection_token(&mut self, token: &str, buffer: &mut Vec<u8>) -> CommandOutcome {
        let claims = self.verify_connection_token(token, TokenUse::Refresh, buffer)?;
        if *claims.user != *self.session.user {
            self.shared.stats.add_token_failure(TokenError::WrongUser);
            return Err(disconnect(DisconnectCode::InvalidToken));
        }
        // Server-side subscriptions are made once; the client connects again for others.
        if hash_of_channels(&claims) != self.session.token_channels {
            return Err(disconnect(DisconnectCode::InsufficientState));
        }
        if *claims.info != *self.session.conn_info {
            self.session.conn_info = claims.info.as_ref().into();
            self.session.member = None;
        }
        if !is_insecure(self.settings) {
            self.session.expires_at = claims.expires_at.and_then(NonZeroU64::new);
        }
        Ok(())
    }

    /// Takes a new subscription token.
    pub(super) fn sub_refresh(
        &mut self,
        id: u32,
        request: &SubRefreshRequest<'_>,
    ) -> CommandOutcome {
        let channel = &*request.channel;
        if channel.is_empty() {
            return Err(disconnect(DisconnectCode::BadRequest));
        }
        if self.session.subscriptions.get(channel).is_none() {
            return Err(error(ErrorCode::PermissionDenied));
        }
        if request.token.is_empty() {
            return Err(error(ErrorCode::BadRequest));
        }
        let mut buffer = mem::take(&mut self.shared.token);
        let token = request.token.as_str();
        let claims =
            self.verify_subscription_token(token, channel, TokenUse::SubRefresh, &mut buffer);
        let taken = claims.map(|claims| {
            let info = (!claims.info.is_empty()).then(|| claims.info.as_ref().into());
            (self.subscription_expiry(Some(&claims)), info)
        });
        self.shared.token = buffer;
        let (expires_at, info) = taken?;
        if let Some(subscription) = self.session.subscriptions.get_mut(channel) {
            subscription.expires_at = expires_at;
            if let Some(info) = info {
                subscription.chan_info = info;
            }
        }
        let result = SubRefreshResult {
            expiry: expiry_info(expires_at.map(NonZeroU64::get), self.unix_now()),
            ..SubRefreshResult::default()
        };
        self.succeed(id, CommandResult::SubRefresh(result));
        self.set_timer();
        Ok(())
    }
}
