//! Actions of a callback on behalf of its connection. An action is carried out at once if that is
//! possible. Otherwise it waits with the later ones, in order, and the connection's further input
//! waits behind them.

use bytes::Bytes;

use crate::CloseCode;
use crate::app::{Backpressure, Handler};
use crate::delivery::frame::MAX_PAYLOAD;
use crate::delivery::queue::SendOptions;
use crate::delivery::{MessageRef, OutgoingReply, QueueFull};
use crate::engine::Engine;
use crate::id::ConnId;
use crate::proto::ws::opcode::MessageType;
use crate::session::deferred::{PendingOp, Wait};
use crate::tasks::TaskOptions;

/// One connection, and what the application can do on its behalf.
pub struct Context<'a, H: Handler> {
    engine: &'a mut Engine<H>,
    at: u32,
    here: Option<MessageRef>,
}

impl<H: Handler> core::fmt::Debug for Context<'_, H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Context")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl<'a, H: Handler> Context<'a, H> {
    pub(crate) const fn new(engine: &'a mut Engine<H>, at: u32, here: Option<MessageRef>) -> Self {
        Self { engine, at, here }
    }

    /// The connection.
    pub fn id(&self) -> ConnId {
        self.engine.id_of(self.at)
    }

    /// What the application keeps for it; `None` once it is closing.
    pub fn state(&mut self) -> Option<&mut H::State> {
        self.engine.state_of(self.at)
    }

    /// The channel it joined first, of those it is in.
    pub fn channel(&self) -> Option<&Bytes> {
        self.engine.channel_of(self.at)
    }

    /// The channels it is in, the one it joined first first.
    pub fn channels(&self) -> impl Iterator<Item = &Bytes> {
        self.engine.channels_of(self.at)
    }

    /// The members of a channel that are on this shard; on a server of one shard, all of them.
    /// How many there are anywhere, only the channel's owner knows:
    /// [`count_members`](Self::count_members).
    pub fn local_members(&self, channel: &[u8]) -> impl Iterator<Item = ConnId> {
        self.engine.members_here(channel)
    }

    /// Queues a message for this connection. A number stands for a [`SendOptions`] of
    /// this priority: the smaller, the more urgent.
    ///
    /// A payload longer than [`MAX_PAYLOAD`](crate::MAX_PAYLOAD) is not sent, by this or by
    /// [`publish`](Self::publish), [`send`](Self::send) and the like; that is counted
    /// ([`Links::too_long`](crate::Links::too_long)).
    pub fn reply(&mut self, kind: MessageType, options: impl Into<SendOptions>, payload: &[u8]) {
        self.reply_parts(kind, options, payload, &[]);
    }

    /// Queues a message that consists of two parts for this connection.
    pub fn reply_parts(
        &mut self,
        kind: MessageType,
        options: impl Into<SendOptions>,
        first: &[u8],
        second: &[u8],
    ) {
        if !self.may_be_sent(first.len().saturating_add(second.len())) {
            return;
        }
        let options = options.into();
        let later = |_| PendingOp::Reply {
            kind,
            options,
            payload: Bytes::from([first, second].concat()),
        };
        if self.engine.is_parked(self.at) {
            self.engine.defer(self.at, later(()));
            return;
        }
        let reply = OutgoingReply {
            kind,
            options,
            parts: [first, second],
            message: self.here,
            waits: H::OVERFLOW == Backpressure::PauseReads,
        };
        if let Err(QueueFull) = self.engine.out.reply(self.at, reply) {
            self.engine.park(self.at, Wait::Queue, Some(later(())));
        }
    }

    /// Whether a payload is not too long; counts it if it is.
    fn may_be_sent(&mut self, len: usize) -> bool {
        let may = len <= MAX_PAYLOAD;
        self.engine.count_too_long(!may);
        may
    }

    /// Makes the connection a member of a channel. What follows waits until it is, or is
    /// refused because it is in [as many](crate::Config::channels_per_connection) as it may be:
    /// then [`Handler::on_join_refused`] is told.
    pub fn join(&mut self, channel: &[u8]) {
        if self.engine.is_parked(self.at) {
            self.engine
                .defer(self.at, PendingOp::Join(Bytes::copy_from_slice(channel)));
        } else if let Err(wait) = self.engine.join(self.at, channel) {
            self.engine.park(self.at, wait, None);
        }
    }

    /// Ends its membership of a channel. What follows waits until it has ended.
    pub fn leave(&mut self, channel: &[u8]) {
        if self.engine.is_parked(self.at) {
            self.engine
                .defer(self.at, PendingOp::Leave(Bytes::copy_from_slice(channel)));
        } else if let Err(wait) = self.engine.leave(self.at, channel) {
            self.engine.park(self.at, wait, None);
        }
    }

    /// Says something to every member of a channel, this connection among them if
    /// it is one and not to be left out. How it is to be treated at their queues
    /// is for this message to say: channels have no rules of their own.
    ///
    /// A channel with more than [`fan_out_slice`](crate::Config::fan_out_slice) members on a shard
    /// is served over several turns. The members are those of this moment all the same.
    pub fn publish(
        &mut self,
        channel: &[u8],
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: &[u8],
        exclude_sender: bool,
    ) {
        self.publish_to(Some(channel), kind, options.into(), payload, exclude_sender);
    }

    /// [`publish`](Self::publish) to the channel the connection joined first;
    /// nothing if it is in none.
    pub fn publish_here(
        &mut self,
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: &[u8],
        exclude_sender: bool,
    ) {
        let Some(channel) = self.channel().cloned() else {
            return;
        };
        self.publish_to(
            Some(&channel),
            kind,
            options.into(),
            payload,
            exclude_sender,
        );
    }

    /// Says something to every connection of the server, in a channel or not.
    pub fn broadcast_all(
        &mut self,
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: &[u8],
        exclude_sender: bool,
    ) {
        self.publish_to(None, kind, options.into(), payload, exclude_sender);
    }

    /// Says something to another connection of the server, on whichever shard that is, or
    /// to this one. If it is gone, that is counted, and with a
    /// [receipt](crate::SendOptions::receipt) this connection learns it
    /// ([`Handler::on_published`]: no members).
    ///
    /// What one connection sends to another arrives in its order, as far as priorities
    /// allow. What it says in a channel may take a longer way, over the channel's owner: there is
    /// no such order between the two, as there is none between two channels.
    pub fn send(
        &mut self,
        to: ConnId,
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: &[u8],
    ) {
        if !self.may_be_sent(payload.len()) {
            return;
        }
        let options = options.into();
        let later = || PendingOp::Send {
            to,
            kind,
            options,
            payload: Bytes::copy_from_slice(payload),
        };
        if self.engine.is_parked(self.at) {
            self.engine.defer(self.at, later());
        } else if let Err(wait) = self.engine.send(self.at, to, kind, options, payload) {
            self.engine.park(self.at, wait, Some(later()));
        }
    }

    /// Asks how many members a channel has on all shards together. The channel's owner says so,
    /// in the order in which members come and go there; the answer comes to
    /// [`Handler::on_members`] under this ticket.
    pub fn count_members(&mut self, channel: &[u8], ticket: u64) {
        let later = || PendingOp::CountMembers {
            channel: Bytes::copy_from_slice(channel),
            ticket,
        };
        if self.engine.is_parked(self.at) {
            self.engine.defer(self.at, later());
        } else if let Err(wait) = self.engine.count_members(self.at, channel, ticket) {
            self.engine.park(self.at, wait, Some(later()));
        }
    }

    /// Gives a task to the workers. Its end comes to
    /// [`Handler::on_outcome`].
    pub fn submit(&mut self, task: H::Task) {
        self.submit_with(task, TaskOptions::new());
    }

    /// [`submit`](Self::submit) with a delay, or an order, attempts or a time-out of its own.
    pub fn submit_with(&mut self, task: H::Task, options: TaskOptions) {
        if self.engine.is_parked(self.at) {
            self.engine.defer(self.at, PendingOp::Submit(task, options));
        } else {
            self.engine.submit(self.at, task, options);
        }
    }

    /// Closes the connection once everything that waits for it has been
    /// written. Nothing more is taken from it or for it.
    pub fn close(&mut self, code: CloseCode) {
        if self.engine.is_parked(self.at) {
            self.engine.defer(self.at, PendingOp::Close(code));
        } else {
            self.engine.run(self.at, PendingOp::Close(code));
        }
    }

    fn publish_to(
        &mut self,
        channel: Option<&[u8]>,
        kind: MessageType,
        options: SendOptions,
        payload: &[u8],
        exclude_sender: bool,
    ) {
        if !self.may_be_sent(payload.len()) {
            return;
        }
        let later = || PendingOp::Publish {
            channel: channel.map(Bytes::copy_from_slice),
            kind,
            options,
            payload: Bytes::copy_from_slice(payload),
            exclude_sender,
        };
        if self.engine.is_parked(self.at) {
            self.engine.defer(self.at, later());
        } else if let Err(wait) =
            self.engine
                .publish(self.at, channel, kind, options, payload, exclude_sender)
        {
            self.engine.park(self.at, wait, Some(later()));
        }
    }
}
