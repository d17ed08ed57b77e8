//! Interface of the application, and [`Echo`], an application that returns every message.

mod context;
mod echo;
mod http;
mod isolation;
mod metric;
mod shard_context;

pub use crate::channels::question::{ShardRequest, ShardTarget};
pub use crate::session::app_types::{AppTypes, Backpressure, TaskEnd};
pub use crate::session::http_response::HttpResponse;
pub use context::Context;
pub use echo::Echo;
pub use http::{Acceptance, Decision, HttpRequest, Subprotocol};
pub use isolation::{AfterPanic, Isolation, NoIsolation};
pub use metric::{Metric, MetricFamily, MetricKind};
pub use shard_context::ShardContext;

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::CloseCode;
use crate::channels::delivery_report::DeliveryReport;
use crate::channels::query::ChannelAnswer;
use crate::channels::subscription::Subscribed;
use crate::delivery::codec::{Codec, Outgoing};
use crate::id::ShardId;
use crate::position::Position;
use crate::proto::ws::opcode::MessageType;
use crate::stats::CloseCause;

/// An application. One instance lives in each shard and sees the connections
/// of that shard only; what it wants done it says to its [`Context`].
///
/// Callbacks are synchronous and must not block: work that takes time is a
/// [`Task`](Self::Task) for a worker. The core never calls a handler from
/// inside a call that the handler made.
///
/// Connections in many channels, which also speak to one another:
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
/// use stentor_core::{ConnId, Context, Handler, HttpRequest, MessageType, Message, DeliveryReport, SendOptions, Decision};
///
/// /// `follow:X` makes X a channel of the connection, one of many; `say:X:text` speaks to those
/// /// who follow X; `me:X` gives the connection a name, `to:X:text` speaks to whom it names.
/// struct Feeds {
///     /// Of all shards: a name may be anywhere.
///     names: Arc<Mutex<HashMap<Vec<u8>, ConnId>>>,
/// }
///
/// impl Handler for Feeds {
///     type State = ();
///     type Task = ();
///     type Outcome = ();
///
///     fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
///         Decision::accept(())
///     }
///
///     fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
///         let mut words = message.payload.splitn(3, |&byte| byte == b':');
///         let mut word = || words.next().unwrap_or_default();
///         let (verb, what, text) = (word(), word(), word());
///         let mut names = self.names.lock().expect("no callback panics");
///         match verb {
///             b"follow" => ctx.subscribe(what),
///             b"say" => {
///                 let others = SendOptions::new(10).exclude_sender();
///                 ctx.publish(what, message.kind, others, text);
///             }
///             b"me" => {
///                 names.insert(what.into(), ctx.id());
///             }
///             b"to" => match names.get(what) {
///                 Some(&to) => ctx.send(to, message.kind, SendOptions::new(10).receipt(0), text),
///                 None => ctx.reply(message.kind, 1, b"nobody is called that"),
///             },
///             _ => ctx.reply(message.kind, 1, b"what?"),
///         }
///     }
///
///     fn on_subscribe_refused(&mut self, ctx: &mut Context<'_, Self>, _: &[u8]) {
///         ctx.reply(MessageType::Text, 1, b"that is one too many");
///     }
///
///     fn on_published(&mut self, ctx: &mut Context<'_, Self>, _: u64, outcome: DeliveryReport) {
///         if outcome.members == 0 {
///             ctx.reply(MessageType::Text, 1, b"gone");
///         }
///     }
/// }
/// ```
pub trait Handler: Sized {
    /// What the application keeps for each connection.
    type State;
    /// Work for a worker. The dispatcher keeps one until it is over, and each attempt is made at a
    /// clone, so what is big belongs behind an `Arc` or into `Bytes`.
    ///
    /// A clone that panics fails the attempt. A [`Drop`] that panics is caught, but for one that
    /// does while another panic unwinds: that ends the process, as everywhere in Rust.
    type Task: Clone + Send + Sync;
    /// What a worker made of it. Of its `Drop` holds the same.
    type Outcome: Send;

    /// What becomes of a connection's answers to itself for which its queue has
    /// no room.
    const OVERFLOW: Backpressure = Backpressure::Drop;

    /// How many codecs its connections may have, the verbatim one included: codecs have the numbers
    /// below this.
    const CODECS: usize = 1;

    /// Encodes a message for all its receivers of one codec: appends its payload in that form to
    /// `out`, which is empty, and returns its type; or `None` if the codec cannot express it, which
    /// is counted as refused. Called once for each message and codec in use, on whichever shard
    /// needs it first, so the result must depend on nothing else. Never called for
    /// [`Codec::VERBATIM`](crate::delivery::Codec::VERBATIM), and not for
    /// [replies](Context::reply), which are sent as they are.
    fn encode(codec: Codec, message: &Outgoing<'_>, out: &mut Vec<u8>) -> Option<MessageType> {
        let _ = codec;
        out.extend_from_slice(message.payload);
        Some(message.kind)
    }

