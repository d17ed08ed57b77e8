//! Owns when something is due: a heap of times, one at most for each task, from which any can be
//! taken. What is due then is not known here.

use alloc::vec::Vec;

use crate::time::Timestamp;

/// Times of tasks. The earliest is at hand; what is due at one time keeps its order.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// A binary heap: nobody is due before its parent.
    heap: Vec<Timer>,
    /// Where in the heap a task stands, by its number in the table.
    places: Vec<usize>,
    inserted: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Timer {
    due: Timestamp,
    order: u64,
    at: u32,
}

impl Timers {
    /// A task that has no time gets one.
    pub(super) fn insert(&mut self, at: u32, due: Timestamp) {
        if self.places.len() <= at as usize {
            self.places.resize(at as usize + 1, NOWHERE);
        }
        debug_assert_eq!(self.places[at as usize], NOWHERE);
        let order = self.inserted;
        self.inserted += 1;
        self.heap.push(Timer { due, order, at });
        self.rise(self.heap.len() - 1);
    }

    /// A task needs its time no longer.
    pub(super) fn remove(&mut self, at: u32) {
        let Some(&place) = self.places.get(at as usize) else {
            return;
        };
        if place == NOWHERE {
            return;
        }
        self.places[at as usize] = NOWHERE;
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            // It came from the end, and may belong on either side of here.
            let place = self.rise(place);
            self.sink(place);
        }
    }

    /// The earliest.
    pub(super) fn first(&self) -> Option<(Timestamp, u32)> {
        self.heap.first().map(|timer| (timer.due, timer.at))
    }

    /// Takes out all of them, in order.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Timestamp, u32)> + use<> {
        self.places.fill(NOWHERE);
        let mut all = core::mem::take(&mut self.heap);
        all.sort_unstable();
        all.into_iter().map(|timer| (timer.due, timer.at))
    }

    fn rise(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent] <= self.heap[place] {
                break;
            }
            self.heap.swap(parent, place);
            self.settle(place);
            place = parent;
        }
        self.settle(place);
        place
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let children = 2 * place + 1..(2 * place + 3).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child]) else {
                break;
            };
            if self.heap[place] <= self.heap[least] {
                break;
            }
            self.heap.swap(place, least);
            self.settle(place);
            place = least;
        }
        self.settle(place);
    }

    fn settle(&mut self, place: usize) {
        self.places[self.heap[place].at as usize] = place;
    }
}

const NOWHERE: usize = usize::MAX;

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use proptest::collection::vec as vec_of;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_earliest_is_first_whatever_was_taken_out(
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
