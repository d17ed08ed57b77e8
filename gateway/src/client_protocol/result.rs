//! Results of commands: what a reply carries if the command succeeded.

use super::publication::{ClientInfo, Publication};

/// The result of a command. A reply has one even if it has no fields.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum CommandResult<'a> {
    /// Of `connect`.
    Connect(ConnectResult<'a>),
    /// Of `subscribe`.
    Subscribe(SubscribeResult<'a>),
    /// Of `unsubscribe`.
    Unsubscribe,
    /// Of `publish`.
    Publish,
    /// Of `presence`: the clients, by id.
    Presence(&'a [(&'a str, ClientInfo<'a>)]),
    /// Of `presence_stats`.
    PresenceStats(PresenceStats),
    /// Of `history`.
    History(HistoryResult<'a>),
    /// Of `ping`.
    Ping,
    /// Of `rpc`: what the procedure returned.
    Rpc(&'a [u8]),
    /// Of `refresh`.
    Refresh(ExpiryInfo),
    /// Of `sub_refresh`.
    SubRefresh(SubRefreshResult<'a>),
}

/// When a connection or subscription expires, if the client has to refresh it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExpiryInfo {
    /// Whether it expires.
    pub expires: bool,
    /// Seconds until then.
    pub ttl: u32,
}

/// The result of `connect`; also the `connect` push of one-way transports.
///
/// The dictionary of the protocol is left out: it is experimental, and is not to be announced.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct ConnectResult<'a> {
    /// The id of the connection.
    pub client: &'a str,
    /// Version of the server; clients want one.
    pub version: &'a str,
    /// When the connection expires.
    pub expiry: ExpiryInfo,
    /// The application's payload.
    pub data: &'a [u8],
    /// Server-side subscriptions, by channel.
    pub subs: &'a [(&'a str, SubscribeResult<'a>)],
    /// Seconds between pings, 0 if there are none.
    pub ping: u32,
    /// Whether the server wants pongs.
    pub pong: bool,
    /// The secret of an emulated connection.
    pub session: &'a str,
    /// The node that an emulated connection is on.
    pub node: &'a str,
    /// The server's time, in milliseconds of Unix time.
    pub time: i64,
    /// Bits that say what the server does. Not in the push.
    pub flag: i64,
}

/// The result of `subscribe`; also of a server-side subscription.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct SubscribeResult<'a> {
    /// When the subscription expires.
    pub expiry: ExpiryInfo,
    /// Whether the client may recover later.
    pub recoverable: bool,
    /// Epoch of the stream.
    pub epoch: &'a str,
    /// Publications that the client has missed, in order.
    pub publications: &'a [Publication<'a>],
    /// Whether these are all that it has missed.
    pub recovered: bool,
    /// Offset in the stream.
    pub offset: u64,
    /// Whether the position is watched.
    pub positioned: bool,
    /// The application's payload.
    pub data: &'a [u8],
    /// Whether the client asked for recovery.
    pub was_recovering: bool,
    /// Whether payloads come as patches.
    pub delta: bool,
    /// The number that stands for the channel in pushes, 0 if none.
    pub id: i64,
    /// Type of the subscription; 0 is a stream.
    pub subscription_type: i32,
    /// Phase of a map subscription.
    pub phase: i32,
    /// Next page of a map subscription.
    pub cursor: &'a str,
    /// A page of the state of a map.
    pub state: &'a [Publication<'a>],
    /// Milliseconds that a client waits before it publishes again.
    pub publish_debounce: u32,
}

/// The result of `presence_stats`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PresenceStats {
    /// Number of connections.
    pub num_clients: u32,
    /// Number of different users.
    pub num_users: u32,
}

/// The result of `history`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct HistoryResult<'a> {
    /// The publications of the page.
    pub publications: &'a [Publication<'a>],
    /// Epoch of the stream.
    pub epoch: &'a str,
    /// Offset of the newest publication of the stream.
    pub offset: u64,
}

/// The result of `sub_refresh`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct SubRefreshResult<'a> {
    /// When the subscription expires.
    pub expiry: ExpiryInfo,
    /// State of the keys that are now tracked.
    pub items: &'a [Publication<'a>],
}
