//! Adapter part of the simulator: passes bytes, messages, tasks and time to a shard, and carries
//! out its outputs until there are none.

use stentor_core::channels::ShardMessage;
use stentor_core::delivery::Chunks;
use stentor_core::id::WorkerId;
use stentor_core::tasks::{Attempt, AttemptResult, Submission, Wakeups, WorkerStep};
use stentor_core::{ConnId, Failure, Handler, Output, TaskEnd};

use super::network::InputPath;
use super::{Network, Sim, WorkerState};

impl<H: Handler> Sim<H> {
    /// Does what a shard asks for until it asks for nothing more or the turn is over, and
    /// looks whether all is well in it.
    pub(super) fn drain_outputs(&mut self, shard: usize) {
        let mut budget = self.network.budget;
        while let Some(output) = budget.poll(&mut self.shards[shard]) {
            match output {
                Output::Flush(id) => self.flush(id),
                Output::StopReading(id) => self.set_reading(id, false),
                Output::StartReading(id) => self.set_reading(id, true),
                Output::Send(to, message) => {
                    self.send_message(shard * self.shards.len() + to.index(), message);
                }
                Output::Submit(conn, task, options) => {
                    self.link_of(conn);
                    self.tasks.push(Submission {
                        conn,
                        task,
                        options,
                    });
                }
                Output::Page { id, page: _ } => {
                    self.link_of(id);
                    let (now, kind) = (self.time(), "text/plain; version=0.0.4; charset=utf-8");
                    self.shards[shard].handle_answer(now, id, 200, kind, b"# none\n");
                }
                Output::LimitUnsent { id, bytes } => {
                    self.link_of(id);
                    let config = self.shards[shard].config();
                    let most = config.unsent_bytes_max().max(config.unsent_bytes());
                    assert!((config.unsent_bytes()..=most).contains(&(bytes as usize)));
                }
                Output::Shut(id) => {
                    let at = self.link_of(id);
                    self.links[at].down.shut = true;
                    self.ready.touch(at);
                }
                Output::Disconnect(id) => {
                    let at = self.link_of(id);
                    self.slots[shard][id.slot()] = None;
                    self.release(at);
                }
                Output::Timeout(_) => {}
                Output::Abort => panic!("shard {shard} cannot go on"),
                Output::Event(event) => self.events.push(event),
            }
        }
        let are_refused = self.submit();
        self.unfinished[shard] = budget.is_spent() || are_refused;
        self.cut += u64::from(budget.is_spent());
        self.turns += 1;
        if self.turns.is_multiple_of(self.audit_every) {
            self.shards[shard].audit();
            if !self.unfinished[shard] {
                self.compare(shard);
            }
        }
    }

    fn set_reading(&mut self, id: ConnId, reading: bool) {
        let at = self.link_of(id);
        let before = core::mem::replace(&mut self.links[at].reading, reading);
        assert_ne!(before, reading, "{id} is told what it knows");
        self.ready.touch(at);
    }

    /// The server closes a socket.
    pub(super) fn release(&mut self, at: usize) {
        let link = &mut self.links[at];
        link.open = false;
        link.down.shut = true;
        link.up.clear();
        if let Some(admission) = link.admission.take() {
            self.limiter.release(link.id.shard(), admission);
        }
        self.ready.touch(at);
        self.note(at, 3, &[]);
    }

    /// Sends a message to another shard; messages sent before it arrive before it.
    pub(super) fn send_message(&mut self, way: usize, message: ShardMessage) {
        let queue = &mut self.mail[way];
        let due = self.now + self.rng.up_to(self.network.mail_delay);
        let due = queue.back().map_or(due, |&(last, _)| due.max(last));
        queue.push_back((due, message));
    }

    /// A read that found so many bytes.
    pub(super) fn read(&mut self, at: usize) {
        self.ready.touch(at);
        let available = self.links[at].up.readable();
        let n = if self.network.most_read >= available {
            available
        } else {
            1 + self.rng.below(self.network.most_read.min(available))
        };
        let id = self.links[at].id;
        let (now, shard) = (self.time(), id.shard().index());
        let by_scratch = match self.network.input_path {
            InputPath::Scratch => true,
            InputPath::Buffer => false,
            InputPath::Both => self.rng.percent(50),
        };
        if by_scratch {
            let buffer = self.shards[shard].read_buffer();
            let n = n.min(buffer.len());
            self.links[at].up.read_into(&mut buffer[..n]);
            self.shards[shard].handle_read(now, id, n);
        } else {
            let mut bytes = core::mem::take(&mut self.scratch);
            bytes.resize(n, 0);
            self.links[at].up.read_into(&mut bytes);
            self.shards[shard].handle_input(now, id, &mut bytes);
            self.scratch = bytes;
        }
    }

    /// Writes what waits for a connection, now or, if writes are detached, later.
    fn flush(&mut self, id: ConnId) {
        let at = self.link_of(id);
        if self.links[at].taken.is_some() {
            return;
        }
        let mut chunks = Chunks::new();
        self.shards[id.shard().index()].poll_transmit(id, &mut chunks);
        let bytes = chunks.as_slices().concat();
        assert!(chunks.as_slices().len() <= Chunks::MAX);
        drop(chunks);
        if self.network.detached {
            self.links[at].taken = Some(bytes);
            self.ready.touch(at);
        } else {
            self.write(at, &bytes);
        }
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.ready.touch(at);
        let (now, due) = (self.time(), self.arrival(bytes.len()));
        let link = &mut self.links[at];
        let (id, shard) = (link.id, link.id.shard().index());
        if link.reset {
            self.shards[shard].handle_disconnect(now, id);
            return;
        }
        assert!(!link.down.shut, "{id} writes after it has shut its side");
        let most = if self.rng.percent(self.network.short_writes) {
            self.rng.below(bytes.len())
        } else {
            bytes.len()
        };
        let n = link.down.write(&bytes[..most], due);
        link.blocked = n < bytes.len();
        let frames = link.tap.take(&bytes[..n]);
        // Of a connection that it has given up, a shard does not know what is still
        // written by somebody who has not heard of that: it counts as discarded.
        if !self.shards[shard].has_given_up(id) {
            self.tapped[shard] += frames;
        }
        self.note(at, 1, &bytes[..n]);
        self.shards[shard].handle_transmitted(now, id, n);
    }

