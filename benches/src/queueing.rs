//! Owns a queue that is filled and emptied again, round after round.

use core::hint::black_box;

use stentor_core::testing::queue::{LoneQueue, Offered, Ticket};

/// Messages of a round.
pub const MESSAGES: usize = 256;
/// What each of them says.
pub const PAYLOAD: [u8; 64] = [b'x'; 64];

/// The queue of one connection, and messages for it.
#[derive(Debug)]
pub struct Queueing {
    queue: LoneQueue,
    order: Vec<u8>,
    offered: Vec<Offered>,
    done: Vec<Ticket>,
}

impl Queueing {
    /// With every priority as often as any other, in no order.
    pub fn new(priorities: usize) -> Self {
        let order = (0..MESSAGES).map(|i| (i * 167 % priorities) as u8);
        Self {
            queue: LoneQueue::new(MESSAGES as u32, 1 << 20),
            order: order.collect(),
            offered: Vec::new(),
            done: Vec::new(),
        }
    }

    /// The priorities of the messages, as they come.
    pub fn order(&self) -> &[u8] {
        &self.order
    }

    /// All messages in, and out again in writes of 64 KiB.
    pub fn round(&mut self) {
        for &priority in &self.order {
            black_box(self.queue.push(priority, black_box(&PAYLOAD)));
        }
        while self.queue.held().frames > 0 {
            self.queue.offer(BATCH, &mut self.offered);
            let n = self
                .offered
                .iter()
                .flat_map(|&frame| self.queue.bytes(frame))
                .map(|slice| black_box(slice).len())
                .sum();
            self.queue.transmitted(n, &mut self.done);
        }
    }
}

const BATCH: usize = 64 << 10;
