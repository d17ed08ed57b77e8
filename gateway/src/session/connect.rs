//! The first command of a client: who it is, and the subscriptions that the server makes for it.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::BuildHasher;
use core::num::NonZeroU64;
use core::time::Duration;

use bytes::Bytes;
use foldhash::fast::FixedState;
use stentor_core::channels::Subscribed;

use stentor_core::Handler;

use super::pings::Pings;
use super::rules::SubscriptionWishes;
use super::subscribe::{SubscriptionSource, filter_of, rejection, subscribe_result};
use super::subscriptions::PendingReply;
use super::timers::expiry_info;
use super::{
    CommandOutcome, Connecting, SessionCall, SessionPhase, UserCount, disconnect, is_insecure,
};
use crate::client_protocol::{
    CommandResult, ConnectRequest, ConnectResult, DisconnectCode, SubscribeResult,
};
use crate::publication_encoding::DecodedPublication;
use crate::token::{ConnectionClaims, Overrides, Rejection, TokenUse};

/// How long a client has to leave whose `connect` was answered with an error.
const UNUSABLE_CLOSE_DELAY: Duration = Duration::from_secs(5);

/// What clients are told as the version of the server.
pub(crate) const VERSION: &str = concat!("Stentor ", env!("CARGO_PKG_VERSION"));

/// A subscription that the server makes for a client.
#[derive(Default)]
struct ServerSide<'a> {
    chan_info: Cow<'a, [u8]>,
    data: Cow<'a, [u8]>,
    overrides: Overrides,
    is_personal: bool,
}

impl<H: Handler> SessionCall<'_, '_, H> {
    /// Connects the client. An error leaves the connection unusable.
    pub(super) fn connect(&mut self, id: u32, request: &ConnectRequest<'_>) -> CommandOutcome {
        let result = self.authenticate_and_subscribe(id, request);
        if let Err(Rejection::Error(_)) = result {
            self.session.phase = SessionPhase::Unusable {
                until: self.ctx.now().after(UNUSABLE_CLOSE_DELAY),
            };
            self.set_timer();
        }
        result
    }

    fn authenticate_and_subscribe(
        &mut self,
        id: u32,
        request: &ConnectRequest<'_>,
    ) -> CommandOutcome {
        // The claims borrow from the buffer, and what they ask for needs everything else.
        let mut buffer = core::mem::take(&mut self.shared.token);
        let result = self
            .authenticate(request, &mut buffer)
            .and_then(|claims| self.make_subscriptions(id, request, claims.as_ref()));
        self.shared.token = buffer;
        result
    }

    /// Returns what the connection token says; `None` if the client may connect without one.
    fn authenticate<'b>(
        &mut self,
        request: &ConnectRequest<'_>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<ConnectionClaims<'b>>, Rejection> {
        let client = &self.settings.client;
        if request.token.is_empty() {
            let may_connect =
                is_insecure(self.settings) || client.allow_anonymous_connect_without_token;
            return match may_connect {
                true => Ok(None),
                false => Err(disconnect(DisconnectCode::BadRequest)),
            };
        }
        let token = request.token.as_str();
        let claims = self.verify_connection_token(token, TokenUse::Connect, buffer)?;
        self.session.user = claims.user.as_ref().into();
        self.session.conn_info = claims.info.as_ref().into();
        self.session.token_channels = hash_of_channels(&claims);
        // The protocol never lets an insecure connection expire.
        if !is_insecure(self.settings) {
            self.session.expires_at = claims.expires_at.and_then(NonZeroU64::new);
        }
        Ok(Some(claims))
    }

