//! Stages of a shutdown: finish what was accepted, close connections, abort the rest.

use core::time::Duration;

use crate::app::{Handler, Isolation};
use crate::node::deadline::Deadline;
use crate::proto::ws::close::CloseCode;
use crate::shard::Shard;
use crate::time::Timestamp;

/// The stages of a shutdown, one after the other. Each begins with an order for every shard, and
/// ends when the shards have reached its goal, when its time is over, or when the shutdown is
/// [forced](Self::handle_force). After the last one, the shards end.
#[derive(Debug)]
pub struct Drain {
    tasks_until: Timestamp,
    close_until: Timestamp,
    /// Whether connections are closed one after the other.
    is_paced: bool,
    next: Stage,
    /// Goal of the stage that has begun last, until the stage has ended.
    goal: Option<DrainGoal>,
    /// Deadline of the stage that has begun last.
    deadline: Deadline,
}

/// A stage that has not begun, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Stage {
    Tasks,
    Close,
    Abort,
    Over,
}

/// The next step of a shutdown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DrainStep {
    /// Give this order to every shard.
    Order(ShardOrder),
    /// Wait until the goal may be reached, at most until this time.
    Wait(Timestamp),
}

/// An order for a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShardOrder {
    /// [`Shard::handle_leaving`](crate::Shard::handle_leaving), ahead of a shutdown.
    Leave,
    /// [`Shard::handle_drain`](crate::Shard::handle_drain).
    Drain,
    /// [`Shard::handle_close_all`](crate::Shard::handle_close_all).
    Close(CloseCode),
    /// [`Shard::handle_close_paced`](crate::Shard::handle_close_paced).
    ClosePaced(CloseCode, Duration),
    /// [`Shard::handle_abort`](crate::Shard::handle_abort).
    Abort,
}

impl ShardOrder {
    /// Gives the order to one shard.
    pub fn apply<H: Handler, I: Isolation>(self, now: Timestamp, shard: &mut Shard<H, I>) {
        match self {
            Self::Leave => shard.handle_leaving(),
            Self::Drain => shard.handle_drain(now),
            Self::Close(code) => shard.handle_close_all(now, code),
            Self::ClosePaced(code, within) => shard.handle_close_paced(now, code, within),
            Self::Abort => shard.handle_abort(now),
        }
    }
}

/// The state of all shards that ends a stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DrainGoal {
    /// [`Shard::is_quiet`](crate::Shard::is_quiet).
    Quiet,
    /// [`Shard::is_empty`](crate::Shard::is_empty).
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
            is_paced: false,
            next: Stage::Tasks,
            goal: None,
            deadline: Deadline::new(now, tasks),
        }
    }

    /// Has connections be closed at [a rate](crate::Config::shutdown_rate), so that not all of them come
    /// back at once.
    #[must_use]
    pub const fn paced(mut self) -> Self {
        self.is_paced = true;
        self
    }

    /// Returns the next step, or `None` after the last stage. `is_reached` returns whether all
    /// shards have reached a goal; messages between shards count as work of a shard.
    ///
    /// Time in which the process was stopped is added to the current stage and to those behind it.
    pub fn poll(
        &mut self,
        now: Timestamp,
        is_reached: impl FnOnce(DrainGoal) -> bool,
    ) -> Option<DrainStep> {
        if let Some(goal) = self.goal {
            // Checked even if the goal is reached: after a stop, the later stages get their time.
            let is_over = self.is_over(now);
            if !is_over && !is_reached(goal) {
                return Some(DrainStep::Wait(self.deadline.at()));
            }
        }
        self.begin_next(now).map(DrainStep::Order)
    }

    /// Forces the shutdown, as a second signal asks. Tasks and queues are waited for no longer:
    /// connections are closed now, or were before, and have a moment to answer.
    pub fn handle_force(&mut self, now: Timestamp) {
        self.close_until = self.close_until.min(now.after(FORCED_CLOSE));
        self.goal = None;
        self.is_paced = false;
        // Closing again gives connections that are closed already the moment that is left.
        if self.next <= Stage::Abort {
            self.next = Stage::Close;
        }
    }

    fn begin_next(&mut self, now: Timestamp) -> Option<ShardOrder> {
        let (order, goal, until, next) = match self.next {
            Stage::Tasks => (
                ShardOrder::Drain,
                DrainGoal::Quiet,
                self.tasks_until,
                Stage::Close,
            ),
            Stage::Close => (
                match self.is_paced {
                    // The last ones have time to answer too.
                    true => {
                        let within = self.close_until.since(now).mul_f32(PACED_SHARE);
                        ShardOrder::ClosePaced(CloseCode::GOING_AWAY, within)
                    }
                    false => ShardOrder::Close(CloseCode::GOING_AWAY),
                },
                DrainGoal::Empty,
                self.close_until,
                Stage::Abort,
            ),
            // An empty shard still answers the others, whose members leave rooms that it owns.
            Stage::Abort => (
                ShardOrder::Abort,
                DrainGoal::Empty,
                now.after(ABORT_TIMEOUT),
                Stage::Over,
            ),
            Stage::Over => {
                self.goal = None;
                return None;
            }
        };
        self.next = next;
        self.goal = Some(goal);
        self.deadline = Deadline::new(now, until.since(now));
        Some(order)
    }

    fn is_over(&mut self, now: Timestamp) -> bool {
        let before = self.deadline.at();
        let is_over = self.deadline.is_over(now);
        if self.next <= Stage::Close {
            let more = self.deadline.at().since(before);
            self.close_until = self.close_until.after(more);
        }
        is_over
    }
}

