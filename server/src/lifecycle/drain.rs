//! Stages of a shutdown: finish what was accepted, close connections, abort the rest.
//!
//! Returns the orders for the shards and the condition to wait for. Sends and waits for nothing
//! itself.

use std::time::Duration;

use stentor_core::{CloseCode, Timestamp};
use tracing::info;

use super::Deadline;

/// The stages of a shutdown, one after the other. A stage ends when its goal is reached, when its
/// time [is over](Self::is_over), or when the shutdown is [forced](Self::force). Then the
/// [`next`](Self::next) one begins. After the last one, the shards end.
#[derive(Debug)]
pub struct Drain {
    tasks_until: Timestamp,
    close_until: Timestamp,
    /// Stages that have begun.
    begun: usize,
    /// Deadline of the stage that has begun last.
    deadline: Deadline,
}

/// An order for every shard, and the goal that ends the stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stage {
    /// The order for every shard.
    pub order: Order,
    /// The goal that every shard must reach.
    pub until: DrainGoal,
}

/// An order for a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// [`Shard::handle_drain`](stentor_core::Shard::handle_drain).
    Drain,
    /// [`Shard::handle_close_all`](stentor_core::Shard::handle_close_all).
    Close(CloseCode),
    /// [`Shard::handle_abort`](stentor_core::Shard::handle_abort).
    Abort,
}

/// The state of all shards that ends a stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DrainGoal {
    /// [`Shard::is_quiet`](stentor_core::Shard::is_quiet).
    Quiet,
    /// [`Shard::is_empty`](stentor_core::Shard::is_empty).
    Empty,
}

impl Drain {
    /// Returns the stages of a shutdown that begins at `now` and takes `timeout` until connections
    /// are aborted.
    #[must_use]
    pub fn new(now: Timestamp, timeout: Duration) -> Self {
        let tasks = timeout.mul_f32(TASK_SHARE).min(timeout);
        Self {
            // A task that does not end must leave time for the close frames of all others.
            tasks_until: now.after(tasks),
            close_until: now.after(timeout),
            begun: 0,
            deadline: Deadline::new(now, tasks),
        }
    }

    /// Begins the next stage. Returns `None` after the last one.
    pub fn next(&mut self, now: Timestamp) -> Option<Stage> {
        let (order, until, deadline) = match self.begun {
            0 => (Order::Drain, DrainGoal::Quiet, self.tasks_until),
            CLOSE => {
                let order = Order::Close(CloseCode::GOING_AWAY);
                (order, DrainGoal::Empty, self.close_until)
            }
            // An empty shard still answers the others, whose members leave rooms that it owns.
            ABORT => (Order::Abort, DrainGoal::Empty, now.after(ABORT_TIMEOUT)),
            _ => return None,
        };
        self.begun += 1;
        self.deadline = Deadline::new(now, deadline.since(now));
        Some(Stage { order, until })
    }

    /// Returns the end of the stage, as far as it is known.
    #[must_use]
    pub const fn deadline(&self) -> Timestamp {
        self.deadline.at()
    }

    /// Returns whether the time of the stage is over. Time in which the process was stopped is
    /// added to this stage and to those behind it.
    pub fn is_over(&mut self, now: Timestamp) -> bool {
        let before = self.deadline.at();
        let is_over = self.deadline.is_over(now);
        if self.begun <= CLOSE {
            let more = self.deadline.at().since(before);
            self.close_until = self.close_until.after(more);
        }
        is_over
    }

    /// Forces the shutdown, as a second signal asks. Tasks and queues are waited for no longer:
    /// connections are closed now, or were before, and have a moment to answer.
    pub fn force(&mut self, now: Timestamp) {
        info!("shutdown: forced, closing at once");
        self.close_until = self.close_until.min(now.after(FORCED_CLOSE));
        if self.begun <= ABORT {
            self.begun = CLOSE;
        }
    }
}

