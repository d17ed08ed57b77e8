//! Event loop of one shard: feeds it readiness, messages and time, and carries out its outputs
//! (bytes, messages, tasks) in the order in which it emits them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Poll};
use stentor_core::delivery::Chunks;
use stentor_core::node::TurnBudget;
use stentor_core::shard::Admission;
use stentor_core::stats::Stats;
use stentor_core::tasks::Submission;
use stentor_core::{ConnId, Handler, Output, Shard, ShardId, TaskEnd, Timestamp};
use stentor_server::host::ShardInput;
use stentor_server::{
    CatchPanics, Clock, EventLog, IncomingSocket, PendingAnswer, Turns, WallClock, end_process,
};
use tokio::io::unix::AsyncFd;

use crate::links::ShardSockets;
use crate::readiness;
use crate::shard_handle::{DriverInput, ShardHandles};

/// One shard with its sockets.
pub(crate) struct Driver<H: Handler> {
    id: ShardId,
    shard: Shard<H, CatchPanics>,
    links: ShardSockets,
    poll: AsyncFd<Poll>,
    clock: Clock,
    now: Timestamp,
    host: Arc<ShardHandles<H>>,
    /// Requests for the metrics, collected until the end of the turn.
    scraped: Vec<ConnId>,
    /// Answers to admin queries, collected until the end of the turn.
    answers: Vec<PendingAnswer>,
    inbox: VecDeque<DriverInput<H>>,
    outboxes: Vec<Vec<DriverInput<H>>>,
    /// Tasks to submit, collected until the end of the turn.
    tasks: Vec<Submission<H::Task>>,
    /// Connections that may have more bytes although no edge will report them.
    again: VecDeque<ConnId>,
    event_log: EventLog,
    wall_clock: WallClock,
    /// Duration of each turn, from readiness to the end of the work that it caused.
    turns: Turns,
    /// When timers of the shard are due next.
    due: Option<Timestamp>,
    draining: bool,
    ended: bool,
}

impl<H: Handler> Driver<H> {
    /// Creates a driver without sockets. Must be called within the runtime that will run it.
    pub(crate) fn new(
        shard: Shard<H, CatchPanics>,
        host: Arc<ShardHandles<H>>,
    ) -> io::Result<Self> {
        let clock = host.state.clock();
        Ok(Self {
            id: shard.id(),
            shard,
            links: ShardSockets::default(),
            poll: readiness::of_poll(Poll::new()?)?,
            clock,
            now: clock.now(),
            outboxes: host.shards().map(|_| Vec::new()).collect(),
            host,
            scraped: Vec::new(),
            answers: Vec::new(),
            inbox: VecDeque::new(),
            tasks: Vec::new(),
            again: VecDeque::new(),
            event_log: EventLog::new(),
            wall_clock: WallClock::default(),
            turns: Turns::default(),
            due: None,
            draining: false,
            ended: false,
        })
    }

