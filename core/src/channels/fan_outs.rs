//! Unfinished publications to channels with more members than one slice, and later publications to
//! the same channels. Does not contain the credits that bound their number.
//!
//! They wait in a line of the channel's own, and its members are visited in slices, one slice a
//! turn; so no publication keeps the shard from everything else for long. Does not own credits,
//! which bound how many publications are unfinished.
//!
//! The outcome is that of a delivery at once: who is a member when a publication comes here
//! gets it, exactly once and in the order of the channel. Members are visited from the last
//! to the first, and [`Channels`] keeps those that are still to be visited at the start of the
//! list. Who joins meanwhile is entered in `joined`. Who leaves before being visited is given on
//! leaving what was published before.

use alloc::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::channels::delivery_report::counted;
use crate::channels::message::ShardPublication;
use crate::channels::registry::ChannelRegistry;
use crate::delivery::{BatchFrames, EncodedFrames, EncodedVariants, Outbound, Recipients};
use crate::sync::SharedRef;

/// Publications that are not yet queued for all members here.
#[derive(Debug)]
pub(crate) struct FanOuts {
    /// By the number of the channel; publications to everyone have [`EVERYONE`].
    channels: HashMap<u32, ChannelFanOuts, FixedState>,
    /// The same channels, the one whose slice is next first.
    order: VecDeque<u32>,
    publications: usize,
    /// Bytes of their payloads.
    bytes: usize,
    /// Members visited in a slice.
    slice: usize,
    /// Whether this turn has had its slice.
    is_sliced: bool,
    /// How many were queued for in the last slice.
    queued: u32,
    /// Connections flushed since.
    flushed: u32,
}

/// The unfinished publications of one channel.
#[derive(Debug, Default)]
struct ChannelFanOuts {
    /// In the order of the channel.
    publications: VecDeque<Unfinished>,
    /// The number of the first, counted from when the channel had none.
    first: u64,
    /// So many, from the first on, are being delivered, together.
    active: usize,
    /// Those as one frame.
    batch: Option<BatchFrames>,
    /// Members that came while there were unfinished publications, by slot: the number of the
    /// first publication that is for them.
    joined: HashMap<u32, u64, FixedState>,
    /// Of the slots of a shard, how many from the first on are not visited yet, where it is
    /// said to everyone. Of a channel, the channel knows.
    unvisited: u32,
}

#[derive(Debug)]
struct Unfinished {
    publication: SharedRef<ShardPublication>,
    /// The slot of its sender, if that is here and left out. Another connection that has come
    /// to this slot since then is in `joined`.
    except: Option<u32>,
    frames: EncodedFrames,
}

/// Stands for the channel that everyone is in.
pub(crate) const EVERYONE: u32 = u32::MAX;

