//! Delivery of publications to the members on this shard: encoded once, copied once, queued
//! by reference. A channel with at most [`Config::fan_out_slice`] members is served at once.
//! In a larger one, publications wait in a line of the channel's own, and their members are
//! visited in slices, one slice a turn; so no publication keeps the shard from everything
//! else for long. Does not own credits, which bound how many publications are unfinished.
//!
//! The outcome is that of a delivery at once: who is a member when a publication comes here
//! gets it, exactly once and in the order of the channel. Members are visited from the last
//! to the first, and [`Rooms`](crate::channels::registry::Rooms) keeps those that are still to be visited
//! at the start of the list. Who joins meanwhile is entered in `joined`. Who leaves before
//! being visited is given on leaving what was published before.
//!
//! [`Config::fan_out_slice`]: crate::Config::fan_out_slice

use alloc::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::app::Handler;
use crate::channels::message::{MessageBody, Origin, Publication, ShardMessage};
use crate::delivery::{BatchFrame, EncodedFrames, EncodedVariants, Payload, Recipients};
use crate::session::slot::Phase;
use crate::shard::engine::Engine;
use crate::sync::SharedRef;

/// Publications that are not yet queued for all members here.
#[derive(Debug)]
pub(crate) struct FanOuts {
    /// By the number of the room; those to everyone have [`EVERYONE`].
    channels: HashMap<u32, Channel, FixedState>,
    /// The same channels, the one whose slice is next first.
    order: VecDeque<u32>,
    publications: usize,
    /// Bytes of their payloads.
    bytes: usize,
    /// Whether this turn has had its slice.
    is_sliced: bool,
    /// How many were queued for in the last slice.
    queued: u32,
    /// Connections flushed since.
    flushed: u32,
}

/// The unfinished publications of one channel.
#[derive(Debug, Default)]
struct Channel {
    /// In the order of the channel.
    publications: VecDeque<Unfinished>,
    /// The number of the first, counted from when the channel had none.
    first: u64,
    /// So many, from the first on, are being delivered, together.
    active: usize,
    /// Those as one frame.
    batch: Option<BatchFrame>,
    /// Members that came while there were unfinished publications, by slot: the number of the
    /// first publication that is for them.
    joined: HashMap<u32, u64, FixedState>,
    /// Of the slots of a shard, how many from the first on are not visited yet, where it is
    /// said to everyone. Of a room, the room knows.
    unvisited: u32,
}

#[derive(Debug)]
struct Unfinished {
    parcel: SharedRef<Publication>,
    frames: EncodedFrames,
}

/// Stands for the room that everyone is in.
pub(crate) const EVERYONE: u32 = u32::MAX;

