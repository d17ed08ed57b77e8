//! `Sec-WebSocket-Protocol` of a request (RFC 6455 §4.1, §11.3.4): grammar, and choice from a list.

use alloc::string::String;

use smallvec::SmallVec;

use crate::proto::http::{HandshakeError, Request, is_token};

/// Returns the index, among the offered subprotocols, of the first of `served` that is offered. A
/// field without a name in it, as some clients and proxies send it, offers nothing.
///
/// # Errors
/// [`HandshakeError::Subprotocol`] if the field is not a list of distinct tokens.
//= rfc6455#section-4.1 "The elements that comprise this value MUST be non-empty strings with..."
pub(super) fn choose(
    request: &Request<'_>,
    served: &[String],
) -> Result<Option<usize>, HandshakeError> {
    let offers = || request.list(FIELD);
    let mut names: SmallVec<[&[u8]; 8]> = offers().collect();
    let tokens = names.iter().all(|name| token(name).is_some());
    names.sort_unstable();
    if !tokens || names.windows(2).any(|two| two[0] == two[1]) {
        return Err(HandshakeError::Subprotocol);
    }
    let place = |name: &String| offers().position(|offer| offer == name.as_bytes());
    Ok(served.iter().find_map(place))
}

impl<'a> Request<'a> {
    /// Returns the offered subprotocols in the client's order of preference. Names are
    /// case-sensitive.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.list(FIELD).filter_map(token)
    }
}

fn token(name: &[u8]) -> Option<&str> {
    core::str::from_utf8(name)
        .ok()
        .filter(|name| is_token(name))
}

const FIELD: &str = "sec-websocket-protocol";

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;
    use crate::proto::http::{Fields, HeadLimits};

    /// Returns the offered subprotocols and the index of the chosen one.
    fn chosen(
        lines: &str,
        served: &[&str],
    ) -> Result<(Vec<String>, Option<usize>), HandshakeError> {
        let head = format!("GET /ws HTTP/1.1\r\n{lines}\r\n");
        let mut fields = Fields::new();
        let parsed = Request::parse(head.as_bytes(), &mut fields, HeadLimits::default());
        let (request, _) = parsed.expect("well-formed").expect("whole");
        let served: Vec<String> = served.iter().map(ToString::to_string).collect();
        let place = choose(&request, &served)?;
        Ok((request.subprotocols().map(Into::into).collect(), place))
    }

    #[test]
    fn the_preference_of_the_server_decides() {
        for (offers, served, place) in [
            ("a, b", &["a", "b"][..], Some(0)),
            ("b, a", &["a", "b"], Some(1)),
            ("c,b", &["a", "b"], Some(1)),
            ("c", &["a", "b"], None),
            ("A", &["a"], None),
            ("a", &[], None),
        ] {
            let lines = format!("Sec-WebSocket-Protocol: {offers}\r\n");
            let (offered, chosen) = chosen(&lines, served).expect("well-formed");
            assert_eq!(chosen, place, "{offers} of {served:?}");
            assert_eq!(offered.join(","), offers.replace(' ', ""));
        }
        assert_eq!(chosen("", &["a"]), Ok((Vec::new(), None)));
    }

    #[test]
    fn offers_may_span_lines_and_have_empty_elements() {
        let lines = "sec-websocket-protocol: c,\r\nX: y\r\nSec-WebSocket-Protocol: , b\t,a\r\n";
        let offered = ["c", "b", "a"].map(Into::into).to_vec();
        assert_eq!(chosen(lines, &["a"]), Ok((offered, Some(2))));
    }

    #[test]
    fn a_field_without_a_name_offers_nothing() {
        for lines in [
            "Sec-WebSocket-Protocol:\r\n",
            "Sec-WebSocket-Protocol: \t \r\n",
            "Sec-WebSocket-Protocol: , ,\r\n",
            "Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol:\r\n",
        ] {
            for served in [&["a"][..], &[]] {
                assert_eq!(chosen(lines, served), Ok((Vec::new(), None)), "{lines}");
            }
        }
    }

    #[test]
    fn a_malformed_or_repeated_offer_is_refused() {
        for lines in [
            "Sec-WebSocket-Protocol: a b\r\n",
            "Sec-WebSocket-Protocol: \"a\"\r\n",
            "Sec-WebSocket-Protocol: a/b, c\r\n",
            "Sec-WebSocket-Protocol: a; b\r\n",
            "Sec-WebSocket-Protocol: \u{e9}\r\n",
            "Sec-WebSocket-Protocol: a, b, a\r\n",
            "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n",
        ] {
            for served in [&["a"][..], &[]] {
                assert_eq!(
                    chosen(lines, served),
                    Err(HandshakeError::Subprotocol),
                    "{lines}"
                );
            }
        }
    }
}