    /// Runs the shard until it receives [`DriverInput::End`], and returns its statistics.
    pub(crate) async fn run(&mut self) -> io::Result<Stats> {
        let mut events = Events::with_capacity(TurnBudget::EVENTS);
        let host = self.host.clone();
        let sleep = tokio::time::sleep(Duration::MAX);
        tokio::pin!(sleep);
        let mut armed = None;
        self.now = self.clock.now();
        loop {
            let busy = self.take_turn();
            self.turns.record(self.now, self.clock.now());
            self.answer();
            if self.ended {
                return Ok(self.shard.stats());
            }
            if self.due != armed
                && let Some(at) = self.due
            {
                sleep.as_mut().reset(self.clock.instant(at).into());
            }
            armed = self.due;
            tokio::select! {
                biased;
                ready = self.poll.readable_mut() => {
                    let mut ready = ready?;
                    self.now = self.clock.now();
                    match ready.get_inner_mut().poll(&mut events, Some(Duration::ZERO)) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        other => other?,
                    }
                    // After a full batch there may be more events.
                    let is_all = events.iter().count() < TurnBudget::EVENTS;
                    if is_all {
                        ready.clear_ready();
                    }
                    self.handle_events(&events);
                    if !is_all {
                        // Lets the acceptor run if it is on this thread.
                        tokio::task::yield_now().await;
                    }
                }
                () = host.woken(self.id) => self.now = self.clock.now(),
                () = sleep.as_mut(), if armed.is_some() => {
                    armed = None;
                    self.now = self.clock.now();
                }
                // There is more to do, but the other events were checked first.
                () = tokio::task::yield_now(), if busy => self.now = self.clock.now(),
            }
        }
    }

    /// Sends the collected requests and answers to the threads that produce pages. Called outside
    /// of a turn, because on a busy machine these threads may take this core at once.
    fn answer(&mut self) {
        for id in self.scraped.drain(..) {
            self.host.state.scrape(id);
        }
        self.answers.drain(..).for_each(PendingAnswer::send);
    }

    /// Drops what has not come to the shard. Each value of the application is dropped separately:
    /// if two destructors panic in one drop, the process aborts.
    pub(crate) fn dispose(mut self) {
        let host = self.host.clone();
        let dispatcher = &host.state.dispatcher;
        for task in self.tasks.drain(..) {
            dispatcher.dispose(task);
        }
        host.take(self.id, &mut self.inbox);
        for post in self.inbox.drain(..) {
            dispatcher.dispose(post);
        }
        dispatcher.dispose(self);
    }

    /// Runs one turn: handles expired timers, drains the mailbox, reads the sockets that have
    /// unread bytes, and carries out the outputs of the shard. Returns true if there is more to do
    /// than fits into one turn.
    fn take_turn(&mut self) -> bool {
        if let Some(unix) = self.wall_clock.read(self.now) {
            self.shard.handle_wall_clock(self.now, unix);
        }
        // Checked here and not on waking, so that timers run however busy the sockets are.
        if self.due.is_some_and(|at| at <= self.now) {
            let links = &self.links;
            self.shard
                .handle_timeout_with(self.now, |id, direction| links.is_ready(id, direction));
        }
        self.host.take(self.id, &mut self.inbox);
        while let Some(post) = self.inbox.pop_front() {
            self.handle_post(post);
        }
        for _ in 0..self.again.len() {
            let Some(id) = self.again.pop_front() else {
                break;
            };
            if let Some(link) = self.links.find(id) {
                link.again = false;
                self.read(id);
            }
        }
        let mut budget = TurnBudget::ONE_THREAD;
        while let Some(output) = budget.poll(&mut self.shard) {
            self.handle_output(output);
        }
        for (to, posts) in (0..).map(ShardId).zip(&mut self.outboxes) {
            if !posts.is_empty() {
                self.host.post_all(to, posts);
            }
        }
        let refused = self.submit();
        if self.draining {
            self.host
                .report(self.id, self.shard.is_quiet(), self.shard.is_empty());
        }
        budget.is_spent() || refused || !self.again.is_empty()
    }

    /// Submits the tasks of this turn. Returns true if some are refused; their connections are then
    /// notified.
    fn submit(&mut self) -> bool {
        if self.tasks.is_empty() {
            return false;
        }
        let refused = self.host.submit_all(&mut self.tasks);
        let are_some = !refused.is_empty();
        for (id, task) in refused {
            self.shard.handle_task(self.now, id, TaskEnd::Refused(task));
        }
        are_some
    }

    fn handle_events(&mut self, events: &Events) {
        for event in events {
            let Some(link) = self.links.get(event.token().0) else {
                continue;
            };
            let id = link.id;
            let is_hung_up = event.is_read_closed() || event.is_error();
            link.hung_up |= is_hung_up;
            if event.is_writable() {
                self.shard.handle_writable(self.now, id);
            }
            if event.is_readable() || is_hung_up {
                self.read(id);
            }
        }
    }

    /// Reads a socket until it has no more bytes or has used its share of this turn: a peer that
    /// sends without a pause would otherwise starve the others. A read that does not fill the
    /// buffer shows that no more bytes are there, unless the peer has hung up and the end of the
    /// stream is still to be read.
    fn read(&mut self, id: ConnId) {
        // A loop although it is one read: as straight-line code, an echo of 128 B took 3 % longer.
        for _ in 0..TurnBudget::READS {
            let Some(link) = self.links.find(id).filter(|link| link.reading) else {
                return;
            };
            if !self.shard.is_reading(id) {
                // The shard emits this in its next outputs, and later when to resume.
                return;
            }
            let buffer = self.shard.read_buffer();
            let full = buffer.len();
            match link.read(buffer) {
                Ok(0) => {
                    self.shard.handle_eof(self.now, id);
                    return;
                }
                Ok(n) => {
                    let may_have_more = n == full || link.hung_up;
                    self.shard.handle_read(self.now, id, n);
                    // Replies sent before the next read need no copy.
                    while let Some(id) = self.shard.poll_reply()
                        && self.flush(id)
                    {}
                    if !may_have_more {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.shard.handle_disconnect(self.now, id);
                    return;
                }
            }
        }
        self.read_again(id);
    }

    fn read_again(&mut self, id: ConnId) {
        if let Some(link) = self.links.find(id)
            && !link.again
        {
            link.again = true;
            self.again.push_back(id);
        }
    }

    /// Writes the queued bytes of a connection. Returns false if there is no such socket.
    fn flush(&mut self, id: ConnId) -> bool {
        let Some(link) = self.links.find(id) else {
            return false;
        };
        let mut chunks = Chunks::new();
        self.shard.poll_transmit(id, &mut chunks);
        let offered = chunks.len();
        let written = link.write(&chunks).and_then(|n| {
            if n < offered {
                link.report_room(self.poll.get_ref().registry())?;
            }
            Ok(n)
        });
        match written {
            Ok(n) => {
                drop(chunks);
                self.shard.handle_transmitted(self.now, id, n);
            }
            Err(_) => {
                drop(chunks);
                self.shard.handle_disconnect(self.now, id);
            }
        }
        true
    }

    fn handle_output(&mut self, output: Output<H>) {
        match output {
            Output::Flush(id) => {
                self.flush(id);
            }
            Output::StopReading(id) => {
                if let Some(link) = self.links.find(id) {
                    link.reading = false;
                }
            }
            Output::StartReading(id) => {
                if let Some(link) = self.links.find(id) {
                    link.reading = true;
                    // The edge for bytes that arrived meanwhile has already been reported.
                    self.read_again(id);
                }
            }
            Output::Send(to, message) => {
                let input = DriverInput::Shared(ShardInput::Message(message));
                self.outboxes[to.index()].push(input);
            }
            Output::Submit(conn, task, options) => self.tasks.push(Submission {
                conn,
                task,
                options,
            }),
            // The only page that the server leaves to its adapter is that of the metrics.
            Output::Page { id, page: _ } => self.scraped.push(id),
            Output::LimitUnsent { id, bytes } => {
                if let Some(link) = self.links.find(id) {
                    link.limit_unsent(bytes);
                }
            }
            Output::Shut(id) => {
                if let Some(link) = self.links.find(id) {
                    link.shut();
                }
            }
            Output::Disconnect(id) => {
                if let Some(admission) = self.links.remove(id) {
                    self.host.state.limiter.release(self.id, admission);
                }
            }
            Output::Timeout(next) => self.due = next.map(|(at, _)| at),
            Output::Abort => end_process("the application cannot go on after a panic"),
            Output::Event(event) => {
                let shard = &mut self.shard;
                self.event_log
                    .write(self.now, event, || shard.take_sampled());
            }
        }
    }

    fn handle_post(&mut self, post: DriverInput<H>) {
        match post {
            DriverInput::Shared(input) => {
                self.draining |= matches!(input, ShardInput::Order(_));
                let answer = input.apply(self.now, &mut self.shard, &self.turns);
                self.answers.extend(answer);
            }
            DriverInput::Socket(stream, arrival, admission) => {
                let id = arrival.enter(self.now, admission, &mut self.shard);
                self.add_socket(id, stream, admission);
            }
            DriverInput::Incoming(socket, admission) => self.take_socket(*socket, admission),
            DriverInput::TaskEnd(id, end) => self.shard.handle_task(self.now, id, end),
            DriverInput::End => self.ended = true,
        }
    }

    /// Takes a socket that was read from before.
    fn take_socket(&mut self, socket: IncomingSocket, admission: Admission) {
        let IncomingSocket { stream, arrival } = socket;
        let id = arrival.enter(self.now, admission, &mut self.shard);
        self.add_socket(id, TcpStream::from_std(stream), admission);
    }

    fn add_socket(&mut self, id: ConnId, stream: TcpStream, admission: Admission) {
        let registry = self.poll.get_ref().registry();
        if let Err(error) = self.links.insert(registry, stream, id, admission) {
            let state = &self.host.state;
            state.counters.count_accept_error(self.now, &error);
            state.limiter.release(self.id, admission);
            self.shard.handle_disconnect(self.now, id);
        }
    }
}
