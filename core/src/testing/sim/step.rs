//! Owns what happens next: everything that could is equally likely, and when
//! nothing can, the clock jumps to the next thing that is due.

use super::client::Reader;
use super::{Sim, Worker};
use crate::Timestamp;
use crate::handler::Handler;

/// Something that can happen now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// The server reads from a link.
    Read(usize),
    /// The server learns that a client has shut its side.
    Eof(usize),
    /// The server learns that a connection has failed.
    Reset(usize),
    /// The server learns that a link takes bytes again.
    Writable(usize),
    /// Bytes taken from a shard are written.
    Write(usize),
    ClientWrite(usize),
    ClientRead(usize),
    /// A letter arrives: from, to.
    Mail(usize, usize),
    /// A worker is done.
    Work(usize),
    /// A shard's timer is due.
    Timer(usize),
    /// Something is due at the dispatcher.
    Alarm,
}

impl<H: Handler> Sim<H> {
    /// Lets one thing happen, at `end` at the latest; false if nothing does.
    pub fn step(&mut self, end: u64) -> bool {
        self.find_ready(None);
        if self.ready.is_empty() {
            let next = self.next_business().into_iter().chain(self.next_timer());
            let Some(next) = next.min().filter(|&next| next <= end) else {
                return false;
            };
            self.now = self.now.max(next);
            self.find_ready(None);
        }
        if self.now > end || self.ready.is_empty() {
            return false;
        }
        let action = self.ready[self.rng.below(self.ready.len())];
        let Some(shard) = self.perform(action) else {
            return true;
        };
        // A turn may take in more than one thing.
        for _ in 0..self.rng.below(self.network.turn) {
            self.find_ready(Some(shard));
            if self.ready.is_empty() {
                break;
            }
            let action = self.ready[self.rng.below(self.ready.len())];
            self.perform(action);
        }
        self.drain_outputs(shard);
        self.now += self.rng.up_to(3);
        true
    }

    /// Whether anything can happen besides timers of the server.
    pub(super) fn has_business(&mut self) -> bool {
        self.find_ready(None);
        let business = self
            .ready
            .iter()
            .any(|action| !matches!(action, Action::Timer(_) | Action::Alarm));
        business || self.next_business().is_some()
    }

    /// Lets it happen; says for which shard.
    fn perform(&mut self, action: Action) -> Option<usize> {
        let now = self.time();
        match action {
            Action::Read(at) => {
                self.read(at);
                Some(self.shard_of(at))
            }
            Action::Eof(at) => {
                self.links[at].eof_told = true;
                let shard = self.shard_of(at);
                self.shards[shard].handle_eof(now, self.links[at].id);
                Some(shard)
            }
            Action::Reset(at) => {
                let shard = self.shard_of(at);
                self.shards[shard].handle_disconnect(now, self.links[at].id);
                // Told once; the shard lets go of it in its own time.
                self.links[at].taken = None;
                Some(shard)
            }
            Action::Writable(at) => {
                self.links[at].blocked = false;
                let shard = self.shard_of(at);
                self.shards[shard].handle_writable(now, self.links[at].id);
                Some(shard)
            }
            Action::Write(at) => {
                let bytes = self.links[at].taken.take().unwrap_or_default();
                self.write(at, &bytes);
                Some(self.shard_of(at))
            }
            Action::ClientWrite(at) => {
                self.client_write(at);
                None
            }
            Action::ClientRead(at) => {
                self.client_read(at);
                None
            }
            Action::Mail(from, to) => {
                let queue = &mut self.mail[from * self.shards.len() + to];
                let (_, letter) = queue.pop_front()?;
                self.shards[to].handle_mail(now, letter);
                Some(to)
            }
            Action::Work(worker) => Some(self.finish_work(worker)),
            Action::Timer(shard) => {
                self.shards[shard].handle_timeout(now);
                Some(shard)
            }
            Action::Alarm => {
                self.sound_alarm();
                None
            }
        }
    }

    fn client_write(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let most = if self.network.most_read < client.outbox.len() {
            1 + self.rng.below(self.network.most_read)
        } else {
            client.outbox.len()
        };
        let n = self.links[at].up.write(&client.outbox[..most]);
        let written: alloc::vec::Vec<u8> = client.outbox.drain(..n).collect();
        if client.wants_shut && client.outbox.is_empty() {
            self.links[at].up.shut = true;
        }
        self.note(at, 0, &written);
    }

