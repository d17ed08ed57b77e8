//! Adapter part of the simulator: passes bytes, messages, tasks and time to a shard, and carries
//! out its outputs until there are none.

use stentor_core::{
    AttemptEnd, AttemptResult, Chunks, ConnId, FailedTask, Failure, Handler, Output, ShardMessage,
    TaskEnd, TaskOptions, WorkerId,
};

use super::network::InputPath;
use super::{Network, Sim, WorkerState};

impl<H: Handler> Sim<H> {
    /// Does what a shard asks for until it asks for nothing more, and looks
    /// whether all is well in it.
    pub(super) fn drain_outputs(&mut self, shard: usize) {
        loop {
            let Some(output) = self.shards[shard].poll_output() else {
                break;
            };
            match output {
                Output::Flush(id) => self.flush(id),
                Output::StopReading(id) => self.set_reading(id, false),
                Output::StartReading(id) => self.set_reading(id, true),
                Output::Send(to, message) => {
                    self.send_message(shard * self.shards.len() + to.index(), message);
                }
                Output::Submit(id, task, options) => {
                    self.link_of(id);
                    self.submit(id, task, options);
                }
                Output::Metrics { id, head_only } => {
                    self.link_of(id);
                    let (now, kind) = (self.time(), "text/plain; version=0.0.4; charset=utf-8");
                    self.shards[shard].handle_answer(now, id, 200, kind, b"# none\n", head_only);
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
                Output::Abort => panic!("shard {shard} cannot go on"),
                Output::Event(event) => self.events.push(event),
            }
        }
        self.turns += 1;
        if self.turns.is_multiple_of(self.audit_every) {
            self.shards[shard].audit();
            self.compare(shard);
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

    fn submit(&mut self, id: ConnId, task: H::Task, options: TaskOptions) {
        let now = self.time();
        self.handed += 1;
        match self.dispatcher.handle_submit(now, id, task, options) {
            Ok(submitted) => self.wake(submitted.wake.into()),
            Err(refused) => {
                self.tell_end(id, TaskEnd::Refused(refused.task));
            }
        }
    }

    /// Wakes this number of sleeping workers, in any order.
    pub(super) fn wake(&mut self, workers: usize) {
        for _ in 0..workers {
            let asleep: Vec<usize> = (0..self.workers.len())
                .filter(|&at| matches!(self.workers[at], WorkerState::Asleep))
                .collect();
            let worker = asleep[self.rng.below(asleep.len())];
            self.assign(worker);
        }
    }

    /// Lets every worker that sleeps look for a job.
    pub fn wake_workers(&mut self) {
        for worker in 0..self.workers.len() {
            if matches!(self.workers[worker], WorkerState::Asleep) {
                self.assign(worker);
            }
        }
    }

    fn assign(&mut self, worker: usize) {
        let now = self.time();
        self.workers[worker] = match self.dispatcher.poll_assign(now, WorkerId(worker as u16)) {
            Some(job) => {
                let most = if self.rng.percent(self.network.hangs) {
                    job.deadline.since(now).as_micros() as u64 * 3
                } else {
                    self.network.work_time
                };
                let until = self.now + self.rng.up_to(most);
                WorkerState::Busy { until, job }
            }
            None => WorkerState::Asleep,
        };
    }

    /// A worker is done; returns the shard that may learn it.
    pub(super) fn finish_work(&mut self, worker: usize) -> usize {
        let before = core::mem::replace(&mut self.workers[worker], WorkerState::Asleep);
        let WorkerState::Busy { job, .. } = before else {
            unreachable!("only a busy worker is due");
        };
        let (id, now) = (WorkerId(worker as u16), self.time());
        let end = if self.rng.percent(self.network.panics) {
            AttemptEnd::Panicked
        } else if self.rng.percent(self.network.failures) {
            let failures = [Failure::Retry, Failure::Retry, Failure::Fatal];
            AttemptEnd::Failed(failures[self.rng.below(3)])
        } else {
            AttemptEnd::Done
        };
        let shard = job.conn.shard().index();
        let settled = self.dispatcher.handle_end(now, id, end);
        while self.dispatcher.poll_spent().is_some() {}
        match settled {
            AttemptResult::Done { notify: true } => {
                let end = TaskEnd::Done((self.work)(id, &job.task));
                self.tell_end(job.conn, end);
            }
            AttemptResult::Failed(lost) => {
                assert_eq!(lost.conn, job.conn);
                self.tell_lost(lost);
            }
            AttemptResult::Done { notify: false } | AttemptResult::Retry | AttemptResult::Late => {}
        }
        self.assign(worker);
        shard
    }

    /// Does what is due at the dispatcher.
    pub(super) fn sound_alarm(&mut self) {
        let now = self.time();
        loop {
            let wakes = self.dispatcher.handle_timeout(now);
            self.wake(wakes);
            let mut told = false;
            while let Some(lost) = self.dispatcher.poll_failed() {
                told = true;
                self.tell_lost(lost);
                self.drain_outputs(lost.conn.shard().index());
            }
            while self.dispatcher.poll_spent().is_some() {}
            if !told {
                return;
            }
        }
    }

    fn tell_lost(&mut self, lost: FailedTask) {
        if lost.notify {
            let (cause, attempts) = (lost.cause, lost.attempts);
            self.tell_end(lost.conn, TaskEnd::Failed { cause, attempts });
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
