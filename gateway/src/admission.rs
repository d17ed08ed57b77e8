//! Which requests become connections: the path says which protocol, the settings who may come.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str;

use stentor_core::app::Subprotocol;
use stentor_core::{HttpRequest, HttpResponse};

use crate::api::{self, ApiVerdict};
use crate::client_protocol::ClientCodec;
use crate::emulation::{self, StreamVerdict, first_message};
use crate::settings::{Access, GatewaySettings};
use crate::transport::{ClientLink, Transport};

/// The path of the channel protocol over WebSocket.
const CLIENT_PATH: &str = "/connection/websocket";
/// The same of one-way clients.
const ONE_WAY_PATH: &str = "/connection/uni_websocket";
/// The paths of the seed protocol.
const SEED_PATHS: [&str; 2] = ["/ws", "/"];

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum RequestVerdict {
    /// A client of the seed protocol.
    Room,
    /// A client of the channel protocol over WebSocket. The first message of a one-way client may have
    /// come with the request.
    Client {
        link: ClientLink,
        subprotocol: Subprotocol,
        first: Vec<u8>,
    },
    /// A client of the channel protocol over something else.
    Stream(StreamVerdict),
    /// A backend.
    Api(ApiVerdict),
    /// It is refused.
    Refused(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Nothing is served at the path.
    NotFound,
    /// The server is for development, and the request has come over a proxy.
    Proxied,
    /// The server is for development, and the request is for another host.
    OtherHost,
    /// The server has no key.
    Unconfigured,
}

impl Refusal {
    /// Returns whether it is because of [`Access`].
    pub(crate) fn is_of_access(self) -> bool {
        self != Self::NotFound
    }

    /// Returns the response.
    pub(crate) fn response(self) -> HttpResponse {
        let reason = match self {
            Self::NotFound => return HttpResponse::new(404),
            Self::Proxied => {
                "This server is for development: it has no key and takes no request that came over a \
                 proxy.\nSet client.token.hmac_secret_key.\n"
            }
            Self::OtherHost => {
                "This server is for development: it has no key and takes requests for localhost \
                 only.\nSet client.token.hmac_secret_key.\n"
            }
            Self::Unconfigured => {
                "This server has no key, so that nobody may connect.\nSet \
                 client.token.hmac_secret_key.\n"
            }
        };
        HttpResponse::new(403).body("text/plain; charset=utf-8", reason.as_bytes())
    }
}

/// Decides on a request.
pub(crate) fn admit(settings: &GatewaySettings, request: &HttpRequest<'_>) -> RequestVerdict {
    if let Some(verdict) = api::admit(&settings.api, request) {
        return RequestVerdict::Api(verdict);
    }
    if request.is_internal() {
        // Clients have listeners of their own.
        return RequestVerdict::Refused(Refusal::NotFound);
    }
    let transport = match request.path() {
        CLIENT_PATH => Some(Transport::WebSocket),
        ONE_WAY_PATH if settings.transports.uni_websocket => Some(Transport::OneWayWebSocket),
        _ => None,
    };
    let is_stream = emulation::is_served(request.path(), &settings.transports);
    let is_room = settings.seed_protocol.enabled && SEED_PATHS.contains(&request.path());
    if transport.is_none() && !is_stream && !is_room {
        return RequestVerdict::Refused(Refusal::NotFound);
    }
    if let Some(refusal) = refusal(settings.access, request) {
        return RequestVerdict::Refused(refusal);
    }
    if let Some(verdict) = emulation::admit(settings, request) {
        return RequestVerdict::Stream(verdict);
    }
    let Some(transport) = transport else {
        return RequestVerdict::Room;
    };
    let (codec, subprotocol) = choose_codec(request, transport);
    let first = match transport {
        Transport::OneWayWebSocket => first_message(request).unwrap_or_default().into_owned(),
        _ => Vec::new(),
    };
    RequestVerdict::Client {
        link: ClientLink {
            has_frame_pings: query_has(request, "cf_ws_frame_ping_pong", "true"),
            ..ClientLink::new(transport, codec)
        },
        subprotocol,
        first,
    }
}

/// Returns the codec of a request: that of the first subprotocol that is known, or that of the query.
fn choose_codec(request: &HttpRequest<'_>, transport: Transport) -> (ClientCodec, Subprotocol) {
    for (place, offered) in request.list("sec-websocket-protocol").enumerate() {
        for codec in [
            ClientCodec::Protobuf,
            ClientCodec::Json,
            ClientCodec::MessagePack,
        ] {
            if codec == ClientCodec::MessagePack && transport.is_one_way() {
                continue;
            }
            if offered == codec.subprotocol().as_bytes() {
                return (codec, Subprotocol::Offered(place));
            }
        }
    }
    let is_protobuf =
        query_has(request, "cf_protocol", "protobuf") || query_has(request, "format", "protobuf");
    let codec = match is_protobuf {
        true => ClientCodec::Protobuf,
        false => ClientCodec::Json,
    };
    (codec, Subprotocol::None)
}

fn query_has(request: &HttpRequest<'_>, name: &str, value: &str) -> bool {
    let query = request.query().unwrap_or_default();
    query
        .split('&')
        .any(|pair| pair.split_once('=') == Some((name, value)))
}

fn refusal(access: Access, request: &HttpRequest<'_>) -> Option<Refusal> {
    match access {
        Access::Configured => None,
        Access::Unconfigured => Some(Refusal::Unconfigured),
        Access::Development
            if !request.is_of_trusted_proxy()
                && request.fields().any(|(name, _)| is_of_proxy(name)) =>
        {
            Some(Refusal::Proxied)
        }
        Access::Development => (!is_for_loopback(request)).then_some(Refusal::OtherHost),
    }
}

/// Returns whether proxies add a field of this name.
fn is_of_proxy(name: &str) -> bool {
    const PREFIX: &str = "x-forwarded-";
    let prefix = name.get(..PREFIX.len());
    name.eq_ignore_ascii_case("forwarded")
        || name.eq_ignore_ascii_case("via")
        || prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX))
}

