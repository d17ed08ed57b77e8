//! Batches: publications of one read to the same members with the same options, delivered together
//! as one frame for each member. A member costs as much for a batch as for one message.
//!
//! The members are those of the moment of publishing: a batch keeps its own list of them.

use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::config::Config;
use crate::delivery::Outbound;
use crate::delivery::codec::{Form, Forms};
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
    /// The forms that they have; some of these nobody may have any more.
    pub(crate) forms: Forms,
    /// A member that is left out.
    pub(crate) except: Option<u32>,
}

/// Frames that are held back.
#[derive(Debug, Default)]
pub(super) struct Batch {
    recipients: Option<Recipients>,
    members: Vec<u32>,
    /// How many publications.
    messages: usize,
    /// In the default form, if a member has it.
    frames: Vec<FrameId>,
    /// In each of the other forms: form after form, publication after publication.
    others: Vec<(Form, FrameId)>,
    bytes: usize,
    /// Whether there was a batch since the lists were last looked at.
    was_used: bool,
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

/// Several publications as one frame for each form, with a reference to each. Of a form that is
/// missing, they are queued one by one.
#[derive(Debug, Default)]
pub(crate) struct BatchFrames {
    default: Option<FrameId>,
    others: SmallVec<[(Form, FrameId); 2]>,
}

impl BatchFrames {
    #[inline]
    fn of(&self, form: Form) -> Option<FrameId> {
        if form.is_default() {
            return self.default;
        }
        let mut others = self.others.iter();
        others.find_map(|&(of, frame)| (of == form).then_some(frame))
    }
}

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
        let most = Limits {
            messages: MAX_MESSAGES as u32,
            bytes: MAX_BYTES as u32,
        };
        let limits = config.limits_by_codec().into_iter();
        limits.fold(most, |most, limits| Limits {
            messages: most.messages.min(limits.queue_messages as u32 / 4),
            bytes: most.bytes.min(limits.queue_bytes as u32 / 8),
        })
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) const fn is_empty(&self) -> bool {
        self.recipients.is_none()
    }

    pub(super) fn memory(&self) -> usize {
        self.members.capacity() * size_of::<u32>()
            + self.frames.capacity() * size_of::<FrameId>()
            + self.others.capacity() * size_of::<(Form, FrameId)>()
    }

    /// Gives back the lists if there was no batch since the last call.
    pub(super) fn shrink(&mut self) {
        if self.recipients.is_none() && !core::mem::take(&mut self.was_used) {
            self.members = Vec::new();
            self.frames = Vec::new();
            self.others = Vec::new();
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
        if !(may_wait
            && self.batch_takes(count, len)
            && self.hold_back(members.forms, &mut variants))
        {
            self.end_batch();
            for &at in members.list {
                if members.except != Some(at) {
                    self.send_variant(at, &mut variants);
                }
            }
            self.release_variants(variants.into_frames());
            return;
        }
        if self.batch.recipients.is_none() {
            self.batch.recipients = Some(recipients);
            self.batch.was_used = true;
            self.batch.members.extend_from_slice(members.list);
        }
    }

    /// Adds the frames of a publication to the batch, one of each form. Returns false, and adds
    /// nothing, if a codec cannot express it, or makes it too long for a batch.
    #[inline]
    fn hold_back(&mut self, forms: Forms, variants: &mut EncodedVariants<'_>) -> bool {
        let mut longest = variants.framed_len();
        if forms != Forms::DEFAULT {
            let Some(len) = self.hold_back_others(forms, variants) else {
                return false;
            };
            longest = longest.max(len);
        }
        self.batch.messages += 1;
        self.batch.bytes += longest;
        if forms.has_default() {
            let frame = self.plain_variant_to_keep(variants);
            self.batch.frames.push(frame);
        }
        true
    }

    /// Returns the length of the longest frame.
    #[inline(never)]
    fn hold_back_others(
        &mut self,
        forms: Forms,
        variants: &mut EncodedVariants<'_>,
    ) -> Option<usize> {
        let before = self.batch.others.len();
        let mut longest = 0;
        for form in forms.others() {
            let frame = self.variant_of_form(variants, form, None);
            let len = frame.map(|frame| self.store.len(frame) as usize);
            let Some((frame, len)) = frame.zip(len.filter(|&len| len <= MAX_PAYLOAD)) else {
                for (_, frame) in self.batch.others.drain(before..) {
                    self.store.release(frame);
                }
                return None;
            };
            longest = longest.max(len);
            self.store.retain(frame);
            self.batch.others.push((form, frame));
        }
        let frames = core::mem::take(&mut variants.frames);
        // The references that the variants had are given back: the batch has its own.
        self.release_variants(frames);
        Some(longest)
    }

    /// Queues a publication for every open connection.
    pub(crate) fn send_to_all(&mut self, mut variants: EncodedVariants<'_>, except: Option<u32>) {
        for at in 0..self.conns.len() {
            if except != Some(at) && self.conns[at].takes == Takes::Messages {
                self.send_variant(at, &mut variants);
            }
        }
        self.release_variants(variants.into_frames());
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
        let FrameMeta {
            deadline,
            key,
            stream,
            ..
        } = variants.meta();
        variants.payload_len() <= MAX_PAYLOAD
            && !variants.may_be_compressed()
            && deadline.is_none()
            && key.is_none()
            // It is to be found on its own.
            && stream.is_none()
            && variants.own_codecs.is_none()
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
        let mut others = core::mem::take(&mut self.batch.others);
        let mut members = core::mem::take(&mut self.batch.members);
        let messages = core::mem::take(&mut self.batch.messages) as u64;
        self.batch.bytes = 0;
        // The frames of each form in a row, in the order of the publications.
        others.sort_by_key(|&(form, _)| form);
        let is_mixed = !others.is_empty();
        let batch = BatchFrames {
            default: self.merge_or_keep(&mut frames, is_mixed),
            others: self.merge_others(&mut others),
        };
        let (mut offered, mut taken) = (0, 0);
        for &at in members.iter().filter(|&&at| recipients.except != Some(at)) {
            offered += 1;
            // Without frames of other forms, nobody has another.
            let of_form = match others[..] {
                [] => batch.default,
                _ => batch.of(self.conns[at].form),
            };
            if of_form.is_some_and(|batch| self.push_batch(at, batch)) {
                taken += 1;
            } else {
                self.push_parts(at, &frames, &others, recipients.overflow);
            }
        }
        self.counts.members_offered += messages * offered;
        self.exempt(taken * messages.saturating_sub(1));
        // A batch has taken over the references to its parts, or is its only part.
        match batch.default {
            Some(batch) => self.store.release(batch),
            None => frames.iter().for_each(|&frame| self.store.release(frame)),
        }
        for &(_, frame) in &batch.others {
            self.store.release(frame);
        }
        for &(form, frame) in &others {
            if batch.of(form).is_none() {
                self.store.release(frame);
            }
        }
        frames.clear();
        others.clear();
        members.clear();
        self.batch.frames = frames;
        self.batch.others = others;
        self.batch.members = members;
    }

    /// Queues the parts of a batch one by one, those in the form that the member takes.
    #[cold]
    fn push_parts(
        &mut self,
        at: u32,
        frames: &[FrameId],
        others: &[(Form, FrameId)],
        overflow: OverflowPolicy,
    ) {
        let form = self.conns[at].form;
        if form.is_default() {
            for &frame in frames {
                self.push_behind_batch(at, frame, overflow);
            }
        }
        for &(_, frame) in others.iter().filter(|&&(of, _)| of == form) {
            self.push_behind_batch(at, frame, overflow);
        }
    }

    /// Returns frames as one: one alone is queued in the same way. Where those of other forms stand
    /// between them, they are copied first, which moves them. `None` for what cannot be merged.
    #[inline]
    fn merge_or_keep(&mut self, frames: &mut [FrameId], is_mixed: bool) -> Option<FrameId> {
        match frames {
            [] => None,
            &mut [one] => Some(one),
            frames => match self.store.merge(frames) {
                None if is_mixed => self.merge_copies(frames),
                merged => merged,
            },
        }
    }

    #[inline(never)]
    fn merge_copies(&mut self, frames: &mut [FrameId]) -> Option<FrameId> {
        if !frames.iter().all(|&frame| self.store.is_in_run(frame)) {
            return None;
        }
        for frame in frames.iter_mut() {
            let copy = self.store.copy(*frame);
            self.store.release(core::mem::replace(frame, copy));
        }
        self.store.merge(frames)
    }

    fn merge_others(&mut self, others: &mut [(Form, FrameId)]) -> SmallVec<[(Form, FrameId); 2]> {
        let mut merged = SmallVec::new();
        for run in others.chunk_by_mut(|a, b| a.0 == b.0) {
            let mut frames: SmallVec<[FrameId; 16]> = run.iter().map(|&(_, frame)| frame).collect();
            let batch = self.merge_or_keep(&mut frames, true);
            merged.extend(batch.map(|batch| (run[0].0, batch)));
            for ((_, frame), moved) in run.iter_mut().zip(frames) {
                *frame = moved;
            }
        }
        merged
    }

    /// Merges publications that may be one batch, for members of these forms.
    pub(crate) fn merge(
        &mut self,
        variants: &mut [EncodedVariants<'_>],
        forms: Forms,
    ) -> BatchFrames {
        let mut merged = BatchFrames::default();
        if forms.has_default() {
            let frames = variants.iter_mut().map(|each| self.plain_variant(each));
            let frames: SmallVec<[FrameId; 16]> = frames.collect();
            merged.default = self.merge_retained(&frames);
        }
        for form in forms.others() {
            let frames = variants
                .iter_mut()
                .map(|each| self.variant_of_form(each, form, None));
            let frames: Option<SmallVec<[FrameId; 16]>> = frames.collect();
            let frame = frames.and_then(|frames| self.merge_retained(&frames));
            merged.others.extend(frame.map(|frame| (form, frame)));
        }
        merged
    }

    /// Merges frames to which others keep their references.
    fn merge_retained(&mut self, frames: &[FrameId]) -> Option<FrameId> {
        frames.iter().for_each(|&frame| self.store.retain(frame));
        let merged = self.store.merge(frames);
        if merged.is_none() {
            frames.iter().for_each(|&frame| self.store.release(frame));
        }
        merged
    }

    /// Queues a batch of publications for one member. Returns false, and queues nothing, where they
    /// have to be queued one by one.
    #[inline]
    pub(crate) fn send_batch(&mut self, at: u32, batch: &BatchFrames) -> bool {
        self.end_batch();
        let Some(frame) = batch.of(self.conns[at].form) else {
            return false;
        };
        let messages = self.store.messages(frame);
        let queued = self.push_batch(at, frame);
        self.counts.members_offered += if queued { messages.into() } else { 0 };
        queued
    }

    /// Releases a batch that has been queued for everyone.
    pub(crate) fn release_batch(&mut self, batch: BatchFrames) {
        let others = batch.others.into_iter().map(|(_, frame)| frame);
        for frame in batch.default.into_iter().chain(others) {
            self.store.release(frame);
        }
    }

    /// Queues a batch as one frame, where that makes no difference: not where a part of it has
    /// to be dropped, or is written in a form of its own.
    // Twice as code is cheaper than a call for each member.
    #[inline(always)]
    fn push_batch(&mut self, at: u32, batch: FrameId) -> bool {
        let conn = &mut self.conns[at];
        let limits = self.settings.limits.all(conn.form);
        let takes_it = conn.takes == Takes::Messages
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
        let messages = self.batch.messages + 1;
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
