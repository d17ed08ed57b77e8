//! Timers that the application has set, at most one for each connection.

use alloc::collections::BTreeSet;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::time::Timestamp;

/// The timers of the slots that have one. A connection without a timer takes nothing.
#[derive(Debug, Default)]
pub(crate) struct AppTimers {
    by_time: BTreeSet<(Timestamp, u32)>,
    by_slot: HashMap<u32, Timestamp, FixedState>,
}

impl AppTimers {
    /// Sets the timer of a slot, instead of the one it had.
    pub(crate) fn set(&mut self, at: u32, due: Timestamp) {
        let before = self.by_slot.insert(at, due);
        if let Some(before) = before {
            self.by_time.remove(&(before, at));
        }
        self.by_time.insert((due, at));
    }

    /// Removes the timer of a slot, if it has one.
    pub(crate) fn cancel(&mut self, at: u32) {
        if let Some(before) = self.by_slot.remove(&at) {
            self.by_time.remove(&(before, at));
        }
    }

    /// Returns the time at which the next timer is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|&(due, _)| due)
    }

    /// Removes the timer that has been due longest at `now`, and returns its slot.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<u32> {
        self.next().filter(|&due| due <= now)?;
        let (_, at) = self.by_time.pop_first()?;
        self.by_slot.remove(&at);
        Some(at)
    }

    /// Returns about how many bytes of memory this takes: nodes of the tree are at least half
    /// full.
    pub(crate) fn memory(&self) -> usize {
        self.by_time.len() * 2 * size_of::<(Timestamp, u32)>() + self.by_slot.allocation_size()
    }

    /// Gives back the memory that timers do not need any more.
    pub(crate) fn shrink(&mut self) {
        if self.by_slot.capacity() > 4 * self.by_slot.len() + SPARE {
            self.by_slot.shrink_to(2 * self.by_slot.len());
        }
    }

    /// Returns whether no timer is set.
    #[cfg(feature = "testing")]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_time.is_empty() && self.by_slot.is_empty()
    }
}

/// Timers for which room is kept.
const SPARE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn timers_fire_in_the_order_of_their_times_and_a_new_one_replaces_the_old() {
        let mut timers = AppTimers::default();
        timers.set(1, at(30));
        timers.set(2, at(10));
        timers.set(3, at(10));
        timers.set(1, at(20));
        timers.cancel(3);
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!(timers.pop_due(at(20)), Some(2));
        assert_eq!(timers.pop_due(at(20)), Some(1));
        assert_eq!((timers.pop_due(at(90)), timers.next()), (None, None));
    }
}