/// Number of stages before the one that closes connections.
const CLOSE: usize = 1;
/// Number of stages before the one that aborts connections.
const ABORT: usize = 2;
/// Share of the timeout that tasks and queues may take.
const TASK_SHARE: f32 = 0.75;
/// Time for close frames in a forced shutdown. It is enough for peers that read.
const FORCED_CLOSE: Duration = Duration::from_millis(500);
/// Time to abort as many connections as a server can have, some of them per turn.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_end_then_connections_close_then_they_are_aborted() {
        let begin = Timestamp::ORIGIN;
        let mut drain = Drain::new(begin, Duration::from_secs(4));
        let mut stages = Vec::new();
        let mut now = begin;
        while let Some(stage) = drain.next(now) {
            stages.push((stage.order, stage.until, drain.deadline().since(begin)));
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
    fn a_forced_shutdown_closes_at_once() {
        let begin = Timestamp::ORIGIN;
        let after = |seconds| begin.after(Duration::from_secs_f32(seconds));
        let mut drain = Drain::new(begin, Duration::from_secs(40));
        let next = |drain: &mut Drain, now| {
            let stage = drain.next(now).expect("a stage");
            (stage.order, drain.deadline())
        };
        let close = Order::Close(CloseCode::GOING_AWAY);
        assert_eq!(next(&mut drain, begin), (Order::Drain, after(30.0)));
        drain.force(after(1.0));
        assert_eq!(next(&mut drain, after(1.0)), (close, after(1.5)));
        // Forcing it again changes nothing.
        drain.force(after(1.25));
        assert_eq!(next(&mut drain, after(1.25)), (close, after(1.5)));
        assert_eq!(next(&mut drain, after(1.5)), (Order::Abort, after(6.5)));
        drain.force(after(1.75));
        assert_eq!(drain.next(after(1.75)), None);

        // While connections close; and with a timeout of zero.
        let mut drain = Drain::new(begin, Duration::from_secs(40));
        next(&mut drain, begin);
        assert_eq!(next(&mut drain, after(2.0)), (close, after(40.0)));
        drain.force(after(3.0));
        assert_eq!(next(&mut drain, after(3.0)), (close, after(3.5)));
        let mut drain = Drain::new(begin, Duration::ZERO);
        next(&mut drain, begin);
        drain.force(begin);
        assert_eq!(next(&mut drain, begin), (close, begin));
    }

    #[test]
    fn time_in_which_the_process_was_stopped_is_added_once_per_stage() {
        let begin = Timestamp::ORIGIN;
        let after = |seconds| begin.after(Duration::from_secs_f32(seconds));
        let mut drain = Drain::new(begin, Duration::from_secs(4));
        drain.next(begin);
        assert!(!drain.is_over(after(2.9)));
        // Stopped for a hundred seconds: three seconds for the tasks again, then one to close.
        assert!(!drain.is_over(after(102.9)));
        assert_eq!(drain.deadline(), after(105.9));
        assert!(drain.is_over(after(105.9)));
        let stage = drain.next(after(105.9)).expect("the close stage");
        assert_eq!(stage.order, Order::Close(CloseCode::GOING_AWAY));
        assert_eq!(drain.deadline(), after(106.9));
        // Again, and a second time within the same stage.
        assert!(!drain.is_over(after(206.9)));
        assert_eq!(drain.deadline(), after(207.9));
        assert!(drain.is_over(after(300.0)));
        let stage = drain.next(after(300.0)).expect("the abort stage");
        assert_eq!(
            (stage.order, drain.deadline()),
            (Order::Abort, after(305.0))
        );

        // Forced, then stopped: peers have a moment when it continues.
        let mut drain = Drain::new(begin, Duration::from_secs(40));
        drain.next(begin);
        drain.force(after(1.0));
        drain.next(after(1.0));
        assert!(!drain.is_over(after(100.0)));
        assert_eq!(drain.deadline(), after(100.5));
        assert!(drain.is_over(after(100.5)));
    }

    #[test]
    fn any_timeout_is_allowed() {
        let begin = Timestamp::ORIGIN;
        for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            let mut drain = Drain::new(begin, timeout);
            while drain.next(begin).is_some() {
                drain.is_over(begin);
            }
            drain.force(begin);
        }
    }
}
