//! Paths of clients that are not connected by WebSocket, and what their requests begin with.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use bytes::Bytes;
use stentor_core::{HttpRequest, HttpResponse};

use super::commands::CommandPost;
use super::cors;
use super::poll::{self, PollPost, PollRequest};
use crate::client_protocol::ClientCodec;
use crate::settings::{GatewaySettings, TransportSettings};
use crate::transport::{ClientLink, Transport};

/// What a request for one of the paths gets.
#[derive(Debug)]
pub(crate) enum StreamVerdict {
    /// A session, whose first message has come with the request.
    Session {
        link: ClientLink,
        first: Vec<u8>,
        fields: Vec<(String, Vec<u8>)>,
    },
    /// Its commands are for a session.
    Commands(CommandPost),
    /// It polls a session, or begins one that is polled.
    Poll(PollPost),
    /// It is answered with this.
    Answered(HttpResponse),
}

/// What is served at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Endpoint {
    Stream(Transport),
    Commands,
    Poll,
}

impl Endpoint {
    fn of(path: &str, settings: &TransportSettings) -> Option<Self> {
        let (endpoint, is_enabled) = match path {
            "/connection/http_stream" => {
                (Self::Stream(Transport::HttpStream), settings.http_stream)
            }
            "/connection/sse" => (Self::Stream(Transport::EventStream), settings.sse),
            "/connection/uni_http_stream" => (
                Self::Stream(Transport::OneWayHttpStream),
                settings.uni_http_stream,
            ),
            "/connection/uni_sse" => (Self::Stream(Transport::OneWayEventStream), settings.uni_sse),
            "/connection/poll" => (Self::Poll, settings.poll),
            "/emulation" => (Self::Commands, settings.http_stream || settings.sse),
            _ => return None,
        };
        is_enabled.then_some(endpoint)
    }

    const fn methods(self) -> &'static str {
        match self {
            Self::Stream(Transport::EventStream | Transport::OneWayEventStream) => {
                "GET, POST, OPTIONS"
            }
            Self::Stream(_) | Self::Commands | Self::Poll => "POST, OPTIONS",
        }
    }

    fn has_method(self, method: &str) -> bool {
        self.methods().split(", ").any(|listed| listed == method)
    }
}

/// Returns whether something is served at a path.
pub(crate) fn is_served(path: &str, settings: &TransportSettings) -> bool {
    Endpoint::of(path, settings).is_some()
}

/// Decides on a request, if it is for one of the paths. The gateway has checked who may come.
pub(crate) fn admit(
    settings: &GatewaySettings,
    request: &HttpRequest<'_>,
) -> Option<StreamVerdict> {
    let endpoint = Endpoint::of(request.path(), &settings.transports)?;
    let verdict = decide(endpoint, settings, request);
    Some(verdict.unwrap_or_else(StreamVerdict::Answered))
}

fn decide(
    endpoint: Endpoint,
    settings: &GatewaySettings,
    request: &HttpRequest<'_>,
) -> Result<StreamVerdict, HttpResponse> {
    if !request.is_origin_allowed() {
        return Err(HttpResponse::new(403));
    }
    if request.method() == "OPTIONS" {
        return Err(cors::preflight(request, endpoint.methods()));
    }
    let fields = cors::fields(request);
    let refuse = |status| {
        let response = match endpoint {
            Endpoint::Poll => poll::refusal(status, message_of(status)),
            _ => HttpResponse::new(status),
        };
        let fields = fields.iter();
        fields.fold(response, |response, (name, value)| {
            response.field(name.as_str(), value.as_slice())
        })
    };
    if !endpoint.has_method(request.method()) {
        return Err(refuse(405).field("Allow", endpoint.methods()));
    }
    let is_get = request.method() == "GET";
    if !is_get && request.body().len() > settings.client.max_message {
        return Err(refuse(413));
    }
    let codec = codec_of(request);
    match endpoint {
        Endpoint::Poll => {
            let Some(request) = PollRequest::decode(request.body()) else {
                return Err(refuse(400));
            };
            let conn = match &*request.session {
                "" if request.commands.is_empty() => return Err(refuse(400)),
                "" => None,
                secret => {
                    let conn = settings.session_key.connection(secret);
                    let is_here =
                        request.node.is_empty() || request.node.parse() == Ok(settings.node);
                    let Some(conn) = conn.filter(|_| is_here) else {
                        return Err(refuse(404));
                    };
                    Some(conn)
                }
            };
            let PollRequest { seq, commands, .. } = request;
            Ok(StreamVerdict::Poll(PollPost::new(
                conn, seq, commands, fields,
            )))
        }
        Endpoint::Stream(transport) => {
            let is_event_stream = endpoint.has_method("GET");
            let codec = if is_event_stream {
                ClientCodec::Json
            } else {
                codec
            };
            let first = if is_get {
                match first_message(request) {
                    Some(first) => first.into_owned(),
                    // It says nothing about itself.
                    None if transport.is_one_way() => b"{}".to_vec(),
                    None => return Err(refuse(400)),
                }
            } else {
                request.body().to_vec()
            };
            if first.len() > settings.client.max_message {
                return Err(refuse(413));
            }
            Ok(StreamVerdict::Session {
                link: ClientLink::new(transport, codec),
                first,
                fields,
            })
        }
        Endpoint::Commands => {
            let Ok(emulation) = codec.decode_emulation(request.body()) else {
                return Err(refuse(400));
            };
            let is_here = emulation.node.parse() == Ok(settings.node);
            let conn = settings.session_key.connection(&emulation.session);
            let Some(conn) = conn.filter(|_| is_here) else {
                return Err(refuse(404));
            };
            Ok(StreamVerdict::Commands(CommandPost::new(
                conn,
                Bytes::from(emulation.data.into_owned()),
                fields,
            )))
        }
    }
}

/// Returns what a client that polls is told with a status.
const fn message_of(status: u16) -> &'static str {
    match status {
        400 => "not the content of a poll",
        404 => poll::NO_SESSION,
        405 => "the method is POST",
        413 => "the content is too long",
        _ => "not allowed",
    }
}

/// Returns the codec that the media type of the content names.
fn codec_of(request: &HttpRequest<'_>) -> ClientCodec {
    let media_type = request.header("content-type").next().unwrap_or_default();
    let media_type = media_type.split(|&byte| byte == b';').next();
    let media_type = media_type.unwrap_or_default().trim_ascii();
    match media_type.eq_ignore_ascii_case(b"application/octet-stream") {
        true => ClientCodec::Protobuf,
        false => ClientCodec::Json,
    }
}

/// Returns the first message of a client that has it in its query.
pub(crate) fn first_message<'a>(request: &HttpRequest<'a>) -> Option<Cow<'a, [u8]>> {
    let query = request.query()?;
    let pairs = form_urlencoded::parse(query.as_bytes());
    let value = pairs.into_iter().find(|(name, _)| name == "cf_connect");
    value.map(|(_, value)| match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}
