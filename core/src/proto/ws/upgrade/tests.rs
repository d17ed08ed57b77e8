//! Property tests of the handshake: arbitrary bytes, and arbitrary splits.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::proto::http::{Fields, HandshakeError, HeadLimits, Page, Pages, Request, response};
use crate::proto::ws::upgrade::{HeadAction, Policy, accept_key, decide};

type Decided = Option<Result<(HeadAction, usize), HandshakeError>>;

/// Small limits, so that random heads reach them.
const LIMITS: HeadLimits = HeadLimits {
    bytes: 256,
    fields: 8,
};

fn verdict(bytes: &[u8]) -> Decided {
    let subprotocols = ["b".into(), "chat".into()];
    let mut pages = Pages::new();
    pages.insert(Page::fixed("/healthz", "text/plain", "ok"));
    let policy = Policy {
        subprotocols: &subprotocols,
        pages: &pages,
        ..Policy::TEST
    };
    let mut fields = Fields::new();
    match Request::parse(bytes, &mut fields, LIMITS) {
        Ok(None) => None,
        Ok(Some((request, len))) => Some(decide(&request, &policy).map(|decision| (decision, len))),
        Err(error) => Some(Err(error)),
    }
}

/// Returns the first result when the bytes arrive one by one, and their number.
fn first_verdict(bytes: &[u8]) -> (Decided, usize) {
    let after = |n: usize| verdict(&bytes[..n]).map(|verdict| (Some(verdict), n));
    (0..=bytes.len())
        .find_map(after)
        .unwrap_or((None, bytes.len()))
}

/// Heads that are nearly valid: relevant parts in any order.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let start = prop::sample::select(
        &[
            "GET /ws HTTP/1.1\r\n",
            "GET / HTTP/1.0\r\n",
            "\r\nHEAD /healthz HTTP/1.1\r\n",
            "POST /ws HTTP/1.1\r\n",
            "GET http://h:8/ws?a HTTP/1.1\r\n",
            "GET /ws HTTP/1.2\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
            "GET /x",
        ][..],
    );
    let line = prop::sample::select(
        &[
            "Host: h\r\n",
            "Upgrade: websocket\r\n",
            "Connection: Upgrade\r\n",
            "Sec-WebSocket-Version: 13\r\n",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            "Origin: http://h\r\n",
            "Content-Length: 0\r\n",
            "Sec-WebSocket-Protocol: chat, a\r\n",
            "Sec-WebSocket-Protocol: b\r\n",
            "X:\r\n",
            "X: y\n",
            " folded\r\n",
            "a : b\r\n",
            "a: \u{1}\r\n",
            "Long: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
        ][..],
    );
    let end = prop::sample::select(&["\r\n", "\r\n\u{1}\u{1}\n\n", "\n", "", "\r"][..]);
    (start, prop::collection::vec(line, 0..12), end).prop_map(|(start, lines, end)| {
        let head: String = format!("{start}{}{end}", lines.concat());
        head.into_bytes()
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = verdict(&bytes);
    }

    #[test]
    fn a_split_head_has_the_same_result(head in heads(), flip in any::<prop::sample::Index>(), with in any::<Option<u8>>()) {
        let mut head = head;
        if let Some(byte) = with {
            let at = flip.index(head.len());
            head[at] = byte;
        }
        let (first, after) = first_verdict(&head);
        for n in after..=head.len() {
            prop_assert_eq!(verdict(&head[..n]), first, "after {} of {} bytes", n, head.len());
        }
    }

    #[test]
    fn bytes_after_a_head_do_not_change_the_result(head in heads(), tail in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Some(first) = verdict(&head) {
            prop_assert_eq!(verdict(&[head, tail].concat()), Some(first));
        }
    }

    #[test]
    fn an_accept_key_is_base64_of_twenty_bytes(key in prop::collection::vec(any::<u8>(), 0..64)) {
        let accept = accept_key(&key);
        prop_assert!(accept[..27].iter().all(|&b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/'));
        prop_assert_eq!(accept[27], b'=');
    }

    #[test]
    fn every_error_response_is_complete(status in any::<u16>(), head_only in any::<bool>()) {
        let mut out = Vec::new();
        response::refusal(&mut out, HandshakeError::Handler(status), head_only);
        let mut fields = [httparse::EMPTY_HEADER; 16];
        prop_assert!(httparse::Response::new(&mut fields).parse(&out).is_ok_and(|parsed| parsed.is_complete()));
    }
}
