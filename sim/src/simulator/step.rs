//! Choice of the next event: every link that can make progress, message that can arrive and timer
//! that is due is equally likely. When nothing can happen, the clock jumps to the next event that
//! is due.

use stentor_core::shard::Reason;
use stentor_core::{Handler, Shard, Timestamp};

use super::client::ReadPattern;
use super::failure::CatchCrashes;
use super::ready::{self, ReadyBits};
use super::{Sim, WorkerState};

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
    /// A message arrives: from, to.
    Mail(usize, usize),
    /// A worker is done.
    Work(usize),
    /// A shard's timer is due.
    Timer(usize),
    /// A shard goes on with what its last turn had no room for.
    Turn(usize),
    /// Something is due at the scheduler.
    Alarm,
}

impl<H: Handler> Sim<H> {
    /// Lets one thing happen, at `end` at the latest; false if nothing does.
    pub fn step(&mut self, end: u64) -> bool {
        let action = loop {
            if self.now > end {
                return false;
            }
            if let Some(action) = self.choose(None) {
                break action;
            }
            let timer = if self.stopped {
                None
            } else {
                self.next_timer()
            };
            let next = self.next_business().into_iter().chain(timer);
            let Some(next) = next.min().filter(|&next| next <= end) else {
                return false;
            };
            self.now = self.now.max(next);
        };
        let Some(shard) = self.perform(action) else {
            return true;
        };
        // A turn may take in more than one thing.
        for _ in 0..self.rng.below(self.network.turn) {
            let Some(action) = self.choose(Some(shard)) else {
                break;
            };
            self.perform(action);
        }
        self.drain_outputs(shard);
        self.now += self.rng.up_to(3);
        true
    }

