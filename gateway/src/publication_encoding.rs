//! Publications, joins and leaves in the codecs of the channel protocol, once for all receivers.
//!
//! A publication without an annotation is of the seed protocol or of the application itself. For JSON
//! receivers, its text is a JSON string if it is no JSON, and its bytes are a JSON string in base64.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::str;

use data_encoding::BASE64;
use serde::de::IgnoredAny;
use stentor_core::channels::KeptPublication;
use stentor_core::delivery::{ChannelEvent, Codec, Outgoing};
use stentor_core::{CloseCode, MessageType};

use crate::annotation::{self, Annotation};
use crate::client_protocol::{
    ClientCodec, DisconnectCode, DisconnectPush, Publication, Push, PushEvent, Reply,
    encode_publication, encode_push, encode_reply, reconnects_after,
};
use crate::fossil;

/// The codec of JSON clients.
pub(crate) const JSON: Codec = Codec::new(1);
/// The codec of Protobuf clients.
pub(crate) const PROTOBUF: Codec = Codec::new(2);
/// The codec of JSON clients that get pushes without a reply around them.
pub(crate) const ONE_WAY_JSON: Codec = Codec::new(3);
/// The same of Protobuf clients.
pub(crate) const ONE_WAY_PROTOBUF: Codec = Codec::new(4);
/// The codec of MessagePack clients.
pub(crate) const MESSAGE_PACK: Codec = Codec::new(5);
/// The codec of JSON clients for the channels of which they get patches.
pub(crate) const JSON_DELTA: Codec = Codec::new(6);
/// The same of Protobuf clients.
pub(crate) const PROTOBUF_DELTA: Codec = Codec::new(7);
/// How many codecs there are, with that of the seed protocol.
pub(crate) const CODECS: usize = 8;

/// Returns the codec of the core for channels of which a client gets patches, if it can.
pub(crate) const fn delta_codec_of(codec: ClientCodec) -> Option<Codec> {
    match codec {
        ClientCodec::Json => Some(JSON_DELTA),
        ClientCodec::Protobuf => Some(PROTOBUF_DELTA),
        ClientCodec::MessagePack => None,
    }
}

/// Returns the codec of the core for one of the protocol.
pub(crate) const fn codec_of(codec: ClientCodec, is_one_way: bool) -> Codec {
    match (codec, is_one_way) {
        (ClientCodec::Json, false) => JSON,
        (ClientCodec::Protobuf, false) => PROTOBUF,
        (ClientCodec::Json, true) => ONE_WAY_JSON,
        (ClientCodec::Protobuf, true) => ONE_WAY_PROTOBUF,
        // One-way clients cannot choose it.
        (ClientCodec::MessagePack, _) => MESSAGE_PACK,
    }
}

/// Returns whether clients of a codec get pushes without a reply around them.
pub(crate) fn is_one_way(codec: Codec) -> bool {
    codec == ONE_WAY_JSON || codec == ONE_WAY_PROTOBUF
}

/// Returns the codec of the protocol for one of the core.
pub(crate) fn client_codec(codec: Codec) -> ClientCodec {
    if codec == MESSAGE_PACK {
        return ClientCodec::MessagePack;
    }
    match codec == PROTOBUF || codec == ONE_WAY_PROTOBUF || codec == PROTOBUF_DELTA {
        true => ClientCodec::Protobuf,
        false => ClientCodec::Json,
    }
}

/// Returns the type of the WebSocket messages of a codec.
pub(crate) const fn message_type(codec: ClientCodec) -> MessageType {
    match codec {
        ClientCodec::Json => MessageType::Text,
        ClientCodec::Protobuf | ClientCodec::MessagePack => MessageType::Binary,
    }
}

/// Returns the type of what clients of a codec publish.
pub(crate) const fn payload_type(codec: ClientCodec) -> MessageType {
    match codec {
        ClientCodec::Json | ClientCodec::MessagePack => MessageType::Text,
        ClientCodec::Protobuf => MessageType::Binary,
    }
}

