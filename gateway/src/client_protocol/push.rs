//! Pushes: what the server sends that is no reply to a command.

use super::code::{DisconnectCode, UnsubscribeCode};
use super::publication::{ClientInfo, Publication};
use super::result::{ConnectResult, ExpiryInfo};

/// A message about a channel or the connection.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Push<'a> {
    /// The number that stands for the channel, 0 if the name does.
    pub id: i64,
    /// The channel, empty if it is about the connection.
    pub channel: &'a str,
    /// What happened.
    pub event: PushEvent<'a>,
}

impl<'a> Push<'a> {
    /// Creates a push about a channel.
    pub const fn new(channel: &'a str, event: PushEvent<'a>) -> Self {
        Self {
            id: 0,
            channel,
            event,
        }
    }
}

/// What a push is about.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum PushEvent<'a> {
    /// A publication.
    Publication(Publication<'a>),
    /// A client has subscribed.
    Join(ClientInfo<'a>),
    /// A client has unsubscribed.
    Leave(ClientInfo<'a>),
    /// The server has ended the subscription.
    Unsubscribe(UnsubscribePush<'a>),
    /// A message of the application to the connection.
    Message(&'a [u8]),
    /// The server has subscribed the connection.
    Subscribe(SubscribePush<'a>),
    /// The connection is established, on a one-way transport.
    Connect(ConnectResult<'a>),
    /// The connection ends, on a transport without close codes.
    Disconnect(DisconnectPush<'a>),
    /// The connection expires at another time.
    Refresh(ExpiryInfo),
}

/// The end of a subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnsubscribePush<'a> {
    /// An [`UnsubscribeCode`] or one of the application's own.
    pub code: u16,
    /// The reason as text.
    pub reason: &'a str,
}

impl From<UnsubscribeCode> for UnsubscribePush<'static> {
    fn from(code: UnsubscribeCode) -> Self {
        Self {
            code: code.number(),
            reason: code.reason(),
        }
    }
}

/// A server-side subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SubscribePush<'a> {
    /// Whether the client may recover later.
    pub recoverable: bool,
    /// Epoch of the stream.
    pub epoch: &'a str,
    /// Offset in the stream.
    pub offset: u64,
    /// Whether the position is watched.
    pub positioned: bool,
    /// The application's payload.
    pub data: &'a [u8],
}

/// The end of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DisconnectPush<'a> {
    /// A [`DisconnectCode`] or one of the application's own.
    pub code: u16,
    /// The reason as text.
    pub reason: &'a str,
    /// Whether the client is to connect again. Clients go by the code.
    pub reconnect: bool,
}

impl From<DisconnectCode> for DisconnectPush<'static> {
    fn from(code: DisconnectCode) -> Self {
        Self {
            code: code.number(),
            reason: code.reason(),
            reconnect: code.reconnects(),
        }
    }
}
