//! Reference parser of `Sec-WebSocket-Extensions` that follows RFC 6455 §9.1 and RFC 7692 §7.1
//! literally, first into tokens and then into elements, and the properties that must hold between
//! its result and a decision.

use stentor_core::Config;
use stentor_core::proto::http::HandshakeError;
use stentor_core::testing::config::deflate_terms;
use stentor_core::testing::deflate::Params;
use stentor_core::testing::handshake::{Extension, Fields, HeadAction, Request, decide};

/// Field lines in a request that is well-formed but for them.
pub(super) fn offer(how: u8, lines: &[u8]) {
    let config = Config::builder()
        .compression(how & 1 == 0)
        .compression_window([15, 9, 12, 10][usize::from(how >> 1 & 3)])
        .compression_contexts(usize::from(how >> 3 & 1) << 30)
        .build()
        .expect("in range");
    let mut head = UPGRADE.to_vec();
    for line in lines.split(|&byte| byte == b'\n') {
        head.extend_from_slice(b"Sec-WebSocket-Extensions: ");
        head.extend_from_slice(line);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    check(&head, &config);
}

/// Checks the decision on a request in what concerns its extensions.
pub(super) fn check(head: &[u8], config: &Config) {
    let mut fields = Fields::new();
    let Ok(Some((request, _))) = Request::parse(head, &mut fields, config.head_limits()) else {
        return;
    };
    let lines = request.header("sec-websocket-extensions");
    let lists: Option<Vec<Vec<Element>>> = lines.map(read).collect();
    // Where there is a list, it has an element.
    let is_there = request.header("sec-websocket-extensions").next().is_some();
    let lists = lists.filter(|lists| !is_there || lists.iter().any(|list| !list.is_empty()));
    match decide(&request, &config.upgrade_policy()) {
        Err(HandshakeError::Extensions) => assert!(lists.is_none(), "it is well-formed"),
        Ok(HeadAction::Upgrade(upgrade)) => {
            let elements = lists.expect("it is malformed").concat();
            let offers: Vec<Params> = elements.iter().filter_map(Element::offer).collect();
            // A window of 8 bits nobody has.
            let mut fit = offers
                .iter()
                .filter(|offer| offer.server_max_window_bits != Some(8));
            let expected = fit.next().filter(|_| config.compression());
            assert_eq!(upgrade.deflate.as_ref(), expected);
            if let Some(offer) = upgrade.deflate {
                check_answers(offer, &offers, config);
            }
        }
        _ => {}
    }
}

/// Checks what is answered to this one of the offers, be there room for contexts or not.
fn check_answers(offer: Params, offers: &[Params], config: &Config) {
    for has_room in [false, true] {
        let terms = deflate_terms(config, has_room);
        let answer = offer.answer(terms).expect("it was chosen");
        let mut line = Vec::new();
        answer.write_answer(&mut line);
        let answers: Result<Vec<_>, _> = Extension::parse_list(&line).collect();
        let [written] = answers.expect("well-formed")[..] else {
            panic!("one answer to one offer");
        };
        let taken = |offer: &Params| offer.parse_answer(&written) == Some(answer);
        assert!(offers.iter().any(taken), "{answer:?} to {offers:?}");
        assert!(answer.server().window_bits <= terms.window_bits);
        let keeps = answer.server().takeover || answer.client().takeover;
        assert!(terms.contexts || !keeps, "contexts without room");
    }
}

/// An element of a list, in words.
#[derive(Clone)]
struct Element {
    name: Vec<u8>,
    params: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Element {
    /// The offer of permessage-deflate that it is; `None` if it is to be declined.
    fn offer(&self) -> Option<Params> {
        if self.name != b"permessage-deflate" {
            return None;
        }
        let all = |name: &[u8]| -> Vec<Option<&[u8]>> {
            let named = self.params.iter().filter(|param| param.0 == name);
            named.map(|param| param.1.as_deref()).collect()
        };
        let flag = |name: &[u8]| match all(name)[..] {
            [] => Some(false),
            [None] => Some(true),
            _ => None,
        };
        let bits = |name: &[u8]| match all(name)[..] {
            [] => Some(None),
            [Some(value)] => {
                let place = BITS.iter().position(|&bits| bits == value)?;
                Some(Some(8 + place as u8))
            }
            _ => None,
        };
        let known = |name: &Vec<u8>| PARAMS.contains(&&name[..]);
        let params = Params {
            server_no_context_takeover: flag(PARAMS[0])?,
            client_no_context_takeover: flag(PARAMS[1])?,
            server_max_window_bits: bits(PARAMS[2])?,
            client_max_window_bits: match all(PARAMS[3])[..] {
                [None] => Some(15),
                _ => bits(PARAMS[3])?,
            },
        };
        self.params
            .iter()
            .all(|(name, _)| known(name))
            .then_some(params)
    }
}

#[derive(Clone, PartialEq)]
enum Word {
    Token(Vec<u8>),
    Quoted(Vec<u8>),
    Mark(u8),
}

/// The elements of a line; `None` if it does not conform to the grammar.
fn read(line: &[u8]) -> Option<Vec<Element>> {
    let words = words(line)?;
    let elements = words.split(|word| *word == Word::Mark(b','));
    let elements = elements.filter(|words| !words.is_empty());
    elements.map(element).collect()
}

fn element(words: &[Word]) -> Option<Element> {
    let mut parts = words.split(|word| *word == Word::Mark(b';'));
    let [Word::Token(name)] = parts.next()? else {
        return None;
    };
    let params = parts.map(|part| match part {
        [Word::Token(name)] => Some((name.clone(), None)),
        [Word::Token(name), Word::Mark(b'='), Word::Token(value)] => {
            Some((name.clone(), Some(value.clone())))
        }
        [Word::Token(name), Word::Mark(b'='), Word::Quoted(value)] => {
            let is_token = !value.is_empty() && value.iter().copied().all(is_token_byte);
            is_token.then(|| (name.clone(), Some(value.clone())))
        }
        _ => None,
    });
    Some(Element {
        name: name.clone(),
        params: params.collect::<Option<_>>()?,
    })
}

fn words(line: &[u8]) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        words.push(match byte {
            b' ' | b'\t' => continue,
            b',' | b';' | b'=' => Word::Mark(byte),
            b'"' => {
                let mut text = Vec::new();
                loop {
                    match bytes.next()? {
                        b'"' => break Word::Quoted(text),
                        b'\\' => text.push(bytes.next()?),
                        byte => text.push(byte),
                    }
                }
            }
            byte if is_token_byte(byte) => {
                let mut text = vec![byte];
                text.extend(core::iter::from_fn(|| bytes.next_if(|&b| is_token_byte(b))));
                Word::Token(text)
            }
            _ => return None,
        });
    }
    Some(words)
}

/// RFC 2616 §2.2: a character, but no control and no separator.
const fn is_token_byte(byte: u8) -> bool {
    !matches!(
        byte,
        0..=32 | b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"' | b'/'
            | b'[' | b']' | b'?' | b'=' | b'{' | b'}' | 127..
    )
}

const PARAMS: [&[u8]; 4] = [
    b"server_no_context_takeover",
    b"client_no_context_takeover",
    b"server_max_window_bits",
    b"client_max_window_bits",
];
const BITS: [&[u8]; 8] = [b"8", b"9", b"10", b"11", b"12", b"13", b"14", b"15"];
const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
