//! Writes: the bytes of one write, and the state after a part of them was written.

use alloc::boxed::Box;

use crate::delivery::conn::{LinkState, Pressure, Takes, Written};
use crate::delivery::frame::{Chunks, FrameId, Store};
use crate::delivery::reply_buffer::{Part, ReplyBuffer};
use crate::delivery::{DeliveryCounts, Drops, Outbound};
use crate::time::Timestamp;

impl Outbound {
    /// Offers what is to be written to a connection next, up to about one
    /// [`write_batch`](crate::Config::write_batch). It stays as it is until
    /// [`transmitted`](Self::transmitted).
    #[inline]
    pub(crate) fn offer<'a>(&'a mut self, at: u32, chunks: &mut Chunks<'a>) {
        if self.is_sealed(at) {
            return self.offer_sealed(at, chunks);
        }
        self.offer_plain(at, chunks);
    }

    #[inline]
    pub(super) fn offer_plain<'a>(&'a mut self, at: u32, chunks: &mut Chunks<'a>) {
        let has_replies = self.replies.owner() == Some(at);
        let before = has_replies.then(|| self.replies.rank());
        let most = if has_replies {
            SLICES_BEFORE_REPLIES
        } else {
            Chunks::MAX
        };
        self.release_expired();
        let keeps_context = self.conns[at].compressor.keeps_context();
        if keeps_context {
            self.launch_compressed(at);
        }
        let moment = (self.now, self.settings.starvation);
        let write_batch = self.settings.write_batch;
        let Self {
            conns,
            nodes,
            store,
            replies,
            scratch,
            expired,
            drops,
            counts,
            lost,
            ..
        } = self;
        let store: &'a Store = store;
        let conn = &mut conns[at];
        let mut plan = WritePlan::new(store, chunks);
        // Replies are mostly alone.
        if !conn.queue.is_empty() {
            conn.queue
                .for_each_in_flight(nodes, |frame, written| plan.add(frame, written));
            while !keeps_context
                && plan.bytes < write_batch
                && plan.slices + 2 <= most
                && let Some(frame) = conn.queue.launch(nodes, store, moment, before, |frame| {
                    expired.push(frame);
                })
            {
                plan.add(frame, 0);
            }
            plan.end_span();
        }
        conn.offered = has_replies || conn.queue.in_flight();
        if !expired.is_empty() {
            count_expired(expired, store, counts, drops.of(at));
            if conn.takes == Takes::Messages {
                let streams = expired.iter().filter_map(|&frame| store.stream(frame));
                lost.extend(streams.map(|stream| (at, stream)));
            }
        }
        if has_replies {
            replies.set_offered(true);
            let scratch = Part {
                bytes: &scratch.bytes[..],
                base: 0,
            };
            let replies: &'a ReplyBuffer = replies;
            for slice in replies.slices(scratch) {
                chunks.push(slice);
            }
        }
    }

    /// Takes note that the first `n` bytes of what was [offered](Self::offer) were written. Less
    /// than all means that the socket is full until [`writable`](Self::writable).
    // Of the shard's only caller this is a part.
    #[inline(always)]
    pub(crate) fn transmitted(&mut self, at: u32, n: usize) -> Written {
        self.counts.sent.bytes += n as u64;
        self.advance(at, n)
    }

    /// Takes note that the first `n` bytes of the frames in flight are out.
    #[inline(always)]
    pub(super) fn advance(&mut self, at: u32, n: usize) -> Written {
        self.release_expired();
        let now = self.now;
        let owns_replies = self.replies.owner() == Some(at);
        let Self {
            conns,
            nodes,
            store,
            counts,
            ..
        } = self;
        let conn = &mut conns[at];
        conn.offered = false;
        let was_offered = conn.queue.in_flight() || owns_replies;
        let rest = conn.queue.advance(nodes, store, n, |store, frame| {
            if let Some(priority) = store.rank(frame).priority() {
                let messages = store.messages(frame).into();
                counts.delivery.written += messages;
                let age = store.age(frame, now);
                counts.priorities.written(priority, age, messages);
            }
            store.release(frame);
        });
        let mut is_blocked = conn.queue.in_flight();
        // What is compressed with respect to what went before keeps its place.
        if !conn.compressor.keeps_context() {
            conn.queue.settle(nodes, store);
        }
        if owns_replies {
            is_blocked |= rest < self.replies.len();
            // First, or what is spilled would be offered to a socket that is full.
            conn.stop.set_blocked(is_blocked);
            self.replies.set_offered(false);
            self.spill_replies(rest);
        }
        self.after_write(at, n, was_offered, is_blocked)
    }

    #[inline(always)]
    pub(super) fn after_write(
        &mut self,
        at: u32,
        n: usize,
        was_offered: bool,
        is_blocked: bool,
    ) -> Written {
        let now = self.now;
        let tolerance = self.settings.tolerance;
        let conn = &mut self.conns[at];
        conn.stop.set_blocked(is_blocked);
        if n > 0
            && let Some(link) = &mut conn.link
            && let Some(since) = link.stalled
            && let Some(rate) = self.settings.read_rate
        {
            let gap = rate.gap(link.behind, since, now, tolerance);
            link.behind = rate.advance(link.behind, gap, n);
        }
        let is_empty = conn.queue.is_empty();
        let is_pressing = conn.pressure == Pressure::Yes;
        let is_measured = is_blocked
            || conn
                .link
                .as_ref()
                .is_some_and(|link| link.rate.is_measured());
        let mut restarts_timer = false;
        if is_blocked {
            let link = Self::link(&mut conn.link, &mut self.link_bytes);
            if n > 0 || link.stalled.is_none() {
                link.stalled = Some(now);
                restarts_timer = true;
            }
            self.add_to_shedding_list(at);
        } else {
            if let Some(link) = &mut conn.link {
                link.stalled = None;
                link.behind = if is_empty { 0 } else { link.behind };
            }
            if !is_empty {
                self.schedule(at);
            }
        }
        if is_pressing && (is_blocked || self.has_room(at)) {
            self.clear_pressure(at);
        }
        let unsent_limit = if is_measured {
            self.measure_pace(at, n, is_blocked)
        } else {
            None
        };
        Written {
            was_offered,
            is_blocked,
            is_empty,
            restarts_timer,
            unsent_limit,
        }
    }

    /// Returns whether so little waits for a connection that input need not wait for its socket.
    pub(crate) fn has_room(&self, at: u32) -> bool {
        let conn = &self.conns[at];
        let (queue, half) = (&conn.queue, self.settings.limits.half(conn.form));
        queue.messages() <= half.messages && queue.bytes() <= half.bytes
    }

    /// Takes note that the socket takes bytes again.
    pub(crate) fn writable(&mut self, at: u32) {
        let stop = &mut self.conns[at].stop;
        let was_blocked = stop.is_blocked();
        stop.set_blocked(false);
        // Where nothing waits any more, what waits for room is still to go on.
        if was_blocked || !self.conns[at].is_empty() {
            self.schedule(at);
        }
    }

    // ---- peers that take nothing, or too little ------------------------------------------------

    /// Returns since when the peer has taken nothing of what waits for it.
    pub(crate) fn stalled_since(&self, at: u32) -> Option<Timestamp> {
        self.conns[at].stalled()
    }

    /// Returns when a peer that takes nothing has to have taken something.
    pub(crate) fn write_deadline(&self, at: u32) -> Option<Timestamp> {
        let since = self.conns[at].stalled()?;
        Some(since.after(self.settings.write_timeout))
    }

    /// Returns when a peer that takes less than the minimum rate is too far behind.
    pub(crate) fn read_deadline(&self, at: u32) -> Option<Timestamp> {
        let link = self.conns[at].link.as_ref()?;
        Some(
            self.settings
                .read_rate?
                .deadline(link.behind, link.stalled?),
        )
    }

    /// Begins the time of a peer anew that has taken nothing. With `is_excused`, the time that
    /// has passed does not count for its rate.
    pub(crate) fn restart_stall(&mut self, at: u32, is_excused: bool) {
        let (now, rate) = (self.now, self.settings.read_rate);
        let conn = &mut self.conns[at];
        let link = Self::link(&mut conn.link, &mut self.link_bytes);
        if let Some(since) = link.stalled.replace(now)
            && let Some(rate) = rate.filter(|_| !is_excused)
        {
            link.behind = rate.advance(link.behind, now.since(since), 0);
        }
    }

    /// Forgets how far a peer is behind, for the time in which its close frame is written.
    pub(crate) fn forgive_rate(&mut self, at: u32) {
        if let Some(link) = &mut self.conns[at].link {
            link.stalled = link.stalled.map(|_| self.now);
            link.behind = 0;
        }
    }

    /// Returns what is known of a peer whose socket is full, from now on if nothing was.
    pub(super) fn link<'a>(
        link: &'a mut Option<Box<LinkState>>,
        bytes: &mut usize,
    ) -> &'a mut LinkState {
        link.get_or_insert_with(|| {
            *bytes += size_of::<LinkState>();
            Box::default()
        })
    }
}

