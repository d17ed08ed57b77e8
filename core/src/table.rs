//! Tables whose places are known by number, are used again, and are given back after a peak.
//! Does not move what is in them: a place keeps its number as long as it is occupied.

use alloc::vec::Vec;
use core::mem::ManuallyDrop;
use core::ops::{Index, IndexMut};

/// What stands in a [`Table`] or a [`Pool`].
pub(crate) trait Place {
    /// Gives up what it owns, all but the number of the next vacant place.
    fn vacate(&mut self, next: u32);

    /// That number, after it was vacated.
    fn next_vacant(&self) -> u32;
}

/// A table that grows as it is filled and, with [`decay`](Self::decay), shrinks after a peak; all
/// in constant time.
///
/// Its places are told apart by octaves, from each power of two to the next, and those of the
/// lowest octave are occupied first. So the highest octave empties after a peak; once it is all
/// vacant it is cut off at once. Memory is given back later, when three quarters of it have not
/// been needed for a while: what is filled and emptied again and again allocates nothing.
#[derive(Debug)]
pub(crate) struct Table<T: Place> {
    /// Cut off without a look at each: what is vacant owns nothing.
    places: Vec<ManuallyDrop<T>>,
    /// Of each octave, the place that was vacated last; each names the next.
    vacant: [u32; OCTAVES],
    /// How many those are.
    vacancies: [u32; OCTAVES],
    /// The octaves in which there are any, a bit for each.
    open: u32,
    /// The most places there were before some were cut off, since it last decayed.
    peak: usize,
}

impl<T: Place> Table<T> {
    pub(crate) const fn new() -> Self {
        Self {
            places: Vec::new(),
            vacant: [NOWHERE; OCTAVES],
            vacancies: [0; OCTAVES],
            open: 0,
            peak: 0,
        }
    }

    /// Returns the place that is occupied next.
    pub(crate) fn next(&self) -> u32 {
        let octave = self.open.trailing_zeros() as usize;
        let vacant = self.vacant.get(octave).copied();
        vacant.unwrap_or(self.places.len() as u32)
    }

    /// Occupies a place.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        let octave = self.open.trailing_zeros() as usize;
        let Some(&at) = self.vacant.get(octave) else {
            self.places.push(ManuallyDrop::new(value));
            return (self.places.len() - 1) as u32;
        };
        let place = &mut *self.places[at as usize];
        self.vacant[octave] = place.next_vacant();
        self.vacancies[octave] -= 1;
        if self.vacancies[octave] == 0 {
            self.open &= !(1 << octave);
        }
        *place = value;
        at
    }

    /// Vacates a place.
    #[inline]
    pub(crate) fn remove(&mut self, at: u32) {
        let octave = octave_of(at);
        self.places[at as usize].vacate(self.vacant[octave]);
        self.vacant[octave] = at;
        self.vacancies[octave] += 1;
        self.open |= 1 << octave;
        let len = self.places.len();
        if first_of(octave) + self.vacancies[octave] as usize == len && len > LEAST {
            self.cut();
        }
    }

    /// Returns the number of places, occupied or not.
    pub(crate) const fn len(&self) -> u32 {
        self.places.len() as u32
    }

    /// Returns the number of occupied places.
    pub(crate) fn occupied(&self) -> u32 {
        self.len() - self.vacancies.iter().sum::<u32>()
    }

    /// Returns the bytes of memory, but for what those who stand here own besides.
    #[inline]
    pub(crate) const fn memory(&self) -> usize {
        self.places.capacity() * size_of::<T>()
    }

    /// Returns the bytes of memory by which it grows with one place more.
    pub(crate) const fn growth(&self) -> usize {
        if self.open == 0 && self.places.len() == self.places.capacity() {
            self.memory()
        } else {
            0
        }
    }

    /// Returns what stands at a place, or stood there last; none beyond the end.
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        self.places.get(at).map(|place| &**place)
    }

    /// Every place, occupied or not.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().map(|place| &**place)
    }

    /// Gives memory back that was not needed since the last time.
    pub(crate) fn decay(&mut self) {
        let needed = self.peak.max(self.places.len());
        self.peak = 0;
        fit(&mut self.places, needed);
    }

    /// Gives memory back that is not needed now.
    pub(crate) fn trim(&mut self) {
        self.peak = 0;
        let needed = self.places.len();
        fit(&mut self.places, needed);
    }

    /// Cuts off the highest octaves, which are all vacant.
    #[cold]
    fn cut(&mut self) {
        self.peak = self.peak.max(self.places.len());
        while let Some(last) = self.places.len().checked_sub(1) {
            let octave = octave_of(last as u32);
            let first = first_of(octave);
            if first + self.vacancies[octave] as usize != self.places.len() {
                break;
            }
            self.places.truncate(first);
            self.vacant[octave] = NOWHERE;
            self.vacancies[octave] = 0;
            self.open &= !(1 << octave);
        }
    }
}

