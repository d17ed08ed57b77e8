//! Owns the decision on a request (RFC 6455 §4.2). Who may connect by origin is
//! for `origin` to say, what a key is for `key`, which subprotocol is spoken for
//! `subprotocol`, what is written back for `response`.

use crate::config::Config;
use crate::error::HandshakeError;
use crate::proto::http::Page;
use crate::proto::http::Request;
use crate::proto::ws::deflate::Params;
use crate::proto::ws::upgrade::extension::{Extension, Malformed};
use crate::proto::ws::upgrade::key::{ACCEPT_LEN, accept_key, is_key};
use crate::proto::ws::upgrade::origin;
use crate::proto::ws::upgrade::subprotocol;

/// What a request gets, if it is not refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HeadAction {
    /// The connection becomes a WebSocket.
    Upgrade(Upgrade),
    /// A page, and then the end of the connection.
    Page {
        /// Which page.
        page: Page,
        /// Whether the page goes without its content, as HEAD asks.
        head_only: bool,
    },
    /// The methods that there are, as OPTIONS asks, and then the end of the connection.
    Methods,
}

/// What the answer to an upgrade must say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Upgrade {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: [u8; ACCEPT_LEN],
    /// The place, in [`Request::subprotocols`], of the first of
    /// [`Config::subprotocols`] that is offered; `None` if none is.
    pub subprotocol: Option<usize>,
    /// The first offer of permessage-deflate that need not be declined, if
    /// messages are to be compressed at all; it is still to be answered.
    pub deflate: Option<Params>,
}

/// Decides on a request: `/ws` upgrades, each [`Page`] is shown, and OPTIONS of
/// any of them, or of `*`, is answered.
///
/// # Errors
/// The first thing that is wrong: the host, whether it is allowed, the path, the method, then for
/// `/ws` the HTTP version, a body, the upgrade, the protocol version, the key,
/// the subprotocols, the extensions, the origin.
//= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
//# If the server, while reading the handshake, finds that the client did not
//# send a handshake that matches the description below (note that as per
//# [RFC2616], the order of the header fields is not important), including but
//# not limited to any violations of the ABNF grammar specified for the
//# components of the handshake, the server MUST stop processing the client's
//# handshake and return an HTTP response with an appropriate error code (such
//# as 400 Bad Request).
//= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
//# If the requested service is not available, the server MUST send an
//# appropriate HTTP error code (such as 404 Not Found) and abort the WebSocket
//# handshake.
pub fn decide(request: &Request<'_>, config: &Config) -> Result<HeadAction, HandshakeError> {
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
    //# A |Host| header field containing the server's authority.
    let host = request.host_of(config.hosts())?;
    let asks_for_methods = request.method() == "OPTIONS";
    let page = match request.path() {
        WS_PATH => None,
        "*" if asks_for_methods => return Ok(HeadAction::Methods),
        path => {
            let page = Page::at(path, config);
            Some(page.ok_or(HandshakeError::NotFound)?)
        }
    };
    // Load balancers check by this whether a server is up (RFC 9110 §9.3.7).
    if asks_for_methods {
        return Ok(HeadAction::Methods);
    }
    let head_only = request.is_head();
    if !head_only && request.method() != "GET" {
        return Err(HandshakeError::Method);
    }
    if let Some(page) = page {
        return Ok(HeadAction::Page { page, head_only });
    }
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
    //# An HTTP/1.1 or higher GET request, including a "Request-URI" [RFC2616]
    //# that should be interpreted as a /resource name/ defined in Section 3 (or
    //# an absolute HTTP/HTTPS URI containing the /resource name/).
    if request.minor_version() == 0 {
        return Err(HandshakeError::HttpVersion);
    }
    if announces_body(request) {
        return Err(HandshakeError::Body);
    }
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
    //# An |Upgrade| header field containing the value "websocket", treated as
    //# an ASCII case-insensitive value.
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
    //# A |Connection| header field that includes the token "Upgrade", treated
    //# as an ASCII case-insensitive value.
    // HEAD gets the headers of what GET without an upgrade gets.
    if head_only
        || !has_token(request, "upgrade", b"websocket")
        || !has_token(request, "connection", b"upgrade")
    {
        return Err(HandshakeError::NotUpgrade);
    }
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
    //# A |Sec-WebSocket-Version| header field, with a value of 13.
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
    //# If this version does not match a version understood by the server, the
    //# server MUST abort the WebSocket handshake described in this section and
    //# instead send an appropriate HTTP error code (such as 426 Upgrade
    //# Required) and a |Sec-WebSocket-Version| header field indicating the
    //# version(s) the server is capable of understanding.
    if request.only("sec-websocket-version") != Some(b"13") {
        return Err(HandshakeError::Version);
    }
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
    //# A |Sec-WebSocket-Key| header field with a base64-encoded (see Section 4
    //# of [RFC4648]) value that, when decoded, is 16 bytes in length.
    let key = request
        .only("sec-websocket-key")
        .filter(|key| is_key(key))
        .ok_or(HandshakeError::Key)?;
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
    //# Optionally, a |Sec-WebSocket-Protocol| header field, with a list of
    //# values indicating which protocols the client would like to speak,
    //# ordered by preference.
    let subprotocol = subprotocol::choose(request, config.subprotocols())?;
    let deflate = deflate_offer(request, config)?;
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
    //# If the server does not wish to accept this connection, it MUST return
    //# an appropriate HTTP error code (e.g., 403 Forbidden) and abort the
    //# WebSocket handshake described in this section.
    if !origin::may_connect(request, host, config.origins()) {
        return Err(HandshakeError::Origin);
    }
    Ok(HeadAction::Upgrade(Upgrade {
        accept: accept_key(key),
        subprotocol,
        deflate,
    }))
}

