//! Subscriptions: who may make one, what it has, the answer, and how it ends.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use core::num::NonZeroU64;

use bytes::Bytes;
use stentor_core::ConnId;
use stentor_core::channels::{KeptPublication, MemberInfo, Retention, Subscribed, Subscription};

use stentor_core::Handler;

use super::replies::close_code;
use super::rules::{SubscriptionWishes, retention_of};
use super::subscriptions::{ClientSubscription, PendingReply};
use super::timers::expiry_info;
use super::{CommandOutcome, SessionCall, SessionPhase, disconnect, error};
use crate::annotation;
use crate::client_protocol::{
    ChannelRequest, ClientInfo, CommandResult, DisconnectCode, ErrorCode, Publication,
    SubscribeRequest, SubscribeResult, UnsubscribeCode,
};
use crate::namespaces::{NameError, ResolvedChannel};
use crate::publication_encoding::{DecodedPublication, delta_codec_of};
use crate::tag_filter::{self, passes};
use crate::token::{Overrides, Rejection, Subscriber, SubscriptionClaims, TokenUse};

/// Where a subscription comes from, and what that says about it.
#[derive(Clone, Debug)]
pub(super) struct SubscriptionSource<'a> {
    /// The number of the command, 0 if the server makes it.
    pub(super) command: u32,
    pub(super) is_server_side: bool,
    /// Whether the other connections that are shown in the channel are closed.
    pub(super) replaces_others: bool,
    /// When it expires, in seconds of Unix time.
    pub(super) expires_at: Option<NonZeroU64>,
    pub(super) chan_info: &'a [u8],
    pub(super) data: &'a [u8],
    pub(super) overrides: Overrides,
    /// Filter over the tags of publications, empty if there is none.
    pub(super) filter: Bytes,
}

impl<H: Handler> SessionCall<'_, '_, H> {
    /// Subscribes the client. The reply follows when the channel has answered.
    pub(super) fn subscribe(&mut self, id: u32, request: &SubscribeRequest<'_>) -> CommandOutcome {
        let channel = &*request.channel;
        if self.session.subscriptions.get(channel).is_some() {
            return Err(error(ErrorCode::AlreadySubscribed));
        }
        let is_full = self.session.subscriptions.len() >= self.settings.client.channel_limit;
        let resolved = match self.settings.namespaces.resolve(channel) {
            Err(name @ (NameError::Empty | NameError::TooLong)) => return Err(rejection(name)),
            _ if is_full => return Err(error(ErrorCode::LimitExceeded)),
            Err(name) => return Err(rejection(name)),
            Ok(resolved) => resolved,
        };
        if !matches!(&*request.delta, "" | "fossil") {
            return Err(disconnect(DisconnectCode::BadRequest));
        }
        // Streams are all there is.
        if request.subscription_type != 0 {
            return Err(error(ErrorCode::PermissionDenied));
        }

        let mut buffer = mem::take(&mut self.shared.token);
        let result = self.subscribe_resolved(id, request, resolved, &mut buffer);
        self.shared.token = buffer;
        result
    }

    fn subscribe_resolved(
        &mut self,
        id: u32,
        request: &SubscribeRequest<'_>,
        resolved: ResolvedChannel<'_, '_>,
        buffer: &mut Vec<u8>,
    ) -> CommandOutcome {
        let claims = if !request.token.is_empty() {
            let token = request.token.as_str();
            let channel = resolved.name();
            Some(self.verify_subscription_token(token, channel, TokenUse::Subscribe, buffer)?)
        } else if resolved.may_subscribe(self.channel_client(false)) {
            None
        } else {
            return Err(error(ErrorCode::PermissionDenied));
        };
        let filter = filter_of(resolved, request)?;
        let source = SubscriptionSource {
            command: id,
            is_server_side: false,
            replaces_others: false,
            expires_at: self.subscription_expiry(claims.as_ref()),
            chan_info: claims.as_ref().map_or(&[], |claims| &claims.info),
            data: claims.as_ref().map_or(&[], |claims| &claims.data),
            overrides: claims
                .as_ref()
                .map_or_else(Overrides::default, |claims| claims.overrides),
            filter,
        };
        let wishes = SubscriptionWishes::of(request);
        let can_recover = self
            .subscription_rules(resolved, &wishes, source.overrides)
            .recovery;
        if can_recover.is_none() && wishes.recovers_since.is_some() && wishes.rejects_unrecovered {
            return Err(error(ErrorCode::UnrecoverablePosition));
        }
        self.make_subscription(resolved, &wishes, &source);
        Ok(())
    }

    /// Returns when a subscription expires.
    pub(super) fn subscription_expiry(
        &self,
        claims: Option<&SubscriptionClaims<'_>>,
    ) -> Option<NonZeroU64> {
        claims
            .and_then(|claims| claims.expires_at)
            .and_then(NonZeroU64::new)
    }

