//! Parameters of the methods: zero, empty and absent mean the same, and fields that are not known are
//! ignored. Payloads are borrowed and not parsed.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::Error;

use super::method::ApiMethod;
use crate::client_protocol::json::field::{self, Object, Text};
use crate::client_protocol::{ChannelRequest, HistoryRequest, StreamPosition};
use crate::token::OverrideClaims;

/// A method with its parameters.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum ApiCommand<'a> {
    Publish(PublishParams<'a>),
    Broadcast(PublishParams<'a>),
    Presence(ChannelRequest<'a>),
    PresenceStats(ChannelRequest<'a>),
    History(HistoryRequest<'a>),
    HistoryRemove(ChannelRequest<'a>),
    Channels(ChannelsParams<'a>),
    Info,
    Rpc,
    Subscribe(SubscribeParams<'a>),
    Unsubscribe(UnsubscribeParams<'a>),
    Disconnect(DisconnectParams<'a>),
    Refresh(RefreshParams<'a>),
    Connections(ConnectionsParams<'a>),
    Explain(ExplainParams<'a>),
    Ban(BanParams<'a>),
    Unban(BanParams<'a>),
}

impl<'a> ApiCommand<'a> {
    /// Reads the parameters of a method.
    ///
    /// # Errors
    /// They are not a JSON object, or a field has a value of another type.
    pub(super) fn read(method: ApiMethod, params: &'a [u8]) -> Result<Self, Error> {
        Ok(match method {
            ApiMethod::Publish => Self::Publish(object(params)?),
            ApiMethod::Broadcast => Self::Broadcast(object(params)?),
            ApiMethod::Presence => Self::Presence(object(params)?),
            ApiMethod::PresenceStats => Self::PresenceStats(object(params)?),
            ApiMethod::History => Self::History(object(params)?),
            ApiMethod::HistoryRemove => Self::HistoryRemove(object(params)?),
            ApiMethod::Channels => Self::Channels(object(params)?),
            ApiMethod::Info => object(params).map(|NoParams {}| Self::Info)?,
            ApiMethod::Rpc => object(params).map(|NoParams {}| Self::Rpc)?,
            ApiMethod::Subscribe => Self::Subscribe(object(params)?),
            ApiMethod::Unsubscribe => Self::Unsubscribe(object(params)?),
            ApiMethod::Disconnect => Self::Disconnect(object(params)?),
            ApiMethod::Refresh => Self::Refresh(object(params)?),
            ApiMethod::Connections => Self::Connections(object(params)?),
            ApiMethod::Explain => Self::Explain(object(params)?),
            ApiMethod::Ban => Self::Ban(object(params)?),
            ApiMethod::Unban => Self::Unban(object(params)?),
        })
    }
}

fn object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice::<Object<T>>(text).map(|object| object.0)
}

#[derive(Deserialize)]
struct NoParams {}

/// Parameters of `publish`, and with `channels` in place of `channel` of `broadcast`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PublishParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) channel: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::or_default")]
    pub(super) channels: Vec<Text<'a>>,
    #[serde(borrow, deserialize_with = "field::payload")]
    pub(super) data: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) b64data: Cow<'a, str>,
    #[serde(deserialize_with = "field::or_default")]
    pub(super) skip_history: bool,
    #[serde(borrow, deserialize_with = "field::or_default")]
    pub(super) tags: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) idempotency_key: Cow<'a, str>,
    #[serde(deserialize_with = "field::or_default")]
    pub(super) delta: bool,
    #[serde(deserialize_with = "field::or_default")]
    pub(super) version: u64,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) version_epoch: Cow<'a, str>,
    /// Stentor: priority in the queues of the subscribers.
    #[serde(deserialize_with = "field::or_default")]
    pub(super) priority: Option<u64>,
    /// Stentor: for how many seconds it is worth sending.
    #[serde(deserialize_with = "field::or_default")]
    pub(super) ttl: f64,
    /// Stentor: what it is news of; it replaces one with the same key that waits.
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) key: Cow<'a, str>,
    /// Stentor: the id of a client that does not get it.
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) exclude: Cow<'a, str>,
    /// Stentor: whether the result says what happened at the queues.
    #[serde(deserialize_with = "field::or_default")]
    pub(super) delivery: bool,
}

/// Parameters of `channels`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChannelsParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) pattern: Cow<'a, str>,
}

/// Which clients are meant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct TargetParams<'p> {
    pub(super) user: &'p str,
    pub(super) client: &'p str,
    pub(super) session: &'p str,
    /// Stentor: an address without a port.
    pub(super) address: &'p str,
}

macro_rules! target {
    ($params:ident) => {
        impl $params<'_> {
            pub(super) fn target(&self) -> TargetParams<'_> {
                TargetParams {
                    user: &self.user,
                    client: &self.client,
                    session: &self.session,
                    address: &self.address,
                }
            }
        }
    };
}

target!(SubscribeParams);
target!(UnsubscribeParams);
target!(DisconnectParams);
target!(RefreshParams);
target!(ConnectionsParams);

impl BanParams<'_> {
    pub(super) fn target(&self) -> TargetParams<'_> {
        TargetParams {
            user: &self.user,
            client: "",
            session: "",
            address: &self.address,
        }
    }
}

/// Parameters of `subscribe`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SubscribeParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) channel: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) user: Cow<'a, str>,
    #[serde(deserialize_with = "field::or_default")]
    pub(super) expire_at: i64,
    #[serde(borrow, deserialize_with = "field::payload")]
    pub(super) info: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) b64info: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::payload")]
    pub(super) data: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) b64data: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::object")]
    pub(super) recover_since: Option<StreamPosition<'a>>,
    #[serde(rename = "override", deserialize_with = "field::object")]
    pub(super) overrides: Option<OverrideClaims>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) session: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) address: Cow<'a, str>,
}

/// Parameters of `unsubscribe`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UnsubscribeParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) channel: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) user: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) session: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) address: Cow<'a, str>,
}

/// Parameters of `disconnect`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DisconnectParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) user: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::object")]
    pub(super) disconnect: Option<DisconnectReason<'a>>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::or_default")]
    pub(super) whitelist: Vec<Text<'a>>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) session: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) address: Cow<'a, str>,
}

/// Code and reason of a close frame.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DisconnectReason<'a> {
    #[serde(deserialize_with = "field::or_default")]
    pub(super) code: u32,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) reason: Cow<'a, str>,
}

/// Parameters of `refresh`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RefreshParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) user: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
    #[serde(deserialize_with = "field::or_default")]
    pub(super) expired: bool,
    #[serde(deserialize_with = "field::or_default")]
    pub(super) expire_at: i64,
    #[serde(borrow, deserialize_with = "field::payload")]
    pub(super) info: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) session: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) address: Cow<'a, str>,
}

/// Parameters of `connections`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConnectionsParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) user: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) session: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) address: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) channel: Cow<'a, str>,
    #[serde(deserialize_with = "field::or_default")]
    pub(super) limit: u64,
}

/// Parameters of `explain`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ExplainParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
}

/// Parameters of `ban` and `unban`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BanParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) user: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) address: Cow<'a, str>,
    /// Seconds of Unix time.
    #[serde(deserialize_with = "field::or_default")]
    pub(super) expire_at: i64,
    /// Seconds from now.
    #[serde(deserialize_with = "field::or_default")]
    pub(super) ttl: u64,
}
