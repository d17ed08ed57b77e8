//! Frames of a message for connections of other forms than the default: encoded by a codec of the
//! application, or for another wire than WebSocket.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::delivery::Outbound;
use crate::delivery::codec::{Codec, CodecResult, Form, Outgoing};
use crate::delivery::frame::{FrameId, FrameMeta, MAX_PAYLOAD};
use crate::delivery::variants::{EncodedVariants, MessagePayload};
use crate::proto::wire::FrameTag;
use crate::proto::ws::opcode::MessageType;
use crate::sync::OnceLock;

/// What has been made of a message for forms other than the default.
#[derive(Debug, Default)]
pub(crate) struct OtherForms {
    /// What codecs have made of it. Where other shards have the message too, that is kept with it.
    encoded: SmallVec<[(Codec, Result<LocalPayload, CodecResult>); 2]>,
    frames: SmallVec<[FormFrames; 2]>,
}

/// A payload that this shard has encoded for itself.
#[derive(Debug)]
struct LocalPayload {
    kind: MessageType,
    bytes: Vec<u8>,
}

/// The frames of one form, with a reference to each.
#[derive(Clone, Copy, Debug)]
struct FormFrames {
    form: Form,
    plain: Option<FrameId>,
    /// `Some(None)`: compressed, it is no shorter.
    compressed: Option<Option<FrameId>>,
}

impl OtherForms {
    fn frames_of(&mut self, form: Form) -> &mut FormFrames {
        let place = self.frames.iter().position(|frames| frames.form == form);
        let place = place.unwrap_or_else(|| {
            self.frames.push(FormFrames {
                form,
                plain: None,
                compressed: None,
            });
            self.frames.len() - 1
        });
        &mut self.frames[place]
    }

    fn encoded(&self, codec: Codec) -> Option<&Result<LocalPayload, CodecResult>> {
        let mut encoded = self.encoded.iter();
        encoded.find_map(|(of, encoded)| (*of == codec).then_some(encoded))
    }
}

impl Outbound {
    /// Returns the frame of a publication in this form, compressed if it is for a member that takes
    /// that. The reference to it stays with the variants. `None` if the codec cannot express it.
    #[inline(never)]
    pub(super) fn variant_of_form(
        &mut self,
        variants: &mut EncodedVariants<'_>,
        form: Form,
        member: Option<u32>,
    ) -> Option<FrameId> {
        let spare = &mut self.spare_forms;
        let others = variants.frames.others.take();
        let mut forms = others.unwrap_or_else(|| spare.pop().unwrap_or_default());
        let frame = self.frame_of_form(variants, &mut forms, form, member);
        variants.frames.others = Some(forms);
        frame
    }

    fn frame_of_form(
        &mut self,
        variants: &EncodedVariants<'_>,
        forms: &mut OtherForms,
        form: Form,
        member: Option<u32>,
    ) -> Option<FrameId> {
        let made = *forms.frames_of(form);
        let takes_compressed = |out: &Self, len| {
            member.is_some_and(|at| {
                out.is_worth_compressing(len) && out.takes_shared_variant(at, len)
            })
        };
        // The usual case: it is there, and nobody takes it compressed.
        if let Some(plain) = made.plain
            && !variants.may_be_compressed()
        {
            return Some(plain);
        }
        let (kind, packed);
        let (shared, payload);
        match (form.codec(), variants.payload()) {
            (Codec::VERBATIM, verbatim) => {
                kind = variants.kind();
                payload = verbatim;
                packed = verbatim.packed();
            }
            (codec, MessagePayload::Shared(message)) => {
                let slot = message.encoded(codec)?;
                let outgoing = variants.outgoing();
                let encoded = slot.plain.get_or_init(|| {
                    let mut bytes = Vec::new();
                    let kind = self.encode(codec, &outgoing, &mut bytes)?;
                    Ok((kind, bytes.into()))
                });
                (kind, shared) = encoded.ok()?;
                payload = MessagePayload::Owned(&shared);
                packed = Some(&slot.packed);
            }
            (codec, MessagePayload::Borrowed(_) | MessagePayload::Owned(_)) => {
                if forms.encoded(codec).is_none() {
                    let encoded = self.encode_local(codec, &variants.outgoing());
                    forms.encoded.push((codec, encoded));
                }
                let encoded = forms.encoded(codec)?.as_ref().ok()?;
                kind = encoded.kind;
                payload = MessagePayload::Borrowed(&encoded.bytes);
                packed = None;
            }
        }
        let meta = variants.meta();
        let mut compressed = made.compressed;
        if takes_compressed(self, payload.len()) {
            let frame = *compressed
                .get_or_insert_with(|| self.encode_compressed_payload(meta, kind, payload, packed));
            if frame.is_some() {
                forms.frames_of(form).compressed = compressed;
                return frame;
            }
        }
        let plain = made.plain.unwrap_or_else(|| {
            self.counts.copied += 1;
            let frame =
                self.encode_payload(meta, FrameTag::new(form.wire(), kind.opcode()), payload);
            self.store.mark_shared(frame);
            frame
        });
        *forms.frames_of(form) = FormFrames {
            form,
            plain: Some(plain),
            compressed,
        };
        Some(plain)
    }

