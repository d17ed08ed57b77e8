//! Tests of the negotiation of permessage-deflate.

use alloc::string::String;

use super::*;

const ANY: Terms = Terms {
    window_bits: 15,
    contexts: true,
};
const SHARED: Terms = Terms {
    window_bits: 15,
    contexts: false,
};

fn first(line: &str) -> Extension<'_> {
    let mut elements = Extension::parse_list(line.as_bytes());
    elements.next().expect("an element").expect("well-formed")
}

fn answer(offer: &str, terms: Terms) -> Option<String> {
    let mut out = Vec::new();
    Params::parse_offer(&first(offer))?
        .answer(terms)?
        .write_answer(&mut out);
    Some(String::from_utf8(out).expect("tokens are ASCII"))
}

#[test]
fn each_offer_has_its_response() {
    let narrow = Terms {
        window_bits: 11,
        contexts: true,
    };
    for (offer, terms, expected) in [
        ("", ANY, ""),
        (
            "",
            SHARED,
            "; server_no_context_takeover; client_no_context_takeover",
        ),
        (
            "; server_no_context_takeover",
            ANY,
            "; server_no_context_takeover",
        ),
        (
            "; client_no_context_takeover",
            ANY,
            "; client_no_context_takeover",
        ),
        (
            "; server_max_window_bits=9",
            ANY,
            "; server_max_window_bits=9",
        ),
        (
            "; server_max_window_bits=15",
            ANY,
            "; server_max_window_bits=15",
        ),
        (
            "; server_max_window_bits=\"12\"",
            narrow,
            "; server_max_window_bits=11",
        ),
        ("; client_max_window_bits", ANY, ""),
        ("; client_max_window_bits=15", ANY, ""),
        (
            "; client_max_window_bits=8",
            ANY,
            "; client_max_window_bits=8",
        ),
        ("", narrow, "; server_max_window_bits=11"),
        (
            "; client_max_window_bits",
            narrow,
            "; server_max_window_bits=11; client_max_window_bits=11",
        ),
        (
            "; client_max_window_bits=10; server_max_window_bits=10",
            narrow,
            "; server_max_window_bits=10; client_max_window_bits=10",
        ),
    ] {
        let offer = String::from("permessage-deflate") + offer;
        let expected = String::from("permessage-deflate") + expected;
        assert_eq!(answer(&offer, terms), Some(expected), "{offer}");
    }
}

#[test]
fn invalid_offers_are_declined() {
    for offer in [
        "permessage-bzip2",
        "x-webkit-deflate-frame",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=x",
    ] {
        assert_eq!(answer(offer, ANY), None, "{offer}");
    }
}

/// RFC 7692 §7.1, each condition on a client.
#[test]
fn a_response_must_match_the_offer() {
    let open = Params {
        client_max_window_bits: Some(15),
        ..Params::default()
    };
    let strict = Params {
        server_no_context_takeover: true,
        server_max_window_bits: Some(10),
        ..Params::default()
    };
    let fits = |offer: &Params, answer: &str| {
        offer
            .parse_answer(&first(&(String::from("permessage-deflate") + answer)))
            .is_some()
    };
    for good in [
        "",
        "; server_no_context_takeover; client_no_context_takeover",
        "; client_max_window_bits=8",
        "; server_max_window_bits=8",
    ] {
        assert!(fits(&open, good), "{good}");
    }
    for bad in [
        "; client_max_window_bits",
        "; client_max_window_bits=16",
        "; other",
    ] {
        assert!(!fits(&open, bad), "{bad}");
    }
    assert!(fits(
        &strict,
        "; server_no_context_takeover; server_max_window_bits=10"
    ));
    for bad in [
        "",
        "; server_no_context_takeover",
        "; server_max_window_bits=10",
        "; server_no_context_takeover; server_max_window_bits=11",
        "; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9",
    ] {
        assert!(!fits(&strict, bad), "{bad}");
    }
}

/// RFC 7692 §7.1.2.2: the value in an offer binds the client.
#[test]
fn a_client_window_in_the_offer_is_binding() {
    for (hint, answered, window) in [
        (15, "", 15),
        (15, "; client_max_window_bits=10", 10),
        (10, "", 10),
        (10, "; client_max_window_bits=15", 10),
        (10, "; client_max_window_bits=9", 9),
        (8, "", 8),
    ] {
        let offer = Params {
            client_max_window_bits: Some(hint),
            ..Params::default()
        };
        let line = String::from("permessage-deflate") + answered;
        let agreed = offer.parse_answer(&first(&line)).expect("an answer");
        assert_eq!(agreed.client().window_bits, window, "{hint}: {line}");
    }
}

#[test]
fn a_written_offer_parses_to_itself() {
    for client_max_window_bits in [None, Some(8), Some(10), Some(15)] {
        let offer = Params {
            server_no_context_takeover: true,
            server_max_window_bits: Some(12),
            client_max_window_bits,
            ..Params::default()
        };
        let mut out = Vec::new();
        offer.write_offer(&mut out);
        let line = String::from_utf8(out).expect("tokens are ASCII");
        assert_eq!(Params::parse_offer(&first(&line)), Some(offer), "{line}");
    }
}
