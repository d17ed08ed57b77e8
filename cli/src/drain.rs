//! Owns the order of a server's end: what was accepted is finished, everyone is told, and what the
//! deadline cuts off is counted. Says what to tell the shards and what to wait for; tells and
//! waits for nothing itself.

use std::time::{Duration, Instant};

use stentor_core::CloseCode;
use tracing::info;

use crate::Deadline;
use crate::deadline::later;

/// The stages of a shutdown, one after the other. A stage is over when what it waits for has come,
/// its time [is over](Self::is_over), or the server was told to [`hurry`](Self::hurry); then the
/// [`next`](Self::next) begins. After the last, the shards end.
#[derive(Debug)]
pub struct Drain {
    tasks_until: Instant,
    goodbyes_until: Instant,
    begun: usize,
    /// Of the stage that has begun last.
    deadline: Deadline,
}

/// Something to tell every shard, and what is waited for then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stage {
    /// What every shard is told.
    pub order: Order,
    /// What every shard is to be.
    pub until: DrainGoal,
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
pub enum DrainGoal {
    /// [`Shard::is_quiet`](stentor_core::Shard::is_quiet).
    Quiet,
    /// [`Shard::is_empty`](stentor_core::Shard::is_empty).
    Empty,
}

impl Drain {
    /// Begins now, and may take so long.
    #[must_use]
    pub fn new(now: Instant, patience: Duration) -> Self {
        let tasks = patience.mul_f32(SHARE_OF_TASKS).min(patience);
        Self {
            // A task that does not end must not cost everyone else their goodbye.
            tasks_until: later(now, tasks),
            goodbyes_until: later(now, patience),
            begun: 0,
            deadline: Deadline::new(now, tasks),
        }
    }

    /// The stage that begins now.
    pub fn next(&mut self, now: Instant) -> Option<Stage> {
        let (order, until, deadline) = match self.begun {
            0 => (Order::Drain, DrainGoal::Quiet, self.tasks_until),
            GOODBYES => {
                let order = Order::Close(CloseCode::GOING_AWAY);
                (order, DrainGoal::Empty, self.goodbyes_until)
            }
            // A shard with nothing left still answers the others, whose members leave rooms at
            // home there.
            CUT => (Order::Abort, DrainGoal::Empty, later(now, LAST_LETTERS)),
            _ => return None,
        };
        self.begun += 1;
        self.deadline = Deadline::new(now, deadline.saturating_duration_since(now));
        Some(Stage { order, until })
    }

    /// Until when the stage lasts at the latest, as far as is known.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline.at()
    }

    /// Whether the time of the stage is over. Time in which the process was stopped is given
    /// back, to the stages behind it too.
    pub fn is_over(&mut self, now: Instant) -> bool {
        let before = self.deadline.at();
        let is_over = self.deadline.is_over(now);
        if self.begun <= GOODBYES {
            let more = self.deadline.at() - before;
            self.goodbyes_until = later(self.goodbyes_until, more);
        }
        is_over
    }

    /// The server was told to end once more: tasks and queues are waited for no longer. Everyone is
    /// told goodbye now, and has a moment to answer. Whoever was told before is not told again, but
    /// has no more than that moment either.
    pub fn hurry(&mut self, now: Instant) {
        info!("shutdown: told again, closing at once");
        self.goodbyes_until = self.goodbyes_until.min(later(now, MOMENT));
        if self.begun <= CUT {
            self.begun = GOODBYES;
        }
    }
}

