//! Actions of a callback on behalf of its connection. An action is carried out at once if that is
//! possible. Otherwise it waits with the later ones, in order, and the connection's further input
//! waits behind them.

use alloc::boxed::Box;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use crate::CloseCode;
use crate::app::{Backpressure, Handler};
use crate::channels::publication::Publication;
use crate::channels::query::ChannelQuery;
use crate::channels::question::{ShardRequest, ShardTarget};
use crate::channels::subscription::Subscription;
use crate::delivery::codec::Codec;
use crate::delivery::frame::MAX_PAYLOAD;
use crate::delivery::queue::SendOptions;
use crate::delivery::{MessageRef, OutgoingReply, QueueFull};
use crate::engine::Engine;
use crate::id::ConnId;
use crate::proto::ws::opcode::MessageType;
use crate::session::deferred::{OwnedPublication, PendingOp, Wait};
use crate::session::http_response::HttpResponse;
use crate::stats::CloseCause;
use crate::tasks::TaskOptions;
use crate::time::Timestamp;

/// The connection of a callback: its state, and all that the application can do on its behalf.
///
/// [`split`](Self::split) gives both, to use one while the other is borrowed; then `S` is `()`.
pub struct Context<'a, H: Handler, S = &'a mut <H as Handler>::State> {
    engine: &'a mut Engine<H>,
    at: u32,
    here: Option<MessageRef>,
    /// The channels that a closed connection was in.
    left: &'a [Bytes],
    /// Whether pushes are queued although the lane is full.
    are_pushes_exempt: bool,
    state: S,
}

impl<'a, H: Handler> Context<'a, H> {
    pub(crate) const fn new(
        engine: &'a mut Engine<H>,
        state: &'a mut H::State,
        at: u32,
        here: Option<MessageRef>,
    ) -> Self {
        Self {
            engine,
            at,
            here,
            left: &[],
            are_pushes_exempt: false,
            state,
        }
    }

    /// Returns the context of a connection that has left these channels.
    pub(crate) const fn of_closed(mut self, left: &'a [Bytes]) -> Self {
        self.left = left;
        self
    }

    /// Lets no push of this callback wait: one that says that the connection is subscribed must not
    /// come behind what is published later.
    pub(crate) const fn exempt_pushes(&mut self) {
        self.are_pushes_exempt = true;
    }

    /// Returns the state of the connection.
    pub const fn state(&mut self) -> &mut H::State {
        self.state
    }

    /// Returns the state of the connection, and the context without it.
    pub const fn split(&mut self) -> (&mut H::State, Context<'_, H, ()>) {
        let rest = Context {
            engine: self.engine,
            at: self.at,
            here: self.here,
            left: self.left,
            are_pushes_exempt: self.are_pushes_exempt,
            state: (),
        };
        (self.state, rest)
    }
}

impl<H: Handler, S> core::fmt::Debug for Context<'_, H, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Context")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl<H: Handler, S> Context<'_, H, S> {
    /// Returns the name of the connection.
    pub fn id(&self) -> ConnId {
        self.engine.id_of(self.at)
    }

