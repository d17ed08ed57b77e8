//! Tests of the frame store: contents, placement and lifetime of frames.

use std::collections::BTreeMap;

use proptest::prelude::*;

use alloc::vec::Vec;

use bytes::Bytes;

use crate::delivery::frame::Rank;
use crate::delivery::frame::run::RUN;
use crate::delivery::frame::store::*;
use crate::proto::wire::{FrameTag, Wire};
use crate::proto::ws::header::encode_unmasked;
use crate::proto::ws::opcode::Opcode;

fn whole(store: &Store, id: FrameId) -> Vec<u8> {
    let (a, b) = store.bytes(id);
    [a, b].concat()
}

const fn tag(opcode: Opcode) -> FrameTag {
    FrameTag::new(Wire::WebSocket, opcode)
}

#[test]
fn neighbours_stand_side_by_side() {
    let mut store = Store::new();
    let a = store.encode(Rank::data(1), tag(Opcode::Text), b"one");
    let b = store.encode(Rank::data(1), tag(Opcode::Binary), b"three");
    assert_eq!(store.place(a), (0, 0, 5, true));
    assert_eq!(store.place(b), (0, 5, 7, true));
    assert_eq!(whole(&store, b), b"\x82\x05three");
}

#[test]
fn an_empty_run_is_used_again_from_its_start() {
    let mut store = Store::new();
    for _ in 0..100_000 {
        let id = store.encode(Rank::data(1), tag(Opcode::Text), &[b'x'; 900]);
        store.release(id);
    }
    assert_eq!(store.held_bytes(), RUN as u64);
}

#[test]
fn a_shared_payload_over_the_edge_is_not_copied() {
    let mut store = Store::new();
    for (len, body) in [(INLINE, 0), (INLINE + 1, INLINE as u64 + 1)] {
        let payload = Bytes::from(std::vec![7; len]);
        let id = store.encode_shared(Rank::data(0), tag(Opcode::Binary), &payload);
        assert_eq!(store.held_bytes(), RUN as u64 + body);
        assert_eq!(store.len(id) as usize, len + 4);
        store.release(id);
    }
}

#[test]
fn laggards_do_not_pin_whole_runs() {
    let mut store = Store::new();
    let mut kept = Vec::new();
    for i in 0..20_000_u32 {
        let id = store.encode(
            Rank::data(1),
            tag(Opcode::Binary),
            &i.to_be_bytes().repeat(32),
        );
        if i % 200 == 0 {
            kept.push((i, id));
        } else {
            store.release(id);
        }
    }
    // 100 frames of 132 bytes are kept of 2.6 MB that went through.
    assert!(store.held_bytes() <= 4 * RUN as u64 + (SPARE_RUNS * RUN) as u64);
    assert!(store.runs.len() < 8, "{} runs", store.runs.len());
    for (i, id) in kept {
        assert_eq!(whole(&store, id)[4..], i.to_be_bytes().repeat(32));
    }
}

proptest! {
    #[test]
    fn every_frame_keeps_its_bytes_until_its_last_reference_goes(
        ops in prop::collection::vec((0u8..10, 0usize..20_000, 1u32..4), 1..400)
    ) {
        let mut store = Store::new();
        let mut oracle: BTreeMap<u32, (u32, Vec<u8>)> = BTreeMap::new();
        for (n, (op, size, refs)) in ops.into_iter().enumerate() {
            if op < 6 {
                let size = if op < 4 { size % 600 } else { size };
                let payload = std::vec![n as u8; size];
                let id = if op % 2 == 0 {
                    store.encode(Rank::data(op), tag(Opcode::Binary), &payload)
                } else {
                    store.encode_shared(Rank::data(op), tag(Opcode::Binary), &Bytes::from(payload.clone()))
                };
                for _ in 1..refs {
                    store.retain(id);
                }
                let (header, len) = encode_unmasked(Opcode::Binary, size);
                let frame = [&header[..len], &payload].concat();
                prop_assert!(oracle.insert(id.0, (refs, frame)).is_none());
            } else if let Some((&id, _)) = oracle.iter().nth(size % oracle.len().max(1)) {
                store.release(FrameId(id));
                let entry = oracle.get_mut(&id).expect("just found");
                entry.0 -= 1;
                if entry.0 == 0 {
                    oracle.remove(&id);
                }
            }
            for (&id, (_, frame)) in &oracle {
                prop_assert_eq!(&whole(&store, FrameId(id)), frame);
                prop_assert_eq!(store.len(FrameId(id)) as usize, frame.len());
            }
            prop_assert_eq!(store.live(), oracle.len());
            prop_assert_eq!(store.memory(), store.count_memory());
            if n % 50 == 49 {
                store.decay();
            }
        }
        for (id, (refs, _)) in oracle {
            for _ in 0..refs {
                store.release(FrameId(id));
            }
        }
        prop_assert_eq!(store.live(), 0);
        store.trim();
        prop_assert_eq!(store.held_bytes(), RUN as u64);
        prop_assert_eq!(store.memory(), store.count_memory());
    }
}