/// The stages behind the first, by how many begin before them.
const GOODBYES: usize = 1;
const CUT: usize = 2;
const SHARE_OF_TASKS: f32 = 0.75;
/// What is left for goodbyes where the server is in a hurry: as little as that seems, the answers
/// of peers that listen are there by then.
const MOMENT: Duration = Duration::from_millis(500);
/// Also for cutting off as many connections as a server may have, some of them a turn.
const LAST_LETTERS: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_then_goodbyes_then_the_cut() {
        let begin = Instant::now();
        let mut drain = Drain::new(begin, Duration::from_secs(4));
        let mut stages = Vec::new();
        let mut now = begin;
        while let Some(stage) = drain.next(now) {
            stages.push((stage.order, stage.until, drain.deadline() - begin));
            now = drain.deadline();
            assert!(drain.is_over(now));
        }
        let seconds = Duration::from_secs_f32;
        let expected = [
            (Order::Drain, DrainGoal::Quiet, seconds(3.0)),
            (
                Order::Close(CloseCode::GOING_AWAY),
                DrainGoal::Empty,
                seconds(4.0),
            ),
            (Order::Abort, DrainGoal::Empty, seconds(9.0)),
        ];
        assert_eq!(stages, expected);
    }

    #[test]
    fn whoever_is_told_twice_says_goodbye_and_goes() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs_f32(seconds);
        let mut drain = Drain::new(begin, Duration::from_secs(40));
        let next = |drain: &mut Drain, now| {
            let stage = drain.next(now).expect("a stage");
            (stage.order, drain.deadline())
        };
        let close = Order::Close(CloseCode::GOING_AWAY);
        assert_eq!(next(&mut drain, begin), (Order::Drain, after(30.0)));
        drain.hurry(after(1.0));
        assert_eq!(next(&mut drain, after(1.0)), (close, after(1.5)));
        // A third time changes nothing.
        drain.hurry(after(1.25));
        assert_eq!(next(&mut drain, after(1.25)), (close, after(1.5)));
        assert_eq!(next(&mut drain, after(1.5)), (Order::Abort, after(6.5)));
        drain.hurry(after(1.75));
        assert_eq!(drain.next(after(1.75)), None);

        // While goodbyes are waited for; and where there was no time left.
        let mut drain = Drain::new(begin, Duration::from_secs(40));
        next(&mut drain, begin);
        assert_eq!(next(&mut drain, after(2.0)), (close, after(40.0)));
        drain.hurry(after(3.0));
        assert_eq!(next(&mut drain, after(3.0)), (close, after(3.5)));
        let mut drain = Drain::new(begin, Duration::ZERO);
        next(&mut drain, begin);
        drain.hurry(begin);
        assert_eq!(next(&mut drain, begin), (close, begin));
    }

    #[test]
    fn time_in_which_the_process_was_stopped_is_given_back_once_a_stage() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs_f32(seconds);
        let mut drain = Drain::new(begin, Duration::from_secs(4));
        drain.next(begin);
        assert!(!drain.is_over(after(2.9)));
        // Stopped for a hundred seconds: three for the tasks again, and one for goodbyes.
        assert!(!drain.is_over(after(102.9)));
        assert_eq!(drain.deadline(), after(105.9));
        assert!(drain.is_over(after(105.9)));
        let stage = drain.next(after(105.9)).expect("goodbyes");
        assert_eq!(stage.order, Order::Close(CloseCode::GOING_AWAY));
        assert_eq!(drain.deadline(), after(106.9));
        // Again, and a second time within the same stage.
        assert!(!drain.is_over(after(206.9)));
        assert_eq!(drain.deadline(), after(207.9));
        assert!(drain.is_over(after(300.0)));
        let stage = drain.next(after(300.0)).expect("the cut");
        assert_eq!(
            (stage.order, drain.deadline()),
            (Order::Abort, after(305.0))
        );

        // Told again while it was stopped: everyone has a moment when it goes on.
        let mut drain = Drain::new(begin, Duration::from_secs(40));
        drain.next(begin);
        drain.hurry(after(1.0));
        drain.next(after(1.0));
        assert!(!drain.is_over(after(100.0)));
        assert_eq!(drain.deadline(), after(100.5));
        assert!(drain.is_over(after(100.5)));
    }

    #[test]
    fn it_may_take_any_time() {
        let begin = Instant::now();
        for patience in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            let mut drain = Drain::new(begin, patience);
            while drain.next(begin).is_some() {
                drain.is_over(begin);
            }
            drain.hurry(begin);
        }
    }
}
