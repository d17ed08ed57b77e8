//! Tests of compression and decompression: round trips between both ends, invalid and oversized
//! input.

use alloc::format;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::proto::ws::deflate::codec::DeflateCounts;
use crate::proto::ws::deflate::{
    Compressor, Contexts, DEFLATER_BYTES, INFLATER_BYTES, Params, SharedDeflate, max_compressed_len,
};
use crate::proto::ws::peer_error::PeerError;
use crate::proto::ws::{DecodeBuffers, Role};

/// Both ends, each with a shared codec, with or without contexts of their own.
struct Ends {
    codecs: [SharedDeflate; 2],
    contexts: [Contexts; 2],
    window_bits: u8,
}

impl Ends {
    fn new(level: u8, window_bits: u8, takeover: bool) -> Self {
        let deflater = takeover.then_some((level, window_bits));
        Self {
            codecs: [SharedDeflate::new(level), SharedDeflate::new(level)],
            contexts: [
                Contexts::new(deflater, false),
                Contexts::new(None, takeover),
            ],
            window_bits,
        }
    }

    /// Sends a message from one end to the other and returns its compressed form, if that is
    /// shorter.
    fn round_trip(&mut self, message: &[u8], cut: usize) -> Option<Vec<u8>> {
        let [sender, receiver] = &mut self.contexts;
        let (a, b) = message.split_at(cut.min(message.len()));
        let mut compressed = b"kept".to_vec();
        if !sender.deflate(
            &mut self.codecs[0],
            self.window_bits,
            [a, b],
            &mut compressed,
        ) {
            assert_eq!(compressed, b"kept");
            return None;
        }
        let compressed = compressed.split_off(4);
        assert!(
            compressed.len() < message.len()
                && compressed.len() <= max_compressed_len(message.len())
        );
        let mut read = Vec::new();
        receiver
            .inflate(&mut self.codecs[1], &compressed, message.len(), &mut read)
            .expect("well-formed, and not too long");
        assert_eq!(read, message);
        let limited = exceeds_a_smaller_limit(&mut self.codecs[1], &compressed, message.len());
        assert!(self.contexts[1].held_bytes() > 0 || limited);
        Some(compressed)
    }
}

/// Checks that a limit one byte below the message's length is enforced.
fn exceeds_a_smaller_limit(codec: &mut SharedDeflate, compressed: &[u8], len: usize) -> bool {
    let mut out = Vec::new();
    let refused = Contexts::default().inflate(codec, compressed, len - 1, &mut out);
    refused == Err(PeerError::MessageTooBig)
}

fn inflate(input: &[u8], limit: usize) -> Result<Vec<u8>, PeerError> {
    let mut out = Vec::new();
    Contexts::default().inflate(&mut SharedDeflate::new(1), input, limit, &mut out)?;
    Ok(out)
}

proptest! {
    #[test]
    fn a_message_survives_compression_and_decompression(
        level in 1..=9_u8,
        window_bits in 9..=15_u8,
        takeover: bool,
        messages in prop::collection::vec((0..6_u8, 0..5_000_usize, any::<u64>()), 1..8),
    ) {
        let mut ends = Ends::new(level, window_bits, takeover);
        for (letters, len, seed) in messages {
            // Few different letters compress well, many do not.
            let mut state = seed;
            let message: Vec<u8> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 33) as u8 & ((1_u16 << letters) - 1) as u8
                })
                .collect();
            ends.round_trip(&message, seed as usize % (len + 1));
        }
    }

    #[test]
    fn any_input_is_a_message_within_the_limit_or_an_error(input: Vec<u8>, limit in 0..4_096_usize) {
        if let Ok(message) = inflate(&input, limit) {
            prop_assert!(message.len() <= limit);
        }
    }
}

#[test]
fn a_context_shortens_a_repeated_message() {
    let message = b"{\"type\":\"chat\",\"room\":\"lobby\",\"from\":\"ann\",\"text\":\"hello\"}";
    for takeover in [false, true] {
        let mut ends = Ends::new(6, 15, takeover);
        let first = ends.round_trip(message, 0).expect("shorter");
        let second = ends.round_trip(message, 0).expect("shorter");
        assert_eq!(takeover, second.len() * 4 < first.len(), "{takeover}");
    }
}

