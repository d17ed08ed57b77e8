//! Shutdown of a dispatcher.

use alloc::vec::Vec;

use crate::tasks::dispatcher::{Dispatcher, Phase, Worker};
use crate::tasks::job::Abandoned;
use crate::tasks::table::State;

impl<T> Dispatcher<T> {
    /// The server is about to shut down: delays and waits between attempts are cut short, the
    /// next attempt at whatever there is, is the last. New tasks are taken still, since
    /// connections may have said more than was done so far. Says how many sleeping workers are to
    /// be woken.
    pub fn handle_hasten(&mut self) -> usize {
        if self.phase == Phase::Open {
            self.phase = Phase::Hastened;
        }
        let ready = self.tasks.ready();
        for (due, at) in self.timers.take() {
            match self.tasks[at].state {
                State::Running(_) => self.timers.insert(at, due),
                _ => self.end_wait(at),
            }
        }
        self.wakes_since(ready)
    }

    /// The server shuts down: new tasks are refused, those that wait still run, once. The
    /// adapter wakes all workers, so that the idle ones can end.
    pub fn handle_drain(&mut self) {
        self.handle_hasten();
        self.phase = Phase::Draining;
    }

    /// The time to shut down is up: hands back every task that is not over, in the order in
    /// which they were submitted, and refuses new ones.
    pub fn abandon(&mut self) -> impl ExactSizeIterator<Item = Abandoned<T>> + use<T> {
        self.phase = Phase::Draining;
        drop(self.timers.take());
        self.lost.clear();
        self.telling.clear();
        for worker in &mut self.workers {
            match *worker {
                Worker::Busy(_) => {
                    *worker = Worker::Overdue;
                    self.counts.overdue += 1;
                }
                Worker::Telling(_) => *worker = Worker::Awake,
                Worker::Awake | Worker::Asleep | Worker::Overdue => {}
            }
        }
        self.counts.abandoned_running += self.counts.running;
        self.counts.abandoned_waiting += self.counts.waiting + self.counts.delayed;
        self.counts.running = 0;
        self.counts.waiting = 0;
        self.counts.delayed = 0;
        let mut entries = self.tasks.take();
        entries.retain(|entry| entry.state != State::Over);
        entries.sort_unstable_by_key(|entry| entry.number);
        let abandoned: Vec<_> = entries
            .into_iter()
            .filter_map(|mut entry| {
                Some(Abandoned {
                    conn: entry.conn,
                    begun: matches!(entry.state, State::Running(_)),
                    task: entry.task.take_shared()?,
                })
            })
            .collect();
        abandoned.into_iter()
    }
}
