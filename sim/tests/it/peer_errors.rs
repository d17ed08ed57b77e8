//! Whatever a peer does wrong is answered with its close code and counted, and
//! nobody else notices.

use stentor_core::proto::ws::PeerError;
use stentor_core::testing::deflate::Params;
use stentor_core::testing::wire::{Header, Opcode};
use stentor_core::{CloseCause, Config};
use stentor_sim::Rooms;
use stentor_sim::simulator::{Incoming, Network, ReadPattern, Sim, masked};

const KEY: [u8; 4] = [9, 8, 7, 6];

fn server(seed: u64) -> Sim<Rooms> {
    let config = Config::builder()
        .max_message(1_000)
        .max_empty_fragments(4)
        .compression(true)
        .build()
        .expect("in range");
    Sim::rooms(Network::smooth(seed), &config)
}

fn header(fin: bool, opcode: Opcode, payload_len: u64) -> Vec<u8> {
    let header = Header {
        fin,
        rsv: 0,
        opcode,
        mask: Some(KEY),
        payload_len,
    };
    let (bytes, n) = header.encode();
    bytes[..n].to_vec()
}

/// Bytes that are wrong in one way only.
fn fault(error: PeerError) -> Vec<u8> {
    let text = |fin, payload: &[u8]| masked(Opcode::Text, fin, KEY, payload);
    match error {
        PeerError::Unmasked => b"\x81\x01x".to_vec(),
        PeerError::ReservedBit => b"\xC1\x80\x00\x00\x00\x00".to_vec(),
        PeerError::ReservedOpcode => b"\x83\x80\x00\x00\x00\x00".to_vec(),
        PeerError::FragmentedControl => header(false, Opcode::Ping, 0),
        PeerError::LongControl => header(true, Opcode::Ping, 126),
        PeerError::StrayContinuation => masked(Opcode::Continuation, true, KEY, b""),
        PeerError::InterruptedMessage => [text(false, b"a"), text(true, b"b")].concat(),
        PeerError::LengthNotMinimal => b"\x81\xFE\x00\x7D".to_vec(),
        PeerError::LengthOverflow => b"\x81\xFF\x80".to_vec(),
        PeerError::ShortClose => masked(Opcode::Close, true, KEY, b"\x03"),
        PeerError::BadCloseCode => masked(Opcode::Close, true, KEY, &1_005_u16.to_be_bytes()),
        PeerError::InvalidUtf8 => text(true, b"\xC0\x80"),
        PeerError::MessageTooBig => header(true, Opcode::Binary, 1_001),
        PeerError::EmptyFragments => {
            let rest = masked(Opcode::Continuation, false, KEY, b"").repeat(5);
            [text(false, b"."), rest].concat()
        }
        PeerError::BadDeflate => {
            let mut frame = masked(Opcode::Binary, true, KEY, &[0xFF; 4]);
            frame[0] |= 0x40;
            frame
        }
        other => panic!("{other} has no bytes"),
    }
}

#[test]
fn each_fault_has_its_code_and_counter_and_disturbs_nobody() {
    for (at, error) in PeerError::ALL.into_iter().enumerate() {
        // A client's, and one of other wires.
        if matches!(error, PeerError::Masked | PeerError::UnexpectedInput) {
            continue;
        }
        for seed in 0..4 {
            let mut sim = server(seed);
            let bad = match error {
                PeerError::BadDeflate => sim.connect_offering(0, Params::default()),
                _ => sim.connect(0),
            };
            let good = sim.connect(0);
            sim.say(bad, "join:r");
            sim.say(good, "join:r");
            sim.settle();
            sim.take_texts(bad);
            sim.take_texts(good);
            // In one segment with what is right, of several priorities.
            for text in ["one", "msg:two", "join:", "three"] {
                sim.say(bad, text);
            }
            sim.send_bytes(bad, &fault(error));
            sim.say(bad, "msg:too late");
            sim.settle();
            let mut heard = sim.take_texts(bad);
            heard.sort();
            assert_eq!(
                heard,
                ["echo:one", "echo:three", "error:bad_room", "two"],
                "{error}"
            );
            let code = error.close_code().get();
            let rest = &sim.client(bad).heard[1..];
            assert_eq!(
                rest,
                [Incoming::Close(Some(code)), Incoming::Eof],
                "{error}"
            );
            assert!(!sim.is_held(bad));
            let stats = sim.stats();
            assert_eq!(stats.peer_errors[at], 1);
            assert_eq!(stats.peer_errors.iter().sum::<u64>(), 1);
            assert_eq!(stats.closed[CloseCause::PeerError as usize], 1);
            sim.say(good, "msg:still here");
            sim.settle();
            assert_eq!(sim.take_texts(good), ["two", "still here"]);
            assert_eq!(sim.stats().channels.members, 1);
        }
    }
}