#[test]
fn a_context_is_reset_after_an_uncompressed_message() {
    let mut ends = Ends::new(6, 15, true);
    let noise: Vec<u8> = (0..200_u32)
        .map(|n| (n.wrapping_mul(2_654_435_769) >> 13) as u8 ^ n as u8)
        .collect();
    assert!(ends.round_trip(&[b'a'; 500], 0).is_some());
    assert!(
        ends.round_trip(&noise, 0).is_none(),
        "the peer never sees it"
    );
    assert!(
        ends.round_trip(&[&noise[..], &noise[..]].concat(), 100)
            .is_some()
    );
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
    // §7.2.3.2, with a context: the second message refers to the first.
    let mut contexts = Contexts::new(None, true);
    for payload in [hello[0], &[0xF2, 0x00, 0x11, 0x00, 0x00]] {
        let mut out = Vec::new();
        let read = contexts.inflate(&mut SharedDeflate::new(1), payload, 5, &mut out);
        assert_eq!((read, &out[..]), (Ok(()), &b"Hello"[..]));
    }
    // §7.2.3.6: an empty message, compressed.
    assert_eq!(inflate(&[0x00], 0).as_deref(), Ok(&b""[..]));
    assert_eq!(inflate(&[], 0).as_deref(), Ok(&b""[..]));
}

#[test]
fn invalid_deflate_is_an_error() {
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
fn messages_their_bytes_and_memory_are_counted_at_both_ends() {
    let mut ends = Ends::new(6, 15, false);
    let message = b"again and ".repeat(60);
    let short = ends.round_trip(&message, 7).expect("it is shortened").len() as u64;
    assert_eq!(ends.round_trip(&message[..300], 0).map(|_| ()), Some(()));
    assert_eq!(ends.round_trip(b"x", 0), None);
    let memory = ends.codecs.each_ref().map(SharedDeflate::memory);
    assert_eq!(memory, [DEFLATER_BYTES, INFLATER_BYTES]);
    let [sent, received] = ends.codecs.map(|codec| codec.counts());
    let compressed = sent.deflated_to_bytes;
    assert!((short + 1..2 * short + 1).contains(&compressed), "{sent:?}");
    let expected = DeflateCounts {
        deflated: 2,
        deflated_from_bytes: 900,
        deflated_to_bytes: compressed,
        incompressible: 1,
        ..DeflateCounts::default()
    };
    assert_eq!(sent, expected);
    let expected = DeflateCounts {
        inflated: 2,
        inflated_from_bytes: compressed,
        inflated_to_bytes: 900,
        ..DeflateCounts::default()
    };
    assert_eq!(received, expected);
}

#[test]
fn the_limit_is_checked_before_later_errors() {
    let input = [0, 5, 0, 0xFA, 0xFF, b'H', b'e', b'l', b'l', b'o', 0x06];
    for capacity in [0, 6, 64] {
        for limit in 0..8 {
            let mut out = Vec::with_capacity(capacity);
            let read =
                Contexts::default().inflate(&mut SharedDeflate::new(1), &input, limit, &mut out);
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
fn a_decompression_bomb_allocates_no_more_than_the_limit() {
    let mut compressed = Vec::new();
    let mut codec = SharedDeflate::new(9);
    assert!(codec.deflate_shared(15, &alloc::vec![0; 64 << 20], &mut compressed));
    assert!(compressed.len() < 1 << 17, "{}", compressed.len());
    let mut out = Vec::new();
    let refused = Contexts::default().inflate(&mut codec, &compressed, 1 << 20, &mut out);
    assert_eq!(refused, Err(PeerError::MessageTooBig));
    assert!(out.capacity() <= (1 << 20) + 1, "{}", out.capacity());
}

/// Either role, each window and either kind of context: repeated noise is short if the compressor's
/// window reaches back to it, and not shortened otherwise.
//= rfc7692#section-7.2.1 "If the "agreed parameters" contain the "client_max_window_bits"..."
//= rfc7692#section-7.2.1 "If the "agreed parameters" contain the "server_max_window_bits"..."
//= rfc7692#section-7.2.1 "If the "agreed parameters" contain the "client_no_context_takeover"..."
//= rfc7692#section-7.2.1 "If the "agreed parameters" contain the "server_no_context_takeover"..."
#[test]
fn no_compressor_exceeds_the_agreed_window() {
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
                let mut buffers = DecodeBuffers::new(9);
                let twice = [&noise[..len], &noise[..len]].concat();
                let mut compressed_len = || {
                    let mut out = Vec::new();
                    let is_compressed = compressor.deflate(&mut buffers, [&twice, &[]], &mut out);
                    if is_compressed {
                        out.len()
                    } else {
                        twice.len()
                    }
                };
                let name = format!("{role:?} {window_bits} {no_takeover} {len}");
                // No compressor has a window of 8 bits, so nothing is compressed.
                let is_within = window_bits > 8 && len < 1 << window_bits;
                assert_eq!(compressed_len() < len + len / 2, is_within, "{name}");
                assert_eq!(
                    compressed_len() < len / 2,
                    is_within && !no_takeover,
                    "{name}"
                );
            }
        }
    }
}
