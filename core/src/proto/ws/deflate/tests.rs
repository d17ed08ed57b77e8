//! Owns the tests of the machines: what one end compresses, the other reads; what
//! is not DEFLATE, or too much of it, is refused.

use alloc::format;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::proto::ws::deflate::{Codec, Compressor, Contexts, Params, ceiling};
use crate::proto::ws::peer_error::PeerError;
use crate::proto::ws::{DecodeBuffers, Role};

/// Each end with a shared codec and contexts of its own, or not.
struct Ends {
    codecs: [Codec; 2],
    contexts: [Contexts; 2],
    window_bits: u8,
}

impl Ends {
    fn new(level: u8, window_bits: u8, takeover: bool) -> Self {
        let deflater = takeover.then_some((level, window_bits));
        Self {
            codecs: [Codec::new(level), Codec::new(level)],
            contexts: [
                Contexts::new(deflater, false),
                Contexts::new(None, takeover),
            ],
            window_bits,
        }
    }

    /// The compressed form, if that is shorter, having been read at the other end.
    fn pass(&mut self, message: &[u8], cut: usize) -> Option<Vec<u8>> {
        let [here, there] = &mut self.contexts;
        let (a, b) = message.split_at(cut.min(message.len()));
        let mut packed = b"kept".to_vec();
        if !here.deflate(&mut self.codecs[0], self.window_bits, [a, b], &mut packed) {
            assert_eq!(packed, b"kept");
            return None;
        }
        let packed = packed.split_off(4);
        assert!(packed.len() < message.len() && packed.len() <= ceiling(message.len()));
        let mut read = Vec::new();
        there
            .inflate(&mut self.codecs[1], &packed, message.len(), &mut read)
            .expect("well-formed, and not too long");
        assert_eq!(read, message);
        let less = there_is_no_room_for(&mut self.codecs[1], &packed, message.len());
        assert!(self.contexts[1].held_bytes() > 0 || less);
        Some(packed)
    }
}

/// A limit one byte below the message's length.
fn there_is_no_room_for(codec: &mut Codec, packed: &[u8], len: usize) -> bool {
    let mut out = Vec::new();
    let refused = Contexts::default().inflate(codec, packed, len - 1, &mut out);
    refused == Err(PeerError::MessageTooBig)
}

fn inflate(input: &[u8], limit: usize) -> Result<Vec<u8>, PeerError> {
    let mut out = Vec::new();
    Contexts::default().inflate(&mut Codec::new(1), input, limit, &mut out)?;
    Ok(out)
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        level in 1..=9_u8,
        window_bits in 9..=15_u8,
        takeover: bool,
        messages in prop::collection::vec((0..6_u8, 0..5_000_usize, any::<u64>()), 1..8),
    ) {
        let mut ends = Ends::new(level, window_bits, takeover);
        for (letters, len, seed) in messages {
            // Few letters compress well, many do not.
            let mut state = seed;
            let message: Vec<u8> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 33) as u8 & ((1_u16 << letters) - 1) as u8
                })
                .collect();
            ends.pass(&message, seed as usize % (len + 1));
        }
    }

    #[test]
    fn whatever_comes_is_a_message_or_refused(input: Vec<u8>, limit in 0..4_096_usize) {
        if let Ok(message) = inflate(&input, limit) {
            prop_assert!(message.len() <= limit);
        }
    }
}

#[test]
fn a_context_makes_the_second_message_short() {
    let message = b"{\"type\":\"chat\",\"room\":\"lobby\",\"from\":\"ann\",\"text\":\"hello\"}";
    for takeover in [false, true] {
        let mut ends = Ends::new(6, 15, takeover);
        let first = ends.pass(message, 0).expect("shorter");
        let second = ends.pass(message, 0).expect("shorter");
        assert_eq!(takeover, second.len() * 4 < first.len(), "{takeover}");
    }
}

#[test]
fn a_context_begins_anew_after_what_was_sent_as_it_is() {
    let mut ends = Ends::new(6, 15, true);
    let noise: Vec<u8> = (0..200_u32)
        .map(|n| (n.wrapping_mul(2_654_435_769) >> 13) as u8 ^ n as u8)
        .collect();
    assert!(ends.pass(&[b'a'; 500], 0).is_some());
    assert!(ends.pass(&noise, 0).is_none(), "the peer never sees it");
    assert!(ends.pass(&[&noise[..], &noise[..]].concat(), 100).is_some());
}

