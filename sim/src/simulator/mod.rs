//! A server of any number of shards in one thread: real machines and real
//! bytes over fake sockets and virtual time, and one seed from which
//! everything follows. It is an adapter like any other: what it does for a
//! shard is in `adapter`; what happens next is decided in `step`.

mod adapter;
mod built_in;
mod client;
mod ending;
mod expected;
mod failure;
mod network;
mod pipe;
mod ready;
mod rng;
mod step;
mod tap;

use core::time::Duration;
use std::collections::VecDeque;

pub use client::{Incoming, REQUEST, ReadPattern, SimClient, masked};
pub use failure::{CatchCrashes, crash};
pub use network::{InputPath, Network};
pub use rng::Rng;

use pipe::Pipe;
use ready::Ready;
use stentor_core::channels::ShardMessage;
use stentor_core::id::WorkerId;
use stentor_core::inspect::Lookup;
use stentor_core::node::ConnectionLimiter;
use stentor_core::shard::{Admission, Direction};
use stentor_core::stats::{DispatchStats, Stats};
use stentor_core::tasks::{Job, Submission, TaskScheduler, WorkerStep};
use stentor_core::testing::deflate::Params;
use stentor_core::testing::wire::Opcode;
use stentor_core::{Config, ConnId, Event, Handler, MessageType, Shard, ShardId, Timestamp};
use step::Action;
use tap::Tap;

/// Does a worker's work.
pub type WorkFn<H> = Box<dyn Fn(WorkerId, &<H as Handler>::Task) -> <H as Handler>::Outcome>;

/// A server, its clients and the world between them.
pub struct Sim<H: Handler> {
    network: Network,
    rng: Rng,
    now: u64,
    shards: Vec<Shard<H, CatchCrashes>>,
    scheduler: TaskScheduler<H::Task>,
    /// When the timer of the scheduler wakes, unless it is woken before.
    alarm: Option<Timestamp>,
    /// Tasks to submit at the end of the turn.
    tasks: Vec<Submission<H::Task>>,
    workers: Vec<WorkerState<H>>,
    work: WorkFn<H>,
    /// From shard to shard, with the time at which each message arrives.
    mail: Vec<VecDeque<(u64, ShardMessage)>>,
    links: Vec<SimSocket>,
    clients: Vec<SimClient>,
    /// Which link stands in which slot, for each shard.
    slots: Vec<Vec<Option<usize>>>,
    events: Vec<Event>,
    digest: u64,
    /// A shard is looked into after every so manieth turn, if after any.
    audit_every: u32,
    turns: u32,
    ready: Ready,
    /// What can happen besides.
    others: Vec<Action>,
    scratch: Vec<u8>,
    /// For each shard, whether its last turn ended before it had nothing more to ask for.
    unfinished: Vec<bool>,
    /// For each shard, data frames that went out to their last byte.
    tapped: Vec<u64>,
    /// The server is stopped: only its clients and the network go on.
    stopped: bool,
    limiter: ConnectionLimiter,
    /// Turns that ended before the shard had nothing more to ask for.
    cut: u64,
    /// Tasks that were handed to the dispatcher, and ends that were handed to shards.
    handed: u64,
    ended: u64,
}

enum WorkerState<H: Handler> {
    Asleep,
    Ended,
    Busy { until: u64, job: Job<H::Task> },
}

/// A socket, as the server sees it.
#[derive(Debug)]
struct SimSocket {
    id: ConnId,
    up: Pipe,
    down: Pipe,
    /// The shard wants to read.
    reading: bool,
    /// A write stopped short.
    blocked: bool,
    /// The client has torn the connection down.
    reset: bool,
    /// The client has gone without a word.
    vanished: bool,
    /// The end of the client's bytes has been told.
    eof_told: bool,
    /// The server holds the socket.
    open: bool,
    /// Bytes taken from the shard and not yet written.
    taken: Option<Vec<u8>>,
    tap: Tap,
    /// How the connection limiter admitted it, if it chose its shard.
    admission: Option<Admission>,
}

