//! Who may do what in a channel.

use super::registry::ResolvedChannel;
use crate::client_protocol::ErrorCode;

/// A client that asks for something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelClient<'a> {
    /// Its user, empty if anonymous.
    pub user: &'a str,
    /// Whether it is subscribed to the channel.
    pub is_subscribed: bool,
    /// Whether `client.insecure` allows everything.
    pub is_insecure: bool,
}

impl ChannelClient<'_> {
    /// Returns whether a permission of a namespace is the requester's. The one for anonymous clients
    /// is needed in addition to another.
    const fn has(self, for_client: bool, for_subscriber: bool, for_anonymous: bool) -> bool {
        let granted = for_client || (for_subscriber && self.is_subscribed);
        self.is_insecure || (granted && (!self.user.is_empty() || for_anonymous))
    }
}

/// What a client does in a channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChannelAction {
    /// It publishes.
    Publish,
    /// It reads who is subscribed, or how many.
    Presence,
    /// It reads what was published.
    History,
}

impl ResolvedChannel<'_, '_> {
    /// Returns whether a client may subscribe without a token.
    pub fn may_subscribe(&self, requester: ChannelClient<'_>) -> bool {
        let options = self.options();
        if self.is_private() {
            return false;
        }
        if options.allow_user_limited_channels && self.lists_user(requester.user) {
            return true;
        }
        let for_client = options.allow_subscribe_for_client && !self.is_user_limited();
        requester.has(for_client, false, options.allow_subscribe_for_anonymous)
    }

    /// Returns whether a client may do this, if the channel has what it needs.
    fn may_do(&self, action: ChannelAction, requester: ChannelClient<'_>) -> bool {
        let options = self.options();
        match action {
            ChannelAction::Publish => requester.has(
                options.allow_publish_for_client,
                options.allow_publish_for_subscriber,
                options.allow_publish_for_anonymous,
            ),
            ChannelAction::Presence => requester.has(
                options.allow_presence_for_client,
                options.allow_presence_for_subscriber,
                options.allow_presence_for_anonymous,
            ),
            ChannelAction::History => requester.has(
                options.allow_history_for_client,
                options.allow_history_for_subscriber,
                options.allow_history_for_anonymous,
            ),
        }
    }

    /// Checks whether the channel has what an action needs, and whether the client may do it.
    ///
    /// # Errors
    /// The error of the command.
    pub fn check(
        &self,
        action: ChannelAction,
        requester: ChannelClient<'_>,
    ) -> Result<(), ErrorCode> {
        let options = self.options();
        let is_available = match action {
            ChannelAction::Publish => true,
            ChannelAction::Presence => options.presence,
            ChannelAction::History => options.has_history(),
        };
        if !is_available {
            return Err(ErrorCode::NotAvailable);
        }
        if !self.may_do(action, requester) {
            return Err(ErrorCode::PermissionDenied);
        }
        Ok(())
    }

    /// Returns whether a subscription can recover. `asked` says whether the client wants it, `forced`
    /// whether a token says so, one way or the other.
    pub fn grants_recovery(
        &self,
        asked: bool,
        forced: Option<bool>,
        requester: ChannelClient<'_>,
    ) -> bool {
        let options = self.options();
        let allowed = options.allow_recovery || self.may_do(ChannelAction::History, requester);
        let forced = forced.unwrap_or(options.force_recovery);
        options.has_history() && (forced || (asked && allowed))
    }

    /// Returns whether the position of a subscription is watched. `asked` says whether the client
    /// wants it, `forced` whether a token says so, one way or the other; one that can recover has it
    /// in any case.
    pub fn grants_positioning(
        &self,
        asked: bool,
        forced: Option<bool>,
        requester: ChannelClient<'_>,
    ) -> bool {
        let options = self.options();
        let allowed = options.allow_positioning || self.may_do(ChannelAction::History, requester);
        let forced = forced.unwrap_or(options.force_positioning);
        options.has_history() && (forced || (asked && allowed))
    }

    /// Returns whether a subscription gets join and leave events, if there are any. `asked` says
    /// whether the client wants them, `forced` whether a token says so, one way or the other.
    pub fn grants_join_leave(
        &self,
        asked: bool,
        forced: Option<bool>,
        requester: ChannelClient<'_>,
    ) -> bool {
        let allowed = self.may_do(ChannelAction::Presence, requester);
        let forced = forced.unwrap_or(self.options().force_push_join_leave);
        forced || (asked && allowed)
    }
}