    /// Returns whether anything can happen besides timers of the server. That a shard goes on with
    /// what it has left to do is no timer.
    pub(super) fn has_business(&mut self) -> bool {
        self.refresh();
        self.find_others(None);
        let shards = self.shards.len();
        let has_more = |shard: &Shard<H, CatchCrashes>| {
            matches!(shard.poll_timeout(), Some((_, Reason::Turn)))
        };
        if self.shards.iter().any(has_more) {
            return true;
        }
        let links = (0..shards).any(|shard| !self.ready.of_shard(shard).is_empty());
        let business = self
            .others
            .iter()
            .any(|action| !matches!(action, Action::Timer(_) | Action::Alarm));
        links || !self.ready.of_clients().is_empty() || business || self.next_business().is_some()
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
                self.ready.touch(at);
                let shard = self.shard_of(at);
                self.shards[shard].handle_eof(now, self.links[at].id);
                Some(shard)
            }
            Action::Reset(at) => {
                let shard = self.shard_of(at);
                self.shards[shard].handle_disconnect(now, self.links[at].id);
                // Told once a turn; the shard lets go of it in its own time.
                self.links[at].taken = None;
                self.ready.touch(at);
                Some(shard)
            }
            Action::Writable(at) => {
                self.links[at].blocked = false;
                self.ready.touch(at);
                let shard = self.shard_of(at);
                self.shards[shard].handle_writable(now, self.links[at].id);
                Some(shard)
            }
            Action::Write(at) => {
                self.ready.touch(at);
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
                let (_, message) = queue.pop_front()?;
                self.shards[to].handle_message(now, message);
                Some(to)
            }
            Action::Work(worker) => Some(self.finish_work(worker)),
            Action::Timer(shard) => {
                let (slots, links) = (&self.slots[shard], &self.links);
                self.shards[shard].handle_timeout_with(now, |id, direction| {
                    let link = slots[id.slot()].map(|at| &links[at]);
                    link.is_some_and(|link| link.is_ready(direction))
                });
                Some(shard)
            }
            Action::Turn(shard) => Some(shard),
            Action::Alarm => {
                self.sound_alarm();
                None
            }
        }
    }

    fn client_write(&mut self, at: usize) {
        self.ready.touch(at);
        let client = &mut self.clients[at];
        let most = if self.network.most_read < client.outbox.len() {
            1 + self.rng.below(self.network.most_read)
        } else {
            client.outbox.len()
        };
        let due = self.arrival(most);
        let client = &mut self.clients[at];
        let n = self.links[at].up.write(&client.outbox[..most], due);
        let written: Vec<u8> = client.outbox.drain(..n).collect();
        if client.wants_shut && client.outbox.is_empty() {
            self.links[at].up.shut = true;
        }
        self.note(at, 0, &written);
    }

    fn client_read(&mut self, at: usize) {
        self.ready.touch(at);
        let client = &mut self.clients[at];
        let most = match client.reader {
            ReadPattern::Eager => usize::MAX,
            ReadPattern::Slow { bytes, every } => {
                client.next_read = self.now + every;
                bytes
            }
            ReadPattern::Stuck => 0,
        };
        let bytes = self.links[at].down.read(most);
        self.clients[at].take(&bytes);
        if self.links[at].down.is_over() && !self.links[at].reset {
            self.clients[at].take_eof();
        }
    }

    /// Something that can happen now, to this shard or at all, each equally likely.
    fn choose(&mut self, only: Option<usize>) -> Option<Action> {
        self.refresh();
        let shards = match only {
            Some(shard) => shard..shard + 1,
            None if self.stopped => 0..0,
            None => 0..self.shards.len(),
        };
        if self.stopped {
            self.others.clear();
        } else {
            self.find_others(only);
        }
        let servers: usize = shards
            .clone()
            .map(|shard| self.ready.of_shard(shard).len())
            .sum();
        let clients = match only {
            Some(_) => 0,
            None => self.ready.of_clients().len(),
        };
        let all = servers + clients + self.others.len();
        if all == 0 {
            return None;
        }
        let mut place = self.rng.below(all);
        if let Some(&action) = self.others.get(place) {
            return Some(action);
        }
        place -= self.others.len();
        if place < clients {
            let at = self.ready.of_clients()[place] as usize;
            return Some(self.choose_of(at, ready::CLIENT));
        }
        place -= clients;
        for shard in shards {
            let links = self.ready.of_shard(shard);
            if let Some(&at) = links.get(place) {
                return Some(self.choose_of(at as usize, ready::SERVER));
            }
            place -= links.len();
        }
        unreachable!("the place is below the sum");
    }

    /// One of the things that can happen to this end of a link.
    fn choose_of(&mut self, at: usize, end: ReadyBits) -> Action {
        let mut bits = self.ready.bits(at) & end;
        for _ in 0..self.rng.below(bits.count_ones() as usize) {
            bits &= bits - 1;
        }
        match bits & bits.wrapping_neg() {
            ready::READ => Action::Read(at),
            ready::EOF => Action::Eof(at),
            ready::RESET => Action::Reset(at),
            ready::WRITE => Action::Write(at),
            ready::WRITABLE => Action::Writable(at),
            ready::CLIENT_WRITE => Action::ClientWrite(at),
            _ => Action::ClientRead(at),
        }
    }

    /// Looks again at the links that something has touched.
    fn refresh(&mut self) {
        self.ready.ring(self.now);
        while let Some(at) = self.ready.pop_touched() {
            let (bits, wake) = self.look(at);
            self.ready.set(at, bits, wake);
        }
    }

    /// Returns what can happen to a link, and when to look again.
    fn look(&mut self, at: usize) -> (ReadyBits, u64) {
        let (link, client) = (&mut self.links[at], &self.clients[at]);
        link.up.arrive(self.now);
        link.down.arrive(self.now);
        let (mut bits, mut wake) = (0, ready::NEVER);
        if link.open {
            if link.reset {
                bits |= ready::RESET;
            } else if link.reading && link.up.readable() > 0 {
                bits |= ready::READ;
            } else if link.reading && link.up.is_over() && !link.eof_told {
                bits |= ready::EOF;
            } else if link.reading {
                wake = link.up.next().unwrap_or(wake);
            }
            if link.taken.is_some() {
                bits |= ready::WRITE;
            } else if link.blocked && link.down.room() > 0 {
                bits |= ready::WRITABLE;
            }
        }
        if link.reset || link.vanished {
            return (bits, wake);
        }
        let wants = !client.outbox.is_empty() && link.up.room() > 0
            || client.outbox.is_empty() && client.wants_shut;
        if wants && !link.up.shut && link.open {
            bits |= ready::CLIENT_WRITE;
        }
        if client.reader != ReadPattern::Stuck {
            let has = link.down.readable() > 0 || link.down.is_over() && !client.is_over();
            if !has {
                let arrives = link.down.next().map(|due| due.max(client.next_read));
                wake = wake.min(arrives.unwrap_or(ready::NEVER));
            } else if client.next_read <= self.now {
                bits |= ready::CLIENT_READ;
            } else {
                wake = wake.min(client.next_read);
            }
        }
        (bits, wake)
    }

    /// Finds what can happen now besides what happens to links.
    fn find_others(&mut self, only: Option<usize>) {
        let mut others = core::mem::take(&mut self.others);
        others.clear();
        let shards = self.shards.len();
        for from in 0..shards {
            for to in (0..shards).filter(|&to| only.is_none_or(|only| only == to)) {
                let first = self.mail[from * shards + to].front();
                if first.is_some_and(|&(due, _)| due <= self.now) {
                    others.push(Action::Mail(from, to));
                }
            }
        }
        for (at, worker) in self.workers.iter().enumerate() {
            if let WorkerState::Busy { until, job } = worker
                && *until <= self.now
                && only.is_none_or(|only| only == job.conn.shard().index())
            {
                others.push(Action::Work(at));
            }
        }
        for (at, shard) in self.shards.iter().enumerate() {
            let due = shard.poll_timeout();
            if due.is_some_and(|(due, _)| due.as_micros() <= self.now)
                && only.is_none_or(|only| only == at)
            {
                others.push(Action::Timer(at));
            }
        }
        if only.is_none() {
            for (at, _) in self.unfinished.iter().enumerate().filter(|&(_, &is)| is) {
                others.push(Action::Turn(at));
            }
        }
        if self.alarm.is_some_and(|due| due <= self.time()) && only.is_none() {
            others.push(Action::Alarm);
        }
        self.others = others;
    }

    /// Returns when something comes that is on its way, timers apart.
    fn next_business(&mut self) -> Option<u64> {
        let links = self.ready.next();
        let mail = self.mail.iter().filter_map(|queue| Some(queue.front()?.0));
        let work = self.workers.iter().filter_map(|worker| match worker {
            WorkerState::Busy { until, .. } => Some(*until),
            WorkerState::Asleep | WorkerState::Ended => None,
        });
        mail.chain(work).chain(links).min()
    }

    fn next_timer(&self) -> Option<u64> {
        let timers = self.shards.iter().filter_map(|shard| shard.poll_timeout());
        let timers = timers.map(|(due, _)| due);
        let all = timers.chain(self.alarm);
        all.map(Timestamp::as_micros).min()
    }

    fn shard_of(&self, at: usize) -> usize {
        self.links[at].id.shard().index()
    }
}
