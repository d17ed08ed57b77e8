//! Codecs: the forms in which an application gives one message to different connections. A message
//! is encoded once for each codec that its receivers have, however many receivers there are.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::config::CODECS;
use crate::position::Position;
use crate::proto::wire::Wire;
use crate::proto::ws::opcode::MessageType;
use crate::sync::OnceLock;

/// A codec of the application, by its number. A connection has one from its
/// [acceptance](crate::Acceptance::codec) on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Codec(u8);

impl Codec {
    /// The codec of connections that get every message as it was published, number 0. The
    /// application is not asked to encode anything for it.
    pub const VERBATIM: Self = Self(0);
    /// How many codecs an application may have, this one included.
    pub const MAX: usize = CODECS;

    /// Returns the codec with this number.
    ///
    /// # Panics
    /// If the number is not below [`MAX`](Self::MAX).
    #[must_use]
    pub const fn new(number: u8) -> Self {
        assert!((number as usize) < Self::MAX);
        Self(number)
    }

    /// Returns its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A message on its way to connections with one codec.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Outgoing<'a> {
    /// The channel that it was published to; `None` for a broadcast to everyone, and for a message
    /// to one connection.
    pub channel: Option<&'a [u8]>,
    /// Text or binary, as it was published.
    pub kind: MessageType,
    /// The payload, as it was published. Of an event, what others see of the member.
    pub payload: &'a [u8],
    /// What it is to the members of the channel.
    pub event: ChannelEvent,
    /// What the publisher has [said](crate::channels::Publication::annotation) about it.
    pub annotation: &'a [u8],
    /// Its place in the stream of the channel, if the channel has one.
    pub position: Option<Position>,
    /// What was published to the channel before it, if that was
    /// [asked for](crate::channels::Publication::follows) and every member with a
    /// [codec of its own](crate::channels::Subscription::codec) has got it.
    pub previous: Option<&'a KeptPublication>,
}

/// What a message is to the members of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ChannelEvent {
    /// Something that was published, or sent to one connection.
    #[default]
    Publication,
    /// A member has come.
    Join,
    /// A member has left.
    Leave,
}

/// A publication as a channel keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptPublication {
    /// Its place in the stream.
    pub offset: u64,
    /// Text or binary, as it was published.
    pub kind: MessageType,
    /// The payload, as it was published.
    pub payload: Bytes,
    /// What codecs are told about it.
    pub annotation: Bytes,
}

/// What few messages have beside their payload.
#[derive(Clone, Debug, Default)]
pub(crate) struct MessageDetails {
    pub(crate) event: ChannelEvent,
    pub(crate) annotation: Bytes,
    pub(crate) position: Option<Position>,
    pub(crate) previous: Option<Box<KeptPublication>>,
}

impl MessageDetails {
    /// Returns whether a connection that leaves the channel is not to get it any more: it knows it, or
    /// it is an event.
    pub(crate) fn is_of_stream(&self) -> bool {
        self.position.is_some() || self.event != ChannelEvent::Publication
    }
}

impl<'a> Outgoing<'a> {
    /// Returns a message as a codec takes it.
    pub(super) fn new(
        channel: Option<&'a [u8]>,
        kind: MessageType,
        payload: &'a [u8],
        details: Option<&'a MessageDetails>,
    ) -> Self {
        Self {
            channel,
            kind,
            payload,
            event: details.map_or_else(Default::default, |details| details.event),
            annotation: details.map_or(&[], |details| &details.annotation),
            position: details.and_then(|details| details.position),
            previous: details.and_then(|details| details.previous.as_deref()),
        }
    }
}

/// Encodes a message: [`Handler::encode`](crate::Handler::encode), with panics caught where they
/// are.
pub(crate) type Encode = fn(Codec, &Outgoing<'_>, &mut Vec<u8>) -> CodecResult;

/// Asks a filter: [`Handler::passes`](crate::Handler::passes), or `None` if that panicked.
pub(crate) type Passes = fn(&[u8], &Outgoing<'_>) -> Option<bool>;

/// What an application says about messages on their way to receivers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AppCodecs {
    pub(crate) encode: Encode,
    pub(crate) passes: Passes,
}

/// What became of a message in a codec.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CodecResult {
    Encoded(MessageType),
    /// The codec cannot express it.
    Refused,
    Panicked,
}

