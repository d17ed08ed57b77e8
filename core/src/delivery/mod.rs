//! Delivery: the messages that wait to be written to the connections of a shard, and their order.
//!
//! `Outbound` holds the encoded frames, a send queue for each connection, the replies to the
//! connection whose input is being handled, the batch of publications of one read, the flush
//! order, and all counts of messages. It knows connections by the number of their slot, and
//! neither sessions nor channels nor the application.
//!
//! A batch is delivered before any other message but a push is queued or discarded, before a connection
//! ends, and before counts are read for a report: the methods that do so end it first.

#[cfg(any(test, feature = "testing"))]
mod audit;
mod batch;
pub(crate) mod codec;
mod conn;
mod counts;
mod depth;
mod drops;
mod flush_scheduler;
mod forms;
pub(crate) mod frame;
mod limits;
mod lost;
mod own_codec;
mod pressure;
mod push;
pub(crate) mod queue;
mod reply;
mod reply_buffer;
mod scratch;
mod sealed;
mod send;
mod send_rate;
mod shedding;
mod transmit;
mod variants;

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use crate::delivery::own_codec::OwnCodecs;

use crate::buffers::Buffers;
use crate::config::Config;
use crate::proto::ws::MinRate;
use crate::proto::ws::deflate::{Compressor, DeflateCounts, SharedDeflate};
use crate::table::Table;
use crate::time::{Timestamp, micros};
use batch::Batch;
use codec::{AppCodecs, Form};
use conn::{OutboundConn, Seal, Takes};
use drops::DropCounters;
use flush_scheduler::FlushScheduler;
use forms::OtherForms;
use frame::{FrameId, Store};
use limits::QueueLimits;
use pressure::WriteBackpressure;
use queue::{DropReason, Limits, Nodes, Starvation};
use reply_buffer::ReplyBuffer;
use scratch::Scratch;
use send_rate::UnsentLimits;
use shedding::Shedding;

pub(crate) use batch::{BatchFrames, Members, Recipients};
pub use codec::{ChannelEvent, Codec, Outgoing};
pub(crate) use conn::Written;
pub(crate) use counts::DeliveryCounts;
pub use depth::Depth;
pub use drops::Drops;
pub use frame::{Chunks, MAX_PAYLOAD};
pub(crate) use own_codec::OwnForm;
pub use queue::{OverflowPolicy, SendOptions};
pub(crate) use reply::{MessageRef, OutgoingReply, QueueFull};
pub(crate) use reply_buffer::Part;
pub(crate) use scratch::{HEADROOM, SCRATCH};
pub(crate) use send::NextFlush;
pub(crate) use variants::{EncodedFrames, EncodedVariants, MessagePayload};

/// Bytes of memory of one connection's row in [`Outbound`].
pub(crate) const ROW_BYTES: usize = OutboundConn::BYTES;

/// What waits to be written to the connections of a shard.
pub(crate) struct Outbound {
    settings: OutboundSettings,
    now: Timestamp,
    /// By slot.
    conns: Table<OutboundConn>,
    store: Store,
    nodes: Nodes,
    scratch: Scratch,
    replies: ReplyBuffer,
    /// Frames for the owner of the reply buffer that must come behind what is in it.
    deferred: Vec<(FrameId, OverflowPolicy)>,
    batch: Batch,
    flushes: FlushScheduler,
    pressure: WriteBackpressure,
    shedding: Shedding,
    /// Compressors that connections without a context share.
    codec: SharedDeflate,
    /// Bytes of memory of the compressors that connections have of their own.
    context_bytes: usize,
    /// Bytes of memory for connections whose sockets were full, or whose links have a transport.
    link_bytes: usize,
    /// How many links have a transport.
    sealed_links: u32,
    /// For frames that are put together outside of the store.
    buffers: Buffers,
    /// Encodes a message for a codec, and asks filters.
    app: AppCodecs,
    /// Empty ones, for messages to come.
    #[expect(clippy::vec_box, reason = "they move in and out as boxes")]
    spare_forms: Vec<Box<OtherForms>>,
    counts: DeliveryCounts,
    drops: DropCounters,
    /// What had been offered when the turn began.
    offered_before: u64,
    /// Frames that have left a queue unwritten, while they are counted; empty between calls.
    dropped: Vec<(FrameId, DropReason)>,
    /// Frames that expired while a write was planned: given back when it is over, since that
    /// may move others.
    expired: Vec<FrameId>,
    /// Connections that are to be closed because they do not keep up.
    slow: Vec<u32>,
    /// Connections that have missed something of a channel's stream, and the numbers of the channels.
    lost: BTreeSet<(u32, u32)>,
    own_codecs: OwnCodecs,
}

