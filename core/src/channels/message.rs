//! Messages from one shard to another, and from outside to a shard. Does not contain their
//! handling.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::CloseCode;
use crate::channels::delivery_report::{DeliveryReport, PARTS};
use crate::channels::handle::{Permit, RemoteCommand};
use crate::channels::publication::{Publication, Retention, Version};
use crate::channels::query::{ChannelAnswer, ChannelQuery};
use crate::channels::question::ShardRequest;
use crate::channels::registry::{ChannelList, ChannelRegistry};
use crate::channels::subscription::{Subscribed, Subscription};
use crate::delivery::codec::{Codec, MessageDetails, SharedPayload};
use crate::delivery::queue::SendOptions;
use crate::delivery::{EncodedVariants, MessagePayload, Outbound};
use crate::id::{ConnId, ShardId};
use crate::position::Position;
use crate::proto::ws::opcode::MessageType;
use crate::sync::{AtomicCounters, SharedRef};
use crate::time::Timestamp;

/// What one shard says to another. An adapter carries messages and does not
/// look inside; messages from one shard to another must arrive in the order in
/// which they were posted.
#[derive(Debug)]
pub struct ShardMessage(pub(crate) MessageBody);

impl ShardMessage {
    /// Bytes of memory of a command from outside. What shards say is charged where it came from.
    pub(crate) fn command_bytes(&self) -> usize {
        match &self.0 {
            MessageBody::Command(command, _) => command.bytes(),
            _ => 0,
        }
    }
}

#[derive(Debug)]
pub(crate) enum MessageBody {
    /// To a channel's owner: the connection wants to be a member, perhaps with more than that.
    Join {
        conn: ConnId,
        channel: Bytes,
        subscription: Option<Box<Subscription>>,
    },
    /// From a channel's owner: it is one, from here on in this stream of messages, unless the
    /// answer says that it is not.
    Joined {
        conn: ConnId,
        channel: Bytes,
        answer: Option<Box<JoinAnswer>>,
    },
    /// To a channel's owner: the connection is a member no more.
    Leave {
        conn: ConnId,
        channel: Bytes,
        /// Whether it got events.
        listened: bool,
    },
    /// From a channel's owner: it is none, from here on.
    Left { conn: ConnId, channel: Bytes },
    /// To a channel's owner: this is to be said in the channel, or told of it.
    Ask(OwnerRequest),
    /// From a channel's owner: this is said in the channel.
    Deliver(SharedRef<ShardPublication>),
    /// To a connection: this is said to it alone.
    Send(Direct),
    /// From a channel's owner: this has its place in the order of the channel.
    Accepted(Completion),
    /// To a connection's shard: it is to be closed.
    Close {
        conn: ConnId,
        code: CloseCode,
        reason: &'static str,
    },
    /// To a shard: its application is asked this on behalf of a connection.
    Question(ShardRequest),
    /// From a shard: what its application answers to that.
    QuestionAnswer {
        conn: ConnId,
        from: ShardId,
        payload: Bytes,
    },
    /// From outside all shards.
    Command(RemoteCommand, Permit),
    /// From the last shard that had to do with something credited, to the one it
    /// came from.
    Credit {
        owner: ShardId,
        bytes: usize,
        report: Option<Completion>,
    },
}

/// What a channel's owner is asked to do in the channel's order.
#[derive(Debug)]
pub(crate) enum OwnerRequest {
    Publish(ShardPublication),
    Query(Query),
}

/// The answer of a channel's owner to a subscription.
#[derive(Debug)]
pub(crate) struct JoinAnswer {
    pub(crate) subscribed: Subscribed,
    pub(crate) is_positioned: bool,
    pub(crate) gets_events: bool,
    pub(crate) codec: Option<Codec>,
}

/// Who came up with something, and with that, who is to know that it is over.
#[derive(Debug)]
pub(crate) enum Requester {
    Conn(ConnId),
    /// The place among the commands from outside is given back with this.
    Outside(Permit),
    /// The channel's owner itself: nobody waits for it.
    Owner,
}

