//! A server of any number of shards in one thread: real machines and real
//! bytes over fake sockets and virtual time, and one seed from which
//! everything follows. It is an adapter like any other: what it does for a
//! shard is in `adapter`; what happens next is decided in `step`.

mod adapter;
mod built_in;
mod client;
mod network;
mod pipe;
mod rng;
mod step;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

pub use client::{Client, Heard, REQUEST, Reader, masked};
pub use network::{Network, Road};
pub use rng::Rng;

use crate::deflate::Params;
use crate::handler::Handler;
use crate::shard::Event;
use crate::wire::opcode::Opcode;
use crate::{
    Admission, CloseCode, Config, ConnId, DispatchStats, Dispatcher, Explained, Job, Kind, Letter,
    Shard, ShardId, Stats, Timestamp, WorkerId,
};
use pipe::Pipe;
use step::Action;

/// Does a worker's work.
pub type Work<H> = Box<dyn Fn(WorkerId, &<H as Handler>::Task) -> <H as Handler>::Outcome>;

/// A server, its clients and the world between them.
pub struct Sim<H: Handler> {
    network: Network,
    rng: Rng,
    now: u64,
    shards: Vec<Shard<H>>,
    dispatcher: Dispatcher<H::Task>,
    workers: Vec<Worker<H>>,
    work: Work<H>,
    /// From shard to shard, with the time at which each letter arrives.
    mail: Vec<VecDeque<(u64, Letter)>>,
    links: Vec<Link>,
    clients: Vec<Client>,
    /// Which link stands in which slot, for each shard.
    seats: Vec<Vec<Option<usize>>>,
    events: Vec<Event>,
    digest: u64,
    audited: bool,
    ready: Vec<Action>,
    scratch: Vec<u8>,
}

enum Worker<H: Handler> {
    Asleep,
    Busy { until: u64, job: Job<H::Task> },
}

/// A socket, as the server sees it.
#[derive(Debug)]
struct Link {
    id: ConnId,
    up: Pipe,
    down: Pipe,
    /// The shard wants to read.
    reading: bool,
    /// A write stopped short.
    blocked: bool,
    /// The client has torn the connection down.
    reset: bool,
    /// The end of the client's bytes has been told.
    eof_told: bool,
    /// The server holds the socket.
    open: bool,
    /// Bytes taken from the shard and not yet written.
    taken: Option<Vec<u8>>,
}

