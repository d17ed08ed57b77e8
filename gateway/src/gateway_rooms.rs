//! Rooms of the seed protocol as channels of a gateway: a room is the channel of that name within one
//! namespace, and its clients are anonymous users there.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::str;

use bytes::Bytes;
use stentor_core::channels::{MemberInfo, Subscription};
use stentor_core::{Context, Handler, OverflowPolicy};

use crate::annotation;
use crate::client_protocol::ClientInfo;
use crate::command::is_room_name;
use crate::namespaces::{ChannelAction, ChannelClient, ResolvedChannel};
use crate::rooms::{Publishing, RoomChannels};
use crate::session::{is_insecure, retention_of, send_options};
use crate::settings::GatewaySettings;

/// The rooms of a client.
#[derive(Debug)]
pub(crate) struct NamespaceRooms<'a> {
    pub(crate) settings: &'a GatewaySettings,
    /// The id of the client.
    pub(crate) client: u64,
}

impl NamespaceRooms<'_> {
    /// Calls a function with the channel that a room is, if it is one.
    fn with_channel<R>(
        &self,
        room: &[u8],
        call: impl FnOnce(ResolvedChannel<'_, '_>) -> R,
    ) -> Option<R> {
        let room = str::from_utf8(room).ok()?;
        let namespace = &*self.settings.seed_protocol.namespace;
        let namespaces = &self.settings.namespaces;
        let name = namespaces.name_in(namespace, room);
        let resolved = namespaces.resolve_in(namespace, &name).ok()?;
        Some(call(resolved))
    }

    fn resolve<'c>(&self, channel: &'c [u8]) -> Option<ResolvedChannel<'_, 'c>> {
        let namespace = &*self.settings.seed_protocol.namespace;
        let name = str::from_utf8(channel).ok()?;
        self.settings.namespaces.resolve_in(namespace, name).ok()
    }

    fn as_client(&self, is_subscribed: bool) -> ChannelClient<'static> {
        ChannelClient {
            user: "",
            is_subscribed,
            is_insecure: is_insecure(self.settings),
        }
    }
}

impl<H: Handler> RoomChannels<H> for NamespaceRooms<'_> {
    fn may_join(&self, room: &[u8]) -> bool {
        let may_subscribe =
            |resolved: ResolvedChannel<'_, '_>| resolved.may_subscribe(self.as_client(false));
        is_room_name(room) && self.with_channel(room, may_subscribe) == Some(true)
    }

    fn join<S>(&self, ctx: &mut Context<'_, H, S>, room: &[u8]) {
        self.with_channel(room, |resolved| {
            let (name, options) = (resolved.name().as_bytes(), resolved.options());
            if !options.presence && !options.join_leave {
                return ctx.subscribe(name);
            }
            let mut subscription = Subscription::new().presence(member(self.client));
            if options.join_leave {
                subscription = subscription.announced(resolved.options().priority);
            }
            ctx.subscribe_with(name, subscription);
        });
    }

    fn publishing(&self, channel: &[u8]) -> Publishing {
        let Some(resolved) = self.resolve(channel) else {
            return Publishing::Refused;
        };
        let client = self.as_client(true);
        if resolved.check(ChannelAction::Publish, client).is_err() {
            return Publishing::Refused;
        }
        match retention_of(resolved, self.settings.client.history_max_bytes) {
            None => Publishing::Delivered,
            Some(retention) => {
                let overflow = OverflowPolicy::EvictLower;
                let options = send_options(resolved.options(), overflow, &[]);
                Publishing::Kept(options, retention)
            }
        }
    }

    fn room<'c>(&self, channel: &'c [u8]) -> &'c [u8] {
        let namespace = &*self.settings.seed_protocol.namespace;
        let prefix = self.settings.namespaces.name_in(namespace, "");
        channel.strip_prefix(prefix.as_bytes()).unwrap_or(channel)
    }
}

/// Returns what others see of a client.
fn member(client: u64) -> Arc<MemberInfo> {
    let mut digits = itoa::Buffer::new();
    let info = ClientInfo {
        client: digits.format(client),
        ..ClientInfo::default()
    };
    let mut bytes = Vec::new();
    annotation::write(&mut bytes, Some(&info), &[]);
    Arc::new(MemberInfo {
        user: Bytes::new(),
        info: Bytes::from(bytes),
    })
}