    /// Verifies a subscription token.
    pub(super) fn verify_subscription_token<'b>(
        &mut self,
        token: &str,
        channel: &str,
        token_use: TokenUse,
        buffer: &'b mut Vec<u8>,
    ) -> Result<SubscriptionClaims<'b>, Rejection> {
        let settings = self.settings;
        let tokens = settings
            .subscription_tokens
            .as_ref()
            .or(settings.tokens.as_ref());
        let Some(tokens) = tokens else {
            // Without a key, no token is valid.
            return Err(match token_use {
                TokenUse::Subscribe => error(ErrorCode::PermissionDenied),
                _ => disconnect(DisconnectCode::InvalidToken),
            });
        };
        let mut digits = itoa::Buffer::new();
        let subscriber = Subscriber {
            channel,
            user: &self.session.user,
            client: digits.format(self.session.client),
        };
        let claims = tokens.verify_subscription(token, self.unix_now(), subscriber, buffer);
        claims.map_err(|refused| {
            self.shared.stats.add_token_failure(refused);
            refused.rejection(token_use)
        })
    }

    /// Subscribes the client to a channel that it may subscribe to.
    pub(super) fn make_subscription(
        &mut self,
        resolved: ResolvedChannel<'_, '_>,
        wishes: &SubscriptionWishes,
        source: &SubscriptionSource<'_>,
    ) {
        let mut rules = self.subscription_rules(resolved, wishes, source.overrides);
        // A patch is of the publication before, which the filter may have kept back.
        let delta_codec = delta_codec_of(self.session.link.codec);
        rules.gets_delta &= source.filter.is_empty() && delta_codec.is_some();
        let mut subscription = Subscription::new();
        if rules.is_positioned
            && let Some(retention) = self.retention(resolved)
        {
            subscription = subscription.position(retention).positioned();
            if let Some(recovery) = rules.recovery {
                subscription = subscription.recover(recovery);
            }
        }
        if rules.has_presence || rules.is_announced {
            subscription = subscription.presence(self.member(source.chan_info));
        }
        if rules.is_announced {
            subscription = subscription.announced(resolved.options().priority);
        }
        if rules.gets_events {
            subscription = subscription.events();
        }
        if let Some(codec) = delta_codec.filter(|_| rules.gets_delta) {
            subscription = subscription.codec(codec);
        }
        if !source.filter.is_empty() {
            subscription = subscription.filter(source.filter.clone());
        }
        if source.replaces_others {
            subscription = subscription.list_others();
        }
        let pending = PendingReply {
            command: source.command,
            is_recoverable: rules.is_recoverable,
            is_positioned: rules.is_positioned,
            was_recovering: rules.was_recovering,
            gets_delta: rules.gets_delta,
            since: rules.recovery.map(|recovery| recovery.since.offset),
            data: source.data.into(),
            filter: source.filter.clone(),
        };
        self.session.subscriptions.insert(ClientSubscription {
            channel: resolved.name().into(),
            chan_info: source.chan_info.into(),
            expires_at: source.expires_at,
            counted_at: self.shared.stats.namespaces.place_of(resolved),
            pending: Some(Box::new(pending)),
            is_server_side: source.is_server_side,
            ..ClientSubscription::default()
        });
        // What is asked for next waits for the answer, so the replies so far go first.
        self.flush();
        self.ctx
            .subscribe_with(resolved.name().as_bytes(), subscription);
    }

    /// Returns how much of a channel is kept, if it keeps anything.
    pub(super) fn retention(&self, resolved: ResolvedChannel<'_, '_>) -> Option<Retention> {
        retention_of(resolved, self.settings.client.history_max_bytes)
    }

    /// Returns what others see of the client in a channel.
    fn member(&mut self, chan_info: &[u8]) -> Arc<MemberInfo> {
        let session = &mut *self.session;
        if chan_info.is_empty()
            && let Some(member) = &session.member
        {
            return Arc::clone(member);
        }
        let mut digits = itoa::Buffer::new();
        let info = ClientInfo {
            user: &session.user,
            client: digits.format(session.client),
            conn_info: &session.conn_info,
            chan_info,
        };
        let mut bytes = Vec::new();
        annotation::write(&mut bytes, Some(&info), &[]);
        bytes.shrink_to_fit();
        let member = Arc::new(MemberInfo {
            user: Bytes::copy_from_slice(session.user.as_bytes()),
            info: Bytes::from(bytes),
        });
        if chan_info.is_empty() {
            session.member = Some(Arc::clone(&member));
        }
        member
    }

    /// Takes the answer of a channel.
    pub(crate) fn handle_subscribed(&mut self, mut answer: Subscribed) {
        let channel = Bytes::clone(&answer.channel);
        let channel = core::str::from_utf8(&channel).unwrap_or_default();
        let answered = self.session.subscriptions.answer(
            channel,
            answer.is_member,
            answer.recovered,
            &mut self.shared.stats.namespaces,
        );
        let Some((pending, expires_at)) = answered else {
            return;
        };
        if !answer.is_member {
            self.fail(pending.command, ErrorCode::UnrecoverablePosition);
            return self.flush();
        }
        if !pending.filter.is_empty() {
            let passes = |kept: &KeptPublication| passes(&pending.filter, &kept.annotation);
            answer.publications.retain(passes);
        }
        if pending.command == 0 {
            let others = mem::take(&mut answer.others);
            self.add_server_side(pending, answer);
            self.flush();
            return self.close_others(&others);
        }
        let codec = self.session.link.codec;
        let decoded = DecodedPublication::of(codec, &answer.publications, pending.gets_delta);
        let publications: Vec<_> = decoded
            .iter()
            .map(DecodedPublication::as_publication)
            .collect();
        let result = SubscribeResult {
            expiry: expiry_info(expires_at.map(NonZeroU64::get), self.unix_now()),
            ..subscribe_result(&pending, &answer, &publications)
        };
        self.succeed(pending.command, CommandResult::Subscribe(result));
        self.flush();
        if expires_at.is_some() {
            self.set_timer();
        }
    }

    /// Closes the connections of the user that came before this one.
    pub(super) fn close_others(&mut self, others: &[ConnId]) {
        let code = DisconnectCode::ConnectionLimit;
        for &other in others {
            self.shared.stats.add_disconnect(code);
            self.ctx.disconnect(other, close_code(code), code.reason());
        }
    }

    /// Takes the refusal of the core to make a subscription.
    pub(crate) fn handle_subscribe_refused(&mut self, channel: &[u8]) {
        let channel = core::str::from_utf8(channel).unwrap_or_default();
        let stats = &mut self.shared.stats.namespaces;
        let answered = self
            .session
            .subscriptions
            .answer(channel, false, false, stats);
        let Some((pending, _)) = answered else {
            return;
        };
        if pending.command == 0 && matches!(self.session.phase, SessionPhase::Established) {
            // A backend has asked for it, which is not told.
            return;
        }
        if pending.command == 0 {
            // The client connects again, and has better luck or another server.
            return self.disconnect(DisconnectCode::InternalError);
        }
        self.fail(pending.command, ErrorCode::Internal);
        self.flush();
    }

    /// Takes the end of a subscription that has missed a publication.
    pub(crate) fn handle_position_lost(&mut self, channel: &[u8]) {
        let channel = core::str::from_utf8(channel).unwrap_or_default();
        let Some(lost) = self
            .session
            .subscriptions
            .lose(channel, &mut self.shared.stats.namespaces)
        else {
            return;
        };
        if lost.is_server_side {
            return self.disconnect(DisconnectCode::InsufficientState);
        }
        self.push_unsubscribe(channel, UnsubscribeCode::InsufficientState);
        self.flush();
    }

    /// Ends a subscription, if there is one.
    pub(super) fn unsubscribe(&mut self, id: u32, request: &ChannelRequest<'_>) -> CommandOutcome {
        let channel = &*request.channel;
        if channel.is_empty() {
            return Err(disconnect(DisconnectCode::BadRequest));
        }
        let stats = &mut self.shared.stats.namespaces;
        if self.session.subscriptions.leave(channel, stats) {
            // The replies so far must not wait for the channel.
            self.flush();
            self.ctx.unsubscribe(channel.as_bytes());
        }
        self.succeed(id, CommandResult::Unsubscribe);
        Ok(())
    }
}