impl<T: Place> Index<u32> for Table<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: u32) -> &T {
        &self.places[at as usize]
    }
}

impl<T: Place> IndexMut<u32> for Table<T> {
    #[inline]
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.places[at as usize]
    }
}

impl<T: Place> Drop for Table<T> {
    fn drop(&mut self) {
        if core::mem::needs_drop::<T>() {
            self.places
                .drain(..)
                .map(ManuallyDrop::into_inner)
                .for_each(drop);
        }
    }
}

/// A table for what comes and goes with each message: the same as [`Table`], but it costs less, and
/// shrinks only once it is empty.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    places: Vec<T>,
    /// The place that was vacated last; each names the next.
    vacant: u32,
    occupied: u32,
    /// So many places at the beginning are never vacated.
    fixed: u32,
}

impl<T: Place + Copy> Pool<T> {
    pub(crate) const fn new() -> Self {
        Self {
            places: Vec::new(),
            vacant: NOWHERE,
            occupied: 0,
            fixed: 0,
        }
    }

    /// One with a first place that is occupied for good.
    pub(crate) fn with_first(value: T) -> Self {
        let mut pool = Self::new();
        pool.insert(value);
        pool.fixed = 1;
        pool
    }

    /// Occupies a place.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.occupied += 1;
        let at = self.vacant;
        if at == NOWHERE {
            self.places.push(value);
            return (self.places.len() - 1) as u32;
        }
        let place = &mut self.places[at as usize];
        self.vacant = place.next_vacant();
        *place = value;
        at
    }

    /// Vacates a place.
    #[inline]
    pub(crate) fn remove(&mut self, at: u32) {
        self.occupied -= 1;
        self.places[at as usize].vacate(self.vacant);
        self.vacant = at;
    }

    /// Returns the number of occupied places.
    pub(crate) const fn occupied(&self) -> u32 {
        self.occupied
    }

    /// Returns the bytes of memory.
    #[inline]
    pub(crate) const fn memory(&self) -> usize {
        self.places.capacity() * size_of::<T>()
    }

    /// Returns what stands at a place, or stood there last; none beyond the end.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        self.places.get(at)
    }

    /// Every place, occupied or not.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter()
    }

    /// Gives memory back that was not needed since the last time.
    pub(crate) fn decay(&mut self) {
        // There are as many places as there had to be since it was last empty here.
        let needed = self.places.len();
        fit(&mut self.places, needed);
        self.clear_if_empty();
    }

    /// Gives memory back that is not needed now.
    pub(crate) fn trim(&mut self) {
        self.clear_if_empty();
        let needed = self.places.len();
        fit(&mut self.places, needed);
    }

    fn clear_if_empty(&mut self) {
        if self.occupied == self.fixed {
            self.places.truncate(self.fixed as usize);
            self.vacant = NOWHERE;
        }
    }
}

impl<T> Index<u32> for Pool<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: u32) -> &T {
        &self.places[at as usize]
    }
}

impl<T> IndexMut<u32> for Pool<T> {
    #[inline]
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.places[at as usize]
    }
}

/// Gives memory back where three quarters of it are not needed for so many.
fn fit<T>(places: &mut Vec<T>, needed: usize) {
    if needed.max(LEAST) <= places.capacity() / 4 {
        places.shrink_to((2 * needed).max(LEAST));
    }
}

/// What was in a hash table at most, for one that is to shrink after a peak: seldom enough that
/// what is moved then costs each entry that was removed next to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peak(usize);

impl Peak {
    /// So many are there, and one of them goes.
    pub(crate) fn note(&mut self, len: usize) {
        self.0 = self.0.max(len);
    }

    /// For how many there is to be room, where so many are there now and there is room for so
    /// many; none if it may stay as it is.
    pub(crate) fn decay(&mut self, len: usize, capacity: usize) -> Option<usize> {
        let needed = core::mem::take(&mut self.0).max(len);
        (capacity > 4 * LEAST && needed <= capacity / 16).then_some(2 * needed)
    }
}

const fn octave_of(at: u32) -> usize {
    (at | 1).ilog2() as usize
}

const fn first_of(octave: usize) -> usize {
    if octave == 0 { 0 } else { 1 << octave }
}

