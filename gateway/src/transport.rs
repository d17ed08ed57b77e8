//! Ways in which a client of the channel protocol is connected, as far as the protocol depends on
//! them.

use stentor_core::delivery::Codec;
use stentor_core::proto::wire::Wire;

use crate::client_protocol::ClientCodec;
use crate::publication_encoding::codec_of;

/// What carries the messages of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    WebSocket,
    /// The content of a response, for which another request brings the commands.
    HttpStream,
    /// Server-sent events, with commands as those of [`HttpStream`](Self::HttpStream).
    EventStream,
    /// Answers to requests that also bring commands. The connection has no link.
    Poll,
    OneWayWebSocket,
    OneWayHttpStream,
    OneWayEventStream,
}

impl Transport {
    /// Returns the name that the server API has for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::HttpStream => "http_stream",
            Self::EventStream => "sse",
            Self::Poll => "poll",
            Self::OneWayWebSocket => "uni_websocket",
            Self::OneWayHttpStream => "uni_http_stream",
            Self::OneWayEventStream => "uni_sse",
        }
    }

    /// Returns whether the client sends nothing but its first message.
    pub(crate) const fn is_one_way(self) -> bool {
        matches!(
            self,
            Self::OneWayWebSocket | Self::OneWayHttpStream | Self::OneWayEventStream
        )
    }

    /// Returns whether commands come in requests of their own.
    pub(crate) const fn is_emulated(self) -> bool {
        matches!(self, Self::HttpStream | Self::EventStream)
    }
}

/// How a client is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ClientLink {
    pub(crate) transport: Transport,
    pub(crate) codec: ClientCodec,
    /// Whether the client wants pings of WebSocket and not of the protocol.
    pub(crate) has_frame_pings: bool,
}

impl ClientLink {
    /// All that there are, but for the kind of pings.
    pub(crate) const ALL: &[Self] = &[
        Self::new(Transport::WebSocket, ClientCodec::Json),
        Self::new(Transport::WebSocket, ClientCodec::Protobuf),
        Self::new(Transport::WebSocket, ClientCodec::MessagePack),
        Self::new(Transport::HttpStream, ClientCodec::Json),
        Self::new(Transport::HttpStream, ClientCodec::Protobuf),
        Self::new(Transport::EventStream, ClientCodec::Json),
        Self::new(Transport::Poll, ClientCodec::Json),
        Self::new(Transport::OneWayWebSocket, ClientCodec::Json),
        Self::new(Transport::OneWayWebSocket, ClientCodec::Protobuf),
        Self::new(Transport::OneWayHttpStream, ClientCodec::Json),
        Self::new(Transport::OneWayHttpStream, ClientCodec::Protobuf),
        Self::new(Transport::OneWayEventStream, ClientCodec::Json),
    ];

    pub(crate) const fn new(transport: Transport, codec: ClientCodec) -> Self {
        Self {
            transport,
            codec,
            has_frame_pings: false,
        }
    }

    pub(crate) const fn is_one_way(self) -> bool {
        self.transport.is_one_way()
    }

    /// Returns whether each reply is a message of its own. Elsewhere, replies that are made together
    /// are one message.
    pub(crate) const fn separates_replies(self) -> bool {
        self.is_one_way() || matches!(self.transport, Transport::EventStream)
    }

    /// Returns the codec in which it gets publications.
    pub(crate) const fn core_codec(self) -> Codec {
        codec_of(self.codec, self.is_one_way())
    }

    /// Returns the wire of its connection.
    pub(crate) const fn wire(self) -> Wire {
        match (self.transport, self.codec) {
            (Transport::WebSocket | Transport::OneWayWebSocket, _) => Wire::WebSocket,
            (Transport::EventStream | Transport::OneWayEventStream, _) => Wire::EventStream,
            (_, ClientCodec::Json) => Wire::Lines,
            (_, ClientCodec::Protobuf | ClientCodec::MessagePack) => Wire::Bytes,
        }
    }
}