    /// Asks the application to encode a message, and counts that.
    fn encode(
        &mut self,
        codec: Codec,
        outgoing: &Outgoing<'_>,
        out: &mut Vec<u8>,
    ) -> Result<MessageType, CodecResult> {
        self.counts.codec_encoded += 1;
        match (self.encode)(codec, outgoing, out) {
            CodecResult::Encoded(kind) if out.len() <= MAX_PAYLOAD => Ok(kind),
            CodecResult::Panicked => {
                self.counts.codec_panics += 1;
                Err(CodecResult::Panicked)
            }
            CodecResult::Encoded(_) | CodecResult::Refused => Err(CodecResult::Refused),
        }
    }

    fn encode_local(
        &mut self,
        codec: Codec,
        outgoing: &Outgoing<'_>,
    ) -> Result<LocalPayload, CodecResult> {
        let mut bytes = self.buffers.take_for(outgoing.payload.len());
        match self.encode(codec, outgoing, &mut bytes) {
            Ok(kind) => Ok(LocalPayload { kind, bytes }),
            Err(error) => {
                self.buffers.give(bytes);
                Err(error)
            }
        }
    }

    /// Encodes a message for one connection of another codec than the verbatim one. Returns the
    /// frame in the form that the connection takes.
    #[inline(never)]
    pub(super) fn encode_for_one_of(
        &mut self,
        at: u32,
        meta: FrameMeta,
        kind: MessageType,
        payload: MessagePayload<'_>,
    ) -> Option<FrameId> {
        let outgoing = Outgoing {
            channel: None,
            kind,
            payload: payload.bytes(),
        };
        let codec = self.conns[at].form.codec();
        let LocalPayload { kind, bytes } = self.encode_local(codec, &outgoing).ok()?;
        let frame = self.encode_verbatim(at, meta, kind, MessagePayload::Borrowed(&bytes));
        self.buffers.give(bytes);
        Some(frame)
    }

    /// Releases what has been made of a publication for other forms.
    #[cold]
    pub(super) fn release_forms(&mut self, mut forms: Box<OtherForms>) {
        for (_, encoded) in forms.encoded.drain(..) {
            if let Ok(encoded) = encoded {
                self.buffers.give(encoded.bytes);
            }
        }
        for made in forms.frames.drain(..) {
            for frame in [made.plain, made.compressed.flatten()]
                .into_iter()
                .flatten()
            {
                self.store.release(frame);
            }
        }
        if self.spare_forms.len() < SPARE_FORMS {
            self.spare_forms.push(forms);
        }
    }

    /// Compresses a payload for all who take it so. `packed` is where other shards find the result.
    pub(super) fn encode_compressed_payload(
        &mut self,
        meta: FrameMeta,
        kind: MessageType,
        payload: MessagePayload<'_>,
        packed: Option<&OnceLock<Option<Bytes>>>,
    ) -> Option<FrameId> {
        let tag = FrameTag::compressed(kind.opcode());
        let window = self.settings.compression.window;
        let (codec, bytes) = (&mut self.codec, payload.bytes());
        let frame = match packed {
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
}

/// Records of forms that are kept for the messages to come.
const SPARE_FORMS: usize = 16;
