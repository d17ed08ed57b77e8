//! Fuzzes the priority queue against its oracle.

use alloc::vec::Vec;

use super::Reader;
use crate::testing::queue::{Control, Op, check};

/// Bytes as limits, and then as things done to a queue.
///
/// # Panics
/// If the queue and the naive queue differ.
pub fn queue(data: &[u8]) {
    let mut input = Reader::new(data);
    let messages = 1 + input.below(32) as u32;
    let bytes = 1 + u32::from(input.short());
    let mut ops = Vec::new();
    while !input.is_empty() && ops.len() < MOST_OPS {
        ops.push(op(&mut input));
    }
    check(messages, bytes, &ops);
}

fn op(input: &mut Reader<'_>) -> Op {
    match input.below(16) {
        0..=5 => Op::Push(input.byte() % 4, input.below(200)),
        6 => Op::Push(input.byte(), usize::from(input.short())),
        7 => Op::Control(Control::Ping, input.below(126)),
        8 => Op::Control(Control::Pong, input.below(126)),
        9 => Op::Control(Control::Close, input.below(126)),
        10 => Op::Control(Control::Head, input.below(200)),
        11 => Op::Offer(1 + input.below(64)),
        12 => Op::Offer(usize::from(input.short())),
        13 => Op::Transmitted(255),
        14 => Op::Transmitted(input.byte()),
        _ => Op::Discard(input.flag()),
    }
}

const MOST_OPS: usize = 400;
