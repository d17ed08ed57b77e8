//! Batches: publications of one read to the same members with the same options, delivered together
//! as one frame for each member. A member costs as much for a batch as for one message.
//!
//! The members are those of the moment of publishing: a batch keeps its own list of them.

use alloc::vec::Vec;

use crate::config::Config;
use crate::delivery::Outbound;
use crate::delivery::conn::Takes;
use crate::delivery::frame::{FrameId, FrameMeta};
use crate::delivery::queue::{Limits, OverflowPolicy};
use crate::delivery::variants::EncodedVariants;
use crate::proto::ws::header::unmasked_len;
use crate::time::Timestamp;

/// The members of a channel at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Members<'a> {
    /// The number of the channel.
    pub(crate) channel: u32,
    /// Differs whenever the list differs.
    pub(crate) version: u64,
    pub(crate) list: &'a [u32],
    /// A member that is left out.
    pub(crate) except: Option<u32>,
}

/// Frames that are held back.
#[derive(Debug, Default)]
pub(super) struct Batch {
    recipients: Option<Recipients>,
    members: Vec<u32>,
    frames: Vec<FrameId>,
    bytes: usize,
}

/// Who gets a publication, and how. Publications can be batched if these are equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Recipients {
    channel: u32,
    version: u64,
    except: Option<u32>,
    priority: Option<u8>,
    overflow: OverflowPolicy,
    published: Timestamp,
}

/// Several publications as one frame, with a reference to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchFrame(FrameId);

impl Recipients {
    pub(crate) fn new(members: Members<'_>, variants: &EncodedVariants<'_>) -> Self {
        Self {
            channel: members.channel,
            version: members.version,
            except: members.except,
            priority: variants.meta().rank.priority(),
            overflow: variants.overflow(),
            published: variants.meta().born,
        }
    }
}

impl Batch {
    /// Returns how many messages and bytes a batch may have: so few that no queue overflows
    /// for which input does not wait.
    pub(super) fn limits(config: &Config) -> Limits {
        Limits {
            messages: MAX_MESSAGES.min(config.queue_messages / 4) as u32,
            bytes: MAX_BYTES.min(config.queue_bytes / 8) as u32,
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) const fn is_empty(&self) -> bool {
        self.recipients.is_none()
    }

    pub(super) fn memory(&self) -> usize {
        self.members.capacity() * size_of::<u32>() + self.frames.capacity() * size_of::<FrameId>()
    }

    pub(super) fn shrink(&mut self) {
        if self.recipients.is_none() {
            self.members = Vec::new();
        }
    }
}

impl Outbound {
    /// Queues a publication for the members of a channel, now or before anything else happens.
    #[inline]
    pub(crate) fn send_to_members(
        &mut self,
        members: Members<'_>,
        mut variants: EncodedVariants<'_>,
    ) {
        let recipients = Recipients::new(members, &variants);
        let may_wait = self.may_be_held_back(members, &variants);
        let len = variants.payload_len();
        let count = members.list.len();
        if !(may_wait && self.batch.recipients == Some(recipients) && self.batch_takes(count, len))
        {
            self.end_batch();
        }
        if !(may_wait && self.batch_takes(count, len)) {
            for &at in members.list {
                if members.except != Some(at) {
                    self.send_variant(at, &mut variants);
                }
            }
            self.release_variants(variants.frames());
            return;
        }
        let frame = self.plain_variant_to_keep(&mut variants);
        if self.batch.recipients.is_none() {
            self.batch.recipients = Some(recipients);
            self.batch.members.extend_from_slice(members.list);
        }
        self.batch.bytes += self.store.len(frame) as usize;
        self.batch.frames.push(frame);
    }

    /// Queues a publication for every open connection.
    pub(crate) fn send_to_all(&mut self, mut variants: EncodedVariants<'_>, except: Option<u32>) {
        for at in 0..self.conns.len() {
            if except != Some(at) && self.conns[at].takes == Takes::Messages {
                self.send_variant(at, &mut variants);
            }
        }
        self.release_variants(variants.frames());
    }

    /// Returns whether it makes no difference to anyone that a publication waits for what
    /// comes next.
    #[inline]
    fn may_be_held_back(&self, members: Members<'_>, variants: &EncodedVariants<'_>) -> bool {
        members.list.len() > usize::from(members.except.is_some())
            && self.may_be_batched(variants)
            // What comes behind the reply buffer is to be known as such at once.
            && !self.replies_are_held()
    }