/// Codec and wire of a connection. Data frames are equal for connections of one form, but for
/// compression.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Form(u8);

impl Form {
    /// Verbatim messages over WebSocket.
    pub(crate) const DEFAULT: Self = Self(0);

    pub(crate) const fn new(codec: Codec, wire: Wire) -> Self {
        Self((wire as u8) << 3 | codec.0)
    }

    pub(crate) const fn codec(self) -> Codec {
        Codec(self.0 & 7)
    }

    #[inline]
    pub(crate) const fn wire(self) -> Wire {
        Wire::of(self.0 >> 3)
    }

    #[inline]
    pub(crate) const fn is_default(self) -> bool {
        self.0 == 0
    }
}

const _: () = assert!(Wire::ALL.len() <= 8 && Codec::MAX <= 8);

/// A set of forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Forms(u64);

impl Forms {
    /// Only the [default](Form::DEFAULT).
    pub(crate) const DEFAULT: Self = Self(1);

    pub(crate) const fn insert(&mut self, form: Form) {
        self.0 |= 1 << form.0;
    }

    /// Returns whether the default is among them.
    pub(crate) const fn has_default(self) -> bool {
        self.0 & 1 != 0
    }

    /// Returns the forms but the default.
    pub(crate) fn others(self) -> impl Iterator<Item = Form> {
        let mut rest = self.0 & !1;
        core::iter::from_fn(move || {
            let form = rest.trailing_zeros();
            (rest != 0).then(|| {
                rest &= rest - 1;
                Form(form as u8)
            })
        })
    }
}

/// A payload that several shards have, and what they have made of it so far. Each form is made by
/// the first shard that needs it.
#[derive(Debug)]
pub(crate) struct SharedPayload {
    bytes: Bytes,
    /// Its compressed form, if that is shorter.
    pub(super) packed: OnceLock<Option<Bytes>>,
    /// By the number of the codec, from one on.
    encoded: Box<[OnceLock<Arc<EncodedPayload>>]>,
}

/// A payload in the form of one codec. Most codecs have no receiver, and need no place for it.
#[derive(Debug)]
pub(super) struct EncodedPayload {
    pub(super) plain: OnceLock<Result<(MessageType, Bytes), CodecResult>>,
    pub(super) packed: OnceLock<Option<Bytes>>,
}

impl SharedPayload {
    /// Returns a payload for connections of up to this many codecs.
    pub(crate) fn new(bytes: Bytes, codecs: usize) -> Self {
        Self {
            bytes,
            packed: OnceLock::new(),
            encoded: (1..codecs).map(|_| OnceLock::new()).collect(),
        }
    }

    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns what has been made of it for a codec. `None` for one that the application does not
    /// have.
    pub(super) fn encoded(&self, codec: Codec) -> Option<Arc<EncodedPayload>> {
        let place = self.encoded.get(usize::from(codec.0).checked_sub(1)?)?;
        let nothing = || {
            Arc::new(EncodedPayload {
                plain: OnceLock::new(),
                packed: OnceLock::new(),
            })
        };
        Some(place.get_or_init(nothing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_its_codec_and_its_wire() {
        for &wire in Wire::ALL {
            for number in 0..Codec::MAX as u8 {
                let form = Form::new(Codec::new(number), wire);
                assert_eq!((form.codec().number(), form.wire()), (number, wire));
                assert_eq!(form.is_default(), form == Form::default());
                let mut forms = Forms::default();
                forms.insert(form);
                assert_eq!(forms.has_default(), form.is_default());
                let others: Vec<_> = forms.others().collect();
                assert_eq!(
                    others,
                    if form.is_default() {
                        Vec::new()
                    } else {
                        [form].into()
                    }
                );
            }
        }
    }
}