    /// Returns whether a publication is for the members whose
    /// [filter](crate::channels::Subscription::filter) this is. Called once for each publication and
    /// filter on each shard that has such members, so the result must depend on nothing else.
    ///
    /// Without an implementation filters let everything through. If it panics, the publication does
    /// not pass.
    fn passes(filter: &[u8], message: &Outgoing<'_>) -> bool {
        let _ = (filter, message);
        true
    }

    /// Decides on a request of any path and method, once it is complete. What the server answers
    /// itself is not asked: its [pages](crate::Config::upgrade_policy), requests for a host that is
    /// not allowed, and those that are not well-formed, be it as HTTP or as an opening handshake.
    fn on_request(&mut self, request: &HttpRequest<'_>) -> Decision<Self>;

    /// Decides on a request that has [waited](Decision::Wait) for a task. Not called if the
    /// connection has ended meanwhile; that is counted.
    fn on_request_task(&mut self, request: &HttpRequest<'_>, end: TaskEnd<Self>) -> Decision<Self> {
        let _ = (request, end);
        Decision::reject(500)
    }

    /// Begins to serve a request that is [held](Decision::Hold). It may be answered here, or in a
    /// later callback for this connection. If none does within
    /// [`answer_timeout`](crate::Config::answer_timeout), the client gets 504; if that happens, or
    /// the client goes before, [`on_close`](Self::on_close) is called.
    ///
    /// The connection takes no messages and joins no channels.
    fn on_held(&mut self, ctx: &mut Context<'_, Self>, request: &HttpRequest<'_>) {
        let _ = (ctx, request);
    }

    /// Takes a message of the connection that `ctx` stands for.
    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>);

    /// Takes a pong, asked for or not.
    fn on_pong(&mut self, ctx: &mut Context<'_, Self>, payload: &[u8]) {
        let _ = (ctx, payload);
    }

    /// Learns that something waits for a [session without a link](Context::open_detached), as
    /// [asked](Context::await_output).
    fn on_output(&mut self, ctx: &mut Context<'_, Self>) {
        let _ = ctx;
    }

    /// Called once for each connection that was accepted, after it has been upgraded and before
    /// anything that it sends. What is sent to it here stands behind the response to its request.
    fn on_open(&mut self, ctx: &mut Context<'_, Self>) {
        let _ = ctx;
    }

    /// Called once for each connection that was accepted, after it has ended and left its channels,
    /// which [`Context::channels`] still returns. Nothing can be sent to the connection any more;
    /// what is published, sent to others or submitted on its behalf is done as always. Its state is
    /// dropped after this.
    fn on_close(&mut self, ctx: &mut Context<'_, Self>, cause: CloseCause) {
        let _ = (ctx, cause);
    }

    /// Called after a callback panicked and the panic was [caught](Isolation). Says whether this
    /// handler can go on.
    fn after_panic(&mut self) -> AfterPanic {
        AfterPanic::Continue
    }

    /// Returns what the application knows of a connection, as names and values: for the admin pages and
    /// the log of [connections that have ended](crate::Event::Sampled). Called for single connections.
    fn describe(&self, state: &Self::State) -> Vec<(&'static str, String)> {
        let _ = state;
        Vec::new()
    }

    /// Returns the metrics of the application on this shard, for the metrics page of a server. Called
    /// as often as the page is fetched.
    fn metrics(&self) -> Vec<Metric> {
        Vec::new()
    }

    /// Called when the [timer](Context::set_timer) of the connection is due.
    fn on_timer(&mut self, ctx: &mut Context<'_, Self>) {
        let _ = ctx;
    }

    /// Takes the end of a task that the connection submitted, once a task. Not called if
    /// the connection has ended meanwhile; that is counted.
    fn on_task(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
        let _ = (ctx, end);
    }

    /// Learns what became of a publication of the connection, or of a message of its to
    /// another, that asked for a [receipt](crate::SendOptions::receipt), once every shard with
    /// members has queued it for them. Not called if the connection has ended
    /// meanwhile.
    fn on_published(&mut self, ctx: &mut Context<'_, Self>, ticket: u64, outcome: DeliveryReport) {
        let _ = (ctx, ticket, outcome);
    }

    /// Learns that the connection has become a member of a channel, as
    /// [asked](Context::subscribe_with), or that it has not because what it has missed cannot be
    /// recovered. What is published later comes later. Whatever was asked for after the subscription
    /// waits until this has returned.
    fn on_subscribed(&mut self, ctx: &mut Context<'_, Self>, subscribed: Subscribed) {
        let _ = (ctx, subscribed);
    }