/// Returns the result of a subscription.
pub(super) fn subscribe_result<'a>(
    pending: &'a PendingReply,
    answer: &'a Subscribed,
    publications: &'a [Publication<'a>],
) -> SubscribeResult<'a> {
    let recovered_since = pending.since.filter(|_| answer.recovered);
    let position = answer.position.as_ref();
    let top = position.map_or(0, |position| position.offset);
    SubscribeResult {
        recoverable: pending.is_recoverable,
        positioned: pending.is_positioned,
        epoch: position.map_or("", |position| position.epoch.as_str()),
        // A client advances its offset by what it recovers. Nothing is left of that if it was filtered.
        offset: recovered_since
            .filter(|_| !answer.publications.is_empty())
            .unwrap_or(top),
        publications,
        recovered: recovered_since.is_some(),
        was_recovering: pending.was_recovering,
        delta: pending.gets_delta,
        data: &pending.data,
        ..SubscribeResult::default()
    }
}

/// Returns the filter of a request, if the channel allows that: empty without one.
pub(super) fn filter_of(
    resolved: ResolvedChannel<'_, '_>,
    request: &SubscribeRequest<'_>,
) -> Result<Bytes, Rejection> {
    let Some(filter) = &request.tf else {
        return Ok(Bytes::new());
    };
    let is_allowed = resolved.options().allow_tags_filter;
    let compiled = is_allowed.then(|| tag_filter::compile(filter)).flatten();
    compiled
        .map(Bytes::from)
        .ok_or(error(ErrorCode::BadRequest))
}

/// Returns what a channel's name in a command leads to that no channel has.
pub(super) fn rejection(name: NameError) -> Rejection {
    match name.error_code() {
        Some(code) => error(code),
        None => disconnect(DisconnectCode::BadRequest),
    }
}
