//! Queue workload: the queue of one connection, filled and emptied round after round.

use core::hint::black_box;

use stentor_core::testing::queue::{LoneQueue, Offered, Ticket};

/// Messages of a round.
pub const MESSAGES: usize = 256;
/// The payload of each message.
pub const PAYLOAD: [u8; 64] = [b'x'; 64];

/// A queue, and the priorities of the messages that are pushed to it.
#[derive(Debug)]
pub struct QueueWorkload {
    queue: LoneQueue,
    priorities: Vec<u8>,
    offered: Vec<Offered>,
    done: Vec<Ticket>,
}

impl QueueWorkload {
    /// Creates a workload that uses this many priorities equally often, unsorted.
    pub fn new(priorities: usize) -> Self {
        let priorities = (0..MESSAGES).map(|i| (i * 167 % priorities) as u8);
        Self {
            queue: LoneQueue::new(MESSAGES as u32, 1 << 20),
            priorities: priorities.collect(),
            offered: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Returns the priorities of the messages in the order of pushing.
    pub fn priorities(&self) -> &[u8] {
        &self.priorities
    }

    /// Pushes all messages, and takes them out again in writes of 64 KiB.
    pub fn round(&mut self) {
        for &priority in &self.priorities {
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