impl SimSocket {
    /// Returns whether the socket is ready in this direction, as the server could know by asking.
    fn is_ready(&self, direction: Direction) -> bool {
        match direction {
            Direction::Read => self.up.readable() > 0 || self.up.is_over() && !self.eof_told,
            Direction::Write => self.down.room() > 0,
        }
    }
}

impl<H: Handler> Sim<H> {
    /// Returns a server with as many shards as the configuration says, `workers`
    /// workers and room for `tasks` tasks that wait.
    pub fn new(
        network: Network,
        config: &Config,
        workers: u16,
        tasks: usize,
        work: WorkFn<H>,
        handler: impl Fn(ShardId) -> H,
    ) -> Self {
        let shards = usize::from(config.shards());
        let mut scheduler = TaskScheduler::new(workers, tasks, config);
        for worker in 0..workers {
            let (step, _) = scheduler.poll_step(Timestamp::ORIGIN, WorkerId(worker));
            debug_assert!(matches!(step, WorkerStep::Sleep));
        }
        Self {
            rng: Rng::new(network.seed),
            network,
            now: 1,
            shards: (0..config.shards())
                .map(|id| Shard::isolated(ShardId(id), config, handler(ShardId(id))))
                .collect(),
            scheduler,
            alarm: None,
            tasks: Vec::new(),
            workers: (0..workers).map(|_| WorkerState::Asleep).collect(),
            work,
            mail: (0..shards * shards).map(|_| VecDeque::new()).collect(),
            links: Vec::new(),
            clients: Vec::new(),
            slots: (0..shards).map(|_| Vec::new()).collect(),
            events: Vec::new(),
            digest: 0xCBF2_9CE4_8422_2325,
            audit_every: 1,
            turns: 0,
            ready: Ready::new(shards),
            others: Vec::new(),
            scratch: Vec::new(),
            unfinished: vec![false; shards],
            tapped: vec![0; shards],
            stopped: false,
            limiter: ConnectionLimiter::new(config.shards(), None),
            cut: 0,
            handed: 0,
            ended: 0,
        }
    }

    /// Opens a socket on this shard, with a client that has said nothing yet.
    /// Returns the client's number.
    pub fn dial(&mut self, shard: usize) -> usize {
        self.dial_as(shard, Admission::Normal)
    }

    /// [`dial`](Self::dial), within the limit of connections or not.
    pub fn dial_as(&mut self, shard: usize, admission: Admission) -> usize {
        self.open(shard, admission, None)
    }

    /// A new socket on the shard that the connection limiter chooses. `None` if it is closed
    /// without an answer.
    pub fn dial_any(&mut self) -> Option<usize> {
        let held = |link: &&SimSocket| link.admission == Some(Admission::Normal);
        let before = self.links.iter().filter(held).count();
        let (shard, admission) = self.limiter.admit()?;
        let has_room = before < self.limiter.limit();
        assert_eq!(
            admission == Admission::Normal,
            has_room,
            "{before} are held"
        );
        Some(self.open(shard.index(), admission, Some(admission)))
    }

    /// Sets the wall clock of every shard: `unix` is the time since the Unix epoch now. It goes on
    /// with the virtual time.
    pub fn set_wall_clock(&mut self, unix: Duration) {
        let now = self.time();
        for shard in &mut self.shards {
            shard.handle_wall_clock(now, unix);
        }
    }

    /// Limits the connections that [`dial_any`](Self::dial_any) opens. Called before it is.
    pub fn limit_connections(&mut self, limit: Option<usize>) {
        self.limiter = ConnectionLimiter::new(self.shards.len() as u16, limit);
    }

    /// The connection limiter.
    pub const fn limiter(&self) -> &ConnectionLimiter {
        &self.limiter
    }

    /// How many turns have ended before their shard had nothing more to ask for.
    pub const fn turns_cut(&self) -> u64 {
        self.cut
    }

