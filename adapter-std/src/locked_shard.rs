//! Shard behind a lock: the turns that threads take on it, the outputs that it produces in them,
//! and the threads to wake when the lock is released. No socket is read or written here; readiness
//! is queried only for connections whose timeout has expired.
//!
//! Measured with a room of 1,000 members on one shard: a turn that publishes to the room holds the
//! lock for about 40 µs, and 99 of 100 turns for less than 1 µs. The metric
//! `stentor_shard_turn_seconds` is the histogram of these times.

use std::collections::VecDeque;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, PoisonError, TryLockError};

use stentor_core::node::TurnBudget;
use stentor_core::stats::Stats;
use stentor_core::sync::Mailbox;
use stentor_core::tasks::{Submission, Wakeups};
use stentor_core::{Config, ConnId, Handler, Output, Shard, ShardId, TaskEnd, Timestamp};
use stentor_server::host::{ServerState, ShardInput};
use stentor_server::{
    CatchPanics, EndOnPanic, EventLog, PendingAnswer, Turns, WallClock, end_process,
};

use crate::buffers::BufferPool;
use crate::free_list::FreeList;
use crate::links::{ShardSocket, ShardSockets, Socket};
use crate::primitive::thread::{self, Thread};
use crate::primitive::{Clock, Condvar, Mutex, MutexGuard, OnceLock, park_until};
use crate::stream::Stream;

/// All shards of a server, and the state that their threads share.
pub(crate) struct LockedShards<H: Handler, S: Stream = TcpStream> {
    locked: Vec<LockedShard<H, S>>,
    pub(crate) state: ServerState<H::Task>,
    /// Wakes sleeping workers.
    pub(crate) worker_wakes: Condvar,
    pub(crate) buffers: BufferPool,
    rolls: FreeList<WakeList>,
    clock: Clock,
}

/// One shard behind its lock.
struct LockedShard<H: Handler, S: Stream> {
    inside: Mutex<ShardState<H, S>>,
    /// Messages of other shards are pushed under the lock of the sending shard, and drained only
    /// under the lock of this one, so they keep their order.
    mailbox: Mailbox<ShardInput>,
    /// The thread that handles messages and timers.
    ticker: OnceLock<Thread>,
}

/// The state that the lock of a shard protects.
pub(crate) struct ShardState<H: Handler, S: Stream> {
    pub(crate) shard: Shard<H, CatchPanics>,
    pub(crate) links: ShardSockets<S>,
    pub(crate) now: Timestamp,
    inbox: VecDeque<ShardInput>,
    /// Tasks to submit, collected until the end of the turn.
    tasks: Vec<Submission<H::Task>>,
    /// Connections whose writer thread may have something to do.
    touched: Vec<ConnId>,
    /// Time at which the ticker wakes by itself.
    armed: Option<Timestamp>,
    /// When timers of the shard are due next.
    due: Option<Timestamp>,
    event_log: EventLog,
    wall_clock: WallClock,
    /// Time for which the lock was held in each turn.
    turns: Turns,
}

/// Threads to wake and sockets to end once the lock is released.
struct AfterUnlock<S: Stream> {
    /// Allocated only if there are threads to wake.
    roll: Option<WakeList>,
    shut: Vec<Arc<Socket<S>>>,
    ended: Vec<ShardSocket<S>>,
    answers: Vec<PendingAnswer>,
    tasks: Wakeups,
}

/// Threads to wake. Reused, since a turn that publishes to a room wakes a thread for each member.
#[derive(Default)]
struct WakeList {
    threads: Vec<Thread>,
    tickers: Vec<ShardId>,
}