    /// Returns the address of the peer, if the adapter has told it.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.engine.slots[self.at].peer.get()
    }

    /// Returns the codec in which the connection gets what others publish.
    pub fn codec(&self) -> Codec {
        self.engine.out.form(self.at).codec()
    }

    /// Returns the time of the call that led to this callback.
    pub const fn now(&self) -> Timestamp {
        self.engine.now
    }

    /// Returns the wall clock, as the time since the Unix epoch: zero if the adapter has
    /// [told](crate::Shard::handle_wall_clock) none.
    pub fn unix_time(&self) -> Duration {
        self.engine.unix_time()
    }

    /// Sets the timer of the connection: [`Handler::on_timer`] is called once, after this delay.
    /// A connection has one timer; setting it again replaces it. It ends with the connection.
    pub fn set_timer(&mut self, delay: Duration) {
        self.enter(|engine, at| engine.set_app_timer(at, Some(delay)));
    }

    /// Cancels the timer of the connection, if there is one. A call that is due already and waits
    /// behind other operations of the connection is made all the same.
    pub fn cancel_timer(&mut self) {
        self.enter(|engine, at| engine.set_app_timer(at, None));
    }

    /// Returns the channel it joined first, of those it is in.
    pub fn channel(&self) -> Option<&Bytes> {
        self.channels().next()
    }

    /// Returns the channels it is in, the one it joined first first.
    pub fn channels(&self) -> impl Iterator<Item = &Bytes> {
        self.engine.channels_of(self.at).chain(self.left)
    }

    /// Returns the members of a channel that are on this shard; on a server of one shard, all of
    /// them. How many there are anywhere, only the channel's owner knows:
    /// [`ChannelQuery::MemberCount`].
    pub fn local_members(&self, channel: &[u8]) -> impl Iterator<Item = ConnId> {
        self.engine.members_here(channel)
    }

    /// Queues a message for this connection. A number stands for a [`SendOptions`] of
    /// this priority: the smaller, the more urgent.
    ///
    /// A payload longer than [`MAX_PAYLOAD`](crate::delivery::MAX_PAYLOAD) is not sent, by this or by
    /// [`publish`](Self::publish), [`send`](Self::send) and the like; that is counted
    /// ([`Links::too_long`](crate::stats::Links::too_long)).
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
        let options = options.into();
        let message = self.here;
        let later = || PendingOp::Reply {
            kind,
            options,
            payload: Bytes::from([first, second].concat()),
        };
        self.act_if(
            first.len().saturating_add(second.len()),
            later,
            |engine, at| {
                let reply = OutgoingReply {
                    kind,
                    options,
                    parts: [first, second],
                    message,
                    waits: H::OVERFLOW == Backpressure::PauseReads,
                };
                let sent = engine.out.reply(at, reply);
                sent.map_err(|QueueFull| (Wait::Queue, true))
            },
        );
    }

    /// Makes the connection a member of a channel. What follows waits until it is, or is
    /// refused because it is in [as many](crate::Config::channels_per_connection) as it may be:
    /// then [`Handler::on_subscribe_refused`] is told.
    pub fn subscribe(&mut self, channel: &[u8]) {
        let later = || PendingOp::Join(Bytes::copy_from_slice(channel));
        self.act(later, |engine, at| {
            engine.join(at, channel, None).map_err(|wait| (wait, false))
        });
    }

    /// Ends its membership of a channel. What follows waits until it has ended.
    pub fn unsubscribe(&mut self, channel: &[u8]) {
        let later = || PendingOp::Leave(Bytes::copy_from_slice(channel));
        self.act(later, |engine, at| {
            engine.leave(at, channel).map_err(|wait| (wait, false))
        });
    }

    /// Makes the connection a member of a channel, with a position or presence. The answer comes to
    /// [`Handler::on_subscribed`], or a refusal to [`Handler::on_subscribe_refused`]; what follows
    /// waits until then. Nothing happens if it is a member already.
    pub fn subscribe_with(&mut self, channel: &[u8], subscription: Subscription) {
        let later = || {
            PendingOp::Subscribe(
                Bytes::copy_from_slice(channel),
                Box::new(subscription.clone()),
            )
        };
        self.act(later, |engine, at| {
            let joined = engine.join(at, channel, Some(&subscription));
            joined.map_err(|wait| (wait, wait == Wait::Queue))
        });
    }

    /// Asks the owner of a channel about it. It answers in the order in which members come and go
    /// there; the answer comes to [`Handler::on_channel_answer`] under this ticket.
    pub fn query(&mut self, channel: &[u8], ticket: u64, query: ChannelQuery) {
        let later = || PendingOp::Query {
            channel: Bytes::copy_from_slice(channel),
            ticket,
            query,
        };
        self.act(later, |engine, at| {
            let asked = engine.query(at, channel, ticket, query);
            asked.map_err(|wait| (wait, true))
        });
    }

    /// [Publishes](Self::publish) a message to every member of a channel, with what codecs are told
    /// about it, and with an offset if the channel is to keep it.
    pub fn publish_with(&mut self, channel: &[u8], publication: Publication<'_>) {
        let later =
            || PendingOp::PublishWith(Box::new(OwnedPublication::new(channel, &publication)));
        let len = publication
            .payload
            .len()
            .saturating_add(publication.annotation.len());
        self.act_if(len, later, |engine, at| {
            let published = engine.publish_with(at, channel, &publication);
            published.map_err(|wait| (wait, true))
        });
    }

    /// Queues a message for this connection before all that was published or sent to it, and behind
    /// other pushes. It is never dropped: when as many pushes wait as may, the connection's input and
    /// what else is asked for on its behalf wait, and if that is much, it is closed as a
    /// [slow consumer](Handler::slow_consumer).
    ///
    /// It is sent as it is, like a [reply](Self::reply). If it is too long, that is counted as there.
    pub fn push(&mut self, kind: MessageType, payload: &[u8]) {
        if !self.engine.out.takes_messages(self.at) {
            // It would wait with what else waits, for nothing.
            return self.engine.out.count_discarded_push();
        }
        let is_bounded = !self.are_pushes_exempt;
        let later = || PendingOp::Push {
            kind,
            payload: Bytes::copy_from_slice(payload),
        };
        self.act_if(payload.len(), later, |engine, at| {
            let pushed = engine.push(at, kind, payload, is_bounded);
            pushed.map_err(|wait| (wait, true))
        });
    }

    /// Publishes a message to every member of a channel, this connection among them if
    /// it is one and not [left out](SendOptions::exclude_sender). How it is to be treated at their queues
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
    ) {
        self.publish_to(Some(channel), kind, options.into(), payload);
    }

    /// Sends a message to every connection of the server, in a channel or not.
    pub fn broadcast(
        &mut self,
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: &[u8],
    ) {
        self.publish_to(None, kind, options.into(), payload);
    }

    /// Sends a message to another connection of the server, on whichever shard that is, or
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
        let options = options.into();
        let later = || PendingOp::Send {
            to,
            kind,
            options,
            payload: Bytes::copy_from_slice(payload),
        };
        self.act_if(payload.len(), later, |engine, at| {
            let sent = engine.send(at, to, kind, options, payload);
            sent.map_err(|wait| (wait, true))
        });
    }

    /// Gives a task to the workers. Its end comes to
    /// [`Handler::on_task`].
    pub fn submit(&mut self, task: H::Task) {
        self.submit_with(task, TaskOptions::new());
    }

    /// [`submit`](Self::submit) with a delay, or an order, attempts or a time-out of its own.
    pub fn submit_with(&mut self, task: H::Task, options: TaskOptions) {
        self.enter(|engine, at| match engine.is_parked(at) {
            true => engine.defer(at, PendingOp::Submit(task, options)),
            false => engine.submit(at, task, options),
        });
    }

    /// Asks the application on other shards. What follows waits until all have answered:
    /// [`Handler::on_shard_answers`] under this ticket. In
    /// [`on_close`](Handler::on_close) nobody waits, and the answers are not told.
    pub fn ask(&mut self, ticket: u64, target: ShardTarget, payload: Bytes) {
        self.enter(|engine, at| {
            if engine.is_parked(at) {
                let ask = PendingOp::Ask {
                    ticket,
                    target,
                    payload,
                };
                engine.defer(at, ask);
            } else {
                engine.ask(at, ticket, target, &payload);
            }
        });
    }

    /// Answers a question to this shard.
    pub fn answer(&mut self, request: ShardRequest, payload: Bytes) {
        self.enter(|engine, _| engine.answer_question(request.from, payload));
    }

    /// Answers the request of the connection that is [held](crate::Decision::Hold), behind what was
    /// asked for before. Its state is dropped then, and what is asked for later is not done. Nothing
    /// happens without such a request.
    pub fn respond(&mut self, response: HttpResponse) {
        self.enter(|engine, at| {
            if engine.is_parked(at) {
                engine.defer(at, PendingOp::Respond(Box::new(response)));
            } else {
                engine.respond_to_held(at, &response);
            }
        });
    }

    /// Gives the application this long from now to [answer](Self::respond) the request that is held.
    pub fn respond_within(&mut self, delay: Duration) {
        self.enter(|engine, at| engine.extend_hold(at, delay));
    }

    /// Closes the connection once everything that waits for it has been
    /// written. Nothing more is taken from it or for it.
    pub fn close(&mut self, code: CloseCode) {
        self.close_with(code, "");
    }

    /// Writes nothing to the connection until [`release`](Self::release), or its end. Messages are
    /// queued for it all the same, within the limits of its queue: so the first that it gets can
    /// depend on what comes later.
    pub fn hold(&mut self) {
        self.enter(|engine, at| engine.out.hold(at));
    }

    /// Writes to the connection again.
    pub fn release(&mut self) {
        self.enter(|engine, at| engine.out.release_hold(at));
    }

    /// [Closes](Self::close) the connection with a reason, of which at most 123 bytes are sent.
    pub fn close_with(&mut self, code: CloseCode, reason: &'static str) {
        self.enter(|engine, at| engine.close_behind(at, code, reason, CloseCause::Handler));
    }

    /// Closes another connection of the server, on whichever shard that is, or this one, with a
    /// reason as [`close_with`](Self::close_with). If it is gone, so much the better.
    pub fn disconnect(&mut self, to: ConnId, code: CloseCode, reason: &'static str) {
        let later = || PendingOp::CloseOther { to, code, reason };
        self.act(later, |engine, _| {
            let closed = engine.close_other(to, code, reason);
            closed.map_err(|wait| (wait, true))
        });
    }

    fn publish_to(
        &mut self,
        channel: Option<&[u8]>,
        kind: MessageType,
        options: SendOptions,
        payload: &[u8],
    ) {
        let later = || PendingOp::Publish {
            channel: channel.map(Bytes::copy_from_slice),
            kind,
            options,
            payload: Bytes::copy_from_slice(payload),
        };
        self.act_if(payload.len(), later, |engine, at| {
            let published = engine.publish(at, channel, kind, options, payload);
            published.map_err(|wait| (wait, true))
        });
    }

    /// Does something that sends a payload of this length, unless that is too long.
    #[inline]
    fn act_if(
        &mut self,
        len: usize,
        later: impl Fn() -> PendingOp<H>,
        now: impl FnOnce(&mut Engine<H>, u32) -> Result<(), (Wait, bool)>,
    ) {
        let is_too_long = len > MAX_PAYLOAD;
        self.engine.count_too_long(is_too_long);
        if !is_too_long {
            self.act(later, now);
        }
    }

    /// Does something now, or later if something before it waits. `now` fails with what it has to
    /// wait for, and whether it is to be done again then.
    #[inline]
    fn act(
        &mut self,
        later: impl Fn() -> PendingOp<H>,
        now: impl FnOnce(&mut Engine<H>, u32) -> Result<(), (Wait, bool)>,
    ) {
        self.enter(|engine, at| {
            if engine.is_parked(at) {
                engine.defer(at, later());
            } else if let Err((wait, again)) = now(engine, at) {
                engine.park(at, wait, again.then(later));
            }
        });
    }

    /// Calls the engine. A panic in that is not the application's.
    #[inline]
    fn enter(&mut self, call: impl FnOnce(&mut Engine<H>, u32)) {
        self.engine.is_called = true;
        call(self.engine, self.at);
        self.engine.is_called = false;
    }
}