const OCTAVES: usize = u32::BITS as usize;
const NOWHERE: u32 = u32::MAX;
/// So few places are kept in any case.
const LEAST: usize = 64;

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::collections::BTreeMap;
    use alloc::rc::Rc;
    use alloc::vec::Vec;

    use proptest::collection::vec as vec_of;
    use proptest::prelude::*;

    use super::*;

    enum Thing {
        There(Box<u32>, #[expect(dead_code, reason = "it counts")] Rc<()>),
        Vacant(u32),
    }

    impl Place for Thing {
        fn vacate(&mut self, next: u32) {
            *self = Self::Vacant(next);
        }

        fn next_vacant(&self) -> u32 {
            match self {
                Self::There(..) => unreachable!("it is occupied"),
                Self::Vacant(next) => *next,
            }
        }
    }

    proptest! {
        /// Whatever comes and goes keeps its place, owns what it did until it goes, and nothing
        /// after; and the table is never much larger than its highest place.
        #[test]
        fn agrees_with_a_map(ops in vec_of((0_usize..400, 0_usize..3), 1..60)) {
            let alive = Rc::new(());
            let mut table = Table::new();
            let mut map = BTreeMap::new();
            let mut name = 0;
            for (count, kind) in ops {
                for _ in 0..count {
                    if kind < 1 {
                        let next = table.next();
                        let at = table.insert(Thing::There(Box::new(name), alive.clone()));
                        prop_assert_eq!(at, next);
                        prop_assert!(map.insert(at, name).is_none());
                        name += 1;
                    } else {
                        // From either end.
                        let gone = if kind == 1 { map.pop_first() } else { map.pop_last() };
                        gone.iter().for_each(|&(at, _)| table.remove(at));
                    }
                    prop_assert_eq!(Rc::strong_count(&alive), map.len() + 1);
                }
                prop_assert_eq!(table.occupied() as usize, map.len());
                for (&at, expected) in &map {
                    match &table[at] {
                        Thing::There(name, _) => prop_assert_eq!(&**name, expected),
                        Thing::Vacant(_) => prop_assert!(false, "{} is vacant", at),
                    }
                }
                table.trim();
                let highest = map.last_key_value().map_or(0, |(&at, _)| at as usize + 1);
                let most = (highest.next_power_of_two() * 4).max(4 * LEAST);
                prop_assert!(table.places.capacity() <= most, "{} for {}", table.len(), highest);
            }
            drop(table);
            prop_assert_eq!(Rc::strong_count(&alive), 1);
        }
    }

    impl Place for u32 {
        fn vacate(&mut self, next: u32) {
            *self = next;
        }

        fn next_vacant(&self) -> u32 {
            *self
        }
    }

    #[test]
    fn a_pool_that_is_empty_gives_back_what_was_not_needed_since_it_was_before() {
        let mut pool = Pool::with_first(7);
        let fill = |pool: &mut Pool<u32>, n: u32| -> Vec<u32> {
            (0..n).map(|value| pool.insert(value)).collect()
        };
        let all = fill(&mut pool, 10_000);
        all.iter().for_each(|&at| pool.remove(at));
        for _ in 0..3 {
            let memory = pool.memory();
            pool.decay();
            let some = fill(&mut pool, 9_000);
            assert_eq!(pool.memory(), memory, "it was needed a moment ago");
            some.iter().for_each(|&at| pool.remove(at));
        }
        let one = fill(&mut pool, 1);
        pool.decay();
        pool.decay();
        assert!(pool.memory() > 9_000 * 4, "one place is taken");
        assert_eq!((pool[0], pool[one[0]], pool.occupied()), (7, 0, 2));
        pool.remove(one[0]);
        pool.decay();
        pool.decay();
        assert_eq!(pool.memory(), LEAST * 4);
        assert_eq!((pool[0], pool.insert(3)), (7, 1));
    }

    #[test]
    fn a_hash_table_shrinks_to_twice_of_what_was_there_since_the_last_time() {
        let mut peak = Peak::default();
        peak.note(100);
        assert_eq!(peak.decay(3, 1_600), Some(200));
        assert_eq!(peak.decay(3, 1_600), Some(6));
        assert_eq!(
            peak.decay(101, 1_600),
            None,
            "more than a sixteenth is needed"
        );
        assert_eq!(peak.decay(0, 4 * LEAST), None, "it is small");
    }

    #[test]
    fn what_was_needed_a_moment_ago_is_kept() {
        let alive = Rc::new(());
        let thing = || Thing::There(Box::new(0), alive.clone());
        let mut table = Table::new();
        let all: Vec<u32> = (0..1_025).map(|_| table.insert(thing())).collect();
        all[..1_024].iter().for_each(|&at| table.remove(at));
        let memory = table.memory();
        for _ in 0..3 {
            let more: Vec<u32> = (0..2_000).map(|_| table.insert(thing())).collect();
            assert_eq!(table.memory(), memory);
            more.iter().for_each(|&at| table.remove(at));
            table.decay();
            assert_eq!(table.memory(), memory);
        }
        table.remove(1_024);
        assert_eq!(table.len(), 0);
        table.decay();
        assert_eq!(table.memory(), memory);
        table.decay();
        assert_eq!(table.memory(), LEAST * size_of::<Thing>());
    }
}