    /// Verifies a connection token.
    pub(super) fn verify_connection_token<'b>(
        &mut self,
        token: &str,
        token_use: TokenUse,
        buffer: &'b mut Vec<u8>,
    ) -> Result<ConnectionClaims<'b>, Rejection> {
        let Some(tokens) = &self.settings.tokens else {
            // Without a key, no token is valid.
            return Err(disconnect(DisconnectCode::InvalidToken));
        };
        let claims = tokens.verify_connection(token, self.unix_now(), buffer);
        claims.map_err(|refused| {
            self.shared.stats.add_token_failure(refused);
            refused.rejection(token_use)
        })
    }

    fn make_subscriptions(
        &mut self,
        id: u32,
        request: &ConnectRequest<'_>,
        claims: Option<&ConnectionClaims<'_>>,
    ) -> CommandOutcome {
        let now = self.unix_now();
        if self.shared.bans.has_user(&self.session.user, now) {
            return Err(disconnect(DisconnectCode::PermissionDenied));
        }
        self.session.name = name_of(request);
        let subscriptions = self.server_side(request, claims)?;
        if subscriptions.len() > self.settings.client.channel_limit {
            return Err(disconnect(DisconnectCode::ChannelLimit));
        }
        let (user, client) = (&self.session.user, self.session.client);
        self.shared.users.insert(user, client, self.ctx.id());
        self.count();
        self.session.phase = SessionPhase::Connecting(Box::new(Connecting {
            command: id,
            waiting: subscriptions.len(),
            answers: Vec::new(),
        }));
        if !subscriptions.is_empty() {
            // What is published meanwhile comes behind the reply.
            self.ctx.hold();
        }
        for (channel, subscription) in &subscriptions {
            let wanted = request.subs.get(channel.as_ref());
            let resolved = self.settings.namespaces.resolve(channel);
            let resolved = resolved.map_err(|_| disconnect(DisconnectCode::BadRequest))?;
            let wishes = SubscriptionWishes {
                // The client cannot refuse what it has not asked for.
                rejects_unrecovered: false,
                ..wanted.map_or_else(SubscriptionWishes::default, SubscriptionWishes::of)
            };
            let source = SubscriptionSource {
                command: 0,
                is_server_side: true,
                replaces_others: subscription.is_personal
                    && self.settings.namespaces.has_single_connections(),
                expires_at: None,
                chan_info: &subscription.chan_info,
                data: &subscription.data,
                overrides: subscription.overrides,
                filter: match wanted {
                    Some(wanted) => filter_of(resolved, wanted)
                        .map_err(|_| disconnect(DisconnectCode::BadRequest))?,
                    None => Bytes::new(),
                },
            };
            self.make_subscription(resolved, &wishes, &source);
        }
        if subscriptions.is_empty() {
            self.establish();
        }
        Ok(())
    }

    /// Returns the subscriptions to make: those of the token, the personal channel, and those that the
    /// client had and may make itself.
    fn server_side<'t>(
        &self,
        request: &'t ConnectRequest<'_>,
        claims: Option<&'t ConnectionClaims<'_>>,
    ) -> Result<BTreeMap<Cow<'t, str>, ServerSide<'t>>, Rejection> {
        let namespaces = &self.settings.namespaces;
        let mut subscriptions = BTreeMap::new();
        for (channel, claimed) in claims.iter().flat_map(|claims| &claims.subscriptions) {
            namespaces.resolve(channel).map_err(rejection)?;
            let subscription = ServerSide {
                chan_info: Cow::Borrowed(&*claimed.info),
                data: Cow::Borrowed(&*claimed.data),
                overrides: claimed.overrides,
                is_personal: false,
            };
            subscriptions.insert(Cow::Borrowed(&**channel), subscription);
        }
        if let Some(personal) = namespaces.personal_channel(&self.session.user) {
            // A user whose name is too long for a channel has none.
            if namespaces.resolve(&personal).is_ok() {
                let subscription: &mut ServerSide<'_> =
                    subscriptions.entry(Cow::Owned(personal)).or_default();
                subscription.is_personal = true;
            }
        }
        for channel in request.subs.keys() {
            let resolved = namespaces.resolve(channel);
            let resolved = resolved.map_err(|_| disconnect(DisconnectCode::BadRequest))?;
            if resolved.may_subscribe(self.channel_client(false)) {
                subscriptions.entry(Cow::Borrowed(&**channel)).or_default();
            }
        }
        Ok(subscriptions)
    }

    /// Takes the answer to a server-side subscription. The last one completes `connect`.
    pub(super) fn add_server_side(&mut self, pending: Box<PendingReply>, answer: Subscribed) {
        if let SessionPhase::Connecting(connecting) = &mut self.session.phase {
            connecting.answers.push((pending, answer));
            connecting.waiting -= 1;
            if connecting.waiting == 0 {
                self.establish();
            }
        } else {
            self.push_subscribe(&pending, &answer);
        }
    }

    /// Answers `connect`: from now on the client is connected.
    fn establish(&mut self) {
        let phase = core::mem::replace(&mut self.session.phase, SessionPhase::Established);
        let SessionPhase::Connecting(connecting) = phase else {
            return;
        };
        let client = &self.settings.client;
        let now = self.ctx.now();
        // Polls show that a client is there.
        let is_pinged = !self.session.link.has_frame_pings && self.session.polling.is_none();
        let has_pings = !client.ping_interval.is_zero() && is_pinged;
        self.session.pings = has_pings.then(|| {
            let chance = FixedState::default().hash_one(self.session.client);
            Pings::new(now, client.ping_interval, chance)
        });
        if self.session.count != UserCount::Asked {
            self.count_connected();
        }
        self.set_timer();

        let link = self.session.link;
        let codec = link.codec;
        let decoded: Vec<Vec<_>> = connecting
            .answers
            .iter()
            .map(|(pending, answer)| {
                DecodedPublication::of(codec, &answer.publications, pending.gets_delta)
            })
            .collect();
        let publications: Vec<Vec<_>> = decoded
            .iter()
            .map(|decoded| {
                decoded
                    .iter()
                    .map(DecodedPublication::as_publication)
                    .collect()
            })
            .collect();
        let subs: Vec<(&str, SubscribeResult<'_>)> = connecting
            .answers
            .iter()
            .zip(&publications)
            .map(|((pending, answer), publications)| {
                let channel = core::str::from_utf8(&answer.channel).unwrap_or_default();
                (channel, subscribe_result(pending, answer, publications))
            })
            .collect();
        let has_secret = link.transport.is_emulated() || link.is_one_way();
        let secret = has_secret.then(|| self.settings.session_key.secret(self.ctx.id()));
        let mut digits = itoa::Buffer::new();
        let mut node = itoa::Buffer::new();
        let unix = self.ctx.unix_time();
        let result = ConnectResult {
            client: digits.format(self.session.client),
            version: VERSION,
            expiry: expiry_info(self.session.expires_at.map(NonZeroU64::get), unix.as_secs()),
            subs: &subs,
            ping: if has_pings {
                whole_seconds(client.ping_interval)
            } else {
                0
            },
            pong: has_pings && !self.pong_timeout().is_zero(),
            session: secret.as_deref().unwrap_or_default(),
            node: match link.transport.is_emulated() {
                true => node.format(self.settings.node),
                false => "",
            },
            time: if client.connect_include_server_time {
                unix.as_millis() as i64
            } else {
                0
            },
            ..ConnectResult::default()
        };
        self.succeed(connecting.command, CommandResult::Connect(result));
        if !connecting.answers.is_empty() {
            self.flush();
            self.ctx.release();
        }
    }
}

/// The most bytes that are kept of what a client calls itself.
const MAX_NAME: usize = 64;

/// Returns what a client calls itself, such as `js 5.3.0`.
fn name_of(request: &ConnectRequest<'_>) -> Box<str> {
    let name = alloc::format!("{} {}", request.name, request.version);
    let name = name.trim();
    let ends = name.char_indices().map(|(at, char)| at + char.len_utf8());
    let end = ends.take_while(|&end| end <= MAX_NAME).last();
    name[..end.unwrap_or_default()].into()
}

/// A part of a second counts as a whole one: clients wait so long at least.
fn whole_seconds(interval: Duration) -> u32 {
    let seconds = interval.as_secs() + u64::from(interval.subsec_nanos() > 0);
    seconds.try_into().unwrap_or(u32::MAX)
}

/// Returns a number that tells apart the server-side subscriptions of tokens.
pub(super) fn hash_of_channels(claims: &ConnectionClaims<'_>) -> u64 {
    let channels: Vec<&str> = claims
        .subscriptions
        .keys()
        .map(|channel| &**channel)
        .collect();
    FixedState::default().hash_one(channels)
}