/// The first acceptable offer, if any is wanted. Of extensions that nobody
/// wants the grammar is checked all the same.
//= https://www.rfc-editor.org/rfc/rfc6455#section-9.1
//# If a value is received by either the client or the server during negotiation
//# that does not conform to the ABNF below, the recipient of such malformed
//# data MUST immediately _Fail the WebSocket Connection_.
//= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
//# If the server supports multiple extensions, then the value MUST be
//# derived from the client's handshake, specifically by selecting one or
//# more of the values from the |Sec-WebSocket-Extensions| field.
fn deflate_offer(request: &Request<'_>, config: &Config) -> Result<Option<Params>, HandshakeError> {
    let terms = config.deflate_terms(true);
    let is_acceptable = |offer: &Params| config.compression() && offer.answer(terms).is_some();
    let mut chosen = None;
    // Over all of its lines, the list must have an element.
    let mut is_empty = request.header(EXTENSIONS).next().is_some();
    for line in request.header(EXTENSIONS) {
        for extension in Extension::parse_list(line) {
            let extension = extension.map_err(|Malformed| HandshakeError::Extensions)?;
            is_empty = false;
            //= https://www.rfc-editor.org/rfc/rfc7692#section-5
            //# A server MUST NOT accept a PMCE extension negotiation offer
            //# together with another extension if the PMCE will conflict
            //# with the extension on their use of the RSV1 bit.
            //= https://www.rfc-editor.org/rfc/rfc7692#section-5
            //# A server MUST NOT accept a PMCE extension negotiation offer
            //# together with another extension if the PMCE will be applied
            //# to the output of the extension and any of the following
            //# conditions applies to the extension:
            // One is accepted, and there is no other to accept.
            chosen = chosen.or_else(|| Params::parse_offer(&extension).filter(is_acceptable));
        }
    }
    if is_empty {
        return Err(HandshakeError::Extensions);
    }
    Ok(chosen)
}

/// Whether the request says that content follows (RFC 9112 §6.3), or says it
/// in a way that cannot be trusted. After an upgrade it would pass for frames.
fn announces_body(request: &Request<'_>) -> bool {
    let is_zero = |length: &[u8]| !length.is_empty() && length.iter().all(|&digit| digit == b'0');
    let mut lengths = request
        .header("content-length")
        .flat_map(|value| value.split(|&b| b == b','));
    request.header("transfer-encoding").next().is_some()
        || !lengths.all(|length| is_zero(length.trim_ascii()))
}

