//! Encoded variants of a message, plain and compressed. A message for one connection is compressed
//! at once; for a connection with a context of its own, in the order in which it is written; a
//! publication, once for all of its members.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::delivery::Outbound;
use crate::delivery::codec::{Codec, MessageDetails, Outgoing, SharedPayload};
use crate::delivery::forms::OtherForms;
use crate::delivery::frame::{Chunks, FrameId, FrameMeta, Rank};
use crate::delivery::queue::OverflowPolicy;
use crate::proto::wire::{FrameTag, Wire};
use crate::proto::ws::opcode::MessageType;
use crate::sync::OnceLock;

/// A publication, and the frames that this shard has made of it so far.
pub(crate) struct EncodedVariants<'a> {
    meta: FrameMeta,
    overflow: OverflowPolicy,
    channel: Option<&'a [u8]>,
    kind: MessageType,
    payload: MessagePayload<'a>,
    details: Option<&'a MessageDetails>,
    may_be_compressed: bool,
    /// The channel, if a member of it has a form of its own.
    pub(super) own_codecs: Option<u32>,
    pub(super) frames: EncodedFrames,
}

/// The frames made of a publication so far, each with a reference to it.
#[derive(Debug, Default)]
pub(crate) struct EncodedFrames {
    /// Those for connections of the default form.
    default: FormFrames,
    pub(super) others: Option<Box<OtherForms>>,
    /// What filters have said.
    pub(super) passed: BTreeMap<Bytes, bool>,
}

/// The frames of one form made so far, with a reference to each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FormFrames {
    plain: Option<FrameId>,
    /// `Some(None)`: compressed, it is no shorter.
    compressed: Option<Option<FrameId>>,
}

impl FormFrames {
    /// Returns the frame that is not compressed, if it is made.
    pub(super) const fn plain(self) -> Option<FrameId> {
        self.plain
    }

    /// Returns all frames that are made.
    pub(super) fn all(self) -> impl Iterator<Item = FrameId> {
        self.plain.into_iter().chain(self.compressed.flatten())
    }
}

/// What frames of one form are made of.
#[derive(Clone, Copy)]
pub(super) struct FormPayload<'a> {
    pub(super) wire: Wire,
    pub(super) kind: MessageType,
    pub(super) payload: MessagePayload<'a>,
    /// Where shards keep its compressed form for one another.
    pub(super) packed: Option<&'a OnceLock<Option<Bytes>>>,
}

/// The payload of a message.
#[derive(Clone, Copy)]
pub(crate) enum MessagePayload<'a> {
    /// Only this shard has it, for the duration of the call.
    Borrowed(&'a [u8]),
    /// It came from another shard for one connection.
    Owned(&'a Bytes),
    /// Other shards have it too, with what one of them has made of it.
    Shared(&'a SharedPayload),
}

impl<'a> MessagePayload<'a> {
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
            Self::Shared(payload) => payload.bytes(),
        }
    }

    pub(super) const fn len(self) -> usize {
        match self {
            Self::Borrowed(bytes) => bytes.len(),
            Self::Owned(bytes) => bytes.len(),
            Self::Shared(payload) => payload.bytes().len(),
        }
    }

    /// Returns where shards keep its compressed form for one another.
    pub(super) const fn packed(self) -> Option<&'a OnceLock<Option<Bytes>>> {
        match self {
            Self::Borrowed(_) | Self::Owned(_) => None,
            Self::Shared(payload) => Some(&payload.packed),
        }
    }
}

impl<'a> EncodedVariants<'a> {
    pub(super) const fn kind(&self) -> MessageType {
        self.kind
    }