/// The settings that delivery depends on.
#[derive(Clone, Copy, Debug)]
struct OutboundSettings {
    /// What queues may hold.
    limits: QueueLimits,
    /// Messages and bytes that a batch may have.
    batch: Limits,
    /// How many pushes may wait.
    pushes: Limits,
    starvation: Starvation,
    unsent: UnsentLimits,
    /// Bytes of one write, about.
    write_batch: usize,
    /// Connections visited, or messages offered, in a part of a turn.
    slice: usize,
    /// Whether memory is bounded.
    has_budget: bool,
    compression: Compression,
    read_rate: Option<MinRate>,
    /// By how much a timer may be late.
    tolerance: Duration,
    write_timeout: Duration,
}

/// When messages are compressed.
#[derive(Clone, Copy, Debug)]
struct Compression {
    is_on: bool,
    /// The length of the shortest payload that is compressed, in bytes.
    threshold: usize,
    /// The window of the shared compressor, in bits.
    window: u8,
}

impl Outbound {
    pub(crate) fn new(config: &Config, app: AppCodecs) -> Self {
        Self {
            settings: OutboundSettings::of(config),
            now: Timestamp::ORIGIN,
            conns: Table::new(),
            store: Store::new(),
            nodes: Nodes::new(config.seed),
            scratch: Scratch::new(),
            replies: ReplyBuffer::default(),
            deferred: Vec::new(),
            batch: Batch::default(),
            flushes: FlushScheduler::default(),
            pressure: WriteBackpressure::default(),
            shedding: Shedding::default(),
            codec: SharedDeflate::new(config.compression_level as u8),
            context_bytes: 0,
            link_bytes: 0,
            sealed_links: 0,
            buffers: Buffers::default(),
            app,
            spare_forms: Vec::new(),
            counts: DeliveryCounts::default(),
            drops: DropCounters::new(config.seed),
            offered_before: 0,
            dropped: Vec::new(),
            expired: Vec::new(),
            slow: Vec::new(),
            lost: BTreeSet::new(),
            own_codecs: OwnCodecs::default(),
        }
    }

    // ---- the life of a connection -------------------------------------------------------------

    /// Adds a row for a new socket. `at` must be the slot that the table of slots gave it.
    pub(crate) fn insert(&mut self, at: u32) {
        let mut conn = OutboundConn::new(at);
        if let Some(before) = self.conns.get(self.conns.next() as usize) {
            conn.keep_listed(before);
        }
        let row = self.conns.insert(conn);
        debug_assert_eq!(row, at, "both tables have the same places");
    }

    /// Lets messages be queued for a connection from now on, in this form and compressed by this
    /// compressor.
    pub(crate) fn open(&mut self, at: u32, form: Form, compressor: Compressor) {
        self.context_bytes += compressor.context_bytes();
        let conn = &mut self.conns[at];
        conn.compressor = compressor;
        conn.form = form;
        conn.takes = Takes::Messages;
    }

    /// Writes nothing to a connection until it is to be written to again, or ends. What waits for it
    /// stays within the limits of its queue.
    pub(crate) fn hold(&mut self, at: u32) {
        self.clear_pressure(at);
        self.conns[at].stop.set_held(true);
    }

    /// Writes to a connection again.
    pub(crate) fn release_hold(&mut self, at: u32) {
        if self.conns[at].stop.set_held(false) && !self.is_empty(at) {
            self.schedule(at);
        }
    }