    /// Returns whether a publication may be one of several that are queued as one frame.
    pub(crate) fn may_be_batched(&self, variants: &EncodedVariants<'_>) -> bool {
        let FrameMeta { deadline, key, .. } = variants.meta();
        variants.payload_len() <= MAX_PAYLOAD
            && !variants.may_be_compressed()
            && deadline.is_none()
            && key.is_none()
            // The rule against starvation counts single messages.
            && self.settings.starvation.after == 0
    }

    /// Returns how many messages and bytes may be one batch.
    pub(crate) const fn batch_limits(&self) -> Limits {
        self.settings.batch
    }

    /// Delivers the batch that is held back, if there is one.
    #[inline]
    pub(crate) fn end_batch(&mut self) {
        if self.batch.recipients.is_some() {
            self.deliver_batch();
        }
    }

    #[inline(never)]
    fn deliver_batch(&mut self) {
        let Some(recipients) = self.batch.recipients.take() else {
            return;
        };
        let mut frames = core::mem::take(&mut self.batch.frames);
        let mut members = core::mem::take(&mut self.batch.members);
        self.batch.bytes = 0;
        // One alone is queued in the same way; what cannot be merged, one by one.
        let batch = match frames[..] {
            [one] => Some(one),
            _ => self.store.merge(&frames),
        };
        let mut saved = 0;
        for &at in &members {
            if recipients.except == Some(at) {
                continue;
            }
            self.counts.members_offered += frames.len() as u64;
            if batch.is_some_and(|batch| self.push_batch(at, batch)) {
                saved += frames.len() as u64 - 1;
            } else {
                for &frame in &frames {
                    self.push_behind_batch(at, frame, recipients.overflow);
                }
            }
        }
        self.exempt(saved);
        match batch {
            Some(batch) => self.store.release(batch),
            None => frames.iter().for_each(|&frame| self.store.release(frame)),
        }
        frames.clear();
        members.clear();
        self.batch.frames = frames;
        self.batch.members = members;
    }

    /// Merges publications that may be one batch; `None` if that is not possible.
    pub(crate) fn merge(&mut self, variants: &mut [EncodedVariants<'_>]) -> Option<BatchFrame> {
        let frames = variants.iter_mut().map(|each| self.plain_variant(each));
        let frames: smallvec::SmallVec<[FrameId; 16]> = frames.collect();
        self.store.merge(&frames).map(BatchFrame)
    }

    /// Queues a batch of `messages` publications for one member. Returns false, and queues
    /// nothing, where they have to be queued one by one.
    #[inline]
    pub(crate) fn send_batch(&mut self, at: u32, batch: BatchFrame) -> bool {
        self.end_batch();
        let messages = self.store.messages(batch.0);
        let queued = self.push_batch(at, batch.0);
        self.counts.members_offered += if queued { messages.into() } else { 0 };
        queued
    }

    /// Releases a batch that has been queued for everyone.
    pub(crate) fn release_batch(&mut self, batch: BatchFrame) {
        self.store.release(batch.0);
    }

    /// Queues a batch as one frame, where that makes no difference: not where a part of it has
    /// to be dropped, or is written in a form of its own.
    // Twice as code is cheaper than a call for each member.
    #[inline(always)]
    fn push_batch(&mut self, at: u32, batch: FrameId) -> bool {
        let limits = self.settings.limits;
        let conn = &mut self.conns[at];
        let takes_it = conn.takes == Takes::Messages
            && !conn.is_slow
            && !conn.compressor.keeps_context()
            && self.replies.owner() != Some(at);
        if !takes_it
            || !conn
                .queue
                .push_batch(&mut self.nodes, &self.store, limits, batch)
        {
            return false;
        }
        self.counts.delivery.offered += u64::from(self.store.messages(batch));
        self.after_push(at, batch);
        true
    }

    /// Returns whether a message of this length may be held back beside the others.
    #[inline]
    fn batch_takes(&self, members: usize, len: usize) -> bool {
        let messages = self.batch.frames.len() + 1;
        let bytes = self.batch.bytes + unmasked_len(len) + len;
        messages <= self.settings.batch.messages as usize
            && bytes <= self.settings.batch.bytes as usize
            && messages * members <= MAX_DELIVERIES
    }
}

/// Messages of a batch at most.
const MAX_MESSAGES: usize = 64;
/// Bytes of a batch at most, as they are sent.
const MAX_BYTES: usize = 16 << 10;
/// The longest payload in a batch, in bytes.
const MAX_PAYLOAD: usize = 4 << 10;
/// Deliveries of a batch at most: they are offered at a stretch.
const MAX_DELIVERIES: usize = 1 << 14;
