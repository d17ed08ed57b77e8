//! Message counter of one connection: messages of known size, however they are framed.

/// The messages received, and the bytes of the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct MessageCounter {
    pub(super) done: u64,
    pub(super) offset: usize,
}

impl MessageCounter {
    /// Takes bytes from `part`, up to the end of a message of this size. Returns their offset in
    /// the message, the bytes, and whether they end the message.
    #[inline]
    pub(super) fn take<'a>(&mut self, part: &mut &'a [u8], size: usize) -> (usize, &'a [u8], bool) {
        let at = self.offset;
        let (taken, rest) = part.split_at(part.len().min(size - at));
        *part = rest;
        let ends = at + taken.len() == size;
        if ends {
            self.done += 1;
            self.offset = 0;
        } else {
            self.offset += taken.len();
        }
        (at, taken, ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_are_split() {
        let text = b"abcdeabcdeabcdeab";
        for cut in 1..text.len() {
            let mut counter = MessageCounter::default();
            let mut ends = 0;
            for mut part in text.chunks(cut) {
                while !part.is_empty() {
                    let (at, taken, end) = counter.take(&mut part, 5);
                    assert_eq!(taken, &b"abcde"[at..at + taken.len()], "{cut}");
                    ends += u32::from(end);
                }
            }
            assert_eq!(ends, 3, "{cut}");
            assert_eq!(counter, MessageCounter { done: 3, offset: 2 }, "{cut}");
        }
    }
}
