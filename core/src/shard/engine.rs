//! Owns everything a shard has but the application: so that a callback can be
//! given all of it. The parts of its work are in the files beside this one.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use super::credit::Credit;
use super::lane::{Lane, Part};
use super::ledger::Ledger;
use super::letter::{Asked, Letter};
use super::memory::Budget;
use super::output::{Event, Output};
use super::pending::Wait;
use super::slab::Slab;
use super::slot::Phase;
use super::waiters::Waiters;
use super::wheel::Wheel;
use crate::config::Config;
use crate::conn::{MessageLimits, Workspace};
use crate::frame::{FrameId, Label, Rank, Store};
use crate::handler::Handler;
use crate::id::{ConnId, ShardId};
use crate::queue::{Arrival, Fate, Limits, Nodes, Refusal, Starvation, WhenFull};
use crate::room::Rooms;
use crate::stats::{CloseCause, Stats};
use crate::time::{Timestamp, micros};

/// A shard without its application.
pub(crate) struct Engine<H: Handler> {
    pub(super) id: ShardId,
    pub(super) config: Config,
    /// The rule against starvation, of the configuration.
    pub(super) starvation: Starvation,
    pub(super) now: Timestamp,
    pub(super) slots: Slab<H>,
    pub(super) rooms: Rooms,
    pub(super) store: Store,
    pub(super) nodes: Nodes,
    pub(super) workspace: Workspace,
    /// What connections have for contexts of their own.
    pub(super) context_bytes: usize,
    pub(super) budget: Budget,
    pub(super) wheel: Wheel,
    pub(super) lane: Lane,
    /// What was read last; moved out of here while it is looked at.
    pub(super) scratch: Vec<u8>,
    /// What of the scratch is not consumed, because something had to be
    /// flushed first: whose it is, and where.
    pub(super) rest: Option<(u32, Range<usize>)>,
    pub(super) outputs: VecDeque<Output<H>>,
    /// Connections to be flushed, in the order in which they came to be.
    pub(super) dirty: VecDeque<u32>,
    /// Connections whose held back input is to be gone on with.
    pub(super) resume: VecDeque<u32>,
    /// Letters that wait until what came before them is flushed.
    pub(super) backlog: VecDeque<Letter>,
    /// Connections that ended; the handler is yet to be told.
    pub(super) endings: VecDeque<(ConnId, H::State, CloseCause)>,
    /// For each home, what this shard has under way to it.
    pub(super) credits: Vec<Credit>,
    /// Who waits until one more task may be under way.
    pub(super) task_waiters: Waiters,
    /// How often each shard has begun anew, as far as is known here.
    pub(super) lives: Vec<u32>,
    /// After a failure: shards that have not told yet who is in our rooms there,
    /// and what waits until they have.
    pub(super) restating: u16,
    pub(super) unanswered: VecDeque<Asked>,
    /// Connections whose queues are half full and whose sockets may take more:
    /// while there are any, nothing more is taken in. So no message is refused
    /// only because many came at once.
    pub(super) pressing: u32,
    /// Since when there have been any.
    pub(super) pressing_since: Timestamp,
    /// What had been offered when others last had their turn.
    offered_before: u64,
    pub(super) draining: bool,
    /// Connections with commands that wait, for [`is_quiet`](Self::is_quiet).
    pub(super) parked: usize,
    pub(super) counts: Stats,
    pub(super) ledger: Ledger,
    /// Frames for the lane's owner that must come behind what is in it.
    pub(super) late: Vec<(FrameId, WhenFull)>,
    /// Frames that are out or thrown away, while they are counted; empty between calls.
    pub(super) sent: Vec<FrameId>,
    /// Frames that have left a queue otherwise, likewise.
    pub(super) gone: Vec<(FrameId, Fate)>,
    /// Frames that expired while a write was planned: given back when it is over,
    /// since that may move others.
    pub(super) lapsed: Vec<FrameId>,
    /// Connections that are to be closed because they do not keep up.
    pub(super) slow: Vec<u32>,
}

