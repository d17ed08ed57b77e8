//! Order in which connections are flushed: by level of urgency, first in, first out within a level.
//! Every 16th flush serves another level, so less urgent connections do not wait without limit.

use alloc::collections::VecDeque;

use crate::delivery::frame::Rank;
use crate::delivery::shrink;

/// Connections that are to be flushed, in levels by how urgent that is. One stands in
/// a level once at most, but may stand in several: it leaves a less urgent one only
/// when that one's turn comes.
#[derive(Debug, Default)]
pub(super) struct FlushScheduler {
    levels: [VecDeque<u32>; LEVELS],
    /// Those in which somebody stands, a bit for each.
    busy: u8,
    /// How many have gone before others, since one of those went out of turn.
    in_turn: u8,
    /// The level that one went from out of turn.
    last_out_of_turn: u8,
}

/// The levels in which a connection stands, a bit for each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QueuedLevels(u8);

/// A level: the first is for control frames, pushes and the priorities 0 and 1, each of the
/// others for as many again as all before it: 2 and 3, 4 to 7, and so on. So one is as
/// far from ten as ten from a hundred, and a slot need not know 256 of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Level(u8);

const LEVELS: usize = Level::LAST.0 as usize + 1;
/// One in so many goes out of turn.
const OUT_OF_TURN: u8 = 16;

impl Level {
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
    /// Lines the connection up for a frame of this rank, unless it stands in a level
    /// that is served as early.
    #[inline]
    pub(super) fn push(&mut self, at: u32, queued: &mut QueuedLevels, rank: Rank) {
        let level = Level::of(rank);
        let as_urgent = level.bit() | (level.bit() - 1);
        if queued.0 & as_urgent == 0 {
            queued.0 |= level.bit();
            self.busy |= level.bit();
            self.levels[usize::from(level.0)].push_back(at);
        }
    }

    /// Returns the number of queued entries.
    pub(super) fn len(&self) -> usize {
        self.levels.iter().map(VecDeque::len).sum()
    }

    /// Returns the bytes of memory.
    pub(super) fn memory(&self) -> usize {
        let places: usize = self.levels.iter().map(VecDeque::capacity).sum();
        places * size_of::<u32>()
    }

    /// Gives memory back, for there are no more connections than that.
    pub(super) fn shrink(&mut self, connections: usize) {
        for level in &mut self.levels {
            shrink(level, connections);
        }
    }

    /// Returns the next connection, and the level that it has left: [`QueuedLevels::remove`] it.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<(u32, Level)> {
        let mut level = Level(self.busy.trailing_zeros() as u8);
        let are_passed_by = self.busy & self.busy.wrapping_sub(1) != 0;
        if are_passed_by {
            self.in_turn += 1;
            if self.in_turn == OUT_OF_TURN {
                level = self.next_out_of_turn();
            }
        }
        let waiting = self.levels.get_mut(usize::from(level.0))?;
        let at = waiting.pop_front()?;
        if waiting.is_empty() {
            self.busy &= !level.bit();
        }
        Some((at, level))
    }

    /// Each level that is busy has its turn at this; some are.
    #[cold]
    fn next_out_of_turn(&mut self) -> Level {
        self.in_turn = 0;
        let from = (self.last_out_of_turn + 1) % LEVELS as u8;
        let steps = self.busy.rotate_right(from.into()).trailing_zeros() as u8;
        self.last_out_of_turn = (from + steps) % LEVELS as u8;
        Level(self.last_out_of_turn)
    }
}

impl QueuedLevels {
    pub(super) const NONE: Self = Self(0);

    pub(super) const fn remove(&mut self, level: Level) {
        self.0 &= !level.bit();
    }

    pub(super) const fn any(self) -> bool {
        self.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn every_rank_has_a_line_and_none_before_a_more_urgent_one() {
        let ranks = [Rank::HEAD, Rank::PING, Rank::PONG, Rank::PUSH]
            .into_iter()
            .chain((0..=u8::MAX).map(Rank::data))
            .chain([Rank::LAST]);
        let levels: Vec<u8> = ranks.map(|rank| Level::of(rank).0).collect();
        assert!(levels.is_sorted());
        assert_eq!(levels.last(), Some(&Level::LAST.0));
        let of = |priority| Level::of(Rank::data(priority)).0;
        assert_eq!([0, 1, 2, 3, 4, 100, 255].map(of), [0, 0, 1, 1, 2, 6, 7]);
    }

    #[test]
    fn the_urgent_go_first_and_equals_in_turn() {
        let mut flushes = FlushScheduler::default();
        let mut queued = [QueuedLevels::default(); 4];
        for (at, priority) in [
            (0, 100),
            (1, 10),
            (2, 100),
            (3, 10),
            (2, 1),
            (2, 2),
            (0, 90),
        ] {
            flushes.push(at, &mut queued[at as usize], Rank::data(priority));
        }
        let mut order = Vec::new();
        while let Some((at, level)) = flushes.pop() {
            queued[at as usize].remove(level);
            order.push(at);
        }
        // The third keeps its old place too.
        assert_eq!(order, [2, 1, 3, 0, 2]);
        assert!(queued.iter().all(|queued| queued.0 == 0));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut flushes = FlushScheduler::default();
        let mut queued = [QueuedLevels::default(); 3];
        for (at, priority) in [(1, 20), (2, 200)] {
            flushes.push(at, &mut queued[at as usize], Rank::data(priority));
        }
        let mut others = Vec::new();
        for turn in 0..4 * u32::from(OUT_OF_TURN) {
            flushes.push(0, &mut queued[0], Rank::PING);
            let (at, level) = flushes.pop().expect("somebody waits");
            queued[at as usize].remove(level);
            if at > 0 {
                others.push((at, turn));
            }
        }
        let n = u32::from(OUT_OF_TURN);
        assert_eq!(others, [(1, n - 1), (2, 2 * n - 1)]);
    }
}
