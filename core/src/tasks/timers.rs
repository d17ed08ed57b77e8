//! Heap of due times, at most one for each task, with removal of any of them.

use alloc::vec::Vec;

use crate::time::Timestamp;

/// Due times of tasks. Equal times keep the order of insertion.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// A binary heap: no timer is due before its parent.
    heap: Vec<Timer>,
    /// The position in the heap of each task, by its slot in the table.
    positions: Vec<usize>,
    inserted: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Timer {
    due: Timestamp,
    order: u64,
    at: u32,
}

impl Timers {
    /// Adds the due time of a task that has none.
    pub(super) fn insert(&mut self, at: u32, due: Timestamp) {
        if self.positions.len() <= at as usize {
            self.positions.resize(at as usize + 1, ABSENT);
        }
        debug_assert_eq!(self.positions[at as usize], ABSENT);
        let order = self.inserted;
        self.inserted += 1;
        self.heap.push(Timer { due, order, at });
        self.sift_up(self.heap.len() - 1);
    }

    /// Removes the due time of a task, if it has one.
    pub(super) fn remove(&mut self, at: u32) {
        let Some(&position) = self.positions.get(at as usize) else {
            return;
        };
        if position == ABSENT {
            return;
        }
        self.positions[at as usize] = ABSENT;
        self.heap.swap_remove(position);
        if position < self.heap.len() {
            // The moved timer came from the end, and may have to move either way.
            let position = self.sift_up(position);
            self.sift_down(position);
        }
    }

    /// Returns the earliest.
    pub(super) fn first(&self) -> Option<(Timestamp, u32)> {
        self.heap.first().map(|timer| (timer.due, timer.at))
    }

    /// Removes and returns all of them, in order.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Timestamp, u32)> + use<> {
        self.positions.fill(ABSENT);
        let mut all = core::mem::take(&mut self.heap);
        all.sort_unstable();
        all.into_iter().map(|timer| (timer.due, timer.at))
    }

    fn sift_up(&mut self, mut position: usize) -> usize {
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.heap[parent] <= self.heap[position] {
                break;
            }
            self.heap.swap(parent, position);
            self.set_position(position);
            position = parent;
        }
        self.set_position(position);
        position
    }

    fn sift_down(&mut self, mut position: usize) {
        loop {
            let children = 2 * position + 1..(2 * position + 3).min(self.heap.len());
            let Some(child) = children.min_by_key(|&at| self.heap[at]) else {
                break;
            };
            if self.heap[position] <= self.heap[child] {
                break;
            }
            self.heap.swap(position, child);
            self.set_position(position);
            position = child;
        }
        self.set_position(position);
    }

    fn set_position(&mut self, position: usize) {
        self.positions[self.heap[position].at as usize] = position;
    }
}

const ABSENT: usize = usize::MAX;

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use proptest::collection::vec as vec_of;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_earliest_timer_is_first_after_any_removal(
            ops in vec_of((0_u32..40, 0_u64..20, any::<bool>()), 0..300),
        ) {
            let mut timers = Timers::default();
            let mut sorted = BTreeMap::new();
            for (step, (at, due, insert)) in ops.into_iter().enumerate() {
                let due = Timestamp::from_micros(due);
                timers.remove(at);
                sorted.retain(|_, there| *there != at);
                if insert {
                    timers.insert(at, due);
                    sorted.insert((due, step), at);
                }
                let first = sorted.first_key_value().map(|(&(due, _), &at)| (due, at));
                prop_assert_eq!(timers.first(), first);
            }
            let all: Vec<_> = sorted.into_iter().map(|((due, _), at)| (due, at)).collect();
            prop_assert!(timers.take().eq(all));
            prop_assert_eq!(timers.first(), None);
        }
    }
}
