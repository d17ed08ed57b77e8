//! Numbers by key that threads share, in a table of fixed size without locks: how many there are of a
//! key, and how often something happens to it. Knows nothing of addresses; the keys are hashes.
//!
//! A key has eight places. If all of them are taken by others, a count is not kept, and of rates the
//! one that has been quiet longest gives way. So what is kept of a key is never too much, and with half
//! of the places free it is all but surely everything.

use alloc::boxed::Box;

use crate::sync::primitive::{AtomicU64, Ordering};

/// A table of numbers. Either all are counts or all are rates.
#[derive(Debug)]
pub(crate) struct AddressTable(Box<[AtomicU64]>);

/// A table that takes no memory before it is used, except without `std`.
#[derive(Debug)]
pub(crate) struct LazyTable {
    #[cfg(feature = "std")]
    cell: std::sync::OnceLock<AddressTable>,
    #[cfg(feature = "std")]
    places: usize,
    #[cfg(not(feature = "std"))]
    table: AddressTable,
}

impl LazyTable {
    /// Returns an empty table with at least this many places.
    pub(crate) fn new(places: usize) -> Self {
        Self {
            #[cfg(feature = "std")]
            cell: std::sync::OnceLock::new(),
            #[cfg(feature = "std")]
            places,
            #[cfg(not(feature = "std"))]
            table: AddressTable::new(places),
        }
    }

    /// Returns the table, for use.
    pub(crate) fn get(&self) -> &AddressTable {
        #[cfg(feature = "std")]
        return self.cell.get_or_init(|| AddressTable::new(self.places));
        #[cfg(not(feature = "std"))]
        return &self.table;
    }

    /// Returns the bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        #[cfg(feature = "std")]
        return self.cell.get().map_or(0, AddressTable::memory);
        #[cfg(not(feature = "std"))]
        return self.table.memory();
    }
}

/// The result of a count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Counted {
    /// It is counted.
    Yes,
    /// The count is at its limit.
    Full,
    /// There is no place for the key.
    NoPlace,
    /// The key has no limit, and is not counted.
    NoLimit,
}

/// Places of a key, which are neighbours.
const WAYS: usize = 8;
/// Bits of a word that hold its number; those above hold a part of the key.
const COUNT_BITS: u32 = 24;
const TIME_BITS: u32 = 44;

/// The tag of a key: never zero, so that a free word has none.
fn tag(key: u64, bits: u32) -> u64 {
    (key >> bits).max(1) << bits
}

const fn number(word: u64, bits: u32) -> u64 {
    word & ((1 << bits) - 1)
}

impl AddressTable {
    /// Returns an empty table with at least this many places.
    pub(crate) fn new(places: usize) -> Self {
        let places = places.next_power_of_two().max(WAYS);
        Self((0..places).map(|_| AtomicU64::new(0)).collect())
    }

    /// Returns the bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(&*self.0)
    }

    fn places(&self, key: u64) -> &[AtomicU64] {
        // The upper bits are in the tag.
        let set = key as usize % (self.0.len() / WAYS);
        &self.0[set * WAYS..(set + 1) * WAYS]
    }

    /// Counts one more of a key, up to a limit.
    pub(crate) fn enter(&self, key: u64, limit: u32) -> Counted {
        let tag = tag(key, COUNT_BITS);
        let places = self.places(key);
        loop {
            let find = |is: &dyn Fn(u64) -> bool| {
                let words = places
                    .iter()
                    .map(|place| (place, place.load(Ordering::Relaxed)));
                words.into_iter().find(|&(_, word)| is(word))
            };
            let has_tag = |word: u64| word != 0 && word - number(word, COUNT_BITS) == tag;
            let found = find(&has_tag).or_else(|| find(&|word| word == 0));
            let Some((place, word)) = found else {
                return Counted::NoPlace;
            };
            let count = number(word, COUNT_BITS);
            if count >= u64::from(limit).min((1 << COUNT_BITS) - 1) {
                return Counted::Full;
            }
            if exchange(place, word, tag | (count + 1)) {
                return Counted::Yes;
            }
        }
    }

    /// Counts one less of a key that was counted.
    pub(crate) fn leave(&self, key: u64) {
        let tag = tag(key, COUNT_BITS);
        for place in self.places(key) {
            loop {
                let word = place.load(Ordering::Relaxed);
                let count = number(word, COUNT_BITS);
                if word == 0 || word - count != tag {
                    break;
                }
                let less = if count > 1 { word - 1 } else { 0 };
                if exchange(place, word, less) {
                    return;
                }
            }
        }
    }

    /// Returns the count of a key.
    pub(crate) fn count(&self, key: u64) -> u64 {
        let tag = tag(key, COUNT_BITS);
        let words = self
            .places(key)
            .iter()
            .map(|place| place.load(Ordering::Relaxed));
        let of = words.filter(|&word| word != 0 && word - number(word, COUNT_BITS) == tag);
        of.map(|word| number(word, COUNT_BITS)).sum()
    }

    /// Takes one token of a key, of which there is a new one after each `interval`, and as many as fit
    /// into `window`. Returns whether there was one. All times are in the same unit.
    ///
    /// What is kept is the time at which all tokens are back (GCRA).
    pub(crate) fn take(&self, key: u64, now: u64, interval: u64, window: u64) -> bool {
        let tag = tag(key, TIME_BITS);
        let places = self.places(key);
        let now = number(now, TIME_BITS);
        loop {
            let words = places
                .iter()
                .map(|place| (place, place.load(Ordering::Relaxed)));
            let mut chosen: Option<(&AtomicU64, u64)> = None;
            for (place, word) in words {
                let time = number(word, TIME_BITS);
                if word != 0 && word - time == tag {
                    chosen = Some((place, word));
                    break;
                }
                if chosen.is_none_or(|(_, other)| time < number(other, TIME_BITS)) {
                    chosen = Some((place, word));
                }
            }
            let Some((place, word)) = chosen else {
                return true;
            };
            let time = number(word, TIME_BITS);
            let is_own = word != 0 && word - time == tag;
            let from = if is_own { time.max(now) } else { now };
            if from + interval > now + window {
                return false;
            }
            if exchange(place, word, tag | number(from + interval, TIME_BITS)) {
                return true;
            }
        }
    }
}