    fn client_read(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let most = match client.reader {
            Reader::Eager => usize::MAX,
            Reader::Slow { bytes, every } => {
                client.next_read = self.now + every;
                bytes
            }
            Reader::Stuck => 0,
        };
        let bytes = self.links[at].down.read(most);
        self.clients[at].take(&bytes);
        if self.links[at].down.len() == 0 && self.links[at].down.shut && !self.links[at].reset {
            self.clients[at].take_eof();
        }
    }

    /// Finds what can happen now, to this shard or at all.
    fn find_ready(&mut self, only: Option<usize>) {
        let mut ready = core::mem::take(&mut self.ready);
        ready.clear();
        for (at, link) in self.links.iter().enumerate() {
            let shard = link.id.shard().index();
            if only.is_some_and(|only| only != shard) {
                continue;
            }
            if link.open {
                if link.reset {
                    ready.push(Action::Reset(at));
                } else if link.reading && link.up.len() > 0 {
                    ready.push(Action::Read(at));
                } else if link.reading && link.up.shut && !link.eof_told {
                    ready.push(Action::Eof(at));
                }
                if link.taken.is_some() {
                    ready.push(Action::Write(at));
                } else if link.blocked && link.down.room() > 0 {
                    ready.push(Action::Writable(at));
                }
            }
            if only.is_some() || link.reset {
                continue;
            }
            let client = &self.clients[at];
            let wants = !client.outbox.is_empty() && link.up.room() > 0
                || client.outbox.is_empty() && client.wants_shut && !link.up.shut;
            if wants && !link.up.shut && link.open {
                ready.push(Action::ClientWrite(at));
            }
            let has = link.down.len() > 0 || link.down.shut && !client.is_over();
            if has && client.reader != Reader::Stuck && client.next_read <= self.now {
                ready.push(Action::ClientRead(at));
            }
        }
        let shards = self.shards.len();
        for from in 0..shards {
            for to in (0..shards).filter(|&to| only.is_none_or(|only| only == to)) {
                let first = self.mail[from * shards + to].front();
                if first.is_some_and(|&(due, _)| due <= self.now) {
                    ready.push(Action::Mail(from, to));
                }
            }
        }
        for (at, worker) in self.workers.iter().enumerate() {
            if let Worker::Busy { until, job } = worker
                && *until <= self.now
                && only.is_none_or(|only| only == job.conn.shard().index())
            {
                ready.push(Action::Work(at));
            }
        }
        for (at, shard) in self.shards.iter().enumerate() {
            let due = shard.poll_timeout();
            if due.is_some_and(|(due, _)| due.as_micros() <= self.now)
                && only.is_none_or(|only| only == at)
            {
                ready.push(Action::Timer(at));
            }
        }
        let due = self.dispatcher.poll_timeout();
        if due.is_some_and(|due| due.as_micros() <= self.now) && only.is_none() {
            ready.push(Action::Alarm);
        }
        self.ready = ready;
    }

    /// When something comes that is on its way, timers apart.
    fn next_business(&self) -> Option<u64> {
        let mail = self.mail.iter().filter_map(|queue| Some(queue.front()?.0));
        let work = self.workers.iter().filter_map(|worker| match worker {
            Worker::Busy { until, .. } => Some(*until),
            Worker::Asleep => None,
        });
        let reads = self
            .links
            .iter()
            .zip(&self.clients)
            .filter_map(|(link, client)| {
                let waits = link.down.len() > 0 || link.down.shut && !client.is_over();
                let reads = client.reader != Reader::Stuck && !link.reset;
                (waits && reads).then_some(client.next_read)
            });
        mail.chain(work).chain(reads).min()
    }

    fn next_timer(&self) -> Option<u64> {
        let timers = self.shards.iter().filter_map(|shard| shard.poll_timeout());
        let timers = timers.map(|(due, _)| due);
        let all = timers.chain(self.dispatcher.poll_timeout());
        all.map(Timestamp::as_micros).min()
    }

    fn shard_of(&self, at: usize) -> usize {
        self.links[at].id.shard().index()
    }
}