impl FanOuts {
    pub(crate) fn new() -> Self {
        Self {
            channels: HashMap::with_hasher(FixedState::default()),
            order: VecDeque::new(),
            publications: 0,
            bytes: 0,
            is_sliced: false,
            queued: 0,
            flushed: 0,
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many publications are unfinished.
    pub(crate) const fn publications(&self) -> usize {
        self.publications
    }

    /// Bytes of memory.
    pub(crate) const fn memory(&self) -> usize {
        self.bytes + self.publications * (size_of::<Publication>() + size_of::<Unfinished>())
    }

    /// A new turn begins, with a slice of its own.
    pub(crate) const fn begin_turn(&mut self) {
        self.is_sliced = false;
    }

    /// Whether a slice would be due, had this turn had none: what was queued in the last one
    /// is on its way. So what waits to be flushed is bounded, and what is flushed bounds how
    /// long a slice waits for others.
    pub(crate) fn are_due(&self, nothing_to_flush: bool) -> bool {
        !self.order.is_empty() && (nothing_to_flush || self.flushed >= self.queued)
    }

    /// Whether there are unfinished publications to this channel.
    #[inline]
    fn has(&self, channel: u32) -> bool {
        !self.order.is_empty() && self.channels.contains_key(&channel)
    }

    /// Takes note of somebody who has come to this channel, and is not to get what was
    /// published before.
    #[inline]
    pub(crate) fn joined(&mut self, channel: u32, at: u32) {
        if !self.order.is_empty()
            && let Some(channel) = self.channels.get_mut(&channel)
        {
            let next = channel.first + channel.publications.len() as u64;
            channel.joined.insert(at, next);
        }
    }
}

impl Channel {
    /// What of its unfinished publications is for a member, given which those are that it
    /// was to get at the latest, by their places in line.
    fn due_from(&self, at: u32) -> usize {
        let since = self.joined.get(&at).copied().unwrap_or_default();
        since.saturating_sub(self.first) as usize
    }
}

impl<H: Handler> Engine<H> {
    /// Whether publications to this channel wait in line: there are too many members for one
    /// slice, or others are unfinished.
    #[inline]
    pub(crate) fn is_sliced(&self, channel: u32) -> bool {
        let members = match channel {
            EVERYONE => self.slots.len() as usize,
            room => self.rooms.members(room).len(),
        };
        members > self.config.fan_out_slice || self.fan_outs.has(channel)
    }

    /// Queues a publication for everyone on this shard whom it concerns, in this turn or in
    /// several.
    pub(crate) fn fan_out(&mut self, parcel: SharedRef<Publication>) {
        let channel = match &parcel.room {
            Some(name) => self.rooms.find(name),
            None => Some(EVERYONE),
        };
        if let Some(channel) = channel.filter(|&channel| self.is_sliced(channel)) {
            self.line_up_publication(channel, parcel);
            return;
        }
        let before = parcel.tally.as_ref().map(|_| self.counted());
        if let Some(channel) = channel {
            let except = self.left_out(&parcel);
            let variants = self.variants_of(&parcel);
            self.send_to_channel(channel, variants, except);
        }
        if let (Some(tally), Some(before)) = (&parcel.tally, before) {
            tally.add(self.counted_since(before));
        }
        self.finish_publication(parcel);
    }

    /// Queues a publication for the members of a channel that are here.
    pub(crate) fn send_to_channel(
        &mut self,
        channel: u32,
        variants: EncodedVariants<'_>,
        except: Option<u32>,
    ) {
        match channel {
            EVERYONE => self.out.send_to_all(variants, except),
            room => self
                .out
                .send_to_members(self.rooms.list(room, except), variants),
        }
    }

    /// Returns a publication from any shard, with no frame made of it yet.
    fn variants_of<'a>(&self, publication: &'a Publication) -> EncodedVariants<'a> {
        let Publication {
            room,
            options,
            published,
            kind,
            payload,
            packed,
            ..
        } = publication;
        let meta = options.meta(|| self.rooms.scope_of(room.as_deref()), *published);
        let payload = Payload::Shared(payload, packed);
        self.out.variants(meta, options.overflow, *kind, payload)
    }

    /// Before a flush: whether a slice is to be done first.
    #[cold]
    pub(crate) fn may_fan_out(&mut self) -> bool {
        let is_due = !self.fan_outs.is_sliced && self.has_slice();
        self.fan_outs.flushed = self.fan_outs.flushed.saturating_add(u32::from(!is_due));
        is_due
    }

    /// Whether a slice is to be done in this turn or the next.
    pub(crate) fn has_slice(&self) -> bool {
        !self.out.is_backpressured() && self.fan_outs.are_due(self.out.scheduled() == 0)
    }

    /// Visits the next members of the channel whose turn it is.
    #[cold]
    pub(crate) fn fan_out_slice(&mut self) {
        let Some(at) = self.fan_outs.order.pop_front() else {
            return;
        };
        self.fan_outs.is_sliced = true;
        self.counts.rooms.slices += 1;
        let mut channel = self.take_channel(at);
        let offered = self.out.offered();
        let mut left = self.config.fan_out_slice;
        while left > 0 && !channel.publications.is_empty() {
            if channel.active == 0 {
                self.begin_visit(at, &mut channel);
            }
            if self.visit_some(at, &mut channel, &mut left) {
                self.end_visit(&mut channel);
                left = left.saturating_sub(1);
            }
        }
        // This is not what others have asked for in this turn.
        self.out.exempt_since(offered);
        self.fan_outs.queued = (self.config.fan_out_slice - left) as u32;
        self.fan_outs.flushed = 0;
        if channel.publications.is_empty() {
            if at != EVERYONE {
                self.rooms.release(at);
            }
        } else {
            self.fan_outs.channels.insert(at, channel);
            self.fan_outs.order.push_back(at);
        }
        self.keep_within_budget();
    }

    /// Gives somebody who leaves a channel, or ends, what was published before and has not
    /// come to it.
    #[inline]
    pub(crate) fn deliver_rest(&mut self, channel: u32, at: u32, place: u32) {
        if self.fan_outs.has(channel) {
            self.deliver_rest_of(channel, at, place);
        }
    }

