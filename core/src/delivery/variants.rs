//! Owns which messages are compressed, and when: what one connection is told,
//! at once; what a connection with a context of its own is told, in the order
//! in which it goes out; what many are told, once for all of them.

use bytes::Bytes;

use crate::app::Handler;
use crate::channels::message::Publication;
use crate::delivery::frame::{Chunks, FrameId, FrameMeta};
use crate::delivery::queue::OverflowPolicy;
use crate::proto::ws::header::{Tag, unmasked_len};
use crate::proto::ws::opcode::MessageType;
use crate::shard::engine::Engine;
use crate::sync::OnceLock;

/// What is said to many, as the frames that this shard has made of it so far.
pub(crate) struct EncodedVariants<'a> {
    label: FrameMeta,
    overflow: OverflowPolicy,
    kind: MessageType,
    words: Payload<'a>,
    /// Whether some may get it compressed.
    packs: bool,
    frames: EditionFrames,
}

/// The frames made of a publication so far, each with a reference to it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EditionFrames {
    plain: Option<FrameId>,
    /// `Some(None)`: it is no shorter.
    packed: Option<Option<FrameId>>,
}

impl EncodedVariants<'_> {
    pub(crate) const fn overflow(&self) -> OverflowPolicy {
        self.overflow
    }

    pub(crate) const fn label(&self) -> FrameMeta {
        self.label
    }

    pub(crate) const fn payload_len(&self) -> usize {
        self.words.len()
    }

    /// Whether some may get it compressed.
    pub(crate) const fn packs(&self) -> bool {
        self.packs
    }

    /// Bytes of the frame that takes it to whoever gets it as it is.
    pub(crate) const fn framed_len(&self) -> usize {
        unmasked_len(self.words.len()) + self.words.len()
    }

    /// The frames, to go on with later.
    pub(crate) const fn frames(&self) -> EditionFrames {
        self.frames
    }
}

#[derive(Clone, Copy)]
enum Payload<'a> {
    /// Only this shard has them.
    Here(&'a [u8]),
    /// Other shards may, too; also compressed, if one has seen to that.
    Shared(&'a Bytes, &'a OnceLock<Option<Bytes>>),
}

impl Payload<'_> {
    const fn len(&self) -> usize {
        match self {
            Self::Here(bytes) => bytes.len(),
            Self::Shared(bytes, _) => bytes.len(),
        }
    }
}

