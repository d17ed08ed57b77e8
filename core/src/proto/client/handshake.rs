//! Check of a response with status 101 (RFC 6455 §4.1) against the request.

use alloc::string::String;
use alloc::vec::Vec;

use crate::proto::client::error::ResponseError;
use crate::proto::client::request::ClientRequest;
use crate::proto::client::response::Response;
use crate::proto::ws::deflate::Params;
use crate::proto::ws::upgrade::extension::{Extension, Malformed};
use crate::proto::ws::upgrade::{ACCEPT_LEN, KEY_LEN, accept_key};

/// The parts of the request on which the check depends.
#[derive(Debug)]
pub(super) struct Offer {
    accept: [u8; ACCEPT_LEN],
    subprotocols: Vec<String>,
    deflate: Vec<Params>,
}

/// The agreed subprotocol and extension.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Agreed {
    pub(super) subprotocol: Option<String>,
    pub(super) deflate: Option<Params>,
}

impl Offer {
    pub(super) fn new(request: ClientRequest, key: &[u8; KEY_LEN]) -> Self {
        Self {
            accept: accept_key(key),
            subprotocols: request.subprotocols,
            deflate: request.deflate,
        }
    }

    /// Checks a response with status 101.
    //= rfc6455#section-4.1 "The client MUST validate the server's response as follows:"
    //= rfc6455#section-4.1 "If the server's response does not conform to the requirements for..."
    pub(super) fn check(&self, response: &Response<'_>) -> Result<Agreed, ResponseError> {
        let lines = response.lines();
        if response.minor_version() == 0 {
            return Err(ResponseError::HttpVersion);
        }
        //= rfc6455#section-4.1 "If the response lacks an |Upgrade| header field or the..."
        let mut upgrades = lines.list("upgrade").peekable();
        if upgrades.peek().is_none()
            || !upgrades.all(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
        {
            return Err(ResponseError::Upgrade);
        }
        //= rfc6455#section-4.1 "If the response lacks a |Connection| header field or the..."
        if !lines
            .list("connection")
            .any(|option| option.eq_ignore_ascii_case(b"upgrade"))
        {
            return Err(ResponseError::Connection);
        }
        //= rfc6455#section-4.1 "If the response lacks a |Sec-WebSocket-Accept| header field or..."
        if lines.only("sec-websocket-accept") != Some(&self.accept) {
            return Err(ResponseError::Accept);
        }
        Ok(Agreed {
            subprotocol: self.subprotocol(response)?,
            deflate: self.deflate(response)?,
        })
    }

    //= rfc6455#section-4.1 "If the response includes a |Sec-WebSocket-Protocol| header field..."
    fn subprotocol(&self, response: &Response<'_>) -> Result<Option<String>, ResponseError> {
        let mut values = response.header("sec-websocket-protocol");
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let mut offers = self.subprotocols.iter();
        match offers.find(|offered| offered.as_bytes() == value) {
            Some(agreed) if values.next().is_none() => Ok(Some(agreed.clone())),
            _ => Err(ResponseError::Subprotocol),
        }
    }

    /// Returns the agreed parameters of permessage-deflate.
    //= rfc6455#section-4.1 "If the response includes a |Sec-WebSocket-Extensions| header field..."
    //= rfc7692#section-5 "If a server gives an invalid response, such as accepting a PMCE that..."
    fn deflate(&self, response: &Response<'_>) -> Result<Option<Params>, ResponseError> {
        let mut agreed = None;
        // Over all its lines, the list must have an element.
        let mut is_empty = response.header(EXTENSIONS).next().is_some();
        for line in response.header(EXTENSIONS) {
            for extension in Extension::parse_list(line) {
                let answer = extension.map_err(|Malformed| ResponseError::Extension)?;
                is_empty = false;
                // The server need not state which of the offers it accepts.
                let mut offers = self.deflate.iter();
                let params = offers.find_map(|offer| offer.parse_answer(&answer));
                let params = params.ok_or(ResponseError::Extension)?;
                //= rfc7692#section-5 "A client that received a response accepting a PMCE..."
                //= rfc7692#section-5 "A client that receives a response accepting a PMCE..."
                // A second acceptance of the same extension; any other extension fails as not
                // offered.
                if agreed.replace(params).is_some() {
                    return Err(ResponseError::Extension);
                }
            }
        }
        if is_empty {
            return Err(ResponseError::Extension);
        }
        Ok(agreed)
    }
}

const EXTENSIONS: &str = "sec-websocket-extensions";

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::proto::client::uri::Uri;
    use crate::proto::http::{Fields, HeadLimits};

    const NARROW: Params = Params {
        client_max_window_bits: Some(15),
        server_max_window_bits: Some(10),
        server_no_context_takeover: true,
        client_no_context_takeover: false,
    };

