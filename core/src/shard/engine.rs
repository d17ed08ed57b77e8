//! Owns everything a shard has but the application: so that a callback can be
//! given all of it. The parts of its work are in the files beside this one.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use crate::app::Handler;
use crate::channels::credit::{Credit, UnderWay};
use crate::channels::message::{OwnerRequest, ShardMessage};
use crate::channels::registry::Rooms;
use crate::channels::waiters::Waiters;
use crate::config::Config;
use crate::delivery::batch::{Batch, most_held_back};
use crate::delivery::fan_out::FanOuts;
use crate::delivery::flush_scheduler::FlushScheduler;
use crate::delivery::frame::{FrameId, Rank, Store};
use crate::delivery::memory_budget::Budget;
use crate::delivery::pace::UnsentLimits;
use crate::delivery::queue::{DropReason, Limits, Nodes, OverflowPolicy, Starvation};
use crate::delivery::reply_buffer::ReplyBuffer;
use crate::delivery::shedding::Shedding;
use crate::id::{ConnId, ShardId};
use crate::inspect::closed::ClosedConnections;
use crate::inspect::stats::{CloseCause, Stats};
use crate::proto::ws::{DecodeBuffers, MessageLimits};
use crate::session::slab::Slab;
use crate::session::slot::{Phase, Pressing, Slot};
use crate::session::sweep::Sweep;
use crate::session::wheel::Wheel;
use crate::shard::output::{Event, Output};
use crate::time::{Timestamp, micros};

/// A shard without its application.
pub(crate) struct Engine<H: Handler> {
    pub(crate) id: ShardId,
    pub(crate) config: Config,
    /// What a queue may hold without pressing: half of what it may hold at all, less
    /// what may be held back beside that. So it has room for one message of that length.
    pub(crate) half: Limits,
    /// The rule against starvation, of the configuration.
    pub(crate) starvation: Starvation,
    pub(crate) unsent_limits: UnsentLimits,
    pub(crate) now: Timestamp,
    pub(crate) slots: Slab<H>,
    /// Those of the shard that has failed, until they are dropped.
    pub(crate) remains: Vec<Slab<H>>,
    pub(crate) rooms: Rooms,
    pub(crate) store: Store,
    pub(crate) nodes: Nodes,
    pub(crate) workspace: DecodeBuffers,
    /// What connections have for contexts of their own.
    pub(crate) context_bytes: usize,
    /// Bytes of what is held back for connections, but for what was read.
    pub(crate) pending_bytes: usize,
    /// Bytes of the lists of rooms of those who are in many.
    pub(crate) membership_bytes: usize,
    /// Bytes of commands from outside that wait here.
    pub(crate) command_bytes: usize,
    pub(crate) budget: Budget,
    /// When it is next looked what nobody needs.
    pub(crate) decays_at: Timestamp,
    pub(crate) wheel: Wheel,
    pub(crate) lane: ReplyBuffer,
    pub(crate) volley: Batch,
    pub(crate) fan_outs: FanOuts,
    /// What was read last; moved out of here while it is looked at.
    pub(crate) scratch: Vec<u8>,
    /// What of the scratch is not consumed, because something had to be
    /// flushed first: whose it is, and where.
    pub(crate) rest: Option<(u32, Range<usize>)>,
    pub(crate) outputs: VecDeque<Output<H>>,
    /// Connections to be flushed.
    pub(crate) flushes: FlushScheduler,
    /// Connections whose held back input is to be gone on with.
    pub(crate) resume: VecDeque<u32>,
    /// Whether something was flushed since what is held back last had its turn.
    pub(crate) held_back_is_due: bool,
    /// Letters that have come: they wait until the shard is polled, and their turn
    /// comes after a flush at the latest.
    pub(crate) backlog: VecDeque<ShardMessage>,
    /// Whether some have come since the shard was last polled.
    pub(crate) has_mail: bool,
    /// Connections that ended; the handler is yet to be told.
    pub(crate) endings: VecDeque<(ConnId, H::State, CloseCause)>,
    /// For each home, what this shard has under way to it.
    pub(crate) credits: Vec<Credit>,
    /// That, added up.
    pub(crate) under_way: UnderWay,
    /// Who waits until one more task may be under way.
    pub(crate) task_waiters: Waiters,
    /// How often each shard has begun anew, as far as is known here.
    pub(crate) lives: Vec<u32>,
    /// After a failure: shards that have not told yet who is in our rooms there,
    /// and what waits until they have.
    pub(crate) restating: u16,
    pub(crate) unanswered: VecDeque<OwnerRequest>,
    /// Connections whose queues are half full and whose sockets may take more:
    /// while there are any, nothing more is taken in. So no message is refused
    /// only because many came at once.
    pub(crate) pressing: u32,
    /// Since when there have been any.
    pub(crate) pressing_since: Timestamp,
    /// Whether that has begun anew because nobody looked when it was over.
    pub(crate) pressing_excused: bool,
    /// What had been offered when others last had their turn.
    offered_before: u64,
    pub(crate) draining: bool,
    /// What is being done for every connection.
    pub(crate) sweep: Option<Sweep>,
    pub(crate) shedding: Shedding,
    /// Those that have been pressing, each once: where their sockets have not been tried for
    /// too long, they are looked at.
    pub(crate) pressed: VecDeque<u32>,
    /// Connections with commands that wait, for [`is_quiet`](Self::is_quiet).
    pub(crate) parked: usize,
    pub(crate) counts: Stats,
    pub(crate) ledger: ClosedConnections,
    /// Frames for the lane's owner that must come behind what is in it.
    pub(crate) late: Vec<(FrameId, OverflowPolicy)>,
    /// Frames that have left a queue unwritten, while they are counted; empty between calls.
    pub(crate) gone: Vec<(FrameId, DropReason)>,
    /// Frames that expired while a write was planned: given back when it is over,
    /// since that may move others.
    pub(crate) lapsed: Vec<FrameId>,
    /// Connections that are to be closed because they do not keep up.
    pub(crate) slow: Vec<u32>,
}

