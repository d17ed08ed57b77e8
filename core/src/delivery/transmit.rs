//! Owns what goes out: which bytes one write gets, and what follows from how
//! many of them were taken.

use smallvec::SmallVec;

use crate::app::{Backpressure, Handler};
use crate::delivery::frame::{Chunks, FrameId, Slice, Store};
use crate::delivery::reply_buffer::Part;
use crate::id::ConnId;
use crate::proto::http::response;
use crate::session::deferred::Wait;
use crate::session::slot::{Phase, Pressing};
use crate::session::timers::tolerance;
use crate::shard::Shard;
use crate::shard::engine::Engine;
use crate::time::Timestamp;

impl<H: Handler> Shard<H> {
    /// The connection whose replies stand in the fast lane. Flushing it before
    /// the next [`read_buffer`](Self::read_buffer) saves them a copy, and asking
    /// again after that until there is none saves one of what was read and waits
    /// for the flush; not doing so costs only that.
    pub fn poll_reply(&mut self) -> Option<ConnId> {
        while self.engine.lane.owner().is_none()
            && !self.engine.is_pressed()
            && let Some((at, range)) = self.engine.rest.take()
        {
            self.go_on_in_scratch(at, range);
        }
        Some(self.engine.slots.id(self.engine.lane.owner()?))
    }

    /// What is to be written to this connection next, up to about
    /// [`Config::write_batch`](crate::Config::write_batch) bytes. Say how much
    /// of it was written with [`handle_transmitted`](Self::handle_transmitted)
    /// before asking again. Until then the shard keeps what it offered as it was:
    /// other calls may come between, if the adapter has copied the bytes.
    //= https://www.rfc-editor.org/rfc/rfc6455#section-6.1
    //# The frame(s) that have been formed MUST be transmitted over the
    //# underlying network connection.
    pub fn poll_transmit<'a>(&'a mut self, id: ConnId, chunks: &mut Chunks<'a>) {
        let Some(at) = self.engine.slots.find(id) else {
            return;
        };
        let mut plan = Plan::default();
        let has_lane = self.engine.plan(at, &mut plan);
        let engine = &self.engine;
        // Not by value: that would move room for the most there can be.
        for &slice in &plan.slices {
            chunks.push(match slice {
                Slice::Run(run, offset, len) => engine.store.span(run, offset, len),
                Slice::Body(frame, from) => &engine.store.bytes(frame).1[from as usize..],
            });
        }
        if has_lane {
            let scratch = Part {
                bytes: &engine.scratch[..],
                base: 0,
            };
            for slice in engine.lane.slices(scratch) {
                chunks.push(slice);
            }
        }
    }

    /// Takes note that the first `n` bytes of what
    /// [`poll_transmit`](Self::poll_transmit) offered were written. Less than
    /// all means that the socket takes no more for now: it is offered nothing
    /// until [`handle_writable`](Self::handle_writable).
    pub fn handle_transmitted(&mut self, now: Timestamp, id: ConnId, n: usize) {
        self.engine.now = now;
        if let Some(at) = self.engine.slots.find(id) {
            self.engine.transmitted(at, n);
        }
        self.settle();
    }

    /// Takes note that the socket takes bytes again.
    pub fn handle_writable(&mut self, now: Timestamp, id: ConnId) {
        self.engine.now = now;
        if let Some(at) = self.engine.slots.find(id) {
            self.engine.slots[at].flags.blocked = false;
            if !self.engine.slots[at].queue.is_empty() {
                self.engine.line_up(at);
            }
        }
    }

    /// Takes the answer to an [`Output::Metrics`](crate::shard::Output::Metrics).
    pub fn handle_answer(
        &mut self,
        now: Timestamp,
        id: ConnId,
        status: u16,
        content_type: &str,
        body: &[u8],
        head_only: bool,
    ) {
        self.engine.now = now;
        if let Some(at) = self.engine.slots.find(id)
            && self.engine.slots[at].phase == Phase::Answering
        {
            let mut out = self
                .engine
                .workspace
                .buffers
                .take_for(body.len() + PAGE_HEAD);
            response::page(&mut out, status, content_type, body, head_only);
            self.engine.begin_answer(at, &out);
            self.engine.workspace.give(out);
        }
        self.settle();
    }
}

impl<H: Handler> Engine<H> {
    /// Chooses what goes into the next write. True if the lane goes behind it.
    fn plan(&mut self, at: u32, plan: &mut Plan) -> bool {
        let before = (self.lane.owner() == Some(at)).then(|| self.lane.rank());
        let most = if before.is_some() {
            PLAN_BEFORE_LANE
        } else {
            Chunks::MAX
        };
        self.release_lapsed();
        let keeps_context = self.slots[at].conn.keeps_context();
        if keeps_context {
            self.launch_packed(at);
        }
        let moment = (self.now, self.starvation);
        let Self {
            slots,
            nodes,
            store,
            config,
            lapsed,
            ..
        } = self;
        let slot = &mut slots[at];
        slot.queue
            .for_each_in_flight(nodes, |frame, written| plan.add(store, frame, written));
        while !keeps_context
            && plan.bytes < config.write_batch
            && plan.slices.len() + 2 <= most
            && let Some(frame) = slot.queue.launch(nodes, store, moment, before, |frame| {
                lapsed.push(frame);
            })
        {
            plan.add(store, frame, 0);
        }
        slot.flags.offered = before.is_some() || slot.queue.in_flight();
        if before.is_some() {
            self.lane.set_offered(true);
        }
        self.count_lapsed(at);
        before.is_some()
    }

