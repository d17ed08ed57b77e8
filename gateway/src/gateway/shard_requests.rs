//! Answers of a shard to questions of the requests of any shard: what is on it, and what is done to
//! its clients.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::NonZeroU64;

use bytes::Bytes;
use serde_json::json;
use stentor_core::ConnId;
use stentor_core::app::{ShardContext, ShardRequest};
use stentor_core::inspect::ConnectionInfo;

use super::{Gateway, Protocol};
use crate::glob::Glob;
use crate::questions::{
    self, Action, FoundClients, OwnedChannels, ShardInfo, ShardQuestion, Target, overrides_of,
};
use crate::session::{SessionCall, SubscriptionOrder, since};

/// The most channels of a client in a description.
const MAX_CHANNELS: usize = 100;

impl Gateway {
    /// Answers a question to the shard.
    pub(super) fn answer(
        &mut self,
        shard: &mut ShardContext<'_, Self>,
        request: &ShardRequest,
    ) -> Bytes {
        let Some(question) = questions::decode(request.payload()) else {
            return Bytes::new();
        };
        match question {
            ShardQuestion::Channels { pattern } => questions::encode(&channels(shard, &pattern)),
            ShardQuestion::Info => questions::encode(&self.info(shard)),
            ShardQuestion::Act { target, action } => {
                questions::encode(&self.act(shard, &target, &action))
            }
            ShardQuestion::Connections { target, limit } => {
                questions::encode(&self.find(shard, &target, limit))
            }
            ShardQuestion::Locate { client } => {
                let connection = self.shared.users.of_client(client);
                questions::encode(&connection.map(|connection| connection.to_string()))
            }
            ShardQuestion::Explain { client } => questions::encode(&self.explain(shard, client)),
            ShardQuestion::AdmitUser { user } => {
                let connections = &mut self.shared.user_connections;
                questions::encode(&connections.admit(&user, request.from(), &self.settings.client))
            }
            ShardQuestion::RemoveUser { user } => {
                self.shared.user_connections.remove(&user, request.from());
                Bytes::new()
            }
            ShardQuestion::Ban {
                user,
                address,
                until,
            } => questions::encode(&self.ban(shard.unix_time().as_secs(), &user, &address, until)),
        }
    }

    fn info(&self, shard: &ShardContext<'_, Self>) -> ShardInfo {
        let mut info = ShardInfo {
            clients: self.shared.users.len() as u64,
            users: self.shared.users.hashes().collect(),
            ..ShardInfo::default()
        };
        for (_, members) in shard.channels() {
            info.channels += 1;
            info.subscriptions += members;
        }
        info
    }

    fn ban(&mut self, now: u64, user: &str, address: &str, until: u64) -> bool {
        let bans = &mut self.shared.bans;
        let address = address.parse().ok();
        (user.is_empty() || bans.set_user(user, until, now))
            && address.is_none_or(|address| bans.set_address(address, until, now))
    }

    /// Does something to all clients that are meant. Returns how many these are.
    fn act(
        &mut self,
        shard: &mut ShardContext<'_, Self>,
        target: &Target,
        action: &Action,
    ) -> usize {
        let meant = self.candidates(target).into_iter();
        meant
            .filter(|&conn| {
                let acted = self.with_client(shard, conn, |mut call| {
                    let is_meant = matches(&call, target);
                    if is_meant {
                        carry_out(&mut call, action);
                    }
                    is_meant
                });
                acted == Some(true)
            })
            .count()
    }

    fn find(
        &mut self,
        shard: &mut ShardContext<'_, Self>,
        target: &Target,
        limit: usize,
    ) -> FoundClients {
        let mut found = FoundClients::default();
        for conn in self.candidates(target) {
            let described = self.with_client(shard, conn, |call| {
                matches(&call, target).then(|| {
                    found.matching += 1;
                    (found.clients.len() < limit).then(|| describe(&call))
                })
            });
            found.clients.extend(described.flatten().flatten());
        }
        found
    }

    fn explain(&mut self, shard: &mut ShardContext<'_, Self>, client: u64) -> FoundClients {
        let explained = self.shared.users.of_client(client).and_then(|conn| {
            let info = shard.connection_info(conn)?;
            let user = self.with_client(shard, conn, |call| String::from(call.user()))?;
            Some((client.to_string(), explanation(&user, &info)))
        });
        FoundClients {
            matching: explained.is_some().into(),
            clients: explained.into_iter().collect(),
        }
    }

    /// Returns connections among which all are that are meant.
    fn candidates(&self, target: &Target) -> Vec<ConnId> {
        let users = &self.shared.users;
        if !target.client.is_empty() {
            let client = target.client.parse().ok();
            return client
                .and_then(|client| users.of_client(client))
                .into_iter()
                .collect();
        }
        if !target.session.is_empty() {
            let named = self.settings.session_key.connection(&target.session);
            return named.into_iter().collect();
        }
        match &*target.user {
            "" => users.all(),
            user => users.of_user(user),
        }
    }

