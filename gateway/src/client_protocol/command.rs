//! Commands of clients, as both codecs decode them.

use super::error::DecodeError;
use super::request::{
    ChannelRequest, ConnectRequest, HistoryRequest, MAX_FILTER_DEPTH, PublishRequest,
    RefreshRequest, RpcRequest, SendRequest, SubRefreshRequest, SubscribeRequest,
};

/// One command of a client.
#[derive(Clone, PartialEq, Debug)]
pub struct Command<'a> {
    /// The number that the reply carries, 0 if there is none.
    pub id: u32,
    /// What the client asks for.
    pub request: CommandRequest<'a>,
}

/// What a client asks for.
#[derive(Clone, PartialEq, Debug)]
pub enum CommandRequest<'a> {
    /// The answer to a ping: a command without an id that is not [`Send`](Self::Send).
    Pong,
    /// The first command of a connection.
    Connect(ConnectRequest<'a>),
    /// A subscription to a channel.
    Subscribe(SubscribeRequest<'a>),
    /// The end of a subscription.
    Unsubscribe(ChannelRequest<'a>),
    /// A publication.
    Publish(PublishRequest<'a>),
    /// The clients that are subscribed to a channel.
    Presence(ChannelRequest<'a>),
    /// How many clients are subscribed to a channel.
    PresenceStats(ChannelRequest<'a>),
    /// A page of what was published to a channel.
    History(HistoryRequest<'a>),
    /// A ping by the client. No client sends it; servers refuse it.
    Ping,
    /// A message to the application that has no reply.
    Send(SendRequest<'a>),
    /// A call of a remote procedure.
    Rpc(RpcRequest<'a>),
    /// A new connection token.
    Refresh(RefreshRequest<'a>),
    /// A new subscription token.
    SubRefresh(SubRefreshRequest<'a>),
}

impl CommandRequest<'_> {
    /// The names of all requests in the protocol, `pong` for a pong.
    pub const NAMES: &'static [&'static str] = &[
        "pong",
        "connect",
        "subscribe",
        "unsubscribe",
        "publish",
        "presence",
        "presence_stats",
        "history",
        "ping",
        "send",
        "rpc",
        "refresh",
        "sub_refresh",
    ];

    /// Returns the name of the request.
    pub const fn name(&self) -> &'static str {
        Self::NAMES[self.number()]
    }

    /// Returns the place of the name.
    pub(crate) const fn number(&self) -> usize {
        match self {
            Self::Pong => 0,
            Self::Connect(_) => 1,
            Self::Subscribe(_) => 2,
            Self::Unsubscribe(_) => 3,
            Self::Publish(_) => 4,
            Self::Presence(_) => 5,
            Self::PresenceStats(_) => 6,
            Self::History(_) => 7,
            Self::Ping => 8,
            Self::Send(_) => 9,
            Self::Rpc(_) => 10,
            Self::Refresh(_) => 11,
            Self::SubRefresh(_) => 12,
        }
    }

    /// Returns whether its tag filters have at most [`MAX_FILTER_DEPTH`] levels.
    fn has_flat_filters(&self) -> bool {
        let is_flat = |request: &SubscribeRequest<'_>| {
            let filter = request.tf.as_ref();
            filter.is_none_or(|filter| filter.has_depth(MAX_FILTER_DEPTH))
        };
        match self {
            Self::Subscribe(request) => is_flat(request),
            Self::Connect(request) => request.subs.values().all(is_flat),
            _ => true,
        }
    }
}

/// A command whose fields are still being read.
#[derive(Debug, Default)]
pub(super) struct PartialCommand<'a> {
    pub(super) id: u32,
    request: Option<CommandRequest<'a>>,
    has_several: bool,
}

impl<'a> PartialCommand<'a> {
    /// Adds a request that the message has.
    pub(super) fn add(&mut self, request: CommandRequest<'a>) {
        self.has_several |= self.request.is_some();
        // Without an id, `send` counts whatever stands beside it.
        if !matches!(self.request, Some(CommandRequest::Send(_)))
            || matches!(request, CommandRequest::Send(_))
        {
            self.request = Some(request);
        }
    }

    /// Returns the request that was added last, for a codec that merges fields.
    pub(super) const fn last(&mut self) -> Option<&mut CommandRequest<'a>> {
        self.request.as_mut()
    }

    /// Returns the command.
    ///
    /// # Errors
    /// A command with an id has exactly one request.
    pub(super) fn finish(self) -> Result<Command<'a>, DecodeError> {
        let Self {
            id,
            request,
            has_several,
        } = self;
        let request = match request {
            request @ Some(CommandRequest::Send(_)) if id == 0 => request,
            _ if id == 0 => Some(CommandRequest::Pong),
            _ if has_several => return Err(DecodeError::SeveralRequests),
            request => request,
        };
        let request = request.ok_or(DecodeError::NoRequest)?;
        if !request.has_flat_filters() {
            return Err(DecodeError::FilterTooDeep);
        }
        Ok(Command { id, request })
    }
}