/// Something said in a channel, or to everyone.
#[derive(Debug)]
pub(crate) struct ShardPublication {
    pub(crate) channel: Option<Bytes>,
    pub(crate) origin: Requester,
    pub(crate) kind: MessageType,
    pub(crate) options: SendOptions,
    pub(crate) published: Timestamp,
    pub(crate) payload: SharedPayload,
    /// What few publications have.
    pub(crate) extras: Option<Box<PublicationExtras>>,
    /// The shard that decided its order.
    pub(crate) owner: ShardId,
    /// What became of it so far, if anybody wants to know.
    pub(crate) counters: Option<Box<AtomicCounters<PARTS>>>,
}

/// What few publications have: what codecs are told, and how long the channel keeps it.
#[derive(Debug, Default)]
pub(crate) struct PublicationExtras {
    pub(crate) details: MessageDetails,
    pub(crate) retention: Option<Retention>,
    /// Its publisher is told, under this number, when it has its place.
    pub(crate) acknowledge: Option<u64>,
    /// It is not for this connection.
    pub(crate) excluded: Option<ConnId>,
    /// Whether codecs are told what was published before it.
    pub(crate) follows: bool,
    /// What tells whether the channel has had it; `None` for most.
    pub(crate) identity: Option<Box<PublicationIdentity>>,
}

/// What tells whether a channel has had a publication.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublicationIdentity {
    /// Empty if it has none.
    pub(crate) idempotency_key: Bytes,
    pub(crate) version: Option<Version<Bytes>>,
}

impl PublicationIdentity {
    /// Returns that of a publication.
    pub(crate) fn of(publication: &Publication<'_>) -> Option<Box<Self>> {
        let identity = Self {
            idempotency_key: Bytes::copy_from_slice(publication.idempotency_key),
            version: publication.version.to_owned(),
        };
        let has_any = !identity.idempotency_key.is_empty() || identity.version.is_some();
        has_any.then(|| Box::new(identity))
    }
}

impl ShardPublication {
    /// Returns what codecs are told about it beside the payload.
    fn details(&self) -> Option<&MessageDetails> {
        self.extras.as_ref().map(|extras| &extras.details)
    }

    /// Returns which list of its channel it is for.
    pub(crate) fn list_of(&self) -> ChannelList {
        self.details()
            .map_or(ChannelList::Members, |details| details.event.into())
    }

    /// Returns the publication with no frame made of it yet.
    pub(crate) fn variants(
        &self,
        registry: &ChannelRegistry,
        out: &Outbound,
    ) -> EncodedVariants<'_> {
        let scope = || registry.scope_of(self.channel.as_deref());
        let mut meta = self.options.meta(scope, self.published);
        let is_of_stream = self.details().is_some_and(MessageDetails::is_of_stream);
        meta.stream = match &self.channel {
            Some(name) if is_of_stream => registry.find_list(name, self.list_of()),
            _ => None,
        };
        let own_codecs = match &self.channel {
            Some(name) if out.has_own_codecs() && self.list_of() == ChannelList::Members => {
                let channel = registry.find(name);
                channel.and_then(|channel| out.with_own_codecs(channel))
            }
            _ => None,
        };
        let (channel, payload) = (
            self.channel.as_deref(),
            MessagePayload::Shared(&self.payload),
        );
        out.variants(meta, self.options.overflow, channel, self.kind, payload)
            .with_details(self.details())
            .with_own_codecs(own_codecs)
    }
}

/// Something said to one connection.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) to: ConnId,
    pub(crate) origin: Requester,
    pub(crate) kind: MessageType,
    pub(crate) options: SendOptions,
    pub(crate) published: Timestamp,
    pub(crate) payload: Bytes,
}

/// A question about a channel.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) channel: Bytes,
    pub(crate) from: ConnId,
    pub(crate) ticket: u64,
    pub(crate) query: ChannelQuery,
}

/// The answer to what a connection wanted to know under this ticket.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) conn: ConnId,
    pub(crate) ticket: u64,
    pub(crate) answer: Notification,
}

/// What a handler is told once its turn comes.
#[derive(Debug)]
pub(crate) enum Notification {
    /// What became of a publication, or of a message to one connection.
    DeliveryReport(DeliveryReport),
    /// A publication has its place, and perhaps a position.
    Accepted(Option<Position>),
    /// What was asked about a channel.
    Channel(Box<ChannelAnswer>),
    /// What the application on other shards was asked.
    Shards(Vec<(ShardId, Bytes)>),
}