impl<H: Handler> Engine<H> {
    /// What is said to members on this shard only.
    pub(crate) fn editions<'a>(
        &self,
        (label, overflow): (FrameMeta, OverflowPolicy),
        kind: MessageType,
        words: &'a [u8],
    ) -> EncodedVariants<'a> {
        self.editions_of(label, overflow, kind, Payload::Here(words))
    }

    /// What is said to members on several shards.
    pub(crate) fn editions_shared<'a>(&self, publication: &'a Publication) -> EncodedVariants<'a> {
        let Publication {
            room,
            options,
            published,
            kind,
            payload,
            packed,
            ..
        } = publication;
        let label = self.label(room.as_deref(), *options, *published);
        let words = Payload::Shared(payload, packed);
        self.editions_of(label, options.overflow, *kind, words)
    }

    const fn editions_of<'a>(
        &self,
        label: FrameMeta,
        overflow: OverflowPolicy,
        kind: MessageType,
        words: Payload<'a>,
    ) -> EncodedVariants<'a> {
        EncodedVariants {
            label,
            overflow,
            kind,
            words,
            packs: self.is_worth_packing(words.len()),
            frames: EditionFrames {
                plain: None,
                packed: None,
            },
        }
    }

    /// The editions of a publication of which some frames are made already.
    pub(crate) fn editions_resumed<'a>(
        &self,
        publication: &'a Publication,
        frames: EditionFrames,
    ) -> EncodedVariants<'a> {
        EncodedVariants {
            frames,
            ..self.editions_shared(publication)
        }
    }

    /// The edition for this member; the reference to it stays with the editions.
    #[inline]
    pub(crate) fn edition(&mut self, editions: &mut EncodedVariants<'_>, at: u32) -> FrameId {
        if editions.packs && self.takes_shared_packing(at, editions.words.len()) {
            let packed = match editions.frames.packed {
                Some(packed) => packed,
                None => self.pack(editions),
            };
            if let Some(packed) = packed {
                return packed;
            }
        }
        self.plain_edition(editions)
    }

    /// The edition for whoever takes nothing compressed; the reference to it stays with the
    /// editions.
    #[inline]
    pub(crate) fn plain_edition(&mut self, editions: &mut EncodedVariants<'_>) -> FrameId {
        match editions.frames.plain {
            Some(plain) => plain,
            None => self.encode_plain(editions),
        }
    }

    /// Gives the references away.
    pub(crate) fn end_editions(&mut self, frames: EditionFrames) {
        for frame in [frames.plain, frames.packed.flatten()]
            .into_iter()
            .flatten()
        {
            self.store.release(frame);
        }
    }

    /// The edition for whoever takes nothing compressed; the reference to it goes to
    /// the caller.
    pub(crate) fn edition_to_keep(&mut self, editions: &mut EncodedVariants<'_>) -> FrameId {
        let frame = self.encode_plain(editions);
        editions.frames.plain = None;
        frame
    }

    fn encode_plain(&mut self, editions: &mut EncodedVariants<'_>) -> FrameId {
        self.counts.rooms.copied += 1;
        let (label, opcode) = (editions.label, editions.kind.opcode());
        let frame = match editions.words {
            Payload::Here(bytes) => self.store.encode(label, opcode, bytes),
            Payload::Shared(bytes, _) => self.store.encode_shared(label, opcode, bytes),
        };
        self.store.mark_shared(frame);
        editions.frames.plain = Some(frame);
        frame
    }

    fn pack(&mut self, editions: &mut EncodedVariants<'_>) -> Option<FrameId> {
        let (label, tag) = (editions.label, Tag::compressed(editions.kind.opcode()));
        let window = self.config.compression_window as u8;
        let frame = match editions.words {
            Payload::Here(bytes) => {
                let mut packed = self.workspace.buffers.take_for(bytes.len());
                let codec = &mut self.workspace.codec;
                let frame = codec
                    .deflate_shared(window, bytes, &mut packed)
                    .then(|| self.store.encode_parts(label, tag, [&packed, &[]]));
                self.workspace.give(packed);
                frame
            }
            Payload::Shared(bytes, packed) => {
                let codec = &mut self.workspace.codec;
                let packed = packed.get_or_init(|| {
                    let mut packed = alloc::vec::Vec::new();
                    codec
                        .deflate_shared(window, bytes, &mut packed)
                        .then(|| packed.into())
                });
                packed.map(|packed| self.store.encode_shared(label, tag, &packed))
            }
        };
        self.counts.rooms.copied += u64::from(frame.is_some());
        editions.frames.packed = Some(frame);
        frame
    }

    const fn is_worth_packing(&self, len: usize) -> bool {
        self.config.compression && len >= self.config.compression_threshold
    }

    /// Whether a message for this connection alone is compressed where it is made.
    pub(crate) fn packs_at_once(&self, at: u32, len: usize) -> bool {
        let conn = &self.slots[at].conn;
        self.is_worth_packing(len) && conn.window_bits() > 0 && !conn.keeps_context()
    }

    /// Whether this member takes what was compressed for all. Its window may be
    /// smaller than that of the compressor: no message reaches back farther than
    /// it is long.
    //= https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1
    //# If the "agreed parameters" contain the "server_max_window_bits"
    //# extension parameter with a value of w, the server MUST NOT use an
    //# LZ77 sliding window longer than the w-th power of 2 bytes to
    //# compress messages to send.
    fn takes_shared_packing(&self, at: u32, len: usize) -> bool {
        let conn = &self.slots[at].conn;
        let bits = conn.window_bits();
        bits > 0
            && (usize::from(bits) >= self.config.compression_window || len <= 1 << bits)
            && !conn.keeps_context()
    }

    /// Moves into flight what one write takes, for a connection with a context of
    /// its own: each frame in the form that depends on all that went before. Frames
    /// may move in the store meanwhile, so they are not yet planned.
    pub(crate) fn launch_packed(&mut self, at: u32) {
        let (mut frames, mut bytes) = (0, 0);
        let store = &self.store;
        self.slots[at]
            .queue
            .for_each_in_flight(&self.nodes, |frame, written| {
                frames += 1;
                bytes += (store.len(frame) - written) as usize;
            });
        while bytes < self.config.write_batch
            && frames < MOST_PACKED
            && let Some(frame) = self.launch_next(at)
        {
            let frame = self.pack_launched(at, frame);
            frames += 1;
            bytes += self.store.len(frame) as usize;
        }
    }

    fn launch_next(&mut self, at: u32) -> Option<FrameId> {
        let moment = (self.now, self.starvation);
        let lapsed = &mut self.lapsed;
        let queue = &mut self.slots[at].queue;
        queue.launch(&mut self.nodes, &self.store, moment, None, |frame| {
            lapsed.push(frame);
        })
    }

    /// Gives the frame that was launched last its final form, where that depends
    /// on all that went before.
    fn pack_launched(&mut self, at: u32, frame: FrameId) -> FrameId {
        let payload_len = self.store.payload_len(frame);
        let is_for_many = self.store.is_shared(frame) && !self.config.compression_own_broadcasts;
        if is_for_many || !self.store.rank(frame).is_data() || !self.is_worth_packing(payload_len) {
            return frame;
        }
        let (slot, workspace) = (&mut self.slots[at], &mut self.workspace);
        let pack = |parts: [&[u8]; 2], out: &mut alloc::vec::Vec<u8>| {
            slot.conn.deflate(workspace, parts, out)
        };
        let Some(packed) = self.store.encode_packed(frame, pack) else {
            return frame;
        };
        let plain = self.slots[at]
            .queue
            .relaunch(&mut self.nodes, &self.store, packed);
        if let Some(plain) = plain {
            self.store.release(plain);
        }
        packed
    }
}

/// Frames in flight at once; in two slices each they fit into one write.
const MOST_PACKED: usize = Chunks::MAX / 2;