    fn open(&mut self, shard: usize, admission: Admission, limited: Option<Admission>) -> usize {
        let now = self.time();
        let id = self.shards[shard].accept(now, admission);
        let client = self.clients.len();
        let slots = &mut self.slots[shard];
        if slots.len() <= id.slot() {
            slots.resize(id.slot() + 1, None);
        }
        let before = slots[id.slot()].replace(client);
        assert!(before.is_none(), "slot {id} was given away twice");
        self.links.push(SimSocket {
            id,
            up: Pipe::new(self.network.up),
            down: Pipe::new(self.network.down),
            reading: true,
            blocked: false,
            reset: false,
            vanished: false,
            eof_told: false,
            open: true,
            taken: None,
            tap: Tap::default(),
            admission: limited,
        });
        self.ready.add(shard);
        let keys = self.rng.next() as u32;
        self.clients.push(SimClient::new(keys));
        self.drain_outputs(shard);
        client
    }

    /// Connects a client to this shard, which asks for its upgrade.
    pub fn connect(&mut self, shard: usize) -> usize {
        let client = self.dial(shard);
        self.ask(client, None);
        client
    }

    /// [`connect`](Self::connect) with an offer of permessage-deflate.
    pub fn connect_offering(&mut self, shard: usize, offer: Params) -> usize {
        let client = self.dial(shard);
        self.ask(client, Some(offer));
        client
    }

    /// Lets a client that has said nothing yet ask for its upgrade, and offer
    /// permessage-deflate or not.
    pub fn ask(&mut self, client: usize, offer: Option<Params>) {
        self.clients[client].offer = offer;
        match offer {
            Some(offer) => self.send_bytes(client, &client::offering(&offer)),
            None => self.send_bytes(client, REQUEST),
        }
    }

    /// Lets a client write these bytes.
    pub fn send_bytes(&mut self, client: usize, bytes: &[u8]) {
        self.client_mut(client).outbox.extend_from_slice(bytes);
    }

    /// Lets a client write a message in one frame.
    pub fn send(&mut self, client: usize, kind: MessageType, payload: &[u8]) {
        let frame = self.clients[client].message(kind, payload);
        self.send_bytes(client, &frame);
    }

    /// Lets a client write a text message.
    pub fn say(&mut self, client: usize, text: &str) {
        self.send(client, MessageType::Text, text.as_bytes());
    }

    /// Lets a client write a frame.
    pub fn send_frame(&mut self, client: usize, opcode: Opcode, fin: bool, payload: &[u8]) {
        let frame = self.clients[client].frame(opcode, fin, payload);
        self.send_bytes(client, &frame);
    }

    /// Lets a client begin the closing handshake.
    pub fn close(&mut self, client: usize, code: Option<u16>) {
        self.client_mut(client).close(code);
    }

    /// Lets a client shut its side once all it has to write is written.
    pub fn shut(&mut self, client: usize) {
        self.client_mut(client).wants_shut = true;
    }

    /// Tears a client's connection down.
    pub fn reset(&mut self, client: usize) {
        self.links[client].reset = true;
        self.links[client].up.clear();
        self.links[client].down.clear();
        self.client_mut(client).outbox.clear();
        self.clients[client].forget();
    }

    /// Lets a client go without a word: its socket stays, and nobody is there.
    pub fn vanish(&mut self, client: usize) {
        self.links[client].vanished = true;
        self.client_mut(client).outbox.clear();
        self.clients[client].forget();
    }

    /// Lets everything happen that is not a matter of waiting for a timer.
    pub fn settle(&mut self) {
        while self.has_business() && self.step(u64::MAX) {}
    }