    /// Learns that a publication of the connection has its place in the order of its channel, as
    /// [asked](crate::channels::Publication::acknowledge) under this number; and its position, if the
    /// channel gives it one. Not called if the connection has ended meanwhile.
    fn on_accepted(
        &mut self,
        ctx: &mut Context<'_, Self>,
        ticket: u64,
        position: Option<Position>,
    ) {
        let _ = (ctx, ticket, position);
    }

    /// Learns that the connection is a member of a channel no more, because a publication did not
    /// reach it although it is [positioned](crate::channels::Subscription::positioned). What else
    /// waited for it of that channel has been discarded.
    fn on_position_lost(&mut self, ctx: &mut Context<'_, Self>, channel: &[u8]) {
        let _ = (ctx, channel);
    }

    /// Takes the answer to a [question](Context::query) of the connection under this ticket. Not
    /// called if the connection has ended meanwhile.
    fn on_channel_answer(
        &mut self,
        ctx: &mut Context<'_, Self>,
        ticket: u64,
        answer: ChannelAnswer,
    ) {
        let _ = (ctx, ticket, answer);
    }

    /// Takes a question that a connection of some shard [asks](Context::ask) this one. It must be
    /// [answered](ShardContext::answer) once: here, or in a later callback on this shard.
    ///
    /// Without an implementation the answer is empty.
    fn on_shard_request(&mut self, shard: &mut ShardContext<'_, Self>, request: ShardRequest) {
        shard.answer(request, Bytes::new());
    }

    /// Takes a question that this shard was asked and that is for the connection, which
    /// [gets it](ShardContext::forward) in its turn, behind all that waits for it. It must be
    /// [answered](Context::answer) once.
    ///
    /// Without an implementation the answer is empty.
    fn on_forwarded(&mut self, ctx: &mut Context<'_, Self>, request: ShardRequest) {
        ctx.answer(request, Bytes::new());
    }

    /// Takes the answers to what the connection [asked](Context::ask) under this ticket, in the order
    /// of the shards. Not called if the connection has ended meanwhile.
    fn on_shard_answers(
        &mut self,
        ctx: &mut Context<'_, Self>,
        ticket: u64,
        answers: Vec<(ShardId, Bytes)>,
    ) {
        let _ = (ctx, ticket, answers);
    }

    /// Returns the code and the reason with which connections of this codec are closed that do not
    /// keep up: a message to one asks for [that](crate::OverflowPolicy::Disconnect), or so many
    /// [pushes](Context::push) wait as may.
    fn slow_consumer(codec: Codec) -> (CloseCode, &'static str) {
        let _ = codec;
        (CloseCode::TRY_LATER, "slow consumer")
    }

    /// Returns the code and the reason with which connections of this codec are closed that send
    /// messages faster than they may, if that is [configured](crate::Config::closes_excess).
    fn too_many_messages(codec: Codec) -> (CloseCode, &'static str) {
        let _ = codec;
        (CloseCode::POLICY, "too many messages")
    }

    /// Returns the code and the reason with which connections of this codec are closed when the server
    /// shuts down.
    fn shutdown(codec: Codec) -> (CloseCode, &'static str) {
        let _ = codec;
        (CloseCode::GOING_AWAY, "")
    }

    /// Appends the last message of a connection with this codec whose [wire](crate::proto::wire::Wire)
    /// has no close codes: it says that the server ends it, and why. Without it such a connection just
    /// ends.
    fn encode_close(codec: Codec, code: CloseCode, reason: &str, out: &mut Vec<u8>) {
        let _ = (codec, code, reason, out);
    }

    /// Learns that the connection has not become a member of a channel, because it is in
    /// [as many](crate::Config::channels_per_connection) as it may be, or the channel would be a new one
    /// on its shard and [memory](crate::Config::memory_budget) is short. Whatever is asked for
    /// after the join waits until this has returned.
    fn on_subscribe_refused(&mut self, ctx: &mut Context<'_, Self>, channel: &[u8]) {
        let _ = (ctx, channel);
    }
}

impl<H: Handler> AppTypes for H {
    type State = <H as Handler>::State;
    type Task = <H as Handler>::Task;
    type Outcome = <H as Handler>::Outcome;

    const CODECS: usize = H::CODECS;
    const BACKPRESSURE: Backpressure = H::OVERFLOW;
}

/// A data message as a peer sent it.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Text, which is UTF-8, or binary.
    pub kind: MessageType,
    /// All of it, unmasked.
    pub payload: &'a [u8],
}
