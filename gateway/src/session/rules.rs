//! What a subscription has: what the client asks for, as far as the channel and the token allow.

use stentor_core::channels::{Epoch, Recovery, RecoveryScope, Retention, Since};

use stentor_core::Handler;

use super::SessionCall;
use crate::client_protocol::SubscribeRequest;
use crate::namespaces::{DeltaType, RecoveryMode, ResolvedChannel};
use crate::token::Overrides;

/// What a client asks for in a subscription.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SubscriptionWishes {
    /// The publication after which it recovers, if it does.
    pub(super) recovers_since: Option<Since>,
    /// Whether it wants to recover later.
    pub(super) is_recoverable: bool,
    /// Whether it wants its position to be watched.
    pub(super) is_positioned: bool,
    /// Whether it wants joins and leaves.
    pub(super) wants_events: bool,
    /// Whether it does not want to be subscribed without a recovery.
    pub(super) rejects_unrecovered: bool,
    /// Whether it understands patches from one publication to the next.
    pub(super) wants_delta: bool,
}

impl SubscriptionWishes {
    /// Returns what a request asks for.
    pub(super) fn of(request: &SubscribeRequest<'_>) -> Self {
        Self {
            recovers_since: request
                .recover
                .then(|| since(&request.epoch, request.offset)),
            is_recoverable: request.recoverable,
            is_positioned: request.positioned,
            wants_events: request.join_leave,
            rejects_unrecovered: request.rejects_unrecovered(),
            wants_delta: request.delta == "fossil",
        }
    }
}

/// What a subscription has.
#[derive(Debug)]
pub(super) struct SubscriptionRules {
    pub(super) is_recoverable: bool,
    pub(super) is_positioned: bool,
    pub(super) was_recovering: bool,
    pub(super) recovery: Option<Recovery>,
    pub(super) has_presence: bool,
    pub(super) is_announced: bool,
    pub(super) gets_events: bool,
    pub(super) gets_delta: bool,
}

impl<H: Handler> SessionCall<'_, '_, H> {
    /// Returns what a subscription has: what the client asks for, as far as the channel and the token
    /// allow.
    pub(super) fn subscription_rules(
        &self,
        resolved: ResolvedChannel<'_, '_>,
        wishes: &SubscriptionWishes,
        overrides: Overrides,
    ) -> SubscriptionRules {
        let options = resolved.options();
        let client = self.channel_client(true);
        let asks_recovery = wishes.is_recoverable || wishes.recovers_since.is_some();
        let forced = overrides.force_recovery;
        let is_recoverable = resolved.grants_recovery(asks_recovery, forced, client);
        let forced = overrides.force_positioning;
        let is_positioned =
            is_recoverable || resolved.grants_positioning(wishes.is_positioned, forced, client);
        let is_cache = options.force_recovery_mode == RecoveryMode::Cache;
        let recovers_alone = is_cache && options.auto_cache_recover && is_recoverable;
        let since = wishes.recovers_since;
        let since = since.or_else(|| recovers_alone.then(Since::default));
        let is_announced = overrides.join_leave.unwrap_or(options.join_leave);
        let forced = overrides.force_push_join_leave;
        let gets_events =
            is_announced && resolved.grants_join_leave(wishes.wants_events, forced, client);
        SubscriptionRules {
            is_recoverable,
            is_positioned,
            was_recovering: since.is_some(),
            recovery: since.filter(|_| is_recoverable).map(|since| Recovery {
                scope: match is_cache {
                    true => RecoveryScope::Latest,
                    false => RecoveryScope::All,
                },
                since,
                limit: self.settings.client.recovery_max_publication_limit,
                is_required: wishes.rejects_unrecovered,
            }),
            has_presence: overrides.presence.unwrap_or(options.presence),
            is_announced,
            gets_events,
            // A patch is of what the client has got before, so it must miss nothing.
            gets_delta: wishes.wants_delta
                && options.allowed_delta_types.contains(&DeltaType::Fossil)
                && options.has_history()
                && is_positioned,
        }
    }
}

/// Returns how much of a channel is kept, if it keeps anything.
pub(crate) fn retention_of(resolved: ResolvedChannel<'_, '_>, bytes: usize) -> Option<Retention> {
    let options = resolved.options();
    options.has_history().then(|| Retention {
        messages: options.history_size,
        bytes,
        ttl: options.history_ttl,
        position_ttl: resolved.history_meta_ttl(),
    })
}

/// Returns a position as the core has it. An empty epoch is that of the channel.
pub(crate) fn since(epoch: &str, offset: u64) -> Since {
    Since {
        epoch: (!epoch.is_empty()).then(|| Epoch::from_text(epoch)),
        offset,
    }
}