impl<H: Handler, S: Stream> LockedShards<H, S> {
    pub(crate) fn new(
        config: &Config,
        state: ServerState<H::Task>,
        handler: impl Fn(ShardId) -> H,
    ) -> Self {
        let shard = |id| {
            let mut shard = Shard::isolated(id, config, handler(id));
            shard.share_addresses(&state.addresses);
            shard
        };
        let locked = |id| LockedShard {
            inside: Mutex::new(ShardState {
                shard: shard(id),
                links: ShardSockets::default(),
                now: Timestamp::ORIGIN,
                inbox: VecDeque::new(),
                tasks: Vec::new(),
                touched: Vec::new(),
                due: None,
                armed: None,
                event_log: EventLog::new(),
                wall_clock: WallClock::default(),
                turns: Turns::default(),
            }),
            mailbox: Mailbox::new(),
            ticker: OnceLock::new(),
        };
        Self {
            locked: (0..config.shards()).map(ShardId).map(locked).collect(),
            state,
            worker_wakes: Condvar::new(),
            buffers: BufferPool::default(),
            rolls: FreeList::default(),
            clock: Clock::start(),
        }
    }

    /// Runs a turn of a shard: calls `work`, handles the messages in the mailbox and the expired
    /// timers, carries out the outputs of the shard, and then calls `last` under the same lock.
    ///
    /// Outputs are handled in slices, between which other threads may take the lock.
    pub(crate) fn turn<R>(
        &self,
        at: ShardId,
        work: impl FnOnce(&mut ShardState<H, S>),
        last: impl FnOnce(&mut ShardState<H, S>) -> R,
    ) -> R {
        let _end = EndOnPanic;
        let locked = &self.locked[at.index()];
        let mut work = Some(work);
        loop {
            let mut wakes = AfterUnlock::default();
            let more;
            {
                let mut inside = locked.lock();
                inside.now = self.clock.now();
                if let Some(work) = work.take() {
                    work(&mut inside);
                }
                more = self.handle(at, &mut inside, &mut wakes);
                if !more {
                    let result = last(&mut inside);
                    inside.end_turn(&mut wakes, &self.rolls, self.clock.now());
                    drop(inside);
                    self.wake(wakes);
                    return result;
                }
                inside.end_turn(&mut wakes, &self.rolls, self.clock.now());
            }
            self.wake(wakes);
        }
    }

    /// Runs a turn without a final step.
    pub(crate) fn handle_with(&self, at: ShardId, work: impl FnOnce(&mut ShardState<H, S>)) {
        self.turn(at, work, |_| ());
    }

    /// Handles messages and timers, and returns the time of the next call. Only the ticker calls
    /// this.
    pub(crate) fn tick(&self, at: ShardId) -> Option<Timestamp> {
        let arm = |inside: &mut ShardState<H, S>| {
            inside.armed = inside.due;
            inside.armed
        };
        self.turn(at, |_| {}, arm)
    }

    /// Sleeps until woken, or until a time that [`tick`](Self::tick) has returned.
    pub(crate) fn sleep(&self, until: Option<Timestamp>) {
        match until {
            None => thread::park(),
            Some(until) => park_until(&self.clock, until),
        }
    }

    /// Sets the thread that is woken for messages and earlier timers.
    pub(crate) fn set_ticker(&self, at: ShardId, thread: Thread) {
        // There is one ticker per shard, and it is set once.
        let _ = self.locked[at.index()].ticker.set(thread);
    }

    /// Puts an input into the mailbox of a shard, without waiting for its lock.
    pub(crate) fn post_input(&self, to: ShardId, post: ShardInput) {
        // The mailbox is never closed: every input is drained.
        if let Ok(true) = self.locked[to.index()].mailbox.push(post) {
            self.wake_ticker(to);
        }
    }

    /// Returns the statistics of a shard, or `None` if its lock is held.
    pub(crate) fn try_stats(&self, at: ShardId) -> Option<Stats> {
        Some(self.locked[at.index()].try_lock()?.shard.stats())
    }

    /// Drops the tasks that have not been submitted, each separately: if two destructors panic in
    /// one drop, the process aborts. Does nothing if the lock is held.
    pub(crate) fn dispose(&self, at: ShardId) {
        let locked = &self.locked[at.index()];
        let Some(mut inside) = locked.try_lock() else {
            return;
        };
        for task in inside.tasks.drain(..) {
            self.state.dispatcher.dispose(task);
        }
    }

