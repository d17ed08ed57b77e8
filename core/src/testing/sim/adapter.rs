//! Owns what every adapter does for a shard: carry bytes, letters, tasks and
//! time in, and do what the shard asks until it asks for nothing.

use alloc::vec::Vec;

use super::network::Road;
use super::{Sim, Worker};
use crate::handler::{Handler, TaskEnd};
use crate::shard::Output;
use crate::{Chunks, ConnId, WorkerId};

impl<H: Handler> Sim<H> {
    /// Does what a shard asks for until it asks for nothing more, and looks
    /// whether all is well in it.
    pub(super) fn drain_outputs(&mut self, shard: usize) {
        while let Some(output) = self.shards[shard].poll_output() {
            match output {
                Output::Flush(id) => self.flush(id),
                Output::StopReading(id) => {
                    let link = self.link_of(id);
                    self.links[link].reading = false;
                }
                Output::StartReading(id) => {
                    let link = self.link_of(id);
                    self.links[link].reading = true;
                }
                Output::Mail(to, letter) => {
                    let from = shard * self.shards.len();
                    let queue = &mut self.mail[from + to.index()];
                    let due = self.now + self.rng.up_to(self.network.mail_delay);
                    let due = queue.back().map_or(due, |&(last, _)| due.max(last));
                    queue.push_back((due, letter));
                }
                Output::Submit(id, task) => {
                    self.link_of(id);
                    self.submit(id, task);
                }
                Output::Answer {
                    id,
                    page,
                    head_only,
                } => {
                    self.link_of(id);
                    let (now, kind) = (self.time(), page.content_type());
                    self.shards[shard].handle_answer(now, id, 200, kind, b"# none\n", head_only);
                }
                Output::Shut(id) => {
                    let link = self.link_of(id);
                    self.links[link].down.shut = true;
                }
                Output::Disconnect(id) => {
                    let at = self.link_of(id);
                    self.seats[shard][id.slot()] = None;
                    let link = &mut self.links[at];
                    link.open = false;
                    link.down.shut = true;
                    link.up.clear();
                    self.note(at, 3, &[]);
                }
                Output::Event(event) => self.events.push(event),
            }
        }
        if self.audited {
            self.shards[shard].audit();
        }
    }

    /// A read that found so many bytes.
    pub(super) fn read(&mut self, at: usize) {
        let available = self.links[at].up.len();
        let n = if self.network.most_read >= available {
            available
        } else {
            1 + self.rng.below(self.network.most_read.min(available))
        };
        let id = self.links[at].id;
        let (now, shard) = (self.time(), id.shard().index());
        let by_scratch = match self.network.road {
            Road::Scratch => true,
            Road::Buffer => false,
            Road::Both => self.rng.percent(50),
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
        } else {
            self.write(at, &bytes);
        }
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        let now = self.time();
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
        let n = link.down.write(&bytes[..most]);
        link.blocked = n < bytes.len();
        self.note(at, 1, &bytes[..n]);
        self.shards[shard].handle_transmitted(now, id, n);
    }

    fn submit(&mut self, id: ConnId, task: H::Task) {
        match self.dispatcher.handle_submit(id, task) {
            Ok(submitted) => {
                if submitted.wake {
                    let asleep: Vec<usize> = (0..self.workers.len())
                        .filter(|&at| matches!(self.workers[at], Worker::Asleep))
                        .collect();
                    let worker = asleep[self.rng.below(asleep.len())];
                    self.assign(worker);
                }
            }
            Err(refused) => {
                let now = self.time();
                self.shards[id.shard().index()].handle_task(
                    now,
                    id,
                    TaskEnd::Refused(refused.task),
                );
            }
        }
    }

    fn assign(&mut self, worker: usize) {
        self.workers[worker] = match self.dispatcher.poll_assign(WorkerId(worker as u16)) {
            Some(job) => Worker::Busy {
                until: self.now + self.rng.up_to(self.network.work_time),
                job,
            },
            None => Worker::Asleep,
        };
    }

    /// A worker is done; returns the shard that learns it.
    pub(super) fn finish_work(&mut self, worker: usize) -> usize {
        let before = core::mem::replace(&mut self.workers[worker], Worker::Asleep);
        let Worker::Busy { job, .. } = before else {
            unreachable!("only a busy worker is due");
        };
        let id = WorkerId(worker as u16);
        let end = if self.rng.percent(self.network.panics) {
            let conn = self.dispatcher.handle_panic(id);
            assert_eq!(conn, Some(job.conn));
            TaskEnd::Failed
        } else {
            let outcome = (self.work)(id, &job.task);
            self.dispatcher.handle_done(id);
            TaskEnd::Done(outcome)
        };
        self.assign(worker);
        let (now, shard) = (self.time(), job.conn.shard().index());
        self.shards[shard].handle_task(now, job.conn, end);
        shard
    }

    /// The link of a connection that a shard has named.
    fn link_of(&self, id: ConnId) -> usize {
        let at = self.seats[id.shard().index()]
            .get(id.slot())
            .copied()
            .flatten();
        let at = at.unwrap_or_else(|| panic!("{id} is named and is not there"));
        assert_eq!(self.links[at].id, id, "a connection that has gone is named");
        at
    }
}