#[test]
fn a_fault_overtakes_what_waits_for_a_peer_that_takes_nothing() {
    let config = Config::builder().build().expect("in range");
    let network = Network {
        down: 140,
        ..Network::smooth(1)
    };
    let mut sim = Sim::rooms(network, &config);
    let bad = sim.connect(0);
    sim.settle();
    sim.client_mut(bad).reader = ReadPattern::Stuck;
    for _ in 0..10 {
        sim.say(bad, &"x".repeat(93));
    }
    sim.settle();
    sim.send_bytes(bad, &fault(PeerError::ReservedBit));
    sim.settle();
    sim.client_mut(bad).reader = ReadPattern::Eager;
    sim.settle();
    assert_eq!(sim.client(bad).texts().len(), 2, "one whole, one pinned");
    assert_eq!(sim.client(bad).close_code(), Some(Some(1002)));
    assert_eq!(sim.stats().delivery.discarded, 8);
}

#[test]
fn close_codes_that_may_not_be_sent() {
    for code in [
        0, 999, 1_004, 1_005, 1_006, 1_015, 1_016, 2_999, 5_000, 65_535_u16,
    ] {
        let mut sim = server(1);
        let client = sim.connect(0);
        sim.send_bytes(
            client,
            &masked(Opcode::Close, true, KEY, &code.to_be_bytes()),
        );
        sim.settle();
        assert_eq!(sim.client(client).close_code(), Some(Some(1002)), "{code}");
    }
    for code in [None, Some(1_000), Some(1_014), Some(3_000), Some(4_999)] {
        let mut sim = server(1);
        let client = sim.connect(0);
        sim.close(client, code);
        sim.settle();
        assert_eq!(sim.client(client).close_code(), Some(code));
        assert!(sim.client(client).is_over() && !sim.is_held(client));
    }
    let mut sim = server(1);
    let client = sim.connect(0);
    sim.send_bytes(client, &masked(Opcode::Close, true, KEY, b"\x03\xE8\xFF"));
    sim.settle();
    assert_eq!(sim.client(client).close_code(), Some(Some(1007)));
}

#[test]
fn a_stream_that_ends_in_the_middle_of_a_frame() {
    for cut in 1..20 {
        let mut sim = server(cut);
        let client = sim.connect(0);
        sim.say(client, "whole");
        let frame = masked(Opcode::Text, true, KEY, b"a half of it..");
        sim.send_bytes(client, &frame[..cut as usize]);
        sim.shut(client);
        sim.settle();
        assert_eq!(sim.take_texts(client), ["echo:whole"]);
        assert!(sim.client(client).is_over() && !sim.is_held(client));
        assert_eq!(sim.stats().closed[CloseCause::Eof as usize], 1);
        sim.assert_bare();
    }
}

#[test]
fn a_half_closed_peer_gets_what_waits_for_it() {
    for shards in [1, 4] {
        let config = Config::builder().shards(shards).build().expect("in range");
        let network = Network {
            down: 200,
            ..Network::smooth(3)
        };
        let mut sim = Sim::rooms(network, &config);
        let client = sim.connect(0);
        sim.settle();
        sim.client_mut(client).reader = ReadPattern::Stuck;
        sim.say(client, "join:r");
        for n in 0..100 {
            sim.say(client, &format!("{n}"));
            sim.say(client, "msg:to all");
        }
        sim.shut(client);
        sim.settle();
        sim.client_mut(client).reader = ReadPattern::Eager;
        sim.settle();
        let heard = sim.take_texts(client);
        assert_eq!(heard.len(), 201, "{shards} shards");
        assert!(sim.client(client).is_over());
        sim.assert_bare();
    }
}