/// Appends a message as a push for all clients of a codec.
///
/// Returns `None` for a publication of a Protobuf client that is no JSON, if the receivers have JSON.
/// The protocol closes them with 3506 then. An encoder cannot do that, since it stands for all of them:
/// they do not get it. That ends the subscriptions among them that are positioned, and the 3506 comes
/// when they recover.
pub(crate) fn encode(
    codec: Codec,
    message: &Outgoing<'_>,
    out: &mut Vec<u8>,
) -> Option<MessageType> {
    let is_one_way = is_one_way(codec);
    let is_delta = codec == JSON_DELTA || codec == PROTOBUF_DELTA;
    let codec = client_codec(codec);
    let encode_push = |push: Push<'_>, out: &mut Vec<u8>| match is_one_way {
        true => encode_push(codec, &push, out),
        false => encode_reply(codec, &Reply::Push(push), out),
    };
    let channel = match message.channel {
        Some(channel) => str::from_utf8(channel).ok()?,
        None => "",
    };
    let encoded = match message.event {
        ChannelEvent::Publication if message.channel.is_none() => {
            let data = data_for(codec, message.kind, message.payload, message.annotation);
            encode_push(Push::new("", PushEvent::Message(&data)), out)
        }
        ChannelEvent::Publication => {
            let mut data = data_for(codec, message.kind, message.payload, message.annotation);
            let mut delta = false;
            if is_delta {
                let previous = message.previous.map(|kept| kept_data(codec, kept));
                (data, delta) = delta_data(codec, previous.as_deref(), data)?;
            }
            let Annotation { info, tags } = annotation::read(message.annotation)?;
            let mut publication = Publication {
                data: &data,
                info,
                tags: &tags,
                delta,
                ..Publication::default()
            };
            if let Some(position) = &message.position {
                publication.offset = position.offset;
                // With the first one, the stream begins: a subscriber may know no epoch yet.
                if position.offset == 1 {
                    publication.epoch = position.epoch.as_str();
                }
            }
            match is_one_way {
                true => encode_push(Push::new(channel, PushEvent::Publication(publication)), out),
                false => encode_publication(codec, channel, &publication, out),
            }
        }
        ChannelEvent::Join | ChannelEvent::Leave => {
            let info = annotation::read(message.payload)?.info?;
            let event = match message.event {
                ChannelEvent::Join => PushEvent::Join(info),
                _ => PushEvent::Leave(info),
            };
            encode_push(Push::new(channel, event), out)
        }
    };
    encoded.ok().map(|()| message_type(codec))
}

/// Appends the push that ends a connection without close codes.
pub(crate) fn encode_close(codec: Codec, code: CloseCode, reason: &str, out: &mut Vec<u8>) {
    // What the core says it says with codes of WebSocket.
    let known = match code {
        CloseCode::PROTOCOL_ERROR | CloseCode::TOO_BIG => Some(DisconnectCode::BadRequest),
        CloseCode::POLICY | CloseCode::TRY_LATER => Some(DisconnectCode::Slow),
        CloseCode::GOING_AWAY => Some(DisconnectCode::Shutdown),
        code if code.get() < 3_000 => Some(DisconnectCode::InternalError),
        _ => None,
    };
    let end = match known {
        Some(known) => known.into(),
        None => DisconnectPush {
            code: code.get(),
            reason,
            reconnect: reconnects_after(code.get()),
        },
    };
    let push = Push::new("", PushEvent::Disconnect(end));
    // It has no payload that could be invalid.
    let _ = match is_one_way(codec) {
        true => encode_push(client_codec(codec), &push, out),
        false => encode_reply(client_codec(codec), &Reply::Push(push), out),
    };
}

/// A publication that a channel has kept, in the form in which a codec has it.
#[derive(Debug)]
pub(crate) struct DecodedPublication<'a> {
    data: Cow<'a, [u8]>,
    annotation: Annotation<'a>,
    offset: u64,
    delta: bool,
}

impl<'a> DecodedPublication<'a> {
    pub(crate) fn new(codec: ClientCodec, kept: &'a KeptPublication) -> Self {
        Self {
            data: kept_data(codec, kept),
            annotation: annotation::read(&kept.annotation).unwrap_or_default(),
            offset: kept.offset,
            delta: false,
        }
    }

    /// Returns what a subscriber has missed.
    pub(crate) fn of(
        codec: ClientCodec,
        kept: &'a [KeptPublication],
        gets_delta: bool,
    ) -> Vec<Self> {
        match gets_delta {
            true => Self::chain(codec, kept),
            false => kept.iter().map(|kept| Self::new(codec, kept)).collect(),
        }
    }