/// Returns whether a request is for a loopback name or address. A page of another site can have a name
/// of its own point here, but not `localhost`.
fn is_for_loopback(request: &HttpRequest<'_>) -> bool {
    let target = request.target();
    let is_absolute = !target.starts_with('/') && target != "*";
    let of_target = is_absolute.then(|| authority_of(target));
    let mut fields = request.header("host");
    let of_field = fields.next().and_then(|host| str::from_utf8(host).ok());
    // Whatever names a host must name this one.
    let mut hosts = [of_target, of_field].into_iter().flatten();
    hosts.clone().next().is_some() && hosts.all(is_loopback) && fields.next().is_none()
}

/// Returns the authority of an absolute target.
fn authority_of(target: &str) -> &str {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// Returns whether a host, with or without a port, is a loopback name or address.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => {
            let address = rest.split_once(']').map(|(address, _)| address);
            return address
                .and_then(|address| address.parse::<Ipv6Addr>().ok())
                .is_some_and(|address| IpAddr::from(address).to_canonical().is_loopback());
        }
        None => authority
            .split_once(':')
            .map_or(authority, |(host, _)| host),
    };
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return address.is_loopback();
    }
    // With the dot that ends a full name.
    let host = host.strip_suffix('.').unwrap_or(host);
    const NAME: &str = "localhost";
    let start = host.len().checked_sub(NAME.len());
    let Some((before, name)) = start.and_then(|start| host.split_at_checked(start)) else {
        return false;
    };
    name.eq_ignore_ascii_case(NAME) && (before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_and_addresses_are_known() {
        for host in [
            "localhost",
            "LocalHost:8000",
            "localhost.",
            "app.localhost:80",
            "127.0.0.1",
            "127.8.9.10:8000",
            "[::1]",
            "[::1]:8000",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "notlocalhost",
            "128.0.0.1",
            "10.0.0.1:8000",
            "[::2]",
            "[::1",
            "::1",
            "127.0.0.1.example.com",
            "0.0.0.0",
            "üocalhost",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn the_authority_of_a_target_is_found() {
        assert_eq!(authority_of("http://h:80/ws?x=://y"), "h:80");
        assert_eq!(authority_of("http://h?x"), "h");
        assert_eq!(authority_of("h:443"), "h:443");
    }

    #[test]
    fn fields_of_proxies_are_known() {
        for name in ["Forwarded", "via", "X-Forwarded-For", "x-forwarded-proto"] {
            assert!(is_of_proxy(name), "{name}");
        }
        for name in ["Host", "X-Forward", "Viaduct", "X-Real-IP"] {
            assert!(!is_of_proxy(name), "{name}");
        }
    }
}