    /// Counts what has expired instead of being launched.
    #[inline]
    pub(crate) fn count_lapsed(&mut self, at: u32) {
        if !self.lapsed.is_empty() {
            self.count_some_lapsed(at);
        }
    }

    fn count_some_lapsed(&mut self, at: u32) {
        self.ledger.drops(at).expired += self.lapsed.len() as u64;
        for &frame in &self.lapsed {
            self.counts.delivery.expired += 1;
            let priority = self.store.rank(frame).priority();
            self.counts.priorities.of(priority).expired += 1;
        }
    }

    pub(crate) fn transmitted(&mut self, at: u32, n: usize) {
        self.counts.sent.bytes += n as u64;
        self.release_lapsed();
        let now = self.now;
        let Self {
            slots,
            nodes,
            store,
            counts,
            ..
        } = self;
        let slot = &mut slots[at];
        slot.flags.offered = false;
        // Of one that is ending, the last that waited may have expired instead.
        let had =
            slot.queue.in_flight() || self.lane.owner() == Some(at) || slot.phase == Phase::Closing;
        let rest = slot.queue.advance(nodes, store, n, |store, frame| {
            if let Some(priority) = store.rank(frame).priority() {
                let messages = store.messages(frame).into();
                counts.delivery.written += messages;
                let age = store.age(frame, now);
                counts.priorities.written(priority, age, messages);
            }
            store.release(frame);
        });
        let mut blocked = slot.queue.in_flight();
        // What is compressed with respect to what went before keeps its place.
        if !slot.conn.keeps_context() {
            slot.queue.settle(nodes, store);
        }
        if self.lane.owner() == Some(at) {
            blocked |= rest < self.lane.len();
            // First, or what is spilled would be offered to a socket that is full.
            slot.flags.blocked = blocked;
            self.lane.set_offered(false);
            self.spill_lane(rest);
        }
        let slot = &mut self.slots[at];
        slot.flags.blocked = blocked;
        if n > 0
            && let Some(since) = slot.stalled
            && let Some(rate) = self.config.read_rate()
        {
            let gap = rate.gap(slot.behind, since, now, tolerance(&self.config));
            slot.behind = rate.advance(slot.behind, gap, n);
        }
        let is_measured = blocked || slot.pace.is_measured();
        let (half, queue) = (self.half, &slot.queue);
        let half_empty = queue.messages() <= half.messages && queue.bytes() <= half.bytes;
        let is_empty = queue.is_empty();
        // What it has sent is gone on with where its queue has room again.
        let is_waiting = slot.pending.is_some();
        let is_pressing = slot.flags.pressing == Pressing::Yes;
        if blocked {
            if n > 0 || slot.stalled.is_none() {
                slot.stalled = Some(now);
                slot.flags.excused = false;
                self.rearm(at);
            }
            self.note_laggard(at);
        } else {
            slot.stalled = None;
            if !is_empty {
                self.line_up(at);
            } else {
                slot.behind = 0;
                if had {
                    self.after_write(at);
                }
            }
        }
        if is_pressing && (half_empty || blocked) {
            self.relieve(at);
        }
        if is_waiting && half_empty && !(blocked && H::OVERFLOW == Backpressure::PauseReads) {
            self.unpark(at, Wait::Queue);
        }
        if is_measured {
            self.measure_pace(at, n, blocked);
        }
    }
}

/// What goes into one write, before it is borrowed.
#[derive(Default)]
struct Plan {
    slices: SmallVec<[Slice; Chunks::MAX]>,
    bytes: usize,
}

impl Plan {
    fn add(&mut self, store: &Store, frame: FrameId, written: u32) {
        self.bytes += (store.len(frame) - written) as usize;
        let (run, offset, inline, whole) = store.place(frame);
        let skip = written.min(inline);
        let (offset, len) = (offset + skip, inline - skip);
        match self.slices.last_mut() {
            Some(Slice::Run(r, o, l)) if *r == run && *o + *l == offset => *l += len,
            _ if len > 0 => self.slices.push(Slice::Run(run, offset, len)),
            _ => {}
        }
        if !whole {
            self.slices.push(Slice::Body(frame, written - skip));
        }
    }
}

/// About as long as the head of an answer, in bytes.
const PAGE_HEAD: usize = 512;
/// Slices that leave room for the lane's.
const PLAN_BEFORE_LANE: usize = 7;