/// Counts what has expired instead of being launched.
#[cold]
fn count_expired(
    expired: &[FrameId],
    store: &Store,
    counts: &mut DeliveryCounts,
    drops: &mut Drops,
) {
    drops.expired += expired.len() as u64;
    for &frame in expired {
        counts.delivery.expired += 1;
        let priority = store.rank(frame).priority();
        counts.priorities.of(priority).expired += 1;
    }
}

/// Puts frames into one write: neighbours in a run as one slice.
struct WritePlan<'a, 'b> {
    store: &'a Store,
    chunks: &'b mut Chunks<'a>,
    /// The run, the offset and the length of the slice that may still grow.
    span: (u32, u32, u32),
    /// Slices so far, that one included.
    slices: usize,
    bytes: usize,
}

impl<'a, 'b> WritePlan<'a, 'b> {
    #[inline]
    const fn new(store: &'a Store, chunks: &'b mut Chunks<'a>) -> Self {
        Self {
            store,
            chunks,
            span: (0, 0, 0),
            slices: 0,
            bytes: 0,
        }
    }

    #[inline]
    fn add(&mut self, frame: FrameId, written: u32) {
        let store = self.store;
        self.bytes += (store.len(frame) - written) as usize;
        let (run, offset, inline, whole) = store.place(frame);
        let skip = written.min(inline);
        let (offset, len) = (offset + skip, inline - skip);
        let (last_run, start, before) = self.span;
        if before > 0 && last_run == run && start + before == offset {
            self.span.2 += len;
        } else if len > 0 {
            self.end_span();
            self.span = (run, offset, len);
            self.slices += 1;
        }
        if !whole {
            self.end_span();
            let body = store.bytes(frame).1;
            self.chunks.push(&body[(written - skip) as usize..]);
            self.slices += 1;
        }
    }

    /// Gives away the slice that may still grow.
    #[inline]
    fn end_span(&mut self) {
        let (run, offset, len) = core::mem::take(&mut self.span);
        if len > 0 {
            self.chunks.push(self.store.span(run, offset, len));
        }
    }
}

/// Slices that leave room for those of the replies.
const SLICES_BEFORE_REPLIES: usize = 7;