    pub(super) const fn payload(&self) -> MessagePayload<'a> {
        self.payload
    }

    /// Returns the message as a codec takes it.
    pub(super) fn outgoing(&self) -> Outgoing<'a> {
        Outgoing::new(self.channel, self.kind, self.payload.bytes(), self.details)
    }

    pub(crate) const fn overflow(&self) -> OverflowPolicy {
        self.overflow
    }

    pub(crate) const fn meta(&self) -> FrameMeta {
        self.meta
    }

    pub(crate) const fn payload_len(&self) -> usize {
        self.payload.len()
    }

    /// Returns whether some members may get it compressed.
    pub(crate) const fn may_be_compressed(&self) -> bool {
        self.may_be_compressed
    }

    /// Returns the bytes of its frame if it is not compressed.
    pub(crate) fn framed_len(&self) -> usize {
        self.tag().framed_len(self.payload.len())
    }

    fn tag(&self) -> FrameTag {
        FrameTag::new(Wire::WebSocket, self.kind.opcode())
    }

    /// Returns what frames of the default form are made of.
    #[inline]
    const fn verbatim(&self) -> FormPayload<'a> {
        FormPayload {
            wire: Wire::WebSocket,
            kind: self.kind,
            payload: self.payload,
            packed: self.payload.packed(),
        }
    }

    /// Adds what codecs are told about it.
    pub(crate) const fn with_details(mut self, details: Option<&'a MessageDetails>) -> Self {
        self.details = details;
        self
    }

    /// Lets members of a channel get it in a form of their own.
    pub(crate) const fn with_own_codecs(mut self, channel: Option<u32>) -> Self {
        self.own_codecs = channel;
        self
    }

    /// Returns the frames, to [continue](Self::with_frames) with later.
    pub(crate) fn into_frames(self) -> EncodedFrames {
        self.frames
    }

    /// Continues with frames that were made earlier.
    pub(crate) fn with_frames(mut self, frames: EncodedFrames) -> Self {
        self.frames = frames;
        self
    }
}

