//! Engine of a shard: its parts, and the work that concerns several of them. Does not call the
//! application, which [`Shard`](crate::Shard) does.

#[cfg(feature = "testing")]
mod audit;
mod budget;
mod buffered_input;
mod close;
mod commands;
mod credit;
mod detached;
mod direct;
mod fan_out;
mod held;
mod http;
mod inbox;
pub(crate) mod input;
mod inspect;
mod limits;
mod membership;
pub(crate) mod memory_budget;
pub(crate) mod output;
mod pending_ops;
mod publish;
mod push;
pub(crate) mod subscribe;
pub(crate) mod sweep;
pub(crate) mod timers;
mod write;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use crate::CloseCode;
use crate::channels::credits::Credits;
use crate::channels::fan_outs::FanOuts;
use crate::channels::message::ShardMessage;
use crate::channels::presence::Presence;
use crate::channels::registry::{ChannelList, ChannelRegistry};
use crate::channels::streams::Streams;
use crate::channels::waiters::Waiters;
use crate::config::Config;
use crate::delivery::Outbound;
use crate::delivery::codec::{Codec, Encode};
use crate::engine::budget::Budget;
use crate::engine::output::{Event, Output};
use crate::engine::subscribe::Notice;
use crate::id::{ConnId, ShardId};
use crate::inspect::closed::ClosedConnections;
use crate::proto::http::HandshakeError;
use crate::proto::proxy::ProxyError;
use crate::proto::ws::PeerError;
use crate::proto::ws::{DecodeBuffers, MessageLimits};
use crate::session::address_limiter::ShardAddresses;
use crate::session::app_timers::AppTimers;
use crate::session::app_types::AppTypes;
use crate::session::ended::{Ended, Leftover};
use crate::session::rate_limits::RateLimits;
use crate::session::slab::Slab;
use crate::session::sweep::{ClosePace, Sweep};
use crate::session::wheel::Wheel;
use crate::stats::{ChannelStats, CloseCause, Deflation, Direct, Links, Received, Stats, Waiting};
use crate::time::Timestamp;