    /// Lets so much time pass, and everything happen that does in it.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration.as_micros() as u64;
        while self.step(end) {}
        self.now = self.now.max(end);
    }

    /// Lets so much time pass in which the server is stopped, as by SIGSTOP, and what
    /// clients do goes on as far as their sockets let it.
    pub fn pass_stopped(&mut self, duration: Duration) {
        self.stopped = true;
        self.pass(duration);
        self.stopped = false;
    }

    /// Returns a client.
    pub fn client(&self, client: usize) -> &SimClient {
        &self.clients[client]
    }

    /// Returns a client, to change its habits.
    pub fn client_mut(&mut self, client: usize) -> &mut SimClient {
        self.ready.touch(client);
        &mut self.clients[client]
    }

    /// Returns what the texts are that a client has heard since this was last asked.
    pub fn take_texts(&mut self, client: usize) -> Vec<String> {
        let texts = self.clients[client].texts();
        self.clients[client]
            .heard
            .retain(|heard| !matches!(heard, Incoming::Message(..)));
        texts
    }

    /// Returns what a client has heard since this was last asked.
    pub fn take_heard(&mut self, client: usize) -> Vec<Incoming> {
        core::mem::take(&mut self.clients[client].heard)
    }

    /// Returns how many clients there have been.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Returns what the server calls the connection of a client.
    pub fn id_of(&self, client: usize) -> ConnId {
        self.links[client].id
    }

    /// Returns whether the server still holds a client's socket.
    pub fn is_held(&self, client: usize) -> bool {
        self.links[client].open
    }

    /// Returns whether the server wants to read a client's socket.
    pub fn is_read(&self, client: usize) -> bool {
        self.links[client].reading
    }

    /// Returns what is known of a client's connection.
    pub fn explain(&self, client: usize) -> Option<Lookup> {
        let id = self.links[client].id;
        self.shards[id.shard().index()].explain(self.time(), id)
    }

    /// Returns a shard, to look at.
    pub fn shard(&self, shard: usize) -> &Shard<H, CatchCrashes> {
        &self.shards[shard]
    }

    /// Returns the shards' counters, added up.
    pub fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for shard in &self.shards {
            sum += &shard.stats();
        }
        sum
    }

    /// Returns the counters of one shard.
    pub fn stats_of(&self, shard: usize) -> Stats {
        self.shards[shard].stats()
    }

    /// Returns the application of one shard.
    pub fn handler(&self, shard: usize) -> &H {
        self.shards[shard].handler()
    }

    /// Sends a message from outside all shards on its way.
    pub fn hand_in(&mut self, to: ShardId, message: ShardMessage) {
        // No shard writes to itself: that way is free.
        let way = to.index() * self.shards.len() + to.index();
        self.send_message(way, message);
    }

    /// Submits again what has failed for good, as far as there is room; says how much.
    pub fn resubmit_all(&mut self) -> usize {
        let now = self.time();
        let (tasks, wakeups) = self.scheduler.handle_resubmit_all(now);
        self.wake(wakeups);
        tasks
    }

    /// Returns the dispatcher's counters.
    pub fn dispatch_stats(&self) -> DispatchStats {
        self.scheduler.dispatcher().stats()
    }

    /// Returns what the shards told, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Returns a number that stands for every byte that went over a socket, and when.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Returns the time.
    pub const fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    /// Looks into every shard after each turn (the default) or does not.
    pub const fn audit(&mut self, audited: bool) {
        self.audit_every = audited as u32;
    }

    /// Looks into a shard after every so manieth turn only.
    pub const fn audit_every(&mut self, turns: u32) {
        self.audit_every = turns;
    }

    fn note(&mut self, client: usize, what: u8, bytes: &[u8]) {
        let mut digest = self.digest;
        let mut mix = |word: u64| {
            digest = (digest ^ word)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .rotate_left(29);
        };
        let head = [client as u64, u64::from(what), self.now, bytes.len() as u64];
        head.into_iter().for_each(&mut mix);
        for piece in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            mix(u64::from_le_bytes(word));
        }
        self.digest = digest;
    }
}

impl<H: Handler> core::fmt::Debug for Sim<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sim")
            .field("network", &self.network)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