impl FanOuts {
    pub(crate) fn new(slice: usize) -> Self {
        Self {
            slice,
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
        self.bytes + self.publications * (size_of::<ShardPublication>() + size_of::<Unfinished>())
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

    /// Returns whether publications to this channel have to wait in its line: it has more
    /// members than one slice, or others wait.
    #[inline]
    pub(crate) fn must_wait(&self, channel: u32, members: usize) -> bool {
        members > self.slice || self.has(channel)
    }

    /// Returns whether a slice is to be done in this turn or the next.
    pub(crate) fn has_slice(&self, out: &Outbound) -> bool {
        !out.is_backpressured() && self.are_due(out.scheduled() == 0)
    }

    /// Returns, before a flush, whether a slice is to be done first.
    #[cold]
    pub(crate) fn is_next(&mut self, out: &Outbound) -> bool {
        let is_due = !self.is_sliced && self.has_slice(out);
        self.flushed = self.flushed.saturating_add(u32::from(!is_due));
        is_due
    }

    /// Puts a publication at the end of the line of its channel.
    pub(crate) fn push(
        &mut self,
        registry: &mut ChannelRegistry,
        channel: u32,
        publication: SharedRef<ShardPublication>,
        except: Option<u32>,
    ) {
        self.publications += 1;
        self.bytes += publication.payload.len();
        let line = self.channels.entry(channel).or_insert_with(|| {
            self.order.push_back(channel);
            if channel != EVERYONE {
                registry.hold(channel);
            }
            ChannelFanOuts::default()
        });
        line.publications.push_back(Unfinished {
            publication,
            except,
            frames: EncodedFrames::default(),
        });
    }

    /// Visits the next members of the channel whose turn it is. Returns the publications that
    /// have been queued for all of their members.
    #[cold]
    pub(crate) fn deliver_slice(
        &mut self,
        registry: &mut ChannelRegistry,
        out: &mut Outbound,
    ) -> Finished {
        let mut finished = Finished::new();
        let Some(at) = self.order.pop_front() else {
            return finished;
        };
        self.is_sliced = true;
        let mut channel = self.channels.remove(&at).unwrap_or_default();
        let offered = out.offered();
        let mut left = self.slice;
        while left > 0 && !channel.publications.is_empty() {
            if channel.active == 0 {
                channel.begin_visit(at, registry, out);
            }
            if channel.visit_some(at, registry, out, &mut left) {
                self.end_visit(&mut channel, out, &mut finished);
                left = left.saturating_sub(1);
            }
        }
        // This is not what others have asked for in this turn.
        out.exempt_since(offered);
        self.queued = (self.slice - left) as u32;
        self.flushed = 0;
        if channel.publications.is_empty() {
            if at != EVERYONE {
                registry.release(at);
            }
        } else {
            self.channels.insert(at, channel);
            self.order.push_back(at);
        }
        finished
    }

    /// Everyone has been visited who was to be.
    fn end_visit(
        &mut self,
        channel: &mut ChannelFanOuts,
        out: &mut Outbound,
        finished: &mut Finished,
    ) {
        if let Some(batch) = channel.batch.take() {
            out.release_batch(batch);
        }
        for _ in 0..core::mem::take(&mut channel.active) {
            let Some(unfinished) = channel.publications.pop_front() else {
                return;
            };
            channel.first += 1;
            out.release_variants(unfinished.frames);
            self.publications -= 1;
            self.bytes -= unfinished.publication.payload.len();
            finished.push(unfinished.publication);
        }
    }

    /// Gives a connection that leaves a channel, or ends, what was published before and has not
    /// come to it. `place` is its place among the members.
    #[inline]
    pub(crate) fn deliver_rest(
        &mut self,
        registry: &ChannelRegistry,
        out: &mut Outbound,
        channel: u32,
        at: u32,
        place: u32,
    ) {
        if self.has(channel)
            && let Some(line) = self.channels.get_mut(&channel)
        {
            line.deliver_rest(channel, at, place, registry, out);
        }
    }

    /// Asserts that what is kept twice agrees. `is_open` tells whether a slot has an open
    /// connection.
    #[cfg(feature = "testing")]
    pub(crate) fn audit(&self, registry: &ChannelRegistry, is_open: impl Fn(u32) -> bool) {
        assert_eq!(self.order.len(), self.channels.len());
        let (mut publications, mut bytes) = (0, 0);
        for at in &self.order {
            let channel = &self.channels[at];
            assert!(!channel.publications.is_empty());
            assert!(channel.active <= channel.publications.len());
            publications += channel.publications.len();
            let waiting = channel.publications.iter();
            bytes += waiting.map(|u| u.publication.payload.len()).sum::<usize>();
            let last = channel.first + channel.publications.len() as u64;
            for (&slot, &since) in &channel.joined {
                assert!(since <= last && is_open(slot));
            }
        }
        assert_eq!((publications, bytes), (self.publications, self.bytes));
        for channel in 0..registry.places() {
            let unvisited = registry.unvisited(channel) as usize;
            assert!(unvisited <= registry.members(channel).len());
            assert!(unvisited == 0 || self.channels[&channel].active > 0);
        }
    }
}

/// Publications that have been queued for all of their members.
pub(crate) type Finished = SmallVec<[SharedRef<ShardPublication>; 4]>;

impl ChannelFanOuts {
    /// What of its unfinished publications is for a member, given which those are that it
    /// was to get at the latest, by their places in line.
    fn due_from(&self, at: u32) -> usize {
        let since = self.joined.get(&at).copied().unwrap_or_default();
        since.saturating_sub(self.first) as usize
    }

    /// Begins with the first publication in line, and what may go along with it.
    fn begin_visit(&mut self, at: u32, registry: &mut ChannelRegistry, out: &mut Outbound) {
        self.active = 1;
        match at {
            EVERYONE => self.unvisited = out.connections(),
            channel => {
                registry.begin_visit(channel);
                self.merge(channel, registry, out);
            }
        }
    }

    /// Merges the first publications that have the same recipients and options.
    fn merge(&mut self, channel: u32, registry: &ChannelRegistry, out: &mut Outbound) {
        let limits = out.batch_limits();
        let mut bytes = 0;
        let mut first: Option<Recipients> = None;
        let alike = self.publications.iter().take_while(|unfinished| {
            let variants = unfinished.variants(registry, out);
            let recipients = Recipients::new(registry.list(channel, unfinished.except), &variants);
            bytes += variants.framed_len();
            unfinished.publication.counters.is_none()
                && out.may_be_batched(&variants)
                && bytes <= limits.bytes as usize
                && recipients == *first.get_or_insert(recipients)
        });
        let alike = alike.take(limits.messages as usize).count();
        if alike < 2 {
            return;
        }
        let mut variants: SmallVec<[EncodedVariants<'_>; 16]> = SmallVec::new();
        let publications = self.publications.iter_mut().take(alike);
        variants.extend(
            publications
                .map(|each| taken_variants(&each.publication, &mut each.frames, registry, out)),
        );
        let forms = registry.list(channel, None).forms;
        self.batch = Some(out.merge(&mut variants, forms));
        let frames: SmallVec<[EncodedFrames; 16]> = variants
            .into_iter()
            .map(EncodedVariants::into_frames)
            .collect();
        for (unfinished, frames) in self.publications.iter_mut().zip(frames) {
            unfinished.frames = frames;
        }
        self.active = alike;
    }

    /// Visits members as long as something is `left`. Returns whether all have been.
    fn visit_some(
        &mut self,
        id: u32,
        registry: &mut ChannelRegistry,
        out: &mut Outbound,
        left: &mut usize,
    ) -> bool {
        let (active, first) = (self.active, self.first);
        let Self {
            publications,
            joined,
            unvisited,
            batch,
            ..
        } = self;
        let except = publications.front().and_then(|each| each.except);
        let mut counters = None;
        let mut variants: SmallVec<[EncodedVariants<'_>; 1]> = SmallVec::new();
        for unfinished in publications.iter_mut().take(active) {
            let (publication, frames) = (&unfinished.publication, &mut unfinished.frames);
            // One that has any is alone.
            counters = publication.counters.as_ref();
            variants.push(taken_variants(publication, frames, registry, out));
        }
        let before = counters.map(|_| counted(out));
        let is_over = loop {
            let is_over = match id {
                EVERYONE => *unvisited == 0,
                channel => registry.unvisited(channel) == 0,
            };
            if is_over || *left == 0 {
                break is_over;
            }
            let next = match id {
                EVERYONE => {
                    *unvisited -= 1;
                    Some(*unvisited)
                }
                channel => registry.visit(channel),
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
            if except == Some(at) || !out.takes_messages(at) {
                continue;
            }
            if skip == 0
                && batch
                    .as_ref()
                    .is_some_and(|batch| out.send_batch(at, batch))
            {
                continue;
            }
            let due = variants.len().saturating_sub(skip);
            *left = left.saturating_sub(due.saturating_sub(1));
            for variants in variants.iter_mut().skip(skip) {
                out.send_variant(at, variants);
            }
        };
        if let (Some(counters), Some(before)) = (counters, before) {
            counters.add(counted(out).since(before));
        }
        let frames: SmallVec<[EncodedFrames; 1]> = variants
            .into_iter()
            .map(EncodedVariants::into_frames)
            .collect();
        for (unfinished, frames) in publications.iter_mut().zip(frames) {
            unfinished.frames = frames;
        }
        is_over
    }

    #[cold]
    fn deliver_rest(
        &mut self,
        id: u32,
        at: u32,
        place: u32,
        registry: &ChannelRegistry,
        out: &mut Outbound,
    ) {
        let unvisited = match id {
            EVERYONE => self.unvisited,
            channel => registry.unvisited(channel),
        };
        // What is not under way yet is for all who are there.
        let begin = if place < unvisited { 0 } else { self.active };
        let begin = begin.max(self.due_from(at));
        self.joined.remove(&at);
        for unfinished in self.publications.iter_mut().skip(begin) {
            if unfinished.except == Some(at) {
                continue;
            }
            let (publication, frames) = (&unfinished.publication, &mut unfinished.frames);
            let counters = publication.counters.as_ref();
            let before = counters.map(|_| counted(out));
            let mut variants = taken_variants(publication, frames, registry, out);
            out.send_variant(at, &mut variants);
            let frames = variants.into_frames();
            if let (Some(counters), Some(before)) = (counters, before) {
                counters.add(counted(out).since(before));
            }
            unfinished.frames = frames;
        }
    }
}

impl Unfinished {
    /// Returns the publication as if no frame had been made of it.
    fn variants(&self, registry: &ChannelRegistry, out: &Outbound) -> EncodedVariants<'_> {
        self.publication.variants(registry, out)
    }
}

/// Returns a publication with the frames that have been made of it, which must be put back.
fn taken_variants<'a>(
    publication: &'a ShardPublication,
    frames: &mut EncodedFrames,
    registry: &ChannelRegistry,
    out: &Outbound,
) -> EncodedVariants<'a> {
    let frames = core::mem::take(frames);
    publication.variants(registry, out).with_frames(frames)
}
