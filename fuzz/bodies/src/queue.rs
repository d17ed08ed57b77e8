//! Fuzzes the priority queue against its oracle.

use core::time::Duration;

use stentor_core::testing::queue::Control;
use stentor_core::{OverflowPolicy, SendOptions};
use stentor_sim::queue::{QueueOp, check};

use super::InputReader;

/// Bytes as limits, and then as things done to a queue.
///
/// # Panics
/// If the queue and the naive queue differ.
pub fn queue(data: &[u8]) {
    let mut input = InputReader::new(data);
    let messages = 1 + input.below(32) as u32;
    let bytes = 1 + u32::from(input.short());
    let starvation = (u16::from(input.byte() % 8), input.byte().into());
    let mut ops = Vec::new();
    while !input.is_empty() && ops.len() < MOST_OPS {
        ops.push(op(&mut input));
    }
    check(messages, bytes, starvation, &ops);
}

fn op(input: &mut InputReader<'_>) -> QueueOp {
    match input.below(23) {
        0..=3 => QueueOp::Push((input.byte() % 4).into(), input.below(200)),
        4 | 5 => QueueOp::Push(options(input), input.below(200)),
        6 => QueueOp::Push(input.byte().into(), usize::from(input.short())),
        7 => QueueOp::Control(Control::Ping, input.below(126)),
        8 => QueueOp::Control(Control::Pong, input.below(126)),
        9 => QueueOp::Control(Control::Close, input.below(126)),
        10 => QueueOp::Control(Control::Head, input.below(200)),
        11 => QueueOp::Offer(1 + input.below(64)),
        12 => QueueOp::Offer(usize::from(input.short())),
        13 => QueueOp::Transmitted(255),
        14 => QueueOp::Transmitted(input.byte()),
        15 | 16 => QueueOp::Pass(input.byte().into()),
        17 => QueueOp::Expire,
        18 => QueueOp::Batch(input.byte() % 4, 2 + input.below(5), input.below(200)),
        19 => QueueOp::PushIn(input.below(2) as u32, options(input), input.below(200)),
        20 => QueueOp::DiscardStream(input.below(2) as u32),
        21 => QueueOp::PushAhead(input.below(126)),
        _ => QueueOp::Discard(input.flag()),
    }
}

fn options(input: &mut InputReader<'_>) -> SendOptions {
    let mut options = SendOptions::new(input.byte() % 4).overflow(WHEN_FULL[input.below(5)]);
    if input.flag() {
        options = options.ttl(Duration::from_micros(input.byte().into()));
    }
    if input.flag() {
        options = options.key((input.byte() % 3).into());
    }
    options
}

const WHEN_FULL: [OverflowPolicy; 5] = [
    OverflowPolicy::EvictLower,
    OverflowPolicy::DropNew,
    OverflowPolicy::DropOldest,
    OverflowPolicy::Conflate,
    OverflowPolicy::Disconnect,
];
const MOST_OPS: usize = 400;