    /// Returns publications one after the other for a client that gets patches: the first is whole,
    /// each other one may be a patch of the one before. What the codec cannot express is left as it
    /// is.
    fn chain(codec: ClientCodec, kept: &'a [KeptPublication]) -> Vec<Self> {
        let mut previous: Option<Cow<'a, [u8]>> = None;
        let publications = kept.iter().map(|kept| {
            let mut decoded = Self::new(codec, kept);
            let data = decoded.data.clone();
            if let Some((data, delta)) = delta_data(codec, previous.as_deref(), data.clone()) {
                decoded.data = data;
                decoded.delta = delta;
            }
            previous = Some(data);
            decoded
        });
        publications.collect()
    }

    /// Returns it as a result has it.
    pub(crate) fn as_publication(&self) -> Publication<'_> {
        Publication {
            data: &self.data,
            info: self.annotation.info,
            offset: self.offset,
            tags: &self.annotation.tags,
            delta: self.delta,
            ..Publication::default()
        }
    }
}

fn kept_data(codec: ClientCodec, kept: &KeptPublication) -> Cow<'_, [u8]> {
    data_for(codec, kept.kind, &kept.payload, &kept.annotation)
}

/// Returns a payload for receivers that get patches, and whether it is one: of the payload before,
/// if that is shorter. For JSON, both are the text in a JSON string. `None` if JSON cannot express it.
fn delta_data<'a>(
    codec: ClientCodec,
    previous: Option<&[u8]>,
    data: Cow<'a, [u8]>,
) -> Option<(Cow<'a, [u8]>, bool)> {
    // The format has lengths of 32 bits.
    let previous = previous.filter(|previous| previous.len().max(data.len()) <= u32::MAX as usize);
    if codec == ClientCodec::Protobuf {
        let patch = previous.map(|previous| fossil::create(previous, &data));
        return Some(match patch.filter(|patch| patch.len() < data.len()) {
            Some(patch) => (Cow::Owned(patch), true),
            None => (data, false),
        });
    }
    let text = str::from_utf8(&data).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let previous = previous.and_then(|previous| str::from_utf8(previous).ok());
    let patch = previous.map(|previous| fossil::create_text(previous, text));
    Some(match patch.filter(|patch| patch.len() < text.len()) {
        Some(patch) => (Cow::Owned(json_string(&patch)), true),
        None => (Cow::Owned(json_string(text)), false),
    })
}

/// Returns a payload as receivers of a codec get it.
fn data_for<'a>(
    codec: ClientCodec,
    kind: MessageType,
    payload: &'a [u8],
    annotation: &[u8],
) -> Cow<'a, [u8]> {
    if codec == ClientCodec::Protobuf || !annotation.is_empty() {
        return Cow::Borrowed(payload);
    }
    let text = match kind {
        MessageType::Binary => return Cow::Owned(json_string(&BASE64.encode(payload))),
        // What the core has taken as text is UTF-8.
        MessageType::Text => str::from_utf8(payload).unwrap_or_default(),
    };
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Cow::Borrowed(payload),
        Err(_) => Cow::Owned(json_string(text)),
    }
}

fn json_string(text: &str) -> Vec<u8> {
    // Texts can always be written.
    serde_json::to_vec(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_protocols_payloads_are_json_for_json() {
        let json = |kind, payload: &[u8]| {
            let data = data_for(ClientCodec::Json, kind, payload, b"");
            alloc::string::String::from_utf8(data.into_owned()).expect("JSON is UTF-8")
        };
        for (payload, expected) in [
            ("hello", r#""hello""#),
            ("", r#""""#),
            ("say \"hi\"\n", r#""say \"hi\"\n""#),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            ("5", "5"),
            ("{} {}", r#""{} {}""#),
            ("Zürich", r#""Zürich""#),
        ] {
            assert_eq!(json(MessageType::Text, payload.as_bytes()), expected);
        }
        assert_eq!(json(MessageType::Binary, b"{}"), r#""e30=""#);
        assert_eq!(json(MessageType::Binary, b"\xFF\x00"), r#""/wA=""#);
        assert_eq!(json(MessageType::Binary, b""), r#""""#);
    }

    #[test]
    fn everything_else_is_as_it_was_published() {
        for (codec, kind, payload, annotation) in [
            (
                ClientCodec::Protobuf,
                MessageType::Text,
                &b"hello"[..],
                &b""[..],
            ),
            (ClientCodec::Protobuf, MessageType::Binary, b"\xFF", b""),
            (ClientCodec::Json, MessageType::Binary, b"{}", b"\0"),
            (ClientCodec::Json, MessageType::Binary, b"\xFF", b"\0"),
        ] {
            assert_eq!(&*data_for(codec, kind, payload, annotation), payload);
        }
    }
}