    /// Calls the session of a connection of this shard.
    fn with_client<R>(
        &mut self,
        shard: &mut ShardContext<'_, Self>,
        conn: ConnId,
        call: impl FnOnce(SessionCall<'_, '_, Self>) -> R,
    ) -> Option<R> {
        let (settings, shared) = (&*self.settings, &mut self.shared);
        let result = shard.with_connection(conn, |ctx| {
            let (state, mut ctx) = ctx.split();
            let Protocol::Client(session) = &mut state.0 else {
                return None;
            };
            shared.begin();
            Some(call(SessionCall {
                settings,
                shared,
                session,
                ctx: &mut ctx,
            }))
        });
        result.flatten()
    }
}

fn channels(shard: &ShardContext<'_, Gateway>, pattern: &str) -> OwnedChannels {
    let Some(glob) = Glob::new(pattern) else {
        return OwnedChannels::new();
    };
    let named = shard.channels().filter_map(|(name, members)| {
        let name = core::str::from_utf8(name).ok()?;
        glob.matches(name).then(|| (name.into(), members))
    });
    named.collect()
}

/// Returns whether a client is meant.
fn matches(call: &SessionCall<'_, '_, Gateway>, target: &Target) -> bool {
    let client = call.client().to_string();
    let has_address = || {
        let address: Option<IpAddr> = target.address.parse().ok();
        let peer = call.ctx.peer();
        peer.zip(address)
            .is_some_and(|(peer, address)| peer.ip().to_canonical() == address.to_canonical())
    };
    (target.user.is_empty() || call.user() == target.user)
        && (target.client.is_empty() || client == target.client)
        && (target.session.is_empty() || call.has_secret(&target.session))
        && (target.address.is_empty() || has_address())
        && (target.channel.is_empty() || call.channels().any(|name| name == target.channel))
        && !target.spared.contains(&client)
}

fn carry_out(call: &mut SessionCall<'_, '_, Gateway>, action: &Action) {
    match action {
        Action::Unsubscribe { channel } => {
            let channel = Some(channel.as_str()).filter(|channel| !channel.is_empty());
            call.unsubscribe_by_backend(channel);
        }
        Action::Disconnect { code, reason } => call.disconnect_by_backend(*code, reason),
        Action::Refresh { expires_at, info } => {
            call.refresh_by_backend(NonZeroU64::new(*expires_at).map(NonZeroU64::get), info);
        }
        Action::Subscribe {
            channel,
            expires_at,
            info,
            data,
            since: position,
            overrides,
        } => call.subscribe_by_backend(&SubscriptionOrder {
            channel,
            expires_at: NonZeroU64::new(*expires_at),
            chan_info: info,
            data,
            recovers_since: position
                .as_ref()
                .map(|(offset, epoch)| since(epoch, *offset)),
            overrides: overrides_of(*overrides),
        }),
    }
}

/// Returns the id of a client, and what is told about it.
fn describe(call: &SessionCall<'_, '_, Gateway>) -> (String, String) {
    let channels: serde_json::Map<_, _> = call
        .channels()
        .take(MAX_CHANNELS)
        .map(|name| (name.into(), json!({})))
        .collect();
    let described = json!({
        "user": call.user(),
        "transport": call.transport().name(),
        "protocol": call.protocol_name(),
        "address": call.ctx.peer().map(|peer| peer.to_string()),
        "state": { "channels": channels },
    });
    (call.client().to_string(), described.to_string())
}

/// Returns how a connection is: what waits for it, what was dropped, what it waits for.
fn explanation(user: &str, info: &ConnectionInfo) -> String {
    let seconds = |time: core::time::Duration| time.as_millis() as f64 / 1_000.0;
    let priorities = info.priorities.iter().map(|(priority, depth)| {
        json!({
            "priority": priority,
            "messages": depth.messages,
            "bytes": depth.bytes,
            "oldest": seconds(depth.oldest),
        })
    });
    let drops = info.drops;
    let awaits = info.awaits.iter().map(|reason| reason.to_string());
    json!({
        "user": user,
        "address": info.peer.map(|peer| peer.to_string()),
        "open_for": info.open_for.map(seconds),
        "silent_for": seconds(info.silent_for),
        "num_channels": info.memberships,
        "queue": {
            "messages": info.waiting.messages,
            "bytes": info.waiting.bytes,
            "oldest": seconds(info.waiting.oldest),
            "priorities": priorities.collect::<Vec<_>>(),
        },
        "dropped": {
            "refused": drops.refused,
            "evicted": drops.evicted,
            "conflated": drops.conflated,
            "expired": drops.expired,
            "shed": drops.shed,
            "discarded": drops.discarded,
        },
        "waits_for": awaits.collect::<Vec<_>>(),
        "held_back_bytes": info.held_back_bytes,
        "held_back_commands": info.held_back_commands,
    })
    .to_string()
}