impl<H: Handler> Engine<H> {
    pub(super) fn new(id: ShardId, config: Config) -> Self {
        let shards = config.shards;
        debug_assert!(id.0 < shards);
        Self {
            id,
            now: Timestamp::ORIGIN,
            slots: Slab::new(id),
            rooms: Rooms::new(config.seed, shards),
            store: Store::new(),
            nodes: Nodes::new(config.seed),
            workspace: Workspace::new(config.compression_level as u8),
            context_bytes: 0,
            budget: Budget::new(config.memory_budget, shards),
            wheel: Wheel::new(config.tick()),
            lane: Lane::default(),
            scratch: alloc::vec![0; HEADROOM + SCRATCH],
            rest: None,
            outputs: VecDeque::new(),
            dirty: VecDeque::new(),
            resume: VecDeque::new(),
            backlog: VecDeque::new(),
            endings: VecDeque::new(),
            credits: (0..shards).map(|_| Credit::default()).collect(),
            task_waiters: Waiters::default(),
            lives: alloc::vec![0; shards.into()],
            restating: 0,
            unanswered: VecDeque::new(),
            pressing: 0,
            pressing_since: Timestamp::ORIGIN,
            offered_before: 0,
            draining: false,
            parked: 0,
            counts: Stats::default(),
            ledger: Ledger::new(config.seed, config.gone_connections),
            late: Vec::new(),
            sent: Vec::new(),
            gone: Vec::new(),
            lapsed: Vec::new(),
            slow: Vec::new(),
            starvation: Starvation {
                after: config.starvation_after as u16,
                wait: micros(config.starvation_wait),
            },
            config,
        }
    }

    /// How often this shard has begun anew.
    pub(super) fn life(&self) -> u32 {
        self.lives[self.id.index()]
    }

    pub(super) const fn limits(&self) -> Limits {
        Limits {
            messages: self.config.queue_messages as u32,
            bytes: self.config.queue_bytes as u32,
        }
    }