impl<H: Handler> Engine<H> {
    pub(crate) fn new(id: ShardId, config: Config) -> Self {
        let shards = config.shards;
        debug_assert!(id.0 < shards);
        Self {
            id,
            now: Timestamp::ORIGIN,
            slots: Slab::new(id),
            remains: Vec::new(),
            rooms: Rooms::new(config.seed, shards),
            store: Store::new(),
            nodes: Nodes::new(config.seed),
            workspace: DecodeBuffers::new(config.compression_level as u8),
            context_bytes: 0,
            pending_bytes: 0,
            membership_bytes: 0,
            command_bytes: 0,
            decays_at: Timestamp::ORIGIN,
            budget: Budget::new(config.memory_budget, shards),
            wheel: Wheel::new(config.tick()),
            lane: ReplyBuffer::default(),
            volley: Batch::default(),
            fan_outs: FanOuts::new(),
            scratch: alloc::vec![0; HEADROOM + SCRATCH],
            rest: None,
            outputs: VecDeque::new(),
            flushes: FlushScheduler::default(),
            resume: VecDeque::new(),
            held_back_is_due: false,
            backlog: VecDeque::new(),
            has_mail: false,
            endings: VecDeque::new(),
            credits: (0..shards).map(|_| Credit::default()).collect(),
            under_way: UnderWay::default(),
            task_waiters: Waiters::default(),
            lives: alloc::vec![0; shards.into()],
            restating: 0,
            unanswered: VecDeque::new(),
            pressing: 0,
            pressing_since: Timestamp::ORIGIN,
            pressing_excused: false,
            offered_before: 0,
            draining: false,
            sweep: None,
            shedding: Shedding::default(),
            pressed: VecDeque::new(),
            parked: 0,
            counts: Stats::default(),
            ledger: ClosedConnections::new(config.seed, config.gone_connections),
            late: Vec::new(),
            gone: Vec::new(),
            lapsed: Vec::new(),
            slow: Vec::new(),
            half: Limits {
                messages: config.queue_messages as u32 / 2,
                bytes: (config.queue_bytes / 2 - most_held_back(&config)) as u32,
            },
            unsent_limits: UnsentLimits::of(&config),
            starvation: Starvation {
                after: config.starvation_after as u16,
                wait: micros(config.starvation_wait),
            },
            config,
        }
    }

    /// How often this shard has begun anew.
    pub(crate) fn life(&self) -> u32 {
        self.lives[self.id.index()]
    }

    pub(crate) const fn limits(&self) -> Limits {
        Limits {
            messages: self.config.queue_messages as u32,
            bytes: self.config.queue_bytes as u32,
        }
    }

    pub(crate) const fn message_limits(&self) -> MessageLimits {
        self.config.message_limits()
    }

    pub(crate) fn id_of(&self, at: u32) -> ConnId {
        self.slots.id(at)
    }

    pub(crate) fn state_of(&mut self, at: u32) -> Option<&mut H::State> {
        self.slots[at].state.as_mut()
    }

    pub(crate) fn room_of(&self, at: u32) -> Option<&bytes::Bytes> {
        Some(self.rooms.name(self.slots[at].memberships.first()?.room))
    }

