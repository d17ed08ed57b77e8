//! Response that turns a connection into a WebSocket (RFC 6455 §4.2.2).

use alloc::vec::Vec;

use crate::proto::http::{field, is_token, status_line};
use crate::proto::ws::deflate::Params;

/// Appends the response that upgrades the connection (RFC 6455 §4.2.2). A `subprotocol` must be one
/// that the client offered; a text that is not a token cannot have been offered and is left out.
/// `more` are fields of the application that have been checked.
//= rfc6455#section-4.2.2 "If the server chooses to accept the incoming connection, it MUST..."
pub fn switching_protocols(
    out: &mut Vec<u8>,
    accept: &[u8],
    subprotocol: Option<&str>,
    deflate: Option<&Params>,
    more: &[(&str, &[u8])],
) {
    //= rfc6455#section-4.2.2 "A Status-Line with a 101 response code as per RFC 2616 [RFC2616]."
    status_line(out, 101);
    //= rfc6455#section-4.2.2 "An |Upgrade| header field with value "websocket" as per RFC 2616..."
    field(out, "Upgrade", b"websocket");
    //= rfc6455#section-4.2.2 "A |Connection| header field with value "Upgrade"."
    field(out, "Connection", b"Upgrade");
    //= rfc6455#section-11.3.3 "The |Sec-WebSocket-Accept| header MUST NOT appear more than once..."
    field(out, "Sec-WebSocket-Accept", accept);
    //= rfc6455#section-11.3.4 "the |Sec-WebSocket-Protocol| header field MUST NOT appear more..."
    if let Some(name) = subprotocol.filter(|name| is_token(name)) {
        field(out, "Sec-WebSocket-Protocol", name.as_bytes());
    }
    //= rfc6455#section-11.3.2 "the |Sec-WebSocket-Extensions| header field MUST NOT appear more..."
    //= rfc7692#section-5 "To accept the use of an offered PMCE, a server MUST include the..."
    //= rfc7692#section-5 "A server declining all offered PMCEs MUST NOT include any element..."
    for (name, value) in more {
        field(out, name, value);
    }
    if let Some(agreed) = deflate {
        out.extend_from_slice(b"Sec-WebSocket-Extensions: ");
        agreed.write_answer(out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::proto::ws::upgrade::accept_key;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"before".to_vec();
        write(&mut out);
        String::from_utf8(out)
            .expect("text")
            .strip_prefix("before")
            .expect("appended to")
            .to_owned()
    }

    #[test]
    fn the_upgrade_response_is_that_of_the_rfc() {
        let accept = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
        let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
        assert_eq!(
            text(|out| switching_protocols(out, &accept, None, None, &[])),
            format!("{expected}\r\n")
        );
        let chat = text(|out| switching_protocols(out, &accept, Some("chat.v2"), None, &[]));
        assert_eq!(
            chat,
            format!("{expected}Sec-WebSocket-Protocol: chat.v2\r\n\r\n")
        );
        for forged in ["", "a b", "a\r\nX: y", "a,b", "\u{e9}"] {
            assert_eq!(
                text(|out| switching_protocols(out, &accept, Some(forged), None, &[])),
                format!("{expected}\r\n")
            );
        }
    }
}