    /// Refuses messages for a connection from now on. What waits is still written.
    pub(crate) fn end(&mut self, at: u32) {
        self.end_batch();
        if self.conns[at].stop.set_held(false) {
            // What was to come before that never came.
            self.discard_data(at);
        }
        self.forget_lost(at);
        self.clear_pressure(at);
        self.conns[at].takes = Takes::Control;
        self.schedule(at);
    }

    /// Discards all that waits for a connection whose socket is to be closed. Returns what was
    /// dropped of what was for it.
    pub(crate) fn close(&mut self, at: u32) -> Drops {
        self.discard_replies(at);
        self.discard(at, false);
        self.clear_pressure(at);
        let conn = &mut self.conns[at];
        conn.takes = Takes::Nothing;
        self.sealed_links -= u32::from(conn.seal != Seal::None);
        conn.seal = Seal::None;
        self.link_bytes -= conn.link.take().map_or(0, |link| link.memory());
        self.context_bytes -= conn.compressor.context_bytes();
        conn.compressor = Compressor::NONE;
        self.drops.take(at)
    }

    /// Removes the row of a connection that has been [closed](Self::close).
    pub(crate) fn remove(&mut self, at: u32) {
        debug_assert!(self.conns[at].queue.is_empty() && !self.is_scheduled(at));
        self.conns.remove(at);
    }

    // ---- what is known of a connection --------------------------------------------------------

    /// Returns whether nothing waits for a connection.
    #[inline]
    pub(crate) fn is_empty(&self, at: u32) -> bool {
        self.conns[at].is_empty() && self.replies.owner() != Some(at)
    }

    /// Returns whether nothing is in the queue of a connection, or sealed.
    #[inline]
    pub(crate) fn is_queue_empty(&self, at: u32) -> bool {
        self.conns[at].is_empty()
    }

    /// Returns the number of places for connections, occupied or not.
    pub(crate) const fn connections(&self) -> u32 {
        self.conns.len()
    }

    /// Returns whether its socket took less than it was offered.
    #[inline]
    pub(crate) fn is_blocked(&self, at: u32) -> bool {
        self.conns[at].stop.is_blocked()
    }

    /// Returns whether it takes compressed messages.
    pub(crate) fn is_compressed(&self, at: u32) -> bool {
        self.conns[at].compressor.window_bits() > 0
    }

    /// Returns the bytes of memory of the compressors that connections have of their own.
    pub(crate) const fn context_bytes(&self) -> usize {
        self.context_bytes
    }

    /// Returns what was dropped of the messages for a connection.
    pub(crate) fn drops(&self, at: u32) -> Drops {
        self.drops.get(at)
    }

    // ---- time and turns ------------------------------------------------------------------------