/// RFC 7692 §7.2.3, each example.
#[test]
fn the_examples_of_the_rfc() {
    let hello: &[&[u8]] = &[
        &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00],
        &[
            0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00,
        ],
        &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],
        &[
            0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00,
        ],
    ];
    for &payload in hello {
        assert_eq!(
            inflate(payload, 5).as_deref(),
            Ok(&b"Hello"[..]),
            "{payload:x?}"
        );
        assert_eq!(inflate(payload, 4), Err(PeerError::MessageTooBig));
    }
    // §7.2.3.2, with a context: the second time it refers to the first.
    let mut contexts = Contexts::new(None, true);
    for payload in [hello[0], &[0xF2, 0x00, 0x11, 0x00, 0x00]] {
        let mut out = Vec::new();
        let read = contexts.inflate(&mut Codec::new(1), payload, 5, &mut out);
        assert_eq!((read, &out[..]), (Ok(()), &b"Hello"[..]));
    }
    // §7.2.3.6: nothing, compressed.
    assert_eq!(inflate(&[0x00], 0).as_deref(), Ok(&b""[..]));
    assert_eq!(inflate(&[], 0).as_deref(), Ok(&b""[..]));
}

#[test]
fn what_is_not_deflate() {
    for input in [
        &[0x06][..],                        // a block of the third kind, which there is not
        &[0x01, 0x05, 0x00, 0x00, 0x00, 0], // a stored block whose lengths disagree
        &[0xF2, 0x00, 0x11, 0x00, 0x00],    // refers to a message that is not there
        &[0xFF; 40],
    ] {
        assert_eq!(
            inflate(input, 1 << 20),
            Err(PeerError::BadDeflate),
            "{input:x?}"
        );
    }
}

#[test]
fn what_is_too_long_and_then_wrong_is_too_long_whatever_the_buffer() {
    let input = [0, 5, 0, 0xFA, 0xFF, b'H', b'e', b'l', b'l', b'o', 0x06];
    for capacity in [0, 6, 64] {
        for limit in 0..8 {
            let mut out = Vec::with_capacity(capacity);
            let read = Contexts::default().inflate(&mut Codec::new(1), &input, limit, &mut out);
            let expected = if limit < 5 {
                PeerError::MessageTooBig
            } else {
                PeerError::BadDeflate
            };
            assert_eq!(read, Err(expected), "{capacity} {limit}");
        }
    }
}

#[test]
fn a_bomb_costs_the_limit() {
    let mut packed = Vec::new();
    let mut codec = Codec::new(9);
    assert!(codec.deflate_shared(15, &alloc::vec![0; 64 << 20], &mut packed));
    assert!(packed.len() < 1 << 17, "{}", packed.len());
    let mut out = Vec::new();
    let refused = Contexts::default().inflate(&mut codec, &packed, 1 << 20, &mut out);
    assert_eq!(refused, Err(PeerError::MessageTooBig));
    assert!(out.capacity() <= (1 << 20) + 1, "{}", out.capacity());
}

/// Either role, with each window and either kind of context that may be agreed
/// on: noise said twice is short where the compressor looks back as far as that,
/// and no shorter where it does not.
//= rfc7692#section-7.2.1 "If the "agreed parameters" contain the "client_max_window_bits"..."
//= rfc7692#section-7.2.1 "If the "agreed parameters" contain the "server_max_window_bits"..."
//= rfc7692#section-7.2.1 "If the "agreed parameters" contain the "client_no_context_takeover"..."
//= rfc7692#section-7.2.1 "If the "agreed parameters" contain the "server_no_context_takeover"..."
#[test]
fn nobody_looks_back_farther_than_was_agreed_on() {
    let noise: Vec<u8> = (0..20_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_769) >> 13) as u8 ^ n as u8)
        .collect();
    for (window_bits, no_takeover) in (8..=15).flat_map(|bits| [(bits, false), (bits, true)]) {
        let server = Params {
            server_max_window_bits: Some(window_bits),
            server_no_context_takeover: no_takeover,
            ..Params::default()
        };
        let client = Params {
            client_max_window_bits: Some(window_bits),
            client_no_context_takeover: no_takeover,
            ..Params::default()
        };
        for (role, agreed) in [(Role::Server, server), (Role::Client, client)] {
            // One length for each window from 9 bits up, between it and the next smaller one.
            for len in [200, 600, 1_500, 3_000, 5_000, 10_000, 20_000] {
                let mut compressor = Compressor::new(role, &agreed, 9);
                let mut workspace = DecodeBuffers::new(9);
                let twice = [&noise[..len], &noise[..len]].concat();
                let mut say = || {
                    let mut out = Vec::new();
                    let is_packed = compressor.deflate(&mut workspace, [&twice, &[]], &mut out);
                    if is_packed { out.len() } else { twice.len() }
                };
                let name = format!("{role:?} {window_bits} {no_takeover} {len}");
                // Of 8 bits there is no compressor, and so nothing is compressed.
                let is_within = window_bits > 8 && len < 1 << window_bits;
                assert_eq!(say() < len + len / 2, is_within, "{name}");
                assert_eq!(say() < len / 2, is_within && !no_takeover, "{name}");
            }
        }
    }
}