/// Share of the timeout that tasks and queues may take.
const TASK_SHARE: f32 = 0.75;
/// Share of the time for close frames in which all of them are queued.
const PACED_SHARE: f32 = 0.8;
/// Time for close frames in a forced shutdown. It is enough for peers that read.
const FORCED_CLOSE: Duration = Duration::from_millis(500);
/// Time to abort as many connections as a server can have, some of them per turn.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const CLOSE: ShardOrder = ShardOrder::Close(CloseCode::GOING_AWAY);

    fn after(seconds: f32) -> Timestamp {
        Timestamp::ORIGIN.after(Duration::from_secs_f32(seconds))
    }

    fn drain(seconds: u64) -> Drain {
        Drain::new(Timestamp::ORIGIN, Duration::from_secs(seconds))
    }

    /// Polls a drain whose goals are not reached.
    fn poll(drain: &mut Drain, now: Timestamp) -> Option<DrainStep> {
        drain.poll(now, |_| false)
    }

    /// Polls the order of the next stage, and returns it with the deadline.
    fn begin(drain: &mut Drain, now: Timestamp) -> (ShardOrder, Timestamp) {
        match (poll(drain, now), drain.deadline.at()) {
            (Some(DrainStep::Order(order)), until) => (order, until),
            (other, _) => panic!("no order: {other:?}"),
        }
    }

    #[test]
    fn tasks_end_then_connections_close_then_they_are_aborted() {
        let mut drain = drain(4);
        let (mut steps, mut now) = (Vec::new(), after(0.0));
        while let Some(step) = poll(&mut drain, now) {
            steps.push(step);
            if let DrainStep::Wait(until) = step {
                now = until;
            }
        }
        let expected = [
            DrainStep::Order(ShardOrder::Drain),
            DrainStep::Wait(after(3.0)),
            DrainStep::Order(CLOSE),
            DrainStep::Wait(after(4.0)),
            DrainStep::Order(ShardOrder::Abort),
            DrainStep::Wait(after(9.0)),
        ];
        assert_eq!(steps, expected);
        assert_eq!(poll(&mut drain, now), None);
    }

    #[test]
    fn a_goal_that_is_reached_ends_its_stage() {
        let mut drain = drain(4);
        let mut goals = Vec::new();
        for order in [ShardOrder::Drain, CLOSE, ShardOrder::Abort] {
            let now = after(goals.len() as f32);
            let step = drain.poll(now, |goal| {
                goals.push(goal);
                true
            });
            assert_eq!(step, Some(DrainStep::Order(order)));
            assert!(matches!(poll(&mut drain, now), Some(DrainStep::Wait(_))));
        }
        assert_eq!(drain.poll(after(3.0), |_| true), None);
        assert_eq!(goals, [DrainGoal::Quiet, DrainGoal::Empty]);
    }

    #[test]
    fn a_forced_shutdown_closes_at_once() {
        let mut one = drain(40);
        assert_eq!(
            begin(&mut one, after(0.0)),
            (ShardOrder::Drain, after(30.0))
        );
        one.handle_force(after(1.0));
        assert_eq!(begin(&mut one, after(1.0)), (CLOSE, after(1.5)));
        // Forcing it again changes nothing.
        one.handle_force(after(1.25));
        assert_eq!(begin(&mut one, after(1.25)), (CLOSE, after(1.5)));
        assert_eq!(begin(&mut one, after(1.5)), (ShardOrder::Abort, after(6.5)));
        one.handle_force(after(1.75));
        assert_eq!(poll(&mut one, after(1.75)), None);

        // While connections close; and with a timeout of zero.
        let mut one = drain(40);
        begin(&mut one, after(0.0));
        assert_eq!(
            one.poll(after(2.0), |_| true),
            Some(DrainStep::Order(CLOSE))
        );
        assert_eq!(
            poll(&mut one, after(2.0)),
            Some(DrainStep::Wait(after(40.0)))
        );
        one.handle_force(after(3.0));
        assert_eq!(begin(&mut one, after(3.0)), (CLOSE, after(3.5)));
        let mut one = drain(0);
        begin(&mut one, after(0.0));
        one.handle_force(after(0.0));
        assert_eq!(begin(&mut one, after(0.0)), (CLOSE, after(0.0)));
    }

    #[test]
    fn a_paced_one_leaves_time_for_the_last_answers_and_a_forced_one_is_not_paced() {
        let mut one = drain(40).paced();
        begin(&mut one, after(0.0));
        let within = Duration::from_secs(8);
        let paced = ShardOrder::ClosePaced(CloseCode::GOING_AWAY, within);
        assert_eq!(begin(&mut one, after(30.0)), (paced, after(40.0)));
        one.handle_force(after(31.0));
        assert_eq!(begin(&mut one, after(31.0)), (CLOSE, after(31.5)));
    }

    #[test]
    fn time_in_which_the_process_was_stopped_is_added_once_per_stage() {
        let wait = |seconds| Some(DrainStep::Wait(after(seconds)));
        let mut one = drain(4);
        begin(&mut one, after(0.0));
        assert_eq!(poll(&mut one, after(2.9)), wait(3.0));
        // Stopped for a hundred seconds: three seconds for the tasks again, then one to close.
        assert_eq!(poll(&mut one, after(102.9)), wait(105.9));
        assert_eq!(begin(&mut one, after(105.9)), (CLOSE, after(106.9)));
        // Again, and a second time within the same stage.
        assert_eq!(poll(&mut one, after(206.9)), wait(207.9));
        assert_eq!(
            begin(&mut one, after(300.0)),
            (ShardOrder::Abort, after(305.0))
        );

        // The tasks end before anything else is noticed of the stop.
        let mut one = drain(4);
        begin(&mut one, after(0.0));
        let close = one.poll(after(102.9), |_| true);
        assert_eq!(close, Some(DrainStep::Order(CLOSE)));
        assert_eq!(poll(&mut one, after(102.9)), wait(106.9));

        // Forced, then stopped: peers have a moment when it continues.
        let mut one = drain(40);
        begin(&mut one, after(0.0));
        one.handle_force(after(1.0));
        begin(&mut one, after(1.0));
        assert_eq!(poll(&mut one, after(100.0)), wait(100.5));
        assert_eq!(begin(&mut one, after(100.5)).0, ShardOrder::Abort);
    }

    #[test]
    fn any_timeout_is_allowed() {
        let now = Timestamp::ORIGIN;
        for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            let mut drain = Drain::new(now, timeout);
            for _ in 0..8 {
                drain.poll(now, |_| true);
            }
            drain.handle_force(now);
            assert_eq!(drain.poll(now, |_| true), None);
        }
    }
}