fn exchange(place: &AtomicU64, from: u64, to: u64) -> bool {
    place
        .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::sync::model;
    use crate::sync::primitive::{Arc, thread};

    /// A key in the first set, with this tag.
    const fn key(tag: u64) -> u64 {
        tag << TIME_BITS
    }

    #[cfg(not(loom))]
    #[test]
    fn a_count_has_a_limit_and_a_place_that_is_free_again() {
        let table = AddressTable::new(8);
        for _ in 0..3 {
            assert_eq!(table.enter(key(1), 3), Counted::Yes);
        }
        assert_eq!(table.enter(key(1), 3), Counted::Full);
        table.leave(key(1));
        assert_eq!(table.enter(key(1), 3), Counted::Yes);
        for other in 2..=8 {
            assert_eq!(table.enter(key(other), 1), Counted::Yes);
        }
        assert_eq!(table.enter(key(9), 1), Counted::NoPlace);
        table.leave(key(9));
        table.leave(key(5));
        assert_eq!(table.enter(key(9), 1), Counted::Yes);
        assert_eq!(table.enter(key(5), 1), Counted::NoPlace);
        assert_eq!((table.count(key(1)), table.count(key(9))), (3, 1));
    }

    #[cfg(not(loom))]
    #[test]
    fn tokens_come_back_at_their_rate_and_a_quiet_key_gives_way() {
        let table = AddressTable::new(8);
        let taken = |key, now| (0..).take_while(|_| table.take(key, now, 10, 100)).count();
        assert_eq!(taken(key(1), 1_000), 10, "as many as fit into the window");
        assert_eq!(taken(key(1), 1_009), 0);
        assert_eq!(taken(key(1), 1_010), 1);
        assert_eq!(taken(key(1), 1_055), 4);
        assert_eq!(taken(key(1), 9_000), 10, "and no more");
        for other in 2..=9 {
            assert_eq!(taken(key(other), 9_000 + other), 10);
        }
        // The first was the oldest.
        assert_eq!(taken(key(1), 9_010), 10);
        assert_eq!(taken(key(9), 9_010), 0);
    }

    #[cfg(not(loom))]
    #[test]
    fn half_a_table_of_random_keys_has_a_place_for_all() {
        let table = AddressTable::new(1 << 14);
        let mut key = 7_u64;
        let mut next = || {
            key = key.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            key ^ key >> 29
        };
        let keys: Vec<u64> = (0..1 << 13).map(|_| next()).collect();
        let lost = keys
            .iter()
            .filter(|&&key| table.enter(key, 1) != Counted::Yes)
            .count();
        assert!(lost < keys.len() / 50, "{lost}");
    }

    #[test]
    fn loom_no_count_is_lost() {
        model(|| {
            let table = Arc::new(AddressTable::new(8));
            let other = table.clone();
            let thread = thread::spawn(move || {
                assert_eq!(other.enter(key(1), 9), Counted::Yes);
                other.leave(key(1));
                assert_eq!(other.enter(key(1), 9), Counted::Yes);
            });
            assert_eq!(table.enter(key(1), 9), Counted::Yes);
            thread.join().expect("no panic");
            assert_eq!(table.count(key(1)), 2);
            table.leave(key(1));
            table.leave(key(1));
            assert_eq!(table.count(key(1)), 0);
        });
    }
}