/// [`Handler::shutdown`](crate::Handler::shutdown), with panics caught where they are.
pub(crate) type CloseAs = fn(Codec) -> (CloseCode, &'static str);

/// Functions of the application that need no value of it.
#[derive(Clone, Copy)]
pub(crate) struct StaticCallbacks {
    pub(crate) encode: Encode,
    pub(crate) shutdown: CloseAs,
    pub(crate) too_many_messages: CloseAs,
    pub(crate) encode_close: EncodeClose,
}

/// [`Handler::encode_close`](crate::Handler::encode_close), with panics caught where they are.
/// Returns whether there was none.
pub(crate) type EncodeClose = fn(Codec, CloseCode, &str, &mut Vec<u8>) -> bool;

/// A shard without its application.
pub(crate) struct Engine<A: AppTypes> {
    pub(crate) id: ShardId,
    pub(crate) config: Config,
    /// What waits to be written.
    pub(crate) out: Outbound,
    pub(crate) now: Timestamp,
    pub(crate) slots: Slab<A>,
    pub(crate) registry: ChannelRegistry,
    /// Of the channels that are owned here.
    pub(crate) streams: Streams,
    pub(crate) presence: Presence,
    pub(crate) decode_buffers: DecodeBuffers,
    /// Bytes of memory of the decompressors that connections have of their own.
    pub(crate) context_bytes: usize,
    /// Bytes of deferred operations; buffered input is counted by `decode_buffers`.
    pub(crate) deferred_bytes: usize,
    /// Bytes of lists of channels that are longer than a slot has room for.
    pub(crate) membership_bytes: usize,
    /// Bytes of commands of other threads that wait here.
    pub(crate) command_bytes: usize,
    pub(crate) budget: Budget,
    /// When unused memory is given back next.
    pub(crate) decays_at: Timestamp,
    pub(crate) wheel: Wheel,
    pub(crate) app_timers: AppTimers,
    /// The wall clock at [`Timestamp::ORIGIN`], as a time since the Unix epoch.
    pub(crate) unix_origin: Duration,
    pub(crate) fan_outs: FanOuts,
    /// Input in the scratch buffer that is not handled, because something has to be flushed
    /// first: its connection and its place.
    pub(crate) rest: Option<(u32, Range<usize>)>,
    pub(crate) outputs: VecDeque<Output<A>>,
    /// Connections whose held-back input or operations are to be resumed.
    pub(crate) resume: VecDeque<u32>,
    /// Whether something was flushed since a connection was last resumed.
    pub(crate) resume_is_due: bool,
    /// Messages of other shards that are not handled yet.
    pub(crate) inbox: VecDeque<ShardMessage>,
    /// Whether any have come since the shard was last polled.
    pub(crate) has_new_messages: bool,
    /// Connections that have ended and for which `on_close` is still to be called.
    pub(crate) ended: VecDeque<Ended>,
    /// What handlers are to be told before anything is written.
    pub(crate) notices: VecDeque<Notice>,
    /// What the application is to drop.
    pub(crate) leftovers: Vec<Leftover<A>>,
    /// Whether a callback has called the engine, and has not got back from it.
    pub(crate) is_called: bool,
    pub(crate) credits: Credits,
    /// Connections that wait until one more task may be under way.
    pub(crate) task_waiters: Waiters,
    pub(crate) draining: bool,
    /// Whether the server has said that it is about to end.
    pub(crate) is_leaving: bool,
    /// How connections of a codec are closed when the server shuts down.
    pub(crate) shutdown: CloseAs,
    /// Last messages of wires without close codes.
    pub(crate) encode_close: EncodeClose,
    /// How connections of a codec are closed that send faster than they may.
    pub(crate) too_many_messages: CloseAs,
    /// The limits of addresses, if there are any.
    pub(crate) addresses: Option<ShardAddresses>,
    /// The limits of what a connection sends, if there are any.
    pub(crate) rates: Option<RateLimits>,
    /// An order that is being carried out for every connection.
    pub(crate) sweep: Option<Sweep>,
    /// The pace of that, if connections are closed one after the other.
    pub(crate) close_pace: Option<ClosePace>,
    /// Number of connections whose operations wait.
    pub(crate) parked: usize,
    pub(crate) counts: EngineCounts,
    pub(crate) closed: ClosedConnections,
}

/// What is counted besides delivery.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EngineCounts {
    pub(crate) received: Received,
    pub(crate) channels: ChannelStats,
    pub(crate) direct: Direct,
    pub(crate) links: Links,
    pub(crate) waiting: Waiting,
    pub(crate) deflate: Deflation,
    pub(crate) closed: [u64; CloseCause::ALL.len()],
    pub(crate) peer_errors: [u64; PeerError::ALL.len()],
    pub(crate) refused: [u64; HandshakeError::COUNT],
    pub(crate) proxy_refused: [u64; ProxyError::ALL.len()],
}

impl<A: AppTypes> Engine<A> {
    pub(crate) fn new(id: ShardId, config: Config, callbacks: StaticCallbacks) -> Self {
        let shards = config.shards;
        debug_assert!(id.0 < shards);
        Self {
            id,
            now: Timestamp::ORIGIN,
            out: Outbound::new(&config, callbacks.encode),
            slots: Slab::new(id),
            registry: ChannelRegistry::new(config.seed, shards),
            streams: Streams::new(
                config.seed ^ u64::from(id.0) << 48,
                (config.idempotency_keys, config.idempotency_ttl),
            ),
            presence: Presence::new(config.seed),
            decode_buffers: DecodeBuffers::new(config.compression_level as u8),
            context_bytes: 0,
            deferred_bytes: 0,
            membership_bytes: 0,
            command_bytes: 0,
            decays_at: Timestamp::ORIGIN,
            budget: Budget::new(config.memory_budget, shards),
            wheel: Wheel::new(config.tick()),
            app_timers: AppTimers::default(),
            unix_origin: Duration::ZERO,
            fan_outs: FanOuts::new(config.fan_out_slice),
            rest: None,
            outputs: VecDeque::new(),
            resume: VecDeque::new(),
            resume_is_due: false,
            inbox: VecDeque::new(),
            has_new_messages: false,
            ended: VecDeque::new(),
            notices: VecDeque::new(),
            leftovers: Vec::new(),
            is_called: false,
            credits: Credits::new(&config),
            task_waiters: Waiters::default(),
            draining: false,
            is_leaving: false,
            shutdown: callbacks.shutdown,
            encode_close: callbacks.encode_close,
            too_many_messages: callbacks.too_many_messages,
            addresses: ShardAddresses::new(&config),
            rates: RateLimits::new(&config),
            sweep: None,
            close_pace: None,
            parked: 0,
            counts: EngineCounts::default(),
            closed: ClosedConnections::new(config.seed, config.gone_connections),
            config,
        }
    }

