//! Frames of a message for connections of other forms than the default: encoded by a codec of the
//! application, or for another wire than WebSocket.

use alloc::boxed::Box;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::delivery::Outbound;
use crate::delivery::codec::{Codec, CodecResult, Form, Outgoing};
use crate::delivery::frame::{FrameId, FrameMeta, MAX_PAYLOAD};
use crate::delivery::variants::{EncodedVariants, FormFrames, FormPayload, MessagePayload};
use crate::proto::ws::opcode::MessageType;

/// What has been made of a message for forms other than the default.
#[derive(Debug, Default)]
pub(crate) struct OtherForms {
    /// What codecs have made of it. Where other shards have the message too, that is kept with it.
    encoded: SmallVec<[(Codec, Result<LocalPayload, CodecResult>); 2]>,
    frames: SmallVec<[(Form, FormFrames); 2]>,
}

/// A payload that this shard has encoded for itself.
#[derive(Debug)]
struct LocalPayload {
    kind: MessageType,
    bytes: Vec<u8>,
}

impl OtherForms {
    fn frames_of(&mut self, form: Form) -> &mut FormFrames {
        let place = self.frames.iter().position(|&(of, _)| of == form);
        let place = place.unwrap_or_else(|| {
            self.frames.push((form, FormFrames::default()));
            self.frames.len() - 1
        });
        &mut self.frames[place].1
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
        let form = match (variants.own_codecs, member) {
            (Some(channel), Some(at)) => self.own_form(channel, at, form),
            _ => form,
        };
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
        let mut made = *forms.frames_of(form);
        // The usual case: it is there, and nobody takes it compressed.
        if let Some(plain) = made.plain()
            && !variants.may_be_compressed()
        {
            return Some(plain);
        }
        let (slot, shared);
        let (kind, payload, packed) = match (form.codec(), variants.payload()) {
            (Codec::VERBATIM, payload) => (variants.kind(), payload, payload.packed()),
            (codec, MessagePayload::Shared(message)) => {
                slot = message.encoded(codec)?;
                let outgoing = variants.outgoing();
                let encoded = slot.plain.get_or_init(|| {
                    let mut bytes = Vec::new();
                    let kind = self.encode(codec, &outgoing, &mut bytes)?;
                    Ok((kind, bytes.into()))
                });
                let kind;
                (kind, shared) = encoded.ok()?;
                (kind, MessagePayload::Owned(&shared), Some(&slot.packed))
            }
            (codec, MessagePayload::Borrowed(_) | MessagePayload::Owned(_)) => {
                if forms.encoded(codec).is_none() {
                    let encoded = self.encode_local(codec, &variants.outgoing());
                    forms.encoded.push((codec, encoded));
                }
                let LocalPayload { kind, bytes } = forms.encoded(codec)?.as_ref().ok()?;
                (*kind, MessagePayload::Borrowed(bytes), None)
            }
        };
        let takes_compressed = member.is_some_and(|at| {
            self.is_worth_compressing(payload.len()) && self.takes_shared_variant(at, payload.len())
        });
        let wire = form.wire();
        let source = FormPayload {
            wire,
            kind,
            payload,
            packed,
        };
        let frame = self.frame_of(&mut made, variants.meta(), source, takes_compressed);
        *forms.frames_of(form) = made;
        Some(frame)
    }

    /// Returns whether the filter of a member lets a publication through. It is asked once for all
    /// members on this shard that have the same one.
    pub(super) fn passes(&mut self, variants: &mut EncodedVariants<'_>, at: u32) -> bool {
        let own = variants.own_codecs;
        let Some(filter) = own.and_then(|channel| self.own_filter(channel, at)) else {
            return true;
        };
        if let Some(&passes) = variants.frames.passed.get(filter) {
            return passes;
        }
        let filter = filter.clone();
        let passes = (self.app.passes)(&filter, &variants.outgoing()).unwrap_or_else(|| {
            self.counts.codec_panics += 1;
            false
        });
        variants.frames.passed.insert(filter, passes);
        passes
    }

    /// Asks the application to encode a message, and counts that.
    fn encode(
        &mut self,
        codec: Codec,
        outgoing: &Outgoing<'_>,
        out: &mut Vec<u8>,
    ) -> Result<MessageType, CodecResult> {
        self.counts.codec_encoded += 1;
        match (self.app.encode)(codec, outgoing, out) {
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
        let outgoing = Outgoing::new(None, kind, payload.bytes(), None);
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
        for frame in forms.frames.drain(..).flat_map(|(_, made)| made.all()) {
            self.store.release(frame);
        }
        if self.spare_forms.len() < SPARE_FORMS {
            self.spare_forms.push(forms);
        }
    }
}

/// Records of forms that are kept for the messages to come.
const SPARE_FORMS: usize = 16;
