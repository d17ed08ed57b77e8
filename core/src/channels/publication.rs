//! Publications with what the subscribers of a channel need to know about them, and how long a
//! channel keeps them.

use core::time::Duration;

use bytes::Bytes;

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
    pub(crate) idempotency_key: &'a [u8],
    pub(crate) version: Version<&'a [u8]>,
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
            idempotency_key: &[],
            version: Version::NONE,
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

    /// Names it: another one to the channel with this key, within [`idempotency_ttl`], is not delivered
    /// and has the answer that this one has. The channel remembers the newest [`idempotency_keys`] of
    /// its shard.
    ///
    /// [`idempotency_ttl`]: crate::Config::idempotency_ttl
    /// [`idempotency_keys`]: crate::Config::idempotency_keys
    #[must_use]
    pub const fn idempotency_key(mut self, key: &'a [u8]) -> Self {
        self.idempotency_key = key;
        self
    }

    /// Says which version of something it is, from 1 on, of which the channel has [one](Self::retention)
    /// at a time: a version not above that of the last one is not delivered, and its publisher is told
    /// the position of the channel. Versions of another `epoch` are not compared. 0 is no version.
    #[must_use]
    pub const fn version(mut self, number: u64, epoch: &'a [u8]) -> Self {
        self.version = Version { number, epoch };
        self
    }

    /// Gives it an offset in the stream of the channel, which keeps it so long.
    #[must_use]
    pub const fn retention(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }
}

/// Which version of something a publication is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Version<B> {
    /// 0 if it is none.
    pub(crate) number: u64,
    /// What it counts from.
    pub(crate) epoch: B,
}

impl Version<&[u8]> {
    pub(crate) const NONE: Self = Self {
        number: 0,
        epoch: &[],
    };

    /// Returns it with an epoch of its own; `None` if it is none.
    pub(crate) fn to_owned(self) -> Option<Version<Bytes>> {
        (self.number > 0).then(|| Version {
            number: self.number,
            epoch: Bytes::copy_from_slice(self.epoch),
        })
    }
}

impl Version<Bytes> {
    /// Returns whether it is no newer than another one.
    pub(crate) fn is_outdated_by(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.number <= other.number
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
