//! Requests of commands: what a client asks for, with the fields of the protocol.
//!
//! Zero, empty and absent mean the same. Texts and payloads are borrowed from the message where the
//! codec allows; a payload is JSON text on a JSON connection and any bytes on a Protobuf connection.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::{self, Debug, Formatter};

use serde::Deserialize;

use super::json::field;

/// A JSON Web Token as a client sent it. Its `Debug` does not show it, so that no log does.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Token<'a>(Cow<'a, str>);

impl<'a> Token<'a> {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> From<Cow<'a, str>> for Token<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self(text)
    }
}

impl<'a> From<&'a str> for Token<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl Debug for Token<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes)", self.0.len())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Token<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        field::text(from).map(Self)
    }
}

/// Commands of a client that gets its replies over another connection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EmulationRequest<'a> {
    /// The node that the other connection is on.
    pub node: Cow<'a, str>,
    /// The secret of the other connection.
    pub session: Cow<'a, str>,
    /// The commands, as in a WebSocket message.
    pub data: Cow<'a, [u8]>,
}

/// The first command of a connection.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConnectRequest<'a> {
    /// The connection token.
    #[serde(borrow)]
    pub token: Token<'a>,
    /// The application's payload.
    #[serde(borrow, deserialize_with = "field::payload")]
    pub data: &'a [u8],
    /// Server-side subscriptions to recover, by channel.
    #[serde(borrow, deserialize_with = "field::object_map")]
    pub subs: BTreeMap<Cow<'a, str>, SubscribeRequest<'a>>,
    /// Name of the client, such as `js`.
    #[serde(borrow, deserialize_with = "field::text")]
    pub name: Cow<'a, str>,
    /// Version of the client.
    #[serde(borrow, deserialize_with = "field::text")]
    pub version: Cow<'a, str>,
    /// Headers of HTTP that the client cannot set otherwise.
    #[serde(borrow, deserialize_with = "field::or_default")]
    pub headers: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// Bits that say what the client understands.
    #[serde(deserialize_with = "field::or_default")]
    pub flag: i64,
    /// Name of a compression dictionary that the client has.
    #[serde(borrow, deserialize_with = "field::text")]
    pub dict: Cow<'a, str>,
    /// Name of the profile of the dictionary.
    #[serde(borrow, deserialize_with = "field::text")]
    pub profile: Cow<'a, str>,
}

/// A new connection token for a connection that expires.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RefreshRequest<'a> {
    /// The connection token.
    #[serde(borrow)]
    pub token: Token<'a>,
}

/// A subscription of this connection to a channel.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SubscribeRequest<'a> {
    /// The channel.
    #[serde(borrow, deserialize_with = "field::text")]
    pub channel: Cow<'a, str>,
    /// The subscription token.
    #[serde(borrow)]
    pub token: Token<'a>,
    /// Whether to send what was published after `offset`.
    #[serde(deserialize_with = "field::or_default")]
    pub recover: bool,
    /// Epoch of `offset`.
    #[serde(borrow, deserialize_with = "field::text")]
    pub epoch: Cow<'a, str>,
    /// Offset of the last publication that the client has seen.
    #[serde(deserialize_with = "field::or_default")]
    pub offset: u64,
    /// The application's payload.
    #[serde(borrow, deserialize_with = "field::payload")]
    pub data: &'a [u8],
    /// Whether the client wants the position to be watched.
    #[serde(deserialize_with = "field::or_default")]
    pub positioned: bool,
    /// Whether the client wants to recover later.
    #[serde(deserialize_with = "field::or_default")]
    pub recoverable: bool,
    /// Whether the client wants join and leave events.
    #[serde(deserialize_with = "field::or_default")]
    pub join_leave: bool,
    /// Type of delta that the client understands: `fossil`.
    #[serde(borrow, deserialize_with = "field::text")]
    pub delta: Cow<'a, str>,
    /// Filter over the tags of publications.
    #[serde(borrow, deserialize_with = "field::object")]
    pub tf: Option<FilterNode<'a>>,
    /// Bits that say what the client understands.
    #[serde(deserialize_with = "field::or_default")]
    pub flag: i64,
    /// Type of the subscription; 0 is a stream.
    #[serde(rename = "type", deserialize_with = "field::or_default")]
    pub subscription_type: i32,
    /// Phase of a map subscription.
    #[serde(deserialize_with = "field::or_default")]
    pub phase: i32,
    /// Page of a map subscription.
    #[serde(borrow, deserialize_with = "field::text")]
    pub cursor: Cow<'a, str>,
    /// Length of the page.
    #[serde(deserialize_with = "field::or_default")]
    pub limit: i32,
    /// Whether pages are in ascending order.
    #[serde(deserialize_with = "field::or_default")]
    pub asc: bool,
}

impl SubscribeRequest<'_> {
    /// Bit of `flag`: the client understands channels as numbers. A server may ignore it.
    pub const COMPACTION: i64 = 1;
    /// Bit of `flag`: the client wants an error if its position cannot be recovered.
    pub const REJECT_UNRECOVERED: i64 = 2;

    /// Returns whether the client wants an error if its position cannot be recovered.
    pub const fn rejects_unrecovered(&self) -> bool {
        self.flag & Self::REJECT_UNRECOVERED != 0
    }
}

