//! Fuzzes the opening handshake: one verdict however the bytes are cut, what is
//! accepted read once more by the letter, and what is agreed on.

use sha1::{Digest, Sha1};
use stentor_core::Config;
use stentor_core::config::{Page, PageId};
use stentor_core::proto::http::HandshakeError;
use stentor_core::testing::handshake::{Fields, HeadAction, Request, decide};

use super::extensions;

type HandshakeResult = Option<Result<(HeadAction, usize), HandshakeError>>;

/// Any bytes as a request head, or behind a number as lists of extensions.
///
/// # Panics
/// If the verdict depends on how the bytes are cut, a request is upgraded that
/// RFC 6455 §4.2.1 does not allow to be, or something is agreed on that was not
/// offered.
pub fn handshake(data: &[u8]) {
    if let [how @ 0..16, lines @ ..] = data
        && *how != b'\r'
        && *how != b'\n'
    {
        return extensions::offer(*how, lines);
    }
    let config = Config::builder()
        .max_head(512)
        .max_headers(12)
        .websocket_path("/ws")
        .page(Page::fixed("/", "text/plain", "page"))
        .page(Page::rendered("/metrics", PageId(0)))
        .subprotocols(SERVED.map(Into::into).to_vec())
        .compression(true);
    let config = config.build().expect("in range");
    let data = &data[..data.len().min(700)];
    let mut first: HandshakeResult = None;
    for n in 0..=data.len() {
        let now = verdict(&data[..n], &config);
        if first.is_some() {
            assert_eq!(now, first, "after {n} bytes");
        }
        first = now;
    }
    extensions::check(data, &config);
    match first {
        Some(Ok((_, len))) => assert!(len <= 512.min(data.len())),
        None => assert!(data.len() <= 512, "the longest head is no longer"),
        Some(Err(error)) => assert!((400..600).contains(&error.status())),
    }
    if let Some(Ok((HeadAction::Upgrade(upgrade), len))) = first {
        let head = core::str::from_utf8(&data[..len]).map(ToString::to_string);
        let head = head.unwrap_or_else(|_| data[..len].iter().copied().map(char::from).collect());
        let (key, offers) = read_again(&head);
        assert_eq!(upgrade.accept, naive_accept(&key).as_bytes());
        let place = |name: &&str| offers.iter().position(|offer| offer == name);
        assert_eq!(upgrade.subprotocol, SERVED.iter().find_map(place));
    }
}

fn verdict(bytes: &[u8], config: &Config) -> HandshakeResult {
    let mut fields = Fields::new();
    match Request::parse(bytes, &mut fields, config.head_limits()) {
        Ok(None) => None,
        Ok(Some((request, len))) => {
            Some(decide(&request, &config.upgrade_policy()).map(|decision| (decision, len)))
        }
        Err(error) => Some(Err(error)),
    }
}

/// Reads a head that was upgraded, by splitting it; says its key, and the subprotocols
/// that it offers.
fn read_again(head: &str) -> (String, Vec<String>) {
    let head = head.trim_start_matches("\r\n");
    let head = head
        .strip_suffix("\r\n\r\n")
        .expect("ends with an empty line");
    let mut lines = head.split("\r\n");
    let start: Vec<&str> = lines.next().expect("a request line").split(' ').collect();
    assert_eq!((start[0], start[2], start.len()), ("GET", "HTTP/1.1", 3));
    let path = start[1].split('?').next().expect("a path");
    assert!(
        path == "/ws" || path.contains("://") && path.ends_with("/ws"),
        "{path}"
    );
    let fields: Vec<(String, &str)> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').expect("name and value");
            (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']))
        })
        .collect();
    let all = |name: &str| -> Vec<&str> {
        let named = fields.iter().filter(|(n, _)| n == name);
        named.map(|(_, value)| *value).collect()
    };
    let lists = |name: &str, token: &str| {
        let elements = all(name).join(",").to_ascii_lowercase();
        elements
            .split(',')
            .any(|element| element.trim_ascii() == token)
    };
    assert_eq!(all("host").len(), 1);
    assert!(lists("upgrade", "websocket"));
    assert!(lists("connection", "upgrade"));
    assert_eq!(all("sec-websocket-version"), ["13"]);
    assert!(all("transfer-encoding").is_empty());
    let offered = all("sec-websocket-protocol").join(",");
    assert!(
        offered.bytes().all(|b| !b"()<>@:\\\"/[]?={};".contains(&b)),
        "{offered}"
    );
    let lengths = all("content-length");
    assert!(lengths.len() < 2);
    for length in lengths {
        assert!(length.bytes().all(|b| b == b'0'), "{length}");
    }
    let keys = all("sec-websocket-key");
    assert_eq!(keys.len(), 1);
    assert_eq!((keys[0].len(), keys[0].ends_with("==")), (24, true));
    let mut offers: Vec<String> = Vec::new();
    for offer in all("sec-websocket-protocol").join(",").split(',') {
        let offer = offer.trim_ascii().to_string();
        assert!(!offers.contains(&offer), "{offer} is offered twice");
        if !offer.is_empty() {
            assert!(
                offer
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && !SEPARATORS.contains(&b))
            );
            offers.push(offer);
        }
    }
    (keys[0].to_string(), offers)
}

/// `Sec-WebSocket-Accept`, its base64 by bits.
pub(super) fn naive_accept(key: &str) -> String {
    let digest = Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    let mut bits: Vec<u8> = digest
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    bits.resize(162, 0);
    let digit = |six: &[u8]| {
        let value = six.iter().fold(0, |value, bit| value << 1 | bit);
        char::from(match value {
            0..26 => b'A' + value,
            26..52 => b'a' + value - 26,
            52..62 => b'0' + value - 52,
            62 => b'+',
            _ => b'/',
        })
    };
    bits.chunks(6).map(digit).chain(['=']).collect()
}

const SERVED: [&str; 2] = ["chat.v2", "chat"];
/// What a token has none of (RFC 2616 §2.2).
const SEPARATORS: &[u8] = b"()<>@,;:\\\"/[]?={} \t";