    pub(super) const fn message_limits(&self) -> MessageLimits {
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

    pub(super) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Puts the connection on the list of those to be flushed.
    pub(super) fn mark_dirty(&mut self, at: u32) {
        let slot = &mut self.slots[at];
        if !slot.flags.dirty && !slot.flags.blocked && slot.phase != Phase::Gone {
            slot.flags.dirty = true;
            self.dirty.push_back(at);
        }
    }

    /// Queues a data frame for a connection, which adds a reference to it. The
    /// queue may refuse it, or let others go for it; everything is counted.
    //= https://www.rfc-editor.org/rfc/rfc6455#section-6.1
    //# To _Send a WebSocket Message_ comprising of /data/ over a WebSocket
    //# connection, an endpoint MUST perform the following steps.
    #[inline]
    pub(super) fn push(&mut self, at: u32, frame: FrameId, when_full: WhenFull) {
        self.counts.delivery.offered += 1;
        //= https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
        //# The application MUST NOT send any more data frames after sending a
        //# Close frame.
        //= https://www.rfc-editor.org/rfc/rfc6455#section-6.1
        //# The endpoint MUST ensure the WebSocket connection is in the OPEN
        //# state (cf. Sections 4.1 and 4.2.2.)
        if self.slots[at].phase != Phase::Open || self.slots[at].flags.slow {
            self.counts.delivery.refused_closing += 1;
            return;
        }
        if self.lane.owner() == Some(at) {
            if self.lane_is_held() {
                self.store.retain(frame);
                self.late.push((frame, when_full));
                return;
            }
            self.spill_lane(0);
        }
        self.push_counted(at, frame, when_full);
    }

    /// [`push`](Self::push) of what has been offered and may be queued.
    pub(super) fn push_counted(&mut self, at: u32, frame: FrameId, when_full: WhenFull) {
        let limits = self.limits();
        let arrival = Arrival {
            frame,
            when_full,
            now: self.now,
        };
        let (slot, gone) = (&mut self.slots[at], &mut self.gone);
        let pushed = slot.queue.push(
            &mut self.nodes,
            &self.store,
            limits,
            arrival,
            |frame, fate| {
                gone.push((frame, fate));
            },
        );
        if !self.gone.is_empty() {
            self.count_gone(at);
        }
        if let Err(refusal) = pushed {
            self.counts.delivery.refused_full += 1;
            let priority = self.store.rank(frame).priority();
            self.counts.priorities.of(priority).refused += 1;
            self.ledger.drops(at).refused += 1;
            if refusal == Refusal::Slow {
                self.slots[at].flags.slow = true;
                self.slow.push(at);
            }
            return;
        }
        self.store.retain(frame);
        self.counts.delivery.queued += 1;
        let slot = &mut self.slots[at];
        if !slot.flags.blocked {
            let half_full = slot.queue.messages() > limits.messages / 2
                || slot.queue.bytes() > limits.bytes / 2;
            if half_full {
                self.press(at);
            }
            let slot = &mut self.slots[at];
            if !slot.flags.dirty {
                slot.flags.dirty = true;
                self.dirty.push_back(at);
            }
        }
    }

    /// Counts the frames that have left a connection's queue without being
    /// written, and gives them back.
    pub(super) fn count_gone(&mut self, at: u32) {
        if self.gone.is_empty() {
            return;
        }
        let drops = self.ledger.drops(at);
        for (frame, fate) in self.gone.drain(..) {
            let of_all = &mut self.counts.delivery;
            let fates = self.counts.priorities.of(self.store.rank(frame).priority());
            let (all, these, its) = match fate {
                Fate::Evicted => (&mut of_all.evicted, &mut fates.evicted, &mut drops.evicted),
                Fate::Expired => (&mut of_all.expired, &mut fates.expired, &mut drops.expired),
                Fate::Conflated => (
                    &mut of_all.conflated,
                    &mut fates.conflated,
                    &mut drops.conflated,
                ),
                Fate::Shed => (&mut of_all.shed, &mut fates.shed, &mut drops.shed),
            };
            *all += 1;
            *these += 1;
            *its += 1;
            self.store.release(frame);
        }
    }

    /// Before a write: drops what has expired and would go next, so that nothing
    /// is flushed where nothing is left. Says whether nothing is.
    #[inline]
    pub(super) fn lapse(&mut self, at: u32) -> bool {
        self.store.has_terms() && self.lapse_some(at)
    }

    fn lapse_some(&mut self, at: u32) -> bool {
        let slot = &mut self.slots[at];
        if slot.flags.offered || slot.queue.is_empty() {
            return false;
        }
        let gone = &mut self.gone;
        slot.queue
            .expire(&mut self.nodes, &self.store, self.now, |frame| {
                gone.push((frame, Fate::Expired));
            });
        self.count_gone(at);
        let over = self.slots[at].queue.is_empty() && self.lane.owner() != Some(at);
        if over {
            self.transmitted(at, 0);
        }
        over
    }

    /// Gives back what expired while the last write was planned.
    #[inline]
    pub(super) fn release_lapsed(&mut self) {
        if self.lapsed.is_empty() {
            return;
        }
        for frame in self.lapsed.drain(..) {
            self.store.release(frame);
        }
    }

    /// Whether what has been taken in must be seen to before more is: sockets
    /// are to be tried, or outputs pile up (one read can hold thousands of
    /// tasks, and a turn many reads).
    pub(super) fn is_pressed(&self) -> bool {
        self.pressing > 0 || self.outputs.len() >= MOST_OUTPUTS || self.is_spent()
    }

    /// Whether so much was queued at a stretch that others should have their turn.
    pub(super) const fn is_spent(&self) -> bool {
        self.counts.delivery.offered - self.offered_before >= MOST_OFFERED
    }

    /// Others have had their turn.
    pub(super) const fn begin_stretch(&mut self) {
        self.offered_before = self.counts.delivery.offered;
    }

    /// Nothing more is taken in until this connection's socket has been tried.
    pub(super) fn press(&mut self, at: u32) {
        let flags = &mut self.slots[at].flags;
        if !flags.pressing && !flags.blocked {
            flags.pressing = true;
            if self.pressing == 0 {
                self.pressing_since = self.now;
            }
            self.pressing += 1;
        }
    }

    /// This connection's socket has been tried, or need not be.
    pub(super) fn relieve(&mut self, at: u32) {
        let flags = &mut self.slots[at].flags;
        if core::mem::take(&mut flags.pressing) {
            self.pressing -= 1;
            self.pressing_since = self.now;
        }
    }

    /// Queues a frame that no limit holds for, and gives its reference away.
    pub(super) fn push_control(&mut self, at: u32, frame: FrameId) {
        self.slots[at]
            .queue
            .push_control(&mut self.nodes, &self.store, frame);
        self.mark_dirty(at);
    }

    /// Throws away what waits for a connection.
    pub(super) fn discard(&mut self, at: u32, keep_pinned: bool) {
        let slot = &mut self.slots[at];
        // What the adapter has taken may be out already.
        if !(keep_pinned && slot.flags.offered) {
            slot.queue.settle(&mut self.nodes, &self.store);
        }
        let gone = &mut self.sent;
        slot.queue
            .discard(&mut self.nodes, &self.store, keep_pinned, |frame| {
                gone.push(frame);
            });
        for frame in self.sent.drain(..) {
            if let Some(priority) = self.store.rank(frame).priority() {
                self.counts.delivery.discarded += 1;
                self.counts.priorities.of(Some(priority)).discarded += 1;
                self.ledger.drops(at).discarded += 1;
            }
            self.store.release(frame);
        }
        self.release_lapsed();
    }

    /// Moves what is in the fast lane to its owner's queue, where it counts as
    /// before. So many bytes of it are out.
    pub(super) fn spill_lane(&mut self, written: usize) {
        if written >= self.lane.len() {
            let done = self.lane.messages().into();
            self.count_written(self.lane.label(), done);
            self.lane.clear();
            return;
        }
        let scratch = core::mem::take(&mut self.scratch);
        self.spill_lane_from(
            Part {
                bytes: &scratch,
                base: 0,
            },
            written,
        );
        self.scratch = scratch;
    }

    fn spill_lane_from(&mut self, scratch: Part<&[u8]>, written: usize) {
        let Some(at) = self.lane.owner() else { return };
        let offered = self.lane.is_offered();
        let mut lane = core::mem::take(&mut self.lane);
        let label = lane.label();
        let mut bytes = self.workspace.buffers.take_for(self.lane.len());
        let done = lane.unwritten(written, |start, end| {
            bytes.clear();
            lane.copy_out(scratch, start, end, &mut bytes);
            let frame = self.store.adopt(label, &bytes);
            let out = written.saturating_sub(start) as u32;
            self.slots[at]
                .queue
                .adopt(&mut self.nodes, &self.store, frame, out, offered);
        });
        self.workspace.give(bytes);
        self.count_written(label, done);
        lane.clear();
        self.lane = lane;
        if !self.slots[at].queue.is_empty() {
            self.mark_dirty(at);
        }
    }

    /// Counts frames of the lane that are out to their last byte.
    fn count_written(&mut self, label: Label, done: u64) {
        if done > 0
            && let Some(priority) = label.rank.priority()
        {
            self.counts.delivery.written += done;
            let age = micros(self.now.since(label.born));
            self.counts.priorities.written(priority, age, done);
        }
    }

    /// Whether the lane has pieces in the scratch while somebody else looks at
    /// that; then it cannot be spilled yet, and what must come behind it waits
    /// in `late`.
    pub(super) fn lane_is_held(&self) -> bool {
        self.scratch.is_empty() && self.lane.is_in_scratch()
    }

    /// After a callback: does what could not be done while its message was borrowed.
    pub(super) fn settle_lane(&mut self, scratch: Part<&mut [u8]>) {
        let Part { bytes, base } = scratch;
        self.lane.commit(Part {
            bytes: &mut *bytes,
            base,
        });
        if self.late.is_empty() {
            return;
        }
        let owner = self.lane.owner();
        self.spill_lane_from(Part { bytes, base }, 0);
        let mut late = core::mem::take(&mut self.late);
        for (frame, when_full) in late.drain(..) {
            if let Some(at) = owner {
                self.push_counted(at, frame, when_full);
            }
            self.store.release(frame);
        }
        self.late = late;
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = self.counts;
        stats.rooms.rooms = self.rooms.len() as u64;
        stats.deflate += self.workspace.codec.counts();
        stats.deflate.context_bytes = self.context_bytes as u64;
        stats.links.frame_bytes = self.store.held_bytes();
        stats.links.charged_bytes = self.charged() as u64;
        stats.delivery.waiting = u64::from(self.lane.messages());
        stats.delivery.waiting_bytes = self.lane.len() as u64;
        for (_, slot) in self.slots.iter() {
            // Of one that has gone, the slot may still wait for letters about it.
            stats.links.held += u64::from(!slot.flags.released);
            stats.links.active += u64::from(slot.flags.upgraded && slot.phase != Phase::Gone);
            stats.delivery.waiting += u64::from(slot.queue.messages());
            stats.delivery.waiting_bytes += u64::from(slot.queue.bytes());
            stats.rooms.members += slot.memberships.len() as u64;
            let waiting = &mut stats.waiting;
            match slot.pending.as_ref().and_then(|pending| pending.wait) {
                Some(Wait::Joined | Wait::Left(_)) => waiting.home += 1,
                Some(Wait::Credit(_)) => waiting.credit += 1,
                Some(Wait::Queue) => waiting.queue += 1,
                Some(Wait::Task) => waiting.task += 1,
                Some(Wait::Callback) | None => {}
            }
        }
        stats
    }

    /// The answer to a request, before everything else.
    pub(super) fn push_head(&mut self, at: u32, bytes: &[u8]) {
        let frame = self.store.adopt(Rank::HEAD, bytes);
        self.push_control(at, frame);
    }
}

/// Messages offered to queues at a stretch: some milliseconds of work, which
/// one read can ask for that holds thousands of messages to thousands of members.
const MOST_OFFERED: u64 = 1 << 18;
/// Outputs that may wait while more is taken in.
const MOST_OUTPUTS: usize = 1_024;
/// Room before the read area, so that the piece of a frame that was left over
/// can be put in front of what follows it without moving that.
pub(super) const HEADROOM: usize = 256;
/// How much is read at once, in bytes. Less costs big messages a copy, more brings nothing.
pub(super) const SCRATCH: usize = 256 << 10;