    pub(crate) fn rooms_of(&self, at: u32) -> impl Iterator<Item = &bytes::Bytes> {
        let memberships = self.slots[at].memberships.iter();
        memberships.map(|membership| self.rooms.name(membership.room))
    }

    pub(crate) fn members_here(&self, name: &[u8]) -> impl Iterator<Item = ConnId> + use<'_, H> {
        let room = self.rooms.find(name);
        let members = room.map_or(&[][..], |room| self.rooms.members(room));
        members.iter().map(|&at| self.slots.id(at))
    }

    pub(crate) fn is_parked(&self, at: u32) -> bool {
        self.slots[at].is_parked()
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Puts the connection among those to be flushed, as what waits for it is urgent.
    pub(crate) fn line_up(&mut self, at: u32) {
        let rank = self.slots[at].queue.rank(&self.nodes, &self.store);
        self.line_up_for(at, rank);
    }

    /// The same for something of this rank.
    #[inline]
    pub(crate) fn line_up_for(&mut self, at: u32, rank: Rank) {
        let Slot { flags, phase, .. } = &mut self.slots[at];
        if !flags.blocked && *phase != Phase::Gone {
            self.flushes.push(at, &mut flags.flush, rank);
        }
    }

    /// Whether what has been taken in must be seen to before more is: sockets
    /// are to be tried, or outputs pile up (one read can hold thousands of
    /// tasks, and a turn many reads).
    pub(crate) fn is_pressed(&self) -> bool {
        self.pressing > 0 || !self.has_room_for_outputs() || self.is_spent()
    }

    /// Whether more may be asked of the adapter before it has done what it was asked for.
    pub(crate) fn has_room_for_outputs(&self) -> bool {
        self.outputs.len() < MOST_OUTPUTS
    }

    /// Whether so much was queued at a stretch that others should have their turn.
    pub(crate) const fn is_spent(&self) -> bool {
        let offered = self.counts.delivery.offered - self.offered_before;
        offered >= SLICES * self.config.fan_out_slice as u64
    }

    /// Others have had their turn.
    pub(crate) const fn begin_stretch(&mut self) {
        self.offered_before = self.counts.delivery.offered;
        self.fan_outs.begin_turn();
    }

    /// So many of the messages offered do not count for [`is_spent`](Self::is_spent).
    #[inline]
    pub(crate) const fn exempt(&mut self, messages: u64) {
        self.offered_before += messages;
    }

    /// Nothing more is taken in until this connection's socket has been tried.
    pub(crate) fn press(&mut self, at: u32) {
        let flags = &mut self.slots[at].flags;
        if flags.pressing == Pressing::Yes || flags.blocked {
            return;
        }
        if core::mem::replace(&mut flags.pressing, Pressing::Yes) == Pressing::No {
            self.pressed.push_back(at);
        }
        if self.pressing == 0 {
            self.pressing_since = self.now;
            self.pressing_excused = false;
        }
        self.pressing += 1;
    }

    /// This connection's socket has been tried, or need not be.
    pub(crate) fn relieve(&mut self, at: u32) {
        let flags = &mut self.slots[at].flags;
        if flags.pressing == Pressing::Yes {
            flags.pressing = Pressing::Listed;
            self.pressing -= 1;
            self.pressing_since = self.now;
            self.pressing_excused = false;
        }
    }

    /// What has been counted. Gauges are kept as things change: this costs the same
    /// however many connections there are.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.counts;
        let held = self.nodes.held();
        stats.rooms.rooms = self.rooms.len() as u64;
        stats.rooms.unfinished = self.fan_outs.publications() as u64;
        stats.deflate += self.workspace.codec.counts();
        stats.deflate.context_bytes = self.context_bytes as u64;
        stats.links.frame_bytes = self.store.held_bytes();
        stats.links.charged_bytes = self.charged() as u64;
        stats.delivery.waiting = held.messages + u64::from(self.lane.messages());
        stats.delivery.waiting_bytes = held.bytes + self.lane.len() as u64;
        stats
    }
}

/// Messages offered to queues at a stretch, in slices: half a millisecond of work with the
/// default. One read can ask for more that holds thousands of messages to hundreds of members.
const SLICES: u64 = 2;
/// Outputs that may wait while more is taken in.
const MOST_OUTPUTS: usize = 1_024;
/// Room before the read area, so that the piece of a frame that was left over
/// can be put in front of what follows it without moving that.
pub(crate) const HEADROOM: usize = 256;
/// How much is read at once, in bytes. Of what is read at once, only the message that it ends
/// within is copied. Half of it leaves the receive buffer of a fast peer full, whose writes are
/// cut short then: 64 KiB messages with 16 in flight take twice as long each.
pub(crate) const SCRATCH: usize = 384 << 10;