    pub(crate) const fn message_limits(&self) -> MessageLimits {
        self.config.message_limits()
    }

    pub(crate) fn id_of(&self, at: u32) -> ConnId {
        self.slots.id(at)
    }

    pub(crate) fn channels_of(&self, at: u32) -> impl Iterator<Item = &bytes::Bytes> {
        let channels = self.slots[at].memberships.iter().map(|m| m.channel());
        let channels = channels.filter(|&at| self.registry.list_of(at) == ChannelList::Members);
        channels.map(|at| self.registry.name(at))
    }

    pub(crate) fn members_here(&self, name: &[u8]) -> impl Iterator<Item = ConnId> + use<'_, A> {
        let channel = self.registry.find(name);
        let members = channel.map_or(&[][..], |channel| self.registry.members(channel));
        members.iter().map(|&at| self.slots.id(at))
    }

    pub(crate) fn is_parked(&self, at: u32) -> bool {
        self.slots[at].is_parked()
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Returns the wall clock, or zero if the adapter has told none.
    pub(crate) fn unix_time(&self) -> Duration {
        match self.unix_origin {
            Duration::ZERO => Duration::ZERO,
            origin => origin + self.now.since(Timestamp::ORIGIN),
        }
    }

    /// Takes note of the time.
    pub(crate) const fn set_time(&mut self, now: Timestamp) {
        self.now = now;
        self.out.set_time(now);
    }

    /// Counts a message of the application that is too long to be sent, if it is.
    #[inline]
    pub(crate) fn count_too_long(&mut self, is_too_long: bool) {
        self.counts.links.too_long += u64::from(is_too_long);
    }

    /// Whether what has been taken in must be seen to before more is: sockets
    /// are to be tried, or outputs pile up (one read can hold thousands of
    /// tasks, and a turn many reads).
    pub(crate) fn must_wait(&self) -> bool {
        self.out.is_backpressured() || !self.has_room_for_outputs() || self.out.is_turn_over()
    }

    /// Whether more may be asked of the adapter before it has done what it was asked for.
    pub(crate) fn has_room_for_outputs(&self) -> bool {
        self.outputs.len() < MAX_OUTPUTS
    }

    /// Others have had their turn.
    pub(crate) const fn begin_turn(&mut self) {
        self.out.begin_turn();
        self.fan_outs.begin_turn();
    }

    /// What has been counted. Gauges are kept as things change: this costs the same
    /// however many connections there are.
    pub(crate) fn stats(&self) -> Stats {
        let counts = self.out.counts_now();
        let EngineCounts {
            mut channels,
            mut links,
            mut deflate,
            ..
        } = self.counts;
        let mut delivery = counts.delivery;
        (delivery.waiting, delivery.waiting_bytes) = self.out.waiting_in_all();
        let mut sent = counts.sent;
        (sent.pushes_waiting, sent.pushes_waiting_bytes) = self.out.pushes_waiting();
        channels.count = self.registry.len() as u64;
        channels.offered = counts.members_offered;
        channels.copied = counts.copied;
        channels.codec_encoded = counts.codec_encoded;
        links.panics += counts.codec_panics;
        channels.unfinished = self.fan_outs.publications() as u64;
        channels.streams = self.streams.len() as u64;
        let (kept, kept_bytes) = self.streams.kept();
        (channels.kept, channels.kept_bytes) = (kept as u64, kept_bytes as u64);
        channels.shown = self.presence.members() as u64;
        channels.credit_waits = self.credits.waits();
        deflate += self.decode_buffers.codec.counts();
        deflate += self.out.codec_counts();
        deflate.context_bytes = (self.context_bytes + self.out.context_bytes()) as u64;
        links.frame_bytes = self.out.frame_bytes();
        links.charged_bytes = self.charged() as u64;
        // Built where it is returned: some parts are long.
        Stats {
            delivery,
            priorities: counts.priorities,
            sent,
            received: self.counts.received,
            channels,
            direct: self.counts.direct,
            links,
            waiting: self.counts.waiting,
            deflate,
            closed: self.counts.closed,
            peer_errors: self.counts.peer_errors,
            refused: self.counts.refused,
            proxy_refused: self.counts.proxy_refused,
        }
    }
}

/// Outputs that may wait while more is taken in.
pub(crate) const MAX_OUTPUTS: usize = 1_024;