/// Maximum number of levels of a tag filter.
pub const MAX_FILTER_DEPTH: usize = 32;

/// A filter over the tags of publications, as the client sent it. Whether it makes sense is the
/// evaluator's to say.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FilterNode<'a> {
    /// `and`, `or` or `not` of an inner node, empty in a leaf.
    #[serde(borrow, deserialize_with = "field::text")]
    pub op: Cow<'a, str>,
    /// The tag that a leaf compares.
    #[serde(borrow, deserialize_with = "field::text")]
    pub key: Cow<'a, str>,
    /// How a leaf compares.
    #[serde(borrow, deserialize_with = "field::text")]
    pub cmp: Cow<'a, str>,
    /// The value that a leaf compares with.
    #[serde(borrow, deserialize_with = "field::text")]
    pub val: Cow<'a, str>,
    /// The values that a leaf compares with.
    #[serde(borrow, deserialize_with = "field::or_default")]
    pub vals: Vec<Cow<'a, str>>,
    /// Children of an inner node.
    #[serde(borrow, deserialize_with = "field::objects")]
    pub nodes: Vec<Self>,
}

impl FilterNode<'_> {
    /// Returns whether the filter has at most this many levels. Recursion ends at that depth.
    pub(super) fn has_depth(&self, max: usize) -> bool {
        max > 0 && self.nodes.iter().all(|node| node.has_depth(max - 1))
    }
}

/// A new subscription token for a subscription that expires, or keys of a polled subscription.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SubRefreshRequest<'a> {
    /// The channel.
    #[serde(borrow, deserialize_with = "field::text")]
    pub channel: Cow<'a, str>,
    /// The subscription token.
    #[serde(borrow)]
    pub token: Token<'a>,
    /// 1 to track keys, 2 to stop.
    #[serde(rename = "type", deserialize_with = "field::or_default")]
    pub refresh_type: i32,
    /// Keys to track.
    #[serde(borrow, deserialize_with = "field::objects")]
    pub track: Vec<TrackBatch<'a>>,
    /// Keys to stop tracking.
    #[serde(borrow, deserialize_with = "field::or_default")]
    pub untrack: Vec<Cow<'a, str>>,
}

/// Keys with their signature.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TrackBatch<'a> {
    /// The signature of the keys.
    #[serde(borrow)]
    pub signature: Token<'a>,
    /// The keys.
    #[serde(borrow, deserialize_with = "field::objects")]
    pub items: Vec<KeyedItem<'a>>,
}

/// A key with the version that the client has.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct KeyedItem<'a> {
    /// The key.
    #[serde(borrow, deserialize_with = "field::text")]
    pub key: Cow<'a, str>,
    /// The version.
    #[serde(deserialize_with = "field::or_default")]
    pub version: u64,
}

/// A request about a channel that has no other field.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ChannelRequest<'a> {
    /// The channel.
    #[serde(borrow, deserialize_with = "field::text")]
    pub channel: Cow<'a, str>,
}

/// A publication by a client.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PublishRequest<'a> {
    /// The channel.
    #[serde(borrow, deserialize_with = "field::text")]
    pub channel: Cow<'a, str>,
    /// The payload.
    #[serde(borrow, deserialize_with = "field::payload")]
    pub data: &'a [u8],
    /// Type of the publication; 1 changes a map.
    #[serde(rename = "type", deserialize_with = "field::or_default")]
    pub publication_type: i32,
    /// Key of a map.
    #[serde(borrow, deserialize_with = "field::text")]
    pub key: Cow<'a, str>,
    /// Whether the key is removed.
    #[serde(deserialize_with = "field::or_default")]
    pub removed: bool,
}

/// A position in the stream of a channel.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StreamPosition<'a> {
    /// Offset of a publication; the first has 1.
    #[serde(deserialize_with = "field::or_default")]
    pub offset: u64,
    /// Epoch of the stream.
    #[serde(borrow, deserialize_with = "field::text")]
    pub epoch: Cow<'a, str>,
}

/// A page of what was published to a channel.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HistoryRequest<'a> {
    /// The channel.
    #[serde(borrow, deserialize_with = "field::text")]
    pub channel: Cow<'a, str>,
    /// Maximum number of publications; 0 asks for the position alone, -1 for all.
    #[serde(deserialize_with = "field::or_default")]
    pub limit: i32,
    /// The publication that the page follows.
    #[serde(borrow, deserialize_with = "field::object")]
    pub since: Option<StreamPosition<'a>>,
    /// Whether the newest come first.
    #[serde(deserialize_with = "field::or_default")]
    pub reverse: bool,
}

/// A call of a remote procedure.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RpcRequest<'a> {
    /// The argument.
    #[serde(borrow, deserialize_with = "field::payload")]
    pub data: &'a [u8],
    /// Name of the procedure.
    #[serde(borrow, deserialize_with = "field::text")]
    pub method: Cow<'a, str>,
}

/// A message to the application that has no reply.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SendRequest<'a> {
    /// The payload.
    #[serde(borrow, deserialize_with = "field::payload")]
    pub data: &'a [u8],
}