    /// Returns when bytes that are written now have gone over a socket.
    pub(super) fn arrival(&mut self, len: usize) -> u64 {
        let Network {
            latency, bandwidth, ..
        } = self.network;
        let way = if latency > 0 {
            self.rng.up_to(latency)
        } else {
            0
        };
        let length = (len as u64 * 1_000).checked_div(bandwidth as u64);
        self.now + way + length.unwrap_or_default()
    }

    /// Tells a shard how a task ended.
    fn tell_end(&mut self, id: ConnId, end: TaskEnd<H>) {
        self.ended += 1;
        let now = self.time();
        self.shards[id.shard().index()].handle_task(now, id, end);
    }

    /// Submits the tasks of this turn. Returns whether some were refused, which their connections
    /// have learnt.
    fn submit(&mut self) -> bool {
        if self.tasks.is_empty() {
            return false;
        }
        self.handed += self.tasks.len() as u64;
        let now = self.time();
        let (wakeups, refused) = self.scheduler.handle_submit_all(now, &mut self.tasks);
        self.wake(wakeups);
        let are_some = !refused.is_empty();
        for (id, task) in refused {
            self.tell_end(id, TaskEnd::Refused(task));
        }
        are_some
    }

    /// Wakes the timer, and this number of sleeping workers, in any order.
    pub(super) fn wake(&mut self, wakeups: Wakeups) {
        if wakeups.timer {
            self.alarm = Some(self.time());
        }
        for _ in 0..wakeups.workers {
            let asleep: Vec<usize> = (0..self.workers.len())
                .filter(|&at| !matches!(self.workers[at], WorkerState::Busy { .. }))
                .collect();
            let worker = asleep[self.rng.below(asleep.len())];
            self.assign(worker);
        }
    }

    /// Lets every worker that sleeps look for a job.
    pub(super) fn wake_workers(&mut self) {
        for worker in 0..self.workers.len() {
            self.assign(worker);
        }
    }

    /// Lets a worker look for a job if it sleeps.
    fn assign(&mut self, worker: usize) {
        if !matches!(self.workers[worker], WorkerState::Asleep) {
            return;
        }
        let now = self.time();
        let (step, wakeups) = self.scheduler.poll_step(now, WorkerId(worker as u16));
        self.workers[worker] = match step {
            WorkerStep::Run(job) => {
                let most = if self.rng.percent(self.network.hangs) {
                    job.deadline.since(now).as_micros() as u64 * 3
                } else {
                    self.network.work_time
                };
                let until = self.now + self.rng.up_to(most);
                WorkerState::Busy { until, job }
            }
            WorkerStep::Sleep => WorkerState::Asleep,
            WorkerStep::End => WorkerState::Ended,
        };
        self.wake(wakeups);
    }

    /// A worker is done; returns the shard that may learn it.
    pub(super) fn finish_work(&mut self, worker: usize) -> usize {
        let before = core::mem::replace(&mut self.workers[worker], WorkerState::Asleep);
        let WorkerState::Busy { job, .. } = before else {
            unreachable!("only a busy worker is due");
        };
        let (id, now) = (WorkerId(worker as u16), self.time());
        let attempt = if self.rng.percent(self.network.panics) {
            Attempt::Panicked
        } else if self.rng.percent(self.network.failures) {
            let failures = [Failure::Retry, Failure::Retry, Failure::Fatal];
            Attempt::Ended(Err(failures[self.rng.below(3)]))
        } else {
            Attempt::Ended(Ok((self.work)(id, &job.task)))
        };
        let shard = job.conn.shard().index();
        let (end, mut outcome) = attempt.into_parts();
        let ended = self.scheduler.handle_end(now, id, end);
        self.wake(ended.wakeups);
        if let AttemptResult::Failed(lost) = ended.result {
            assert_eq!(lost.conn, job.conn);
        }
        if let Some(end) = TaskEnd::of_attempt(&ended.result, &mut outcome) {
            self.tell_end(job.conn, end);
        }
        self.assign(worker);
        shard
    }

    /// Does what is due at the scheduler.
    pub(super) fn sound_alarm(&mut self) {
        let now = self.time();
        let Some(due) = self.scheduler.poll_due(now) else {
            self.alarm = None;
            return;
        };
        self.alarm = due.until;
        self.wake(due.wakeups);
        for lost in due.failed {
            if let Some(end) = TaskEnd::of_failed(&lost) {
                self.tell_end(lost.conn, end);
            }
            self.drain_outputs(lost.conn.shard().index());
        }
    }

    /// Returns the link of a connection that a shard has named.
    pub(super) fn link_of(&self, id: ConnId) -> usize {
        let at = self.slots[id.shard().index()]
            .get(id.slot())
            .copied()
            .flatten();
        let at = at.unwrap_or_else(|| panic!("{id} is named and is not there"));
        assert_eq!(self.links[at].id, id, "a connection that has gone is named");
        at
    }
}