impl<H: Handler> Sim<H> {
    /// A server with as many shards as the configuration says, `workers`
    /// workers and room for `tasks` tasks that wait.
    pub fn new(
        network: Network,
        config: &Config,
        workers: u16,
        tasks: usize,
        work: Work<H>,
        handler: impl Fn(ShardId) -> H,
    ) -> Self {
        let shards = usize::from(config.shards());
        let mut dispatcher = Dispatcher::new(workers, tasks, config);
        for worker in 0..workers {
            let job = dispatcher.poll_assign(Timestamp::ORIGIN, WorkerId(worker));
            debug_assert!(job.is_none());
        }
        Self {
            rng: Rng::new(network.seed),
            network,
            now: 1,
            shards: (0..config.shards())
                .map(|id| Shard::new(ShardId(id), config, handler(ShardId(id))))
                .collect(),
            dispatcher,
            workers: (0..workers).map(|_| Worker::Asleep).collect(),
            work,
            mail: (0..shards * shards).map(|_| VecDeque::new()).collect(),
            links: Vec::new(),
            clients: Vec::new(),
            seats: (0..shards).map(|_| Vec::new()).collect(),
            events: Vec::new(),
            digest: 0xCBF2_9CE4_8422_2325,
            audited: true,
            ready: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// A new socket on this shard, with a client that has said nothing yet.
    /// Returns the client's number.
    pub fn dial(&mut self, shard: usize) -> usize {
        self.dial_as(shard, Admission::Normal)
    }

    /// [`dial`](Self::dial), within the limit of connections or not.
    pub fn dial_as(&mut self, shard: usize, admission: Admission) -> usize {
        let now = self.time();
        let id = self.shards[shard].accept(now, admission);
        let client = self.clients.len();
        let seats = &mut self.seats[shard];
        if seats.len() <= id.slot() {
            seats.resize(id.slot() + 1, None);
        }
        let before = seats[id.slot()].replace(client);
        assert!(before.is_none(), "slot {id} was given away twice");
        self.links.push(Link {
            id,
            up: Pipe::new(self.network.up),
            down: Pipe::new(self.network.down),
            reading: true,
            blocked: false,
            reset: false,
            eof_told: false,
            open: true,
            taken: None,
        });
        let keys = self.rng.next() as u32;
        self.clients.push(Client::new(keys));
        self.drain_outputs(shard);
        client
    }

    /// A client on this shard that has asked for its upgrade.
    pub fn connect(&mut self, shard: usize) -> usize {
        let client = self.dial(shard);
        self.send_bytes(client, REQUEST);
        client
    }

    /// [`connect`](Self::connect) with an offer of permessage-deflate.
    pub fn connect_offering(&mut self, shard: usize, offer: Params) -> usize {
        let client = self.dial(shard);
        self.clients[client].offer = Some(offer);
        self.send_bytes(client, &client::offering(&offer));
        client
    }

    /// Lets a client write these bytes.
    pub fn send_bytes(&mut self, client: usize, bytes: &[u8]) {
        self.clients[client].outbox.extend_from_slice(bytes);
    }

    /// Lets a client write a message in one frame.
    pub fn send(&mut self, client: usize, kind: Kind, payload: &[u8]) {
        let frame = self.clients[client].message(kind, payload);
        self.send_bytes(client, &frame);
    }

    /// Lets a client write a text message.
    pub fn say(&mut self, client: usize, text: &str) {
        self.send(client, Kind::Text, text.as_bytes());
    }

    /// Lets a client write a frame.
    pub fn send_frame(&mut self, client: usize, opcode: Opcode, fin: bool, payload: &[u8]) {
        let frame = self.clients[client].frame(opcode, fin, payload);
        self.send_bytes(client, &frame);
    }

    /// Lets a client begin the closing handshake.
    pub fn close(&mut self, client: usize, code: Option<u16>) {
        self.clients[client].close(code);
    }

    /// Lets a client shut its side once all it has to write is written.
    pub fn shut(&mut self, client: usize) {
        self.clients[client].wants_shut = true;
    }

    /// Tears a client's connection down.
    pub fn reset(&mut self, client: usize) {
        self.links[client].reset = true;
        self.links[client].up.clear();
        self.links[client].down.clear();
        self.clients[client].outbox.clear();
    }

    /// Begins to drain every shard.
    pub fn begin_drain(&mut self) {
        let now = self.time();
        let wakes = self.dispatcher.handle_hasten();
        self.wake(wakes);
        for shard in 0..self.shards.len() {
            self.shards[shard].handle_drain(now);
            self.drain_outputs(shard);
        }
    }

    /// Whether nothing that was accepted is still on its way.
    pub fn is_quiet(&self) -> bool {
        self.dispatcher.is_idle() && self.shards.iter().all(Shard::is_quiet)
    }

    /// Closes every connection with this code.
    pub fn close_all(&mut self, code: CloseCode) {
        let now = self.time();
        self.dispatcher.handle_drain();
        self.wake_workers();
        for shard in 0..self.shards.len() {
            self.shards[shard].handle_close_all(now, code);
            self.drain_outputs(shard);
        }
    }

    /// Cuts every connection off.
    pub fn abort(&mut self) {
        let now = self.time();
        for shard in 0..self.shards.len() {
            self.shards[shard].handle_abort(now);
            self.drain_outputs(shard);
        }
    }

    /// Shuts the server down as an adapter does: drains, closes once all is
    /// quiet, and cuts off what is left at the deadline.
    pub fn shut_down(&mut self, deadline: Duration) {
        let end = self.now + deadline.as_micros() as u64;
        self.begin_drain();
        while !self.is_quiet() && self.step(end) {}
        self.close_all(CloseCode::GOING_AWAY);
        while !self.shards.iter().all(Shard::is_empty) && self.step(end) {}
        if !self.shards.iter().all(Shard::is_empty) {
            self.now = self.now.max(end);
            self.abort();
        }
        self.settle();
    }

    /// Gives up every task that is not over, and says how many there were.
    pub fn abandon(&mut self) -> usize {
        self.dispatcher.abandon().len()
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

    /// A client.
    pub fn client(&self, client: usize) -> &Client {
        &self.clients[client]
    }

    /// A client, to change its habits.
    pub fn client_mut(&mut self, client: usize) -> &mut Client {
        &mut self.clients[client]
    }

    /// What the texts are that a client has heard since this was last asked.
    pub fn take_texts(&mut self, client: usize) -> Vec<alloc::string::String> {
        let texts = self.clients[client].texts();
        self.clients[client]
            .heard
            .retain(|heard| !matches!(heard, Heard::Message(..)));
        texts
    }

    /// How many clients there have been.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Whether the server still holds a client's socket.
    pub fn is_held(&self, client: usize) -> bool {
        self.links[client].open
    }

    /// Whether the server wants to read a client's socket.
    pub fn is_read(&self, client: usize) -> bool {
        self.links[client].reading
    }

    /// What is known of a client's connection.
    pub fn explain(&self, client: usize) -> Option<Explained> {
        let id = self.links[client].id;
        self.shards[id.shard().index()].explain(self.time(), id)
    }

    /// A shard, to look at.
    pub fn shard(&self, shard: usize) -> &Shard<H> {
        &self.shards[shard]
    }

    /// The shards' counters, added up.
    pub fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for shard in &self.shards {
            sum += &shard.stats();
        }
        sum
    }

    /// The counters of one shard.
    pub fn stats_of(&self, shard: usize) -> Stats {
        self.shards[shard].stats()
    }

    /// The application of one shard.
    pub fn handler(&self, shard: usize) -> &H {
        self.shards[shard].handler()
    }

    /// Sends a letter from outside all shards on its way.
    pub fn hand_in(&mut self, to: ShardId, letter: Letter) {
        // No shard writes to itself: that way is free.
        let way = to.index() * self.shards.len() + to.index();
        self.send_letter(way, letter);
    }

    /// The dispatcher, to see what has failed for good and to submit it again.
    pub const fn dispatcher(&mut self) -> &mut Dispatcher<H::Task> {
        &mut self.dispatcher
    }

    /// The dispatcher's counters.
    pub fn dispatch_stats(&self) -> DispatchStats {
        self.dispatcher.stats()
    }

    /// What the shards told, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// A number that stands for every byte that went over a socket, and when.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// The time.
    pub const fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    /// Looks into every shard after each turn (the default) or does not.
    pub const fn audit(&mut self, audited: bool) {
        self.audited = audited;
    }

    /// Asserts that no shard has anything left.
    ///
    /// # Panics
    /// If one has, naming it.
    pub fn assert_bare(&self) {
        for shard in &self.shards {
            shard.assert_bare();
        }
        assert!(self.mail.iter().all(VecDeque::is_empty), "letters are left");
    }

    fn note(&mut self, client: usize, what: u8, bytes: &[u8]) {
        let mut digest = self.digest;
        let head = [client as u64, u64::from(what), self.now];
        let head = head.iter().flat_map(|n| n.to_le_bytes());
        for byte in head.chain(bytes.iter().copied()) {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
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
