//! Publications with what the subscribers of a channel need to know about them, and how long a
//! channel keeps them.

use core::time::Duration;

pub use crate::delivery::codec::KeptPublication;
use crate::delivery::queue::SendOptions;
use crate::id::ConnId;
use crate::proto::ws::opcode::MessageType;

/// A message for the members of a channel.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    pub(crate) kind: MessageType,
    pub(crate) options: SendOptions,
    pub(crate) payload: &'a [u8],
    pub(crate) annotation: &'a [u8],
    pub(crate) retention: Option<Retention>,
    pub(crate) acknowledge: Option<u64>,
    pub(crate) excluded: Option<ConnId>,
    pub(crate) follows: bool,
}

impl<'a> Publication<'a> {
    /// Creates a publication that the channel does not keep.
    pub fn new(kind: MessageType, options: impl Into<SendOptions>, payload: &'a [u8]) -> Self {
        Self {
            kind,
            options: options.into(),
            payload,
            annotation: &[],
            retention: None,
            acknowledge: None,
            excluded: None,
            follows: false,
        }
    }

    /// Sets what codecs are told about it beside the payload, such as who has published it:
    /// [`Outgoing::annotation`](crate::delivery::Outgoing::annotation). Connections of the verbatim
    /// codec do not get it.
    #[must_use]
    pub const fn annotation(mut self, annotation: &'a [u8]) -> Self {
        self.annotation = annotation;
        self
    }

    /// Asks to be told, under this number, that it has its place in the order of the channel:
    /// [`Handler::on_accepted`](crate::Handler::on_accepted).
    #[must_use]
    pub const fn acknowledge(mut self, ticket: u64) -> Self {
        self.acknowledge = Some(ticket);
        self
    }

    /// Leaves out this connection, on whichever shard it is.
    #[must_use]
    pub const fn exclude(mut self, connection: ConnId) -> Self {
        self.excluded = Some(connection);
        self
    }

    /// Lets codecs know what was published before it, if the channel still has that and gives it an
    /// offset: [`Outgoing::previous`](crate::delivery::Outgoing::previous).
    #[must_use]
    pub const fn follows(mut self) -> Self {
        self.follows = true;
        self
    }

    /// Gives it an offset in the stream of the channel, which keeps it so long.
    #[must_use]
    pub const fn retention(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }
}

/// How much of its stream a channel keeps, and how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// The most publications. At 0, none is kept, and they have offsets all the same.
    pub messages: u32,
    /// The most bytes of payloads and annotations.
    pub bytes: usize,
    /// How long they are kept after the newest.
    pub ttl: Duration,
    /// How long the position is kept after the last publication or question about it. After that the
    /// channel begins a new stream. At least `ttl`.
    pub position_ttl: Duration,
}
