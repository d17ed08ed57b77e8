//! Owns the order of a server's end: what was accepted is finished, everyone is told, and what the
//! deadline cuts off is counted. Says what to tell the shards and what to wait for; tells and
//! waits for nothing itself.

use std::time::{Duration, Instant};

use stentor_core::CloseCode;

/// The stages of a shutdown, one after the other. A stage is over when what it waits for has come
/// or its time is up; then the [`next`](Self::next) begins. After the last, the shards end.
#[derive(Debug)]
pub struct Drain {
    begin: Instant,
    patience: Duration,
    told: usize,
}

/// Something to tell every shard, and what is waited for then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stage {
    /// What every shard is told.
    pub order: Order,
    /// What every shard is to be.
    pub until: Milestone,
    /// Until when that is waited for.
    pub deadline: Instant,
}

/// What every shard is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// [`Shard::handle_drain`](stentor_core::Shard::handle_drain).
    Drain,
    /// [`Shard::handle_close_all`](stentor_core::Shard::handle_close_all).
    Close(CloseCode),
    /// [`Shard::handle_abort`](stentor_core::Shard::handle_abort).
    Abort,
}

/// What every shard is to be before it goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Milestone {
    /// [`Shard::is_quiet`](stentor_core::Shard::is_quiet).
    Quiet,
    /// [`Shard::is_empty`](stentor_core::Shard::is_empty).
    Empty,
}

impl Drain {
    /// Begins now, and may take so long.
    #[must_use]
    pub const fn new(now: Instant, patience: Duration) -> Self {
        Self {
            begin: now,
            patience,
            told: 0,
        }
    }

    /// The stage that begins now.
    pub fn next(&mut self, now: Instant) -> Option<Stage> {
        let (order, until, deadline) = match self.told {
            // A task that does not end must not cost everyone else their goodbye.
            0 => {
                let first = self.begin + self.patience.mul_f32(SHARE_OF_TASKS);
                (Order::Drain, Milestone::Quiet, first)
            }
            1 => {
                let order = Order::Close(CloseCode::GOING_AWAY);
                (order, Milestone::Empty, self.begin + self.patience)
            }
            // A shard with nothing left still answers the others, whose members leave rooms at
            // home there.
            2 => (Order::Abort, Milestone::Empty, now + LAST_LETTERS),
            _ => return None,
        };
        self.told += 1;
        Some(Stage {
            order,
            until,
            deadline,
        })
    }
}

const SHARE_OF_TASKS: f32 = 0.75;
const LAST_LETTERS: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_then_goodbyes_then_the_cut() {
        let begin = Instant::now();
        let mut drain = Drain::new(begin, Duration::from_secs(4));
        let mut stages = Vec::new();
        let late = begin + Duration::from_secs(9);
        while let Some(stage) = drain.next(late) {
            stages.push((stage.order, stage.until, stage.deadline - begin));
        }
        let seconds = Duration::from_secs_f32;
        let expected = [
            (Order::Drain, Milestone::Quiet, seconds(3.0)),
            (
                Order::Close(CloseCode::GOING_AWAY),
                Milestone::Empty,
                seconds(4.0),
            ),
            (Order::Abort, Milestone::Empty, seconds(9.5)),
        ];
        assert_eq!(stages, expected);
    }
}