    #[inline]
    pub(crate) const fn set_time(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Begins a turn: others have had theirs.
    #[inline]
    pub(crate) const fn begin_turn(&mut self) {
        self.offered_before = self.counts.delivery.offered;
    }

    /// Returns whether as much was queued in this turn as may be: others are to have theirs.
    #[inline]
    pub(crate) const fn is_turn_over(&self) -> bool {
        let offered = self
            .counts
            .delivery
            .offered
            .wrapping_sub(self.offered_before);
        offered >= SLICES * self.settings.slice as u64
    }

    /// Counts something as so many messages that this many of it make up a turn.
    pub(super) const fn charge_turn(&mut self, per_turn: u64) {
        let share = (SLICES * self.settings.slice as u64).div_ceil(per_turn);
        self.offered_before = self.offered_before.wrapping_sub(share);
    }

    /// Returns the number of messages offered so far, for [`exempt`](Self::exempt_since).
    pub(crate) const fn offered(&self) -> u64 {
        self.counts.delivery.offered
    }

    /// Exempts the messages offered since `before` from what a turn may offer.
    pub(crate) const fn exempt_since(&mut self, before: u64) {
        self.exempt(self.counts.delivery.offered - before);
    }

    #[inline]
    const fn exempt(&mut self, messages: u64) {
        self.offered_before += messages;
    }

    // ---- counts and memory ---------------------------------------------------------------------

    /// Returns what has been counted, a batch that waits included.
    pub(crate) fn counts(&mut self) -> &DeliveryCounts {
        self.end_batch();
        &self.counts
    }

    /// Returns what has been counted now, without a batch that waits.
    #[inline]
    pub(crate) const fn counts_now(&self) -> &DeliveryCounts {
        &self.counts
    }

    /// Returns the number of messages that wait, and their bytes.
    pub(crate) fn waiting_in_all(&self) -> (u64, u64) {
        let held = self.nodes.held();
        let (messages, bytes) = (self.replies.messages(), self.replies.len());
        (
            held.messages + u64::from(messages),
            held.bytes + bytes as u64,
        )
    }

    /// Returns the bytes held in frames.
    pub(crate) fn frame_bytes(&self) -> u64 {
        self.store.held_bytes()
    }

    /// Returns what the compressors have counted.
    pub(crate) const fn codec_counts(&self) -> DeflateCounts {
        self.codec.counts()
    }

    /// Returns the bytes of memory that it takes.
    pub(crate) fn memory(&self) -> usize {
        HEADROOM
            + SCRATCH
            + self.conns.memory()
            + self.nodes.memory()
            + self.store.memory() as usize
            + self.codec.memory()
            + self.context_bytes
            + self.link_bytes
            + self.buffers.memory()
            + self.replies.memory()
            + self.batch.memory()
            + self.flushes.memory()
            + self.pressure.memory()
            + self.shedding.memory()
            + self.drops.memory()
            + self.lost.len() * 2 * size_of::<(u32, u32)>()
            + self.own_codecs.memory()
    }

    /// Gives back the memory that nothing uses now.
    pub(crate) fn trim(&mut self) {
        self.store.trim();
        self.nodes.trim();
        self.buffers.trim();
    }

    /// Gives back memory of tables that has not been needed since the last call.
    pub(crate) fn decay_tables(&mut self) {
        self.conns.decay();
        self.nodes.decay(&self.store);
        self.drops.decay();
    }

    /// Gives back memory of buffers and lists that has not been needed since the last call.
    pub(crate) fn decay(&mut self) {
        self.store.decay();
        self.buffers.decay();
    }

    /// Shrinks the lists of connections to the number of connections.
    pub(crate) fn shrink_lists(&mut self) {
        let connections = self.conns.len() as usize;
        self.flushes.shrink(connections);
        self.shedding.shrink(connections);
        self.pressure.shrink(connections);
        self.batch.shrink();
    }
}

impl OutboundSettings {
    fn of(config: &Config) -> Self {
        let batch = Batch::limits(config);
        Self {
            limits: QueueLimits::new(config, batch.bytes),
            batch,
            pushes: Limits {
                messages: config.reply_messages as u32,
                bytes: config.reply_bytes as u32,
            },
            starvation: Starvation {
                after: config.starvation_after as u16,
                wait: micros(config.starvation_wait),
            },
            unsent: UnsentLimits::of(config),
            write_batch: config.write_batch,
            slice: config.fan_out_slice,
            has_budget: config.memory_budget > 0,
            compression: Compression {
                is_on: config.compression,
                threshold: config.compression_threshold,
                window: config.compression_window as u8,
            },
            read_rate: config.read_rate(),
            tolerance: config.timer_tolerance(),
            write_timeout: config.write_timeout,
        }
    }
}

/// Returns memory of a list that is much larger than for `most` entries.
pub(crate) fn shrink<T>(list: &mut VecDeque<T>, most: usize) {
    let most = most.max(list.len()).max(FEW);
    if list.capacity() > 4 * most {
        list.shrink_to(most);
    }
}

/// Messages offered to queues in a turn, in slices: half a millisecond of work with the
/// default. One read can ask for more: it can hold thousands of messages to hundreds of members.
const SLICES: u64 = 2;
/// A list has room for this many entries in any case.
const FEW: usize = 64;