    const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    fn verdict(head: &str) -> Result<Agreed, ResponseError> {
        let request = ClientRequest::new(&Uri::parse("ws://h/").expect("an address"))
            .subprotocol("chat")
            .and_then(|request| request.subprotocol("superchat"))
            .and_then(|request| request.deflate(NARROW))
            .and_then(|request| request.deflate(Params::default()))
            .expect("well-formed");
        let offer = Offer::new(request, b"dGhlIHNhbXBsZSBub25jZQ==");
        let mut fields = Fields::new();
        let parsed = Response::parse(head.as_bytes(), &mut fields, HeadLimits::default())?;
        let (response, _) = parsed.expect("whole");
        offer.check(&response)
    }

    fn plus(lines: &str) -> Result<Agreed, ResponseError> {
        verdict(&ANSWER.replace("\r\n\r\n", &format!("\r\n{lines}\r\n\r\n")))
    }

    fn agreed(subprotocol: Option<&str>, deflate: Option<Params>) -> Result<Agreed, ResponseError> {
        Ok(Agreed {
            subprotocol: subprotocol.map(Into::into),
            deflate,
        })
    }

    #[test]
    fn the_response_of_the_rfc_and_its_variants_open() {
        assert_eq!(verdict(ANSWER), agreed(None, None));
        for (from, to) in [
            ("Upgrade: websocket", "UPGRADE:WebSocket "),
            ("Connection: Upgrade", "connection: keep-alive, UPGRADE"),
            (
                "Connection: Upgrade",
                "Connection: x\r\nConnection: upgrade",
            ),
            ("101 Switching Protocols", "101"),
            ("xOo=", "xOo= \t"),
        ] {
            assert_eq!(
                verdict(&ANSWER.replace(from, to)),
                agreed(None, None),
                "{to}"
            );
        }
    }

    #[test]
    fn each_violation_has_its_error() {
        use ResponseError::{Accept, Connection, HttpVersion, Upgrade};
        for (from, to, error) in [
            ("HTTP/1.1", "HTTP/1.0", HttpVersion),
            ("Upgrade: websocket\r\n", "", Upgrade),
            ("Upgrade: websocket", "Upgrade:", Upgrade),
            ("Upgrade: websocket", "Upgrade: websocket/13", Upgrade),
            ("Upgrade: websocket", "Upgrade: websocket, h2c", Upgrade),
            (
                "Upgrade: websocket",
                "Upgrade: h2c\r\nUpgrade: websocket",
                Upgrade,
            ),
            ("Connection: Upgrade\r\n", "", Connection),
            ("Connection: Upgrade", "Connection: close", Connection),
            ("Connection: Upgrade", "Connection: notupgrade", Connection),
            ("Sec-WebSocket-Accept", "Sec-WebSocket-Except", Accept),
            ("s3pP", "S3pP", Accept),
            ("xOo=", "xOo", Accept),
            ("xOo=", "xOo==", Accept),
            (
                "xOo=",
                "xOo=\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                Accept,
            ),
        ] {
            assert_eq!(verdict(&ANSWER.replace(from, to)), Err(error), "{to}");
        }
    }

    #[test]
    fn a_subprotocol_must_have_been_offered() {
        for name in ["chat", "superchat"] {
            assert_eq!(
                plus(&format!("sec-websocket-protocol: {name} ")),
                agreed(Some(name), None)
            );
        }
        for wrong in [
            "",
            "Chat",
            "other",
            "chat, superchat",
            "chat,",
            "chat\r\nSec-WebSocket-Protocol: chat",
        ] {
            let verdict = plus(&format!("Sec-WebSocket-Protocol: {wrong}"));
            assert_eq!(verdict, Err(ResponseError::Subprotocol), "{wrong}");
        }
    }

    #[test]
    #[cfg(feature = "deflate")]
    fn an_extension_must_match_its_offer() {
        for (lines, answer) in [
            ("permessage-deflate", Some(Params::default())),
            (", permessage-deflate,", Some(Params::default())),
            (
                "\r\nSec-WebSocket-Extensions: permessage-deflate",
                Some(Params::default()),
            ),
            (
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; \
                 client_max_window_bits=\"10\"",
                Some(Params {
                    client_max_window_bits: Some(10),
                    server_max_window_bits: Some(9),
                    ..NARROW
                }),
            ),
        ] {
            assert_eq!(
                plus(&format!("Sec-WebSocket-Extensions: {lines}")),
                agreed(None, answer),
                "{lines}"
            );
        }
        for wrong in [
            "",
            " , ,",
            "\r\nSec-WebSocket-Extensions: ,",
            "z",
            "permessage-deflate, z",
            "Permessage-Deflate",
            "permessage-deflate z",
            "permessage-deflate; client_max_window_bits=10",
            "permessage-deflate; what",
            "permessage-deflate, permessage-deflate",
            "permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate",
            ";permessage-deflate",
            "\u{e9}",
        ] {
            let verdict = plus(&format!("Sec-WebSocket-Extensions: {wrong}"));
            assert_eq!(verdict, Err(ResponseError::Extension), "{wrong}");
        }
    }
}
