//! Pool of byte buffers that are needed for a while and then reused: for fragmented messages, bytes
//! that must wait, and frames longer than a run. An idle connection holds none.

use alloc::vec::Vec;

/// Buffers that nobody needs just now, in classes by what they hold: powers of
/// two from [`SMALLEST`] to [`LARGEST`]. Each is at least as large as its class
/// says; one that is larger than the largest, or one too many, is not kept.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    classes: [Vec<Vec<u8>>; CLASSES],
    /// What they hold together, in bytes.
    held: usize,
    /// What those hold that are lent, in bytes.
    lent: usize,
    /// What the lists of those that nobody needs take, in bytes.
    lists: usize,
    /// The least that was held since it was last looked at: nobody has needed that.
    least_held: usize,
}

impl Buffers {
    /// Returns an empty buffer that was used before and in which this length fits, if
    /// there is one, or else one that has no memory yet. None is allocated here,
    /// since a peer may announce what it never sends.
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        let from = class_for(len);
        // A larger one will do: what is kept at all is little, and allocating costs more.
        let mut classes = self.classes.iter_mut().skip(from);
        let spare = classes.find_map(Vec::pop);
        let buffer = spare.unwrap_or_default();
        self.held -= buffer.capacity();
        self.least_held = self.least_held.min(self.held);
        buffer
    }

    /// [`take`](Self::take) for a length that is there already: the buffer has room for it.
    pub(crate) fn take_for(&mut self, len: usize) -> Vec<u8> {
        let mut buffer = self.take(len);
        if buffer.capacity() < len {
            buffer.reserve_exact(size_of_class(class_for(len)).unwrap_or(len));
        }
        buffer
    }

    /// [`take`](Self::take) by somebody who keeps it from one call to the next: it
    /// counts as lent until it is [taken back](Self::take_back).
    pub(crate) fn lend(&mut self, len: usize) -> Vec<u8> {
        let buffer = self.take(len);
        self.lent += buffer.capacity();
        buffer
    }

    /// [`give`](Self::give) of one that was lent.
    pub(crate) fn take_back(&mut self, buffer: Vec<u8>) {
        self.lent -= buffer.capacity();
        self.give(buffer);
    }

    /// Takes note that a buffer that was lent is needed for this call only.
    pub(crate) const fn recall(&mut self, buffer: &Vec<u8>) {
        self.lent -= buffer.capacity();
    }

    /// Appends to a buffer that is lent. One that has to grow grows to the size of a
    /// class, so that it will do for whoever needs as much next; to less than twice
    /// its bytes.
    pub(crate) fn append(&mut self, buffer: &mut Vec<u8>, bytes: &[u8]) {
        let before = buffer.capacity();
        let len = buffer.len() + bytes.len();
        if len > buffer.capacity()
            && len >= SMALLEST
            && let Some(size) = size_of_class(class_for(len))
        {
            buffer.reserve_exact(size - buffer.len());
        }
        buffer.extend_from_slice(bytes);
        self.lent += buffer.capacity() - before;
    }

    /// Returns the bytes of memory that are lent.
    pub(crate) const fn lent_bytes(&self) -> usize {
        self.lent
    }

    /// Returns the bytes of memory in all, lent or not.
    pub(crate) const fn memory(&self) -> usize {
        self.held + self.lent + self.lists
    }

    /// Gives the memory back that nobody needs just now.
    pub(crate) fn trim(&mut self) {
        self.classes = Default::default();
        self.held = 0;
        self.lists = 0;
        self.least_held = 0;
    }

    /// Gives back some of what nobody has needed since the last time, the largest first.
    pub(crate) fn decay(&mut self) {
        let keep = self.held - self.least_held;
        for class in self.classes.iter_mut().rev() {
            for _ in 0..MOST_AT_ONCE {
                if self.held <= keep {
                    break;
                }
                let Some(buffer) = class.pop() else { break };
                self.held -= buffer.capacity();
            }
            if class.is_empty() {
                self.lists -= class.capacity() * size_of::<Vec<u8>>();
                *class = Vec::new();
            }
        }
        self.least_held = self.held;
    }

    /// Gives a buffer back.
    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if (SMALLEST..=LARGEST).contains(&capacity) && self.held + capacity <= MOST {
            buffer.clear();
            self.held += capacity;
            let class = &mut self.classes[class_of(capacity)];
            let before = class.capacity();
            class.push(buffer);
            self.lists += (class.capacity() - before) * size_of::<Vec<u8>>();
        }
    }
}

/// Returns the smallest class whose buffers all hold this length.
const fn class_for(len: usize) -> usize {
    if len <= SMALLEST {
        0
    } else {
        // One more than the class that one byte less would be in.
        class_of(len - 1) + 1
    }
}

/// Returns the largest class of which a buffer of this capacity can be.
const fn class_of(capacity: usize) -> usize {
    (capacity.ilog2() - SMALLEST.ilog2()) as usize
}

const fn size_of_class(class: usize) -> Option<usize> {
    if class < CLASSES {
        Some(SMALLEST << class)
    } else {
        None
    }
}

