//! Parameters of the methods: zero, empty and absent mean the same, and fields that are not known are
//! ignored. Payloads are borrowed and not parsed.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::Error;

use super::method::ApiMethod;
use crate::client_protocol::json::field::{self, Object, Text};
use crate::client_protocol::{ChannelRequest, HistoryRequest};

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