impl Outbound {
    /// Returns a publication of which no frame is made yet.
    #[inline]
    pub(crate) const fn variants<'a>(
        &self,
        meta: FrameMeta,
        overflow: OverflowPolicy,
        channel: Option<&'a [u8]>,
        kind: MessageType,
        payload: MessagePayload<'a>,
    ) -> EncodedVariants<'a> {
        EncodedVariants {
            meta,
            overflow,
            channel,
            kind,
            payload,
            details: None,
            may_be_compressed: self.is_worth_compressing(payload.len()),
            own_codecs: None,
            frames: EncodedFrames {
                default: FormFrames {
                    plain: None,
                    compressed: None,
                },
                others: None,
                passed: BTreeMap::new(),
            },
        }
    }

    /// Returns the frame for this member; the reference to it stays with the variants. `None` if
    /// the member's codec cannot express it.
    #[inline]
    pub(super) fn variant(
        &mut self,
        variants: &mut EncodedVariants<'_>,
        at: u32,
    ) -> Option<FrameId> {
        let form = self.conns[at].form;
        if !form.is_default() {
            return self.variant_of_form(variants, form, Some(at));
        }
        let takes_compressed =
            variants.may_be_compressed && self.takes_shared_variant(at, variants.payload.len());
        let (meta, verbatim) = (variants.meta, variants.verbatim());
        let made = &mut variants.frames.default;
        Some(self.frame_of(made, meta, verbatim, takes_compressed))
    }

    /// Returns a frame of one form, which is made if it is not there: compressed if the member takes
    /// that and it is shorter. The reference to it stays where the frames are.
    #[inline]
    pub(super) fn frame_of(
        &mut self,
        made: &mut FormFrames,
        meta: FrameMeta,
        form: FormPayload<'_>,
        takes_compressed: bool,
    ) -> FrameId {
        if takes_compressed {
            let compressed = made
                .compressed
                .get_or_insert_with(|| self.encode_compressed(meta, form));
            if let Some(compressed) = *compressed {
                return compressed;
            }
        }
        *made
            .plain
            .get_or_insert_with(|| self.encode_plain(meta, form))
    }

    /// Returns the frame that is not compressed; the reference to it stays with the variants.
    #[inline]
    pub(super) fn plain_variant(&mut self, variants: &mut EncodedVariants<'_>) -> FrameId {
        let (meta, verbatim) = (variants.meta, variants.verbatim());
        self.frame_of(&mut variants.frames.default, meta, verbatim, false)
    }

    /// Returns a frame that is not compressed, with the reference to it.
    pub(super) fn plain_variant_to_keep(&mut self, variants: &EncodedVariants<'_>) -> FrameId {
        self.encode_plain(variants.meta, variants.verbatim())
    }

    /// Releases the frames of a publication.
    #[inline]
    pub(crate) fn release_variants(&mut self, frames: EncodedFrames) {
        if let Some(others) = frames.others {
            self.release_forms(others);
        }
        for frame in frames.default.all() {
            self.store.release(frame);
        }
    }

    fn encode_plain(&mut self, meta: FrameMeta, form: FormPayload<'_>) -> FrameId {
        self.counts.copied += 1;
        let tag = FrameTag::new(form.wire, form.kind.opcode());
        let frame = self.encode_payload(meta, tag, form.payload);
        self.store.mark_shared(frame);
        frame
    }

    /// Compresses a payload for all who take it so. `None` if it is no shorter then.
    fn encode_compressed(&mut self, meta: FrameMeta, form: FormPayload<'_>) -> Option<FrameId> {
        let tag = FrameTag::compressed(form.kind.opcode());
        let window = self.settings.compression.window;
        let (codec, bytes) = (&mut self.codec, form.payload.bytes());
        let frame = match form.packed {
            None => {
                let mut packed = self.buffers.take_for(bytes.len());
                let frame = codec
                    .deflate_shared(window, bytes, &mut packed)
                    .then(|| self.store.encode_parts(meta, tag, [&packed, &[]]));
                self.buffers.give(packed);
                frame
            }
            Some(packed) => {
                let packed = packed.get_or_init(|| {
                    let mut packed = Vec::new();
                    codec
                        .deflate_shared(window, bytes, &mut packed)
                        .then(|| packed.into())
                });
                packed.map(|packed| self.store.encode_shared(meta, tag, &packed))
            }
        };
        self.counts.copied += u64::from(frame.is_some());
        frame
    }

    /// Returns an uncompressed frame.
    #[inline]
    pub(super) fn encode_payload(
        &mut self,
        meta: FrameMeta,
        tag: FrameTag,
        payload: MessagePayload<'_>,
    ) -> FrameId {
        match payload {
            MessagePayload::Borrowed(bytes) => self.store.encode(meta, tag, bytes),
            MessagePayload::Owned(bytes) => self.store.encode_shared(meta, tag, bytes),
            MessagePayload::Shared(shared) => self.store.encode_shared(meta, tag, shared.bytes()),
        }
    }

    /// Returns a message for one connection, in the form that it takes. `None` if its codec cannot
    /// express it.
    pub(super) fn encode_for_one(
        &mut self,
        at: u32,
        meta: FrameMeta,
        kind: MessageType,
        payload: MessagePayload<'_>,
    ) -> Option<FrameId> {
        if self.conns[at].form.codec() != Codec::VERBATIM {
            return self.encode_for_one_of(at, meta, kind, payload);
        }
        Some(self.encode_verbatim(at, meta, kind, payload))
    }

    /// Returns a frame with this payload, compressed if the connection takes it so.
    pub(super) fn encode_verbatim(
        &mut self,
        at: u32,
        meta: FrameMeta,
        kind: MessageType,
        payload: MessagePayload<'_>,
    ) -> FrameId {
        let (bytes, opcode) = (payload.bytes(), kind.opcode());
        if self.is_compressed_at_once(at, bytes.len()) {
            let mut packed = self.buffers.take_for(bytes.len());
            let compressor = &mut self.conns[at].compressor;
            let frame = compressor
                .compress(&mut self.codec, [bytes, &[]], &mut packed)
                .then(|| {
                    let tag = FrameTag::compressed(opcode);
                    self.store.encode_parts(meta, tag, [&packed, &[]])
                });
            self.buffers.give(packed);
            if let Some(frame) = frame {
                return frame;
            }
        }
        let tag = FrameTag::new(self.conns[at].form.wire(), opcode);
        self.encode_payload(meta, tag, payload)
    }

    pub(super) const fn is_worth_compressing(&self, len: usize) -> bool {
        let compression = &self.settings.compression;
        compression.is_on && len >= compression.threshold
    }

    /// Returns whether a message for this connection alone is compressed where it is made.
    #[inline]
    pub(super) fn is_compressed_at_once(&self, at: u32, len: usize) -> bool {
        let compressor = &self.conns[at].compressor;
        self.is_worth_compressing(len)
            && compressor.window_bits() > 0
            && !compressor.keeps_context()
    }

    /// Returns whether this member takes what was compressed for all. Its window may be smaller
    /// than that of the compressor: no message reaches back farther than it is long.
    //= rfc7692#section-7.2.1 "If the "agreed parameters" contain the "server_max_window_bits"..."
    #[inline]
    pub(super) fn takes_shared_variant(&self, at: u32, len: usize) -> bool {
        let compressor = &self.conns[at].compressor;
        let bits = compressor.window_bits();
        bits > 0
            && (bits >= self.settings.compression.window || len <= 1 << bits)
            && !compressor.keeps_context()
    }

    /// Moves into flight what one write takes, for a connection with a context of its own:
    /// each frame in the form that depends on all that went before. Frames may move in the
    /// store meanwhile, so they are not yet planned.
    pub(super) fn launch_compressed(&mut self, at: u32) {
        let (mut frames, mut bytes) = (0, 0);
        let store = &self.store;
        self.conns[at]
            .queue
            .for_each_in_flight(&self.nodes, |frame, written| {
                frames += 1;
                bytes += (store.len(frame) - written) as usize;
            });
        while bytes < self.settings.write_batch
            && frames < MAX_COMPRESSED_IN_FLIGHT
            && let Some(frame) = self.launch_next(at)
        {
            let frame = self.compress_launched(at, frame);
            frames += 1;
            bytes += self.store.len(frame) as usize;
        }
    }

    fn launch_next(&mut self, at: u32) -> Option<FrameId> {
        let moment = (self.now, self.settings.starvation);
        let expired = &mut self.expired;
        let queue = &mut self.conns[at].queue;
        queue.launch(&mut self.nodes, &self.store, moment, None, |frame| {
            expired.push(frame);
        })
    }

    /// Gives the frame that was launched last its final form, where that depends on all that
    /// went before.
    fn compress_launched(&mut self, at: u32, frame: FrameId) -> FrameId {
        let payload_len = self.store.payload_len(frame);
        // What many get is the same for each of them.
        let rank = self.store.rank(frame);
        if self.store.is_shared(frame)
            || !(rank.is_data() || rank == Rank::PUSH)
            || !self.is_worth_compressing(payload_len)
        {
            return frame;
        }
        let (conn, codec) = (&mut self.conns[at], &mut self.codec);
        let compress =
            |parts: [&[u8]; 2], out: &mut Vec<u8>| conn.compressor.compress(codec, parts, out);
        let Some(packed) = self.store.encode_packed(frame, compress) else {
            return frame;
        };
        let plain = self.conns[at]
            .queue
            .relaunch(&mut self.nodes, &self.store, packed);
        if let Some(plain) = plain {
            self.store.release(plain);
        }
        packed
    }
}

/// Frames in flight at once; in two slices each they fit into one write.
const MAX_COMPRESSED_IN_FLIGHT: usize = Chunks::MAX / 2;