const SMALLEST: usize = 128;
const LARGEST: usize = 512 << 10;
const CLASSES: usize = class_of(LARGEST) + 1;
/// Buffers of a class given back at once at most.
const MOST_AT_ONCE: usize = 256;
/// Bytes kept for whoever needs a buffer next.
const MOST: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_powers_of_two_between_the_bounds() {
        for (len, size) in [
            (0, Some(128)),
            (1, Some(128)),
            (128, Some(128)),
            (129, Some(256)),
            (1_000, Some(1_024)),
            (LARGEST, Some(LARGEST)),
            (LARGEST + 1, None),
            (usize::MAX, None),
        ] {
            assert_eq!(size_of_class(class_for(len)), size, "{len}");
        }
        for class in 1..CLASSES {
            assert_eq!(
                size_of_class(class),
                size_of_class(class - 1).map(|size| 2 * size)
            );
        }
    }

    #[test]
    fn the_smallest_in_which_the_length_fits() {
        let mut buffers = Buffers::default();
        for capacity in [128, 200, 512, 4_096] {
            buffers.give(Vec::with_capacity(capacity));
        }
        let mut take = |len| buffers.take(len).capacity();
        // 200 counts as 128, for which it is as good.
        assert_eq!(
            [take(300), take(150), take(100), take(1), take(1)],
            [512, 4_096, 200, 128, 0]
        );
    }

    #[test]
    fn what_is_there_already_gets_room_at_once() {
        let mut buffers = Buffers::default();
        assert_eq!(buffers.take_for(100).capacity(), 128);
        assert_eq!(buffers.take_for(5_000).capacity(), 8_192);
        assert_eq!(buffers.take_for(LARGEST + 1).capacity(), LARGEST + 1);
        let mut used = buffers.take_for(5_000);
        used.extend_from_slice(b"used");
        buffers.give(used);
        let again = buffers.take_for(6_000);
        assert_eq!((again.len(), again.capacity()), (0, 8_192));
    }

    #[test]
    fn one_that_grows_is_of_a_class_again() {
        let mut buffers = Buffers::default();
        let mut buffer = buffers.lend(1);
        for (more, at_least, at_most) in [
            (1, 1, 127),
            (99, 100, 200),
            (28, 128, 128),
            (1, 256, 256),
            (70_000, 128 << 10, 128 << 10),
            (200_000, 270_129, 600_000),
        ] {
            buffers.append(&mut buffer, &alloc::vec![7; more]);
            let capacity = buffer.capacity();
            assert_eq!(buffers.lent_bytes(), capacity);
            assert!(
                (at_least..=at_most).contains(&capacity),
                "{more}: {capacity}"
            );
        }
        assert_eq!(buffer.len(), 270_129);
    }

    #[test]
    fn what_is_lent_is_counted_until_it_is_back() {
        let mut buffers = Buffers::default();
        let mut buffer = buffers.lend(200);
        assert_eq!(
            buffers.memory(),
            0,
            "nothing is allocated for an announcement"
        );
        buffers.append(&mut buffer, &[1; 200]);
        assert_eq!((buffers.lent_bytes(), buffers.memory()), (256, 256));
        buffers.take_back(buffer);
        assert_eq!(
            (buffers.lent_bytes(), buffers.memory() - buffers.lists),
            (0, 256)
        );
        let buffer = buffers.lend(200);
        assert_eq!(
            (buffers.lent_bytes(), buffers.memory() - buffers.lists),
            (256, 256)
        );
        buffers.trim();
        assert_eq!(buffers.memory(), 256, "what is lent stays");
        buffers.recall(&buffer);
        assert_eq!(buffers.memory(), 0);
        buffers.give(buffer);
        buffers.trim();
        assert_eq!((buffers.memory(), buffers.take(1).capacity()), (0, 0));
    }

    #[test]
    fn what_nobody_needs_is_given_back_and_what_somebody_does_is_kept() {
        let mut buffers = Buffers::default();
        for _ in 0..4 {
            buffers.give(Vec::with_capacity(1_024));
        }
        buffers.decay();
        assert_eq!(buffers.held, 4_096, "it was needed a moment ago");
        for _ in 0..3 {
            let used = [buffers.take(1_000), buffers.take(1_000)];
            used.into_iter().for_each(|buffer| buffers.give(buffer));
            buffers.decay();
            assert_eq!(buffers.held, 2_048);
        }
        buffers.decay();
        assert_eq!(buffers.memory(), 0);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut buffers = Buffers::default();
        for capacity in [0, SMALLEST - 1, LARGEST + 1] {
            buffers.give(Vec::with_capacity(capacity));
            assert_eq!(buffers.held, 0, "{capacity}");
        }
        for _ in 0..=MOST / LARGEST {
            buffers.give(Vec::with_capacity(LARGEST));
        }
        assert_eq!(buffers.held, MOST);
        for _ in 0..MOST / LARGEST {
            assert_eq!(buffers.take(LARGEST).capacity(), LARGEST);
        }
        assert_eq!((buffers.held, buffers.take(1).capacity()), (0, 0));
    }
}
