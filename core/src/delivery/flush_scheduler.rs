//! Owns the order in which connections are flushed: those for which something more
//! urgent waits go before the others, and among equals who has waited longest. So a
//! long fan-out does not hold up what is more urgent than it; and every so often one
//! goes of those that would wait for as long as there is anything more urgent.

use alloc::collections::VecDeque;

use crate::delivery::frame::Rank;
use crate::delivery::memory_budget::shrink;

/// Connections that are to be flushed, in lines by how urgent that is. One stands in
/// a line once at most, but may stand in several: it leaves a less urgent one only
/// when that one's turn comes.
#[derive(Debug, Default)]
pub(crate) struct FlushScheduler {
    lines: [VecDeque<u32>; LINES],
    /// Those in which somebody stands, a bit for each.
    busy: u8,
    /// How many have gone before others, since one of those went out of turn.
    in_turn: u8,
    /// The line that one went from out of turn.
    last_out_of_turn: u8,
}

/// The lines in which a connection stands, a bit for each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing(u8);

/// A line: the first is for control frames and the priorities 0 and 1, each of the
/// others for as many again as all before it: 2 and 3, 4 to 7, and so on. So one is as
/// far from ten as ten from a hundred, and a slot need not know 256 of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Line(u8);

const LINES: usize = Line::LAST.0 as usize + 1;
/// One in so many goes out of turn.
const OUT_OF_TURN: u8 = 16;

impl Line {
    const LAST: Self = Self(u8::BITS as u8 - 1);

    #[inline]
    fn of(rank: Rank) -> Self {
        match rank.priority() {
            Some(priority) => Self(Self::LAST.0 - (priority | 1).leading_zeros() as u8),
            None if rank < Rank::LAST => Self(0),
            None => Self::LAST,
        }
    }

    const fn bit(self) -> u8 {
        1 << self.0
    }
}

impl FlushScheduler {
    /// Lines the connection up for a frame of this rank, unless it stands in a line
    /// that is served as early.
    #[inline]
    pub(crate) fn push(&mut self, at: u32, standing: &mut Standing, rank: Rank) {
        let line = Line::of(rank);
        let as_urgent = line.bit() | (line.bit() - 1);
        if standing.0 & as_urgent == 0 {
            standing.0 |= line.bit();
            self.busy |= line.bit();
            self.lines[usize::from(line.0)].push_back(at);
        }
    }

    /// Whether nobody stands in any line.
    pub(crate) const fn is_empty(&self) -> bool {
        self.busy == 0
    }

    /// In how many places somebody stands.
    pub(crate) fn len(&self) -> usize {
        self.lines.iter().map(VecDeque::len).sum()
    }

    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        let places: usize = self.lines.iter().map(VecDeque::capacity).sum();
        places * size_of::<u32>()
    }

    /// Gives memory back, for there are no more connections than that.
    pub(crate) fn shrink(&mut self, connections: usize) {
        for line in &mut self.lines {
            shrink(line, connections);
        }
    }

    /// Who is next, and the line that it has left: [`Standing::leave`] it.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(u32, Line)> {
        let mut line = Line(self.busy.trailing_zeros() as u8);
        let are_passed_by = self.busy & self.busy.wrapping_sub(1) != 0;
        if are_passed_by {
            self.in_turn += 1;
            if self.in_turn == OUT_OF_TURN {
                line = self.next_out_of_turn();
            }
        }
        let waiting = self.lines.get_mut(usize::from(line.0))?;
        let at = waiting.pop_front()?;
        if waiting.is_empty() {
            self.busy &= !line.bit();
        }
        Some((at, line))
    }

    /// Each line that is busy has its turn at this; some are.
    #[cold]
    fn next_out_of_turn(&mut self) -> Line {
        self.in_turn = 0;
        let from = (self.last_out_of_turn + 1) % LINES as u8;
        let steps = self.busy.rotate_right(from.into()).trailing_zeros() as u8;
        self.last_out_of_turn = (from + steps) % LINES as u8;
        Line(self.last_out_of_turn)
    }
}

impl Standing {
    pub(crate) const fn leave(&mut self, line: Line) {
        self.0 &= !line.bit();
    }

    pub(crate) const fn is_in_line(self) -> bool {
        self.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn every_rank_has_a_line_and_none_before_a_more_urgent_one() {
        let ranks = [Rank::HEAD, Rank::PING, Rank::PONG]
            .into_iter()
            .chain((0..=u8::MAX).map(Rank::data))
            .chain([Rank::LAST]);
        let lines: Vec<u8> = ranks.map(|rank| Line::of(rank).0).collect();
        assert!(lines.is_sorted());
        assert_eq!(lines.last(), Some(&Line::LAST.0));
        let of = |priority| Line::of(Rank::data(priority)).0;
        assert_eq!([0, 1, 2, 3, 4, 100, 255].map(of), [0, 0, 1, 1, 2, 6, 7]);
    }

    #[test]
    fn the_urgent_go_first_and_equals_in_turn() {
        let mut flushes = FlushScheduler::default();
        let mut standing = [Standing::default(); 4];
        for (at, priority) in [
            (0, 100),
            (1, 10),
            (2, 100),
            (3, 10),
            (2, 1),
            (2, 2),
            (0, 90),
        ] {
            flushes.push(at, &mut standing[at as usize], Rank::data(priority));
        }
        let mut order = Vec::new();
        while let Some((at, line)) = flushes.pop() {
            standing[at as usize].leave(line);
            order.push(at);
        }
        // The third keeps its old place too.
        assert_eq!(order, [2, 1, 3, 0, 2]);
        assert!(standing.iter().all(|standing| standing.0 == 0));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut flushes = FlushScheduler::default();
        let mut standing = [Standing::default(); 3];
        for (at, priority) in [(1, 20), (2, 200)] {
            flushes.push(at, &mut standing[at as usize], Rank::data(priority));
        }
        let mut others = Vec::new();
        for turn in 0..4 * u32::from(OUT_OF_TURN) {
            flushes.push(0, &mut standing[0], Rank::PING);
            let (at, line) = flushes.pop().expect("somebody waits");
            standing[at as usize].leave(line);
            if at > 0 {
                others.push((at, turn));
            }
        }
        let n = u32::from(OUT_OF_TURN);
        assert_eq!(others, [(1, n - 1), (2, 2 * n - 1)]);
    }
}