    #[cold]
    fn deliver_rest_of(&mut self, id: u32, at: u32, place: u32) {
        let mut channel = self.take_channel(id);
        let unvisited = match id {
            EVERYONE => channel.unvisited,
            room => self.rooms.unvisited(room),
        };
        // What is not under way yet is for all who are there.
        let begin = if place < unvisited { 0 } else { channel.active };
        let begin = begin.max(channel.due_from(at));
        channel.joined.remove(&at);
        for unfinished in channel.publications.iter_mut().skip(begin) {
            let Unfinished { parcel, frames } = unfinished;
            if self.left_out(parcel) == Some(at) {
                continue;
            }
            let before = self.counted();
            let mut variants = self.variants_of(parcel).with_frames(*frames);
            self.out.send_variant(at, &mut variants);
            *frames = variants.frames();
            if let Some(tally) = &parcel.tally {
                tally.add(self.counted_since(before));
            }
        }
        self.fan_outs.channels.insert(id, channel);
    }

    /// What is unfinished of a shard that has failed, as letters, for the one that takes its
    /// place: it has no members, and lets those know who published it.
    pub(crate) fn unfinished(&mut self) -> impl Iterator<Item = ShardMessage> + use<'_, H> {
        let channels = &mut self.fan_outs.channels;
        let order = self.fan_outs.order.iter();
        let unfinished = order.filter_map(|at| channels.remove(at));
        unfinished
            .flat_map(|channel| channel.publications)
            .map(|unfinished| ShardMessage(MessageBody::Deliver(unfinished.parcel)))
    }

    fn take_channel(&mut self, at: u32) -> Channel {
        self.fan_outs.channels.remove(&at).unwrap_or_default()
    }

    fn line_up_publication(&mut self, at: u32, parcel: SharedRef<Publication>) {
        let fan_outs = &mut self.fan_outs;
        fan_outs.publications += 1;
        fan_outs.bytes += parcel.payload.len();
        let channel = fan_outs.channels.entry(at).or_insert_with(|| {
            fan_outs.order.push_back(at);
            if at != EVERYONE {
                self.rooms.hold(at);
            }
            Channel::default()
        });
        channel.publications.push_back(Unfinished {
            parcel,
            frames: EncodedFrames::default(),
        });
    }

    /// Who is to be left out of a publication, of those on this shard.
    fn left_out(&self, publication: &Publication) -> Option<u32> {
        match publication.origin {
            Origin::Conn(from) if publication.exclude_sender => self.slots.find(from.conn),
            Origin::Conn(_) | Origin::Outside(_) => None,
        }
    }

    /// Begins with the first publication in line, and what may go along with it.
    fn begin_visit(&mut self, at: u32, channel: &mut Channel) {
        channel.active = 1;
        match at {
            EVERYONE => channel.unvisited = self.slots.len(),
            room => {
                self.rooms.begin_visit(room);
                self.batch(room, channel);
            }
        }
    }

    /// Merges the first publications of a channel that have the same recipients and options.
    fn batch(&mut self, room: u32, channel: &mut Channel) {
        let limits = self.out.batch_limits();
        let mut bytes = 0;
        let mut first: Option<Recipients> = None;
        let alike = channel.publications.iter().take_while(|unfinished| {
            let Unfinished { parcel, frames } = unfinished;
            let variants = self.variants_of(parcel).with_frames(*frames);
            let members = self.rooms.list(room, self.left_out(parcel));
            let recipients = Recipients::new(members, &variants);
            bytes += variants.framed_len();
            parcel.tally.is_none()
                && self.out.may_be_batched(&variants)
                && bytes <= limits.bytes as usize
                && recipients == *first.get_or_insert(recipients)
        });
        let alike = alike.take(limits.messages as usize).count();
        if alike < 2 {
            return;
        }
        let publications = channel.publications.iter().take(alike);
        let mut variants: SmallVec<[EncodedVariants<'_>; 16]> = publications
            .map(|u| self.variants_of(&u.parcel).with_frames(u.frames))
            .collect();
        channel.batch = self.out.merge(&mut variants);
        let frames: SmallVec<[EncodedFrames; 16]> =
            variants.iter().map(EncodedVariants::frames).collect();
        drop(variants);
        for (unfinished, frames) in channel.publications.iter_mut().zip(frames) {
            unfinished.frames = frames;
        }
        channel.active = alike;
    }

    /// Visits members as long as something is `left`; whether all have been.
    fn visit_some(&mut self, id: u32, channel: &mut Channel, left: &mut usize) -> bool {
        let (active, first) = (channel.active, channel.first);
        let Channel {
            publications,
            joined,
            unvisited,
            batch,
            ..
        } = channel;
        let except = publications.front().and_then(|u| self.left_out(&u.parcel));
        let tally = publications.front().and_then(|u| u.parcel.tally.as_ref());
        let before = self.counted();
        let active = publications.iter().take(active);
        let mut variants: SmallVec<[EncodedVariants<'_>; 1]> = active
            .map(|u| self.variants_of(&u.parcel).with_frames(u.frames))
            .collect();
        let is_over = loop {
            let is_over = match id {
                EVERYONE => *unvisited == 0,
                room => self.rooms.unvisited(room) == 0,
            };
            if is_over || *left == 0 {
                break is_over;
            }
            let next = match id {
                EVERYONE => {
                    *unvisited -= 1;
                    Some(*unvisited)
                }
                room => self.rooms.visit(room),
            };
            let Some(at) = next else { break true };
            *left -= 1;
            let mut skip = 0;
            if let Some(&since) = joined.get(&at) {
                skip = since.saturating_sub(first) as usize;
                if skip <= variants.len() {
                    // What comes from here on is for it as for any other.
                    joined.remove(&at);
                }
            }
            // The place of one that has gone may have been given back.
            let is_there = at < self.slots.len() && self.slots[at].phase == Phase::Open;
            if except == Some(at) || !is_there {
                continue;
            }
            if skip == 0 && batch.is_some_and(|batch| self.out.send_batch(at, batch)) {
                continue;
            }
            let due = variants.len().saturating_sub(skip);
            *left = left.saturating_sub(due.saturating_sub(1));
            for variants in variants.iter_mut().skip(skip) {
                self.out.send_variant(at, variants);
            }
        };
        if let Some(tally) = tally {
            tally.add(self.counted_since(before));
        }
        let frames: SmallVec<[EncodedFrames; 1]> =
            variants.iter().map(EncodedVariants::frames).collect();
        drop(variants);
        for (unfinished, frames) in publications.iter_mut().zip(frames) {
            unfinished.frames = frames;
        }
        is_over
    }

    /// Everyone has been visited who was to be.
    fn end_visit(&mut self, channel: &mut Channel) {
        let batch = channel.batch.take();
        if let Some(batch) = batch {
            self.out.release_batch(batch);
        }
        for _ in 0..core::mem::take(&mut channel.active) {
            let Some(Unfinished { parcel, frames }) = channel.publications.pop_front() else {
                return;
            };
            channel.first += 1;
            if batch.is_none() {
                self.out.release_variants(frames);
            }
            self.fan_outs.publications -= 1;
            self.fan_outs.bytes -= parcel.payload.len();
            self.finish_publication(parcel);
        }
    }
}

#[cfg(any(test, feature = "testing"))]
impl<H: Handler> Engine<H> {
    /// Asserts that what is kept twice agrees.
    pub(crate) fn audit_fan_outs(&self) {
        let fan_outs = &self.fan_outs;
        assert_eq!(fan_outs.order.len(), fan_outs.channels.len());
        let (mut publications, mut bytes) = (0, 0);
        for at in &fan_outs.order {
            let channel = &fan_outs.channels[at];
            assert!(!channel.publications.is_empty());
            assert!(channel.active <= channel.publications.len());
            publications += channel.publications.len();
            let payloads = channel.publications.iter().map(|u| u.parcel.payload.len());
            bytes += payloads.sum::<usize>();
            let last = channel.first + channel.publications.len() as u64;
            for (&slot, &since) in &channel.joined {
                assert!(since <= last);
                assert_eq!(self.slots[slot].phase, Phase::Open);
            }
        }
        assert_eq!(
            (publications, bytes),
            (fan_outs.publications, fan_outs.bytes)
        );
        for room in 0..self.rooms.places() {
            let unvisited = self.rooms.unvisited(room) as usize;
            assert!(unvisited <= self.rooms.members(room).len());
            assert!(unvisited == 0 || fan_outs.channels[&room].active > 0);
        }
    }
}
