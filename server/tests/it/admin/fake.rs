//! A server of several shards without sockets, which answers the queries of the admin pages.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use stentor_core::channels::RemoteStats;
use stentor_core::id::WorkerId;
use stentor_core::node::ConnectionLimiter;
use stentor_core::proto::http::{
    Fields, HeadLimits, HttpConnection, HttpEvent, HttpLimits, Request,
};
use stentor_core::shard::Admission;
use stentor_core::tasks::{Attempt, Submission, Wakeups, WorkerStep};
use stentor_core::{
    ConnId, Context, Decision, Failure, Handler, HttpRequest, Message, Shard, ShardId, TaskOptions,
    Timestamp,
};
use stentor_server::admin::{AdminReply, answer};
use stentor_server::inspect::{AdminBackend, AdminQuery, ShardAnswer};
use stentor_server::metrics::Collector;
use stentor_server::{
    AcceptError, IncomingSocket, ServerCounters, Settings, SharedDispatcher, Turns,
};

pub(super) struct App;

impl Handler for App {
    type State = ();
    type Task = u8;
    type Outcome = u8;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        ctx.subscribe(message.payload);
    }
}

/// A server, some of whose shards may not answer.
pub(super) struct FakeServer {
    pub(super) shards: Vec<Mutex<Shard<App>>>,
    pub(super) silent: Vec<ShardId>,
    pub(super) dispatcher: SharedDispatcher<u8>,
    pub(super) limiter: ConnectionLimiter,
    pub(super) counters: ServerCounters,
    pub(super) collector: Collector,
    pub(super) woken: Mutex<usize>,
}

pub(super) const NOW: Timestamp = Timestamp::from_micros(2_500_000);
pub(super) const BEGIN: Timestamp = Timestamp::from_micros(1_000_000);
pub(super) const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

impl FakeServer {
    pub(super) fn new(flags: &[&str]) -> Self {
        let args = [&["stentor", "--shards=2", "--tasks.attempts=1"], flags].concat();
        let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
        let shard = |id| Mutex::new(Shard::new(id, &settings.config, App));
        let limiter = ConnectionLimiter::new(settings.config.shards(), None);
        Self {
            shards: limiter.shards().map(shard).collect(),
            silent: Vec::new(),
            dispatcher: SharedDispatcher::new(&settings.config, 8, settings.options.task_queue),
            limiter,
            counters: ServerCounters::new(),
            collector: Collector::new(&Arc::new(settings)),
            woken: Mutex::new(0),
        }
    }

    /// Opens a connection on this shard. It joins a room if the shard owns that.
    pub(super) fn connect(&self, shard: usize) -> ConnId {
        let mut shard = self.shards[shard].lock().expect("no panic");
        let id = shard.accept(BEGIN, Admission::Normal);
        shard.handle_input(BEGIN, id, &mut UPGRADE.as_bytes().to_vec());
        let join = [0x81, 0x81, 0, 0, 0, 0, b'r'];
        shard.handle_input(BEGIN, id, &mut join.to_vec());
        id
    }

    pub(super) fn submit(&self, conn: ConnId) {
        let mut tasks = vec![Submission {
            conn,
            task: 7,
            options: TaskOptions::new(),
        }];
        let (_, refused) = self.dispatcher.submit_all(&mut tasks);
        assert!(refused.is_empty(), "room");
    }

    pub(super) fn next(&self) -> WorkerStep<u8> {
        self.dispatcher.next(WorkerId(0)).0
    }

    /// Adds a dead letter.
    pub(super) fn add_dead_letter(&self, conn: ConnId) {
        self.submit(conn);
        assert!(matches!(self.next(), WorkerStep::Run(_)));
        let attempt = Attempt::Ended(Err(Failure::Fatal));
        let _ = self.dispatcher.finish::<App>(WorkerId(0), conn, attempt);
    }

    pub(super) fn request(&self, head: &str) -> AdminReply {
        let head = format!("{head}\r\n\r\n");
        let mut fields = Fields::new();
        let parsed = Request::parse(head.as_bytes(), &mut fields, HeadLimits::default());
        let (request, _) = parsed.expect("well-formed").expect("whole");
        answer(self, &self.collector, &request, b"")
    }

    /// Returns the response as it is written.
    pub(super) fn response(&self, head: &str) -> String {
        let head = format!("{head}\r\n\r\n");
        let (mut http, mut fields) = (HttpConnection::new(), Fields::new());
        let step = http.poll_event(head.as_bytes(), &mut fields, &HttpLimits::DEFAULT);
        let Some(HttpEvent::Head(head)) = step.expect("well-formed").event else {
            panic!("it is whole");
        };
        let reply = answer(self, &self.collector, head.request(), b"");
        let mut out = Vec::new();
        reply.write(&mut http, &mut out).expect("the first");
        String::from_utf8(out).expect("text")
    }

    pub(super) fn says(&self, head: &str) -> (u16, String) {
        let reply = self.request(&format!("{head} HTTP/1.1\r\nHost: localhost"));
        (reply.status(), reply.body().trim_end().to_owned())
    }

    pub(super) fn json(&self, head: &str) -> Value {
        let (status, body) = self.says(head);
        assert_eq!(status, 200, "{head}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }
}

impl AdminBackend for FakeServer {
    type Task = u8;

    fn ask(&self, shards: &[ShardId], query: &Arc<AdminQuery>) -> Vec<(ShardId, ShardAnswer)> {
        let answers = shards.iter().filter(|shard| !self.silent.contains(shard));
        let answers = answers.map(|&id| {
            let mut shard = self.shards[id.index()].lock().expect("no panic");
            (id, query.answer(NOW, &mut shard, &Turns::default()))
        });
        // The order does not matter.
        answers.rev().collect()
    }

    fn dispatcher(&self) -> &SharedDispatcher<u8> {
        &self.dispatcher
    }

    fn wake(&self, wakeups: Wakeups) {
        *self.woken.lock().expect("no panic") += wakeups.workers;
    }

    fn limiter(&self) -> &ConnectionLimiter {
        &self.limiter
    }

    fn counters(&self) -> &ServerCounters {
        &self.counters
    }

    fn accept(self: Arc<Self>, _: IncomingSocket) -> Result<(), AcceptError> {
        Err(AcceptError::Ended)
    }

    fn remote_stats(&self) -> RemoteStats {
        RemoteStats::default()
    }
}