fn has_token(request: &Request<'_>, name: &str, token: &[u8]) -> bool {
    request
        .list(name)
        .any(|element| element.eq_ignore_ascii_case(token))
}

const WS_PATH: &str = "/ws";
const EXTENSIONS: &str = "sec-websocket-extensions";

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::config::{ConfigBuilder, Hosts};
    use crate::proto::http::{Fields, IndexPage};

    const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: h.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    static INDEX: IndexPage = IndexPage {
        html: "<!doctype html>",
        policy: "default-src 'none'",
    };

    fn builder() -> ConfigBuilder {
        Config::builder().index_page(&INDEX)
    }

    fn decided(head: &str) -> Result<HeadAction, HandshakeError> {
        decided_with(head, &builder().build().expect("valid"))
    }

    fn decided_with(head: &str, config: &Config) -> Result<HeadAction, HandshakeError> {
        let mut fields = Fields::new();
        let (request, _) = Request::parse(head.as_bytes(), &mut fields, config)?.expect("whole");
        decide(&request, config)
    }

    /// The sample request with one line (by its start) replaced by others.
    fn with(start: &str, lines: &str) -> String {
        let end = if lines.is_empty() { "" } else { "\r\n" };
        let line = UPGRADE
            .split("\r\n")
            .find(|line| line.starts_with(start))
            .expect("a line of the sample");
        UPGRADE.replace(&format!("{line}\r\n"), &format!("{lines}{end}"))
    }

    fn plus(line: &str) -> String {
        with("Host", &format!("Host: h.example\r\n{line}"))
    }

    fn upgraded() -> Result<HeadAction, HandshakeError> {
        Ok(HeadAction::Upgrade(Upgrade {
            accept: *b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            subprotocol: None,
            deflate: None,
        }))
    }

    #[test]
    fn the_sample_upgrades_and_so_do_its_variants() {
        assert_eq!(decided(UPGRADE), upgraded());
        for (start, lines) in [
            ("GET", "GET /ws?room=a HTTP/1.1"),
            ("GET", "GET http://H.example/ws HTTP/1.1"),
            ("Upgrade", "UPGRADE: h2c, WebSocket"),
            ("Upgrade", "Upgrade: h2c\r\nUpgrade: websocket"),
            ("Connection", "Connection: keep-alive, upgrade"),
            (
                "Connection",
                "connection: keep-alive\r\nconnection: ,UPGRADE",
            ),
            (
                "Sec-WebSocket-Key",
                "sec-websocket-key:\t dGhlIHNhbXBsZSBub25jZQ== \t",
            ),
            (
                "Connection",
                "Connection: Keep-Alive , ,Upgrade\r\nConnection: \t",
            ),
            ("Upgrade", "Upgrade: ,websocket,"),
            ("Upgrade", "upgrade:WEBSOCKET"),
            (
                "Sec-WebSocket-Version",
                "SEC-WEBSOCKET-VERSION:13\r\nX-Empty:\r\nX-Bytes: \u{e9}\u{fc}",
            ),
            ("GET", "\r\nGET ws://h.example:80/ws HTTP/1.1"),
            ("Host", "Host: H.EXAMPLE:"),
            ("Host", "Host: h.example\r\nExpect: 100-continue"),
            ("Host", "Host: h.example\r\nSec-WebSocket-Protocol:"),
            ("Host", "Host: h.example\r\nSec-WebSocket-Protocol: , ,"),
            ("Host", "Host: h.example\r\nContent-Length: 0"),
            (
                "Host",
                "Host: h.example\r\nContent-Length: 0, 00\r\nContent-Length: 0",
            ),
            ("Host", "Host: h.example\r\nOrigin: http://h.example"),
            (
                "Host",
                "Host: h.example\r\nSec-WebSocket-Protocol: chat.v2, ,a!\r\nSec-WebSocket-Protocol:",
            ),
            (
                "Host",
                "Host: h.example\r\nSec-WebSocket-Extensions:\r\nSec-WebSocket-Extensions: x-a; b",
            ),
        ] {
            assert_eq!(decided(&with(start, lines)), upgraded(), "{lines}");
        }
    }

    #[test]
    fn each_fault_has_its_error() {
        use HandshakeError::{
            Body, Extensions, Host, HttpVersion, Key, Method, NotFound, NotUpgrade, Origin,
            Subprotocol, Version,
        };
        for (start, lines, error) in [
            ("Host", "", Host),
            ("Host", "Host:", Host),
            ("Host", "Host: a\r\nHost: a", Host),
            ("Host", "Host: a b", Host),
            ("Host", "Host: u@a", Host),
            ("GET", "GET /other HTTP/1.1", NotFound),
            ("GET", "POST /other HTTP/1.1", NotFound),
            ("GET", "OPTIONS /other HTTP/1.1", NotFound),
            ("GET", "GET * HTTP/1.1", NotFound),
            ("GET", "options /ws HTTP/1.1", Method),
            ("GET", "CONNECT a:80 HTTP/1.1", NotFound),
            ("GET", "GET /ws/ HTTP/1.1", NotFound),
            ("GET", "GET //ws HTTP/1.1", NotFound),
            ("GET", "GET /WS HTTP/1.1", NotFound),
            ("GET", "GET /%77s HTTP/1.1", NotFound),
            ("GET", "POST /ws HTTP/1.1", Method),
            ("GET", "get /ws HTTP/1.1", Method),
            ("GET", "HEAD /ws HTTP/1.1", NotUpgrade),
            ("GET", "GET /ws HTTP/1.0", HttpVersion),
            ("Upgrade", "", NotUpgrade),
            ("Upgrade", "Upgrade:", NotUpgrade),
            ("Upgrade", "Upgrade: websockets", NotUpgrade),
            ("Upgrade", "Upgrade: h2c", NotUpgrade),
            ("Connection", "", NotUpgrade),
            ("Connection", "Connection: close", NotUpgrade),
            ("Connection", "Connection: notupgrade", NotUpgrade),
            ("Sec-WebSocket-Version", "", Version),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8", Version),
            (
                "Sec-WebSocket-Version",
                "Sec-WebSocket-Version: 013",
                Version,
            ),
            (
                "Sec-WebSocket-Version",
                "Sec-WebSocket-Version: 13, 8",
                Version,
            ),
            (
                "Sec-WebSocket-Version",
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13",
                Version,
            ),
            ("Sec-WebSocket-Key", "", Key),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Key:", Key),
            (
                "Sec-WebSocket-Key",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ",
                Key,
            ),
            (
                "Sec-WebSocket-Key",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=",
                Key,
            ),
            (
                "Sec-WebSocket-Key",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j_w==",
                Key,
            ),
            (
                "Sec-WebSocket-Key",
                "Sec-WebSocket-Key: dGhlIHNhbXBs=SBub25jZQ==",
                Key,
            ),
            (
                "Sec-WebSocket-Key",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA==",
                Key,
            ),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Key: ==", Key),
        ] {
            assert_eq!(decided(&with(start, lines)), Err(error), "{lines}");
        }
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        assert_eq!(
            decided(&with("Sec-WebSocket-Key", &format!("{key}\r\n{key}"))),
            Err(Key)
        );
        assert_eq!(decided(&plus("Origin: http://evil.example")), Err(Origin));
        for offer in ["a b", "\"a\"", "a, b/c", "a;q=1", "\u{e9}"] {
            let line = format!("Sec-WebSocket-Protocol: {offer}");
            assert_eq!(decided(&plus(&line)), Err(Subprotocol), "{offer}");
        }
        for offer in [
            "",
            " , ,",
            ";",
            "a;",
            "a b",
            "a, b=1",
            "a\r\nSec-WebSocket-Extensions: ;",
        ] {
            let line = format!("Sec-WebSocket-Extensions: {offer}");
            assert_eq!(decided(&plus(&line)), Err(Extensions), "{offer}");
        }
        for body in [
            "Content-Length: 1",
            "Content-Length: -0",
            "Content-Length:",
            "Content-Length: 0\r\nContent-Length: 5",
            "Content-Length: 0,5",
            "Content-Length: 0,",
            "Content-Length: 99999999999999999999",
            "Content-Length: x",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding:",
        ] {
            assert_eq!(decided(&plus(body)), Err(Body), "{body}");
        }
        assert_eq!(
            decided("GET /ws HTTP/1.1\r\nHost: h\r\n\r\n"),
            Err(NotUpgrade)
        );
    }

    #[test]
    fn the_spare_bits_of_a_key_may_be_anything_and_the_key_is_hashed_as_sent() {
        for (key, accept) in [
            // Of RFC 6455 §4.1.
            ("AQIDBAUGBwgJCgsMDQ4PEC==", *b"OfS0wDaT5NoxF2gqm7Zj2YtetzM="),
            (
                "dGhlIHNhbXBsZSBub25jZR==",
                accept_key(b"dGhlIHNhbXBsZSBub25jZR=="),
            ),
        ] {
            let head = with("Sec-WebSocket-Key", &format!("Sec-WebSocket-Key: {key}"));
            let Ok(HeadAction::Upgrade(upgrade)) = decided(&head) else {
                panic!("{key}: {:?}", decided(&head))
            };
            assert_eq!(upgrade.accept, accept, "{key}");
        }
        assert_ne!(
            accept_key(b"AQIDBAUGBwgJCgsMDQ4PEC=="),
            accept_key(b"AQIDBAUGBwgJCgsMDQ4PEA==")
        );
    }

    #[test]
    fn options_tells_the_methods_of_every_page_to_whoever_asks() {
        for target in ["*", "/", "/ws", "/metrics", "/healthz", "/?a", "http://h"] {
            for rest in [
                "HTTP/1.0\r\n\r\n",
                "HTTP/1.0\r\nHost: h\r\n\r\n",
                "HTTP/1.1\r\nHost: h\r\n\r\n",
            ] {
                let head = format!("OPTIONS {target} {rest}");
                assert_eq!(decided(&head), Ok(HeadAction::Methods), "{head}");
            }
        }
        assert_eq!(
            decided("OPTIONS / HTTP/1.1\r\n\r\n"),
            Err(HandshakeError::Host)
        );
    }

    #[test]
    fn health_checks_as_they_are_get_their_page() {
        for head in [
            // HAProxy, by default.
            "OPTIONS / HTTP/1.0\r\n\r\n",
            // nginx.
            "GET / HTTP/1.0\r\nHost: backend\r\nConnection: close\r\n\r\n",
            // kubelet.
            "GET /healthz HTTP/1.1\r\nHost: 10.1.2.3:8080\r\nUser-Agent: kube-probe/1.31\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            // AWS.
            "GET /healthz HTTP/1.1\r\nHost: 10.1.2.3:8080\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n",
            // Google.
            "GET /healthz HTTP/1.1\r\nHost: 10.1.2.3\r\nUser-Agent: GoogleHC/1.0\r\nConnection: Keep-alive\r\n\r\n",
            "HEAD http://10.1.2.3:8080/healthz?probe=1 HTTP/1.1\r\nhost:10.1.2.3:8080\r\nContent-Length: 0\r\nX-Empty:\r\n\r\n",
        ] {
            let strict = builder().hosts(Hosts::default());
            for config in [builder(), strict] {
                let config = config.build().expect("valid");
                let named_by_proxy = head.contains("backend") && !config.hosts().any;
                let expected = !named_by_proxy;
                assert_eq!(decided_with(head, &config).is_ok(), expected, "{head}");
            }
        }
    }

    #[test]
    fn only_a_host_that_is_allowed_gets_anything() {
        let hosts = Hosts {
            any: false,
            allowed: alloc::vec!["chat.example".parse().expect("a host")],
        };
        let config = builder().hosts(hosts).build().expect("valid");
        for path in ["/", "/ws", "/metrics", "/healthz", "/other"] {
            for method in ["GET", "HEAD", "OPTIONS", "POST"] {
                let to = |host: &str| {
                    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
                    decided_with(&head, &config)
                };
                assert_eq!(to("evil.example"), Err(HandshakeError::HostNotAllowed));
                for host in ["chat.example", "localhost:8080", "127.0.0.1", "[::1]"] {
                    assert_ne!(to(host), Err(HandshakeError::HostNotAllowed), "{host}");
                }
            }
        }
        let rebound = UPGRADE.replace("h.example", "evil.example\r\nOrigin: http://evil.example");
        assert_eq!(decided(&rebound), upgraded());
        assert_eq!(
            decided_with(&rebound, &config),
            Err(HandshakeError::HostNotAllowed)
        );
        // What the target says goes before what the field says.
        let absolute = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
        assert_eq!(
            decided_with(absolute, &config),
            Err(HandshakeError::HostNotAllowed)
        );
        assert!(decided_with("GET / HTTP/1.0\r\n\r\n", &config).is_ok());
    }

    #[test]
    fn metrics_are_a_page_only_where_they_are_to_be() {
        let config = Config::builder()
            .metrics_page(false)
            .build()
            .expect("valid");
        for method in ["GET", "HEAD", "OPTIONS", "POST"] {
            let head = format!("{method} /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(
                decided_with(&head, &config),
                Err(HandshakeError::NotFound),
                "{method}"
            );
        }
        assert!(decided_with("GET /healthz HTTP/1.0\r\n\r\n", &config).is_ok());
    }

    #[test]
    fn the_first_fault_is_named() {
        use HandshakeError::{
            Body, Extensions, Host, HttpVersion, Key, Method, NotFound, NotUpgrade, Origin,
            Subprotocol, Version,
        };
        // Every fault at once; then they are mended one by one, in the order of the checks.
        let mut head = UPGRADE
            .replace(
                "GET /ws HTTP/1.1\r\nHost: h.example",
                "PUT /x HTTP/1.0\r\nHost: a b\r\nContent-Length: 1\r\nOrigin: null\r\nSec-WebSocket-Protocol: a, a\r\nSec-WebSocket-Extensions: ;x",
            )
            .replace("websocket\r\n", "h2c\r\n")
            .replace(": 13", ": 8")
            .replace("dGhl", "....");
        for (fault, wrong, right) in [
            (Host, "a b", "h"),
            (NotFound, "/x", "/ws"),
            (Method, "PUT", "GET"),
            (HttpVersion, "HTTP/1.0", "HTTP/1.1"),
            (Body, "Content-Length: 1", "Content-Length: 0"),
            (NotUpgrade, "h2c", "websocket"),
            (Version, ": 8", ": 13"),
            (Key, "....", "dGhl"),
            (Subprotocol, "a, a", "a, b"),
            (Extensions, ";x", "x"),
            (Origin, "null", "http://h"),
        ] {
            assert_eq!(decided(&head), Err(fault), "{head}");
            head = head.replace(wrong, right);
        }
        assert_eq!(decided(&head), upgraded());
    }

    #[test]
    fn pages_are_for_get_and_head_of_any_version() {
        for (path, page) in [
            ("/", Page::Index(&INDEX)),
            ("/metrics", Page::Metrics),
            ("/healthz?x", Page::Health),
        ] {
            for (method, head_only) in [("GET", false), ("HEAD", true)] {
                let shown = Ok(HeadAction::Page { page, head_only });
                assert_eq!(
                    decided(&format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n")),
                    shown
                );
                assert_eq!(decided(&format!("{method} {path} HTTP/1.0\r\n\r\n")), shown);
            }
            let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
            assert_eq!(decided(&head), Err(HandshakeError::Method));
            assert_eq!(
                decided(&format!("GET {path} HTTP/1.1\r\n\r\n")),
                Err(HandshakeError::Host)
            );
        }
        assert_eq!(
            decided("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
            Err(HandshakeError::Host)
        );
        let head = "GET / HTTP/1.0\r\n\r\n";
        let without = decided_with(head, &Config::default());
        assert_eq!(without, Err(HandshakeError::NotFound));
    }
}