    /// Returns whether a predicate holds for every shard; false if the lock of one is held.
    pub(crate) fn all(&self, holds: impl Fn(&Shard<H, CatchPanics>) -> bool) -> bool {
        let holds = |locked: &LockedShard<H, S>| {
            // Messages in flight can make an idle shard busy.
            locked.try_lock().is_some_and(|inside| {
                holds(&inside.shard) && inside.inbox.is_empty() && locked.mailbox.is_empty()
            })
        };
        self.locked.iter().all(holds)
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardId> + use<H, S> {
        (0..self.locked.len() as u16).map(ShardId)
    }

    /// Handles messages, timers and outputs. Returns true if there may be more to do.
    fn handle(
        &self,
        at: ShardId,
        inside: &mut ShardState<H, S>,
        wakes: &mut AfterUnlock<S>,
    ) -> bool {
        if let Some(unix) = inside.wall_clock.read(inside.now) {
            inside.shard.handle_wall_clock(inside.now, unix);
        }
        let locked = &self.locked[at.index()];
        locked.mailbox.drain_into(&mut inside.inbox);
        while let Some(post) = inside.inbox.pop_front() {
            let ShardState {
                shard, turns, now, ..
            } = &mut *inside;
            wakes.answers.extend(post.apply(*now, shard, turns));
        }
        if inside.due.is_some_and(|at| at <= inside.now) {
            let ShardState {
                shard, links, now, ..
            } = inside;
            shard.handle_timeout_with(*now, |id, direction| links.is_ready(id, direction));
        }
        let mut budget = TurnBudget::LOCKED;
        while let Some(output) = budget.poll(&mut inside.shard) {
            self.handle_output(inside, wakes, output);
        }
        let refused = self.submit(inside, wakes);
        if budget.is_spent() || refused {
            return true;
        }
        self.rearm(at, inside, wakes);
        false
    }

    /// Submits the tasks of this turn. Returns true if some are refused; their connections are then
    /// notified.
    fn submit(&self, inside: &mut ShardState<H, S>, wakes: &mut AfterUnlock<S>) -> bool {
        if inside.tasks.is_empty() {
            return false;
        }
        let (wakeups, refused) = self.state.dispatcher.submit_all(&mut inside.tasks);
        wakes.tasks += wakeups;
        let are_some = !refused.is_empty();
        for (id, task) in refused {
            let end = TaskEnd::Refused(task);
            inside.shard.handle_task(inside.now, id, end);
        }
        are_some
    }

    /// Wakes the ticker if the next timer is earlier than its wake-up time.
    fn rearm(&self, at: ShardId, inside: &mut ShardState<H, S>, wakes: &mut AfterUnlock<S>) {
        let Some(next) = inside.due else {
            return;
        };
        if inside.armed.is_none_or(|armed| next < armed) {
            inside.armed = Some(next);
            wakes.roll(&self.rolls).tickers.push(at);
        }
    }

    fn handle_output(
        &self,
        inside: &mut ShardState<H, S>,
        wakes: &mut AfterUnlock<S>,
        output: Output<H>,
    ) {
        match output {
            Output::Flush(id) => {
                if let Some(link) = inside.links.find(id) {
                    link.flush = true;
                    inside.touched.push(id);
                }
            }
            Output::StopReading(id) => {
                if let Some(link) = inside.links.find(id) {
                    link.reading = false;
                }
            }
            Output::StartReading(id) => {
                if let Some(link) = inside.links.find(id) {
                    link.reading = true;
                    let reader = link.reader.clone();
                    wakes.roll(&self.rolls).threads.extend(reader);
                }
            }
            Output::Send(to, message) => {
                // The mailbox is never closed: every input is drained.
                let post = ShardInput::Message(message);
                if let Ok(true) = self.locked[to.index()].mailbox.push(post) {
                    wakes.roll(&self.rolls).tickers.push(to);
                }
            }
            Output::Submit(conn, task, options) => inside.tasks.push(Submission {
                conn,
                task,
                options,
            }),
            // The only page that the server leaves to its adapter is that of the metrics.
            Output::Page { id, page: _ } => self.state.scrape(id),
            Output::LimitUnsent { id, bytes } => {
                if let Some(link) = inside.links.find(id) {
                    link.socket.stream.limit_unsent(bytes);
                }
            }
            Output::Shut(id) => {
                if let Some(link) = inside.links.find(id) {
                    wakes.shut.push(link.socket.clone());
                }
            }
            Output::Disconnect(id) => {
                wakes.ended.extend(inside.links.remove(id));
            }
            Output::Timeout(next) => inside.due = next.map(|(at, _)| at),
            Output::Abort => end_process("the application cannot go on after a panic"),
            Output::Event(event) => {
                let (now, shard) = (inside.now, &mut inside.shard);
                inside.event_log.write(now, event, || shard.take_sampled());
            }
        }
    }

    fn wake(&self, wakes: AfterUnlock<S>) {
        for socket in wakes.shut {
            socket.stream.shut(Shutdown::Write);
        }
        for link in wakes.ended {
            link.end();
        }
        if let Some(mut roll) = wakes.roll {
            for thread in roll.threads.drain(..) {
                thread.unpark();
            }
            for at in roll.tickers.drain(..) {
                self.wake_ticker(at);
            }
            self.rolls.give(roll);
        }
        wakes.answers.into_iter().for_each(PendingAnswer::send);
        self.wake_for(wakes.tasks);
    }

    /// Performs the wake-ups that a call of the dispatcher returned.
    pub(crate) fn wake_for(&self, wakeups: Wakeups) {
        for _ in 0..wakeups.workers {
            self.worker_wakes.notify_one();
        }
        if wakeups.timer {
            self.state.dispatcher.wake_timer();
        }
    }

    /// Lets the workers end once there are no tasks left.
    pub(crate) fn drain_workers(&self) {
        self.state.dispatcher.drain();
        self.worker_wakes.notify_all();
    }

    fn wake_ticker(&self, at: ShardId) {
        // A ticker that has not started yet checks everything when it does.
        if let Some(ticker) = self.locked[at.index()].ticker.get() {
            ticker.unpark();
        }
    }
}

impl<S: Stream> AfterUnlock<S> {
    fn roll(&mut self, spares: &FreeList<WakeList>) -> &mut WakeList {
        self.roll
            .get_or_insert_with(|| spares.take().unwrap_or_default())
    }
}

impl<S: Stream> Default for AfterUnlock<S> {
    fn default() -> Self {
        Self {
            roll: None,
            shut: Vec::new(),
            ended: Vec::new(),
            answers: Vec::new(),
            tasks: Wakeups::default(),
        }
    }
}

impl<H: Handler, S: Stream> LockedShard<H, S> {
    fn lock(&self) -> MutexGuard<'_, ShardState<H, S>> {
        // A panic under the lock ends the process.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the shard, or returns `None` if the lock is held.
    fn try_lock(&self) -> Option<MutexGuard<'_, ShardState<H, S>>> {
        match self.inside.try_lock() {
            Ok(inside) => Some(inside),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl<H: Handler, S: Stream> ShardState<H, S> {
    /// Marks a connection whose writer must check whether it has something to do.
    pub(crate) fn touch(&mut self, id: ConnId) {
        self.touched.push(id);
    }

    /// Wakes the writers of marked connections that have something to do, unless another thread
    /// does it.
    fn wake_writers(&mut self, wakes: &mut AfterUnlock<S>, rolls: &FreeList<WakeList>) {
        for id in self.touched.drain(..) {
            if let Some(link) = self.links.find(id)
                && !link.writing
                && (link.flush || link.full)
            {
                wakes.roll(rolls).threads.extend(link.writer.clone());
            }
        }
    }

    /// Ends a turn before the lock is released.
    fn end_turn(&mut self, wakes: &mut AfterUnlock<S>, rolls: &FreeList<WakeList>, now: Timestamp) {
        self.wake_writers(wakes, rolls);
        self.turns.record(self.now, now);
    }
}
