//! Fixtures that the models share: a small server, upgraded connections in it, and frames.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use stentor_core::config::ConfigBuilder;
use stentor_core::{Config, ConnId, Handler, Output, Shard, ShardId, Timestamp};
use stentor_gateway::Rooms;
use stentor_server::host::ServerState;
use stentor_server::{RemoteEndpoint, ServerOptions};

use super::socket::{Peer, Scripted, pair};
use crate::connection_threads::ConnectionThreads;
use crate::links::Socket;
use crate::locked_shard::{LockedShards, ShardState};
use crate::primitive::thread::{Builder, JoinHandle};
use crate::send_buffer::{SendBuffer, settle};
use crate::{reader, writer};

/// Shards with nobody to serve them, unless a model starts somebody.
pub(super) struct ModelServer<H: Handler> {
    host: Arc<LockedShards<H, Scripted>>,
}

/// A connection without threads.
pub(super) struct ModelConnection {
    pub(super) id: ConnId,
    pub(super) socket: Arc<Socket<Scripted>>,
    pub(super) peer: Peer,
}

impl<H: Handler> Deref for ModelServer<H> {
    type Target = Arc<LockedShards<H, Scripted>>;

    fn deref(&self) -> &Self::Target {
        &self.host
    }
}

impl<H> ModelServer<H>
where
    H: Handler + Clone + Send + Sync + 'static,
    H::State: Send,
{
    /// One whose shards do not fail.
    pub(super) fn new(config: ConfigBuilder, handler: H) -> Self {
        let config = config.seed(SEED).build().expect("a model knows the limits");
        let mut options = ServerOptions::new();
        (options.workers, options.task_queue) = (1, 4);
        let remote = Arc::new(RemoteEndpoint::new(&config));
        let (state, _) = ServerState::new(&config, &options, remote);
        Self {
            host: Arc::new(LockedShards::new(&config, state, |_| handler.clone())),
        }
    }

    pub(super) fn threads(&self) -> ConnectionThreads<H, Scripted> {
        ConnectionThreads::new(self.host.clone())
    }

    /// A connection whose handshake is over, and whose socket takes nothing yet.
    pub(super) fn connect(&self, at: ShardId) -> ModelConnection {
        let connection = self.admit(at);
        let answer = self.exchange(&connection, REQUEST);
        assert!(answer.starts_with(b"HTTP/1.1 101 "));
        connection
    }

    /// A connection that has asked for nothing yet.
    pub(super) fn admit(&self, at: ShardId) -> ModelConnection {
        let (stream, peer) = pair();
        let (_, admission) = self.state.limiter.admit().expect("there is no limit");
        let socket = Arc::new(Socket::new(
            stream,
            at,
            admission,
            self.state.limiter.clone(),
        ));
        let accept = |inside: &mut ShardState<H, Scripted>| {
            let id = inside.shard.accept(inside.now, admission);
            inside.links.insert(id, socket.clone());
            id
        };
        let id = self.turn(at, |_| {}, accept);
        ModelConnection { id, socket, peer }
    }

    /// Lets a connection say something, as its reader does, and sends nothing.
    pub(super) fn hand_in(&self, id: ConnId, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        self.handle_with(id.shard(), |inside| {
            inside.shard.handle_input(inside.now, id, &mut bytes);
        });
    }

    /// Lets a connection without threads say something; what it is told at once.
    pub(super) fn exchange(&self, connection: &ModelConnection, bytes: &[u8]) -> Vec<u8> {
        self.hand_in(connection.id, bytes);
        connection.peer.make_room(PLENTY);
        self.send(connection);
        connection.peer.fill_up();
        connection.peer.take_heard()
    }

    /// Sends all that waits for a connection without threads.
    pub(super) fn send(&self, connection: &ModelConnection) {
        let id = connection.id;
        let mut parcels = SendBuffer::new(&self.buffers);
        let mut sent = None;
        while self.turn(
            id.shard(),
            |inside| {
                if let Some(sent) = sent.take() {
                    settle(inside, id, sent);
                }
            },
            |inside| parcels.take(inside, id),
        ) {
            sent = Some(parcels.send(&connection.socket));
        }
    }

    pub(super) fn start_reader(&self, connection: &ModelConnection) -> JoinHandle<()> {
        let (host, socket) = (self.host.clone(), connection.socket.clone());
        let id = connection.id;
        spawn(move || reader::run(&host, &socket, id))
    }

    pub(super) fn start_writer(&self, connection: &ModelConnection) -> JoinHandle<()> {
        let (host, socket) = (self.host.clone(), connection.socket.clone());
        let id = connection.id;
        spawn(move || writer::run(&host, &socket, id))
    }

    /// Cuts every connection of a shard off.
    pub(super) fn abort(&self, at: ShardId) {
        self.handle_with(at, |inside| inside.shard.handle_abort(inside.now));
    }
}

pub(super) fn spawn(body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().spawn(body).expect("a model has few threads")
}

pub(super) fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("a model does not panic");
    }
}

/// A message as a client sends it, masked with zeros.
pub(super) fn said(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// A message as the server sends it.
pub(super) fn told(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, text.len() as u8];
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// The messages in what a peer has heard.
pub(super) fn messages(mut heard: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while let [0x81, len, rest @ ..] = heard {
        let (text, rest) = rest.split_at(usize::from(*len));
        messages.push(String::from_utf8_lossy(text).into_owned());
        heard = rest;
    }
    assert!(heard.is_empty(), "not whole: {heard:?}");
    messages
}

/// The name of a room that lives on the second of two shards.
pub(super) fn room_of_the_second() -> &'static str {
    static NAME: OnceLock<&str> = OnceLock::new();
    NAME.get_or_init(|| {
        let config = Config::builder().shards(2).seed(SEED).build();
        let config = config.expect("within the limits");
        let is_of_the_second = |name: &&str| {
            let mut shard = Shard::new(ShardId(0), &config, Rooms::default());
            let now = Timestamp::ORIGIN;
            let id = shard.accept(now, stentor_core::shard::Admission::Normal);
            shard.handle_input(now, id, &mut REQUEST.to_vec());
            shard.handle_input(now, id, &mut said(&format!("join:{name}")));
            std::iter::from_fn(|| shard.poll_output().work())
                .any(|output| matches!(output, Output::Send(ShardId(1), _)))
        };
        ["a", "b", "c", "d", "e", "f", "g", "h"]
            .into_iter()
            .find(is_of_the_second)
            .expect("rooms spread over shards")
    })
}

const SEED: u64 = 1;
/// More than anybody is told in a model.
pub(super) const PLENTY: usize = 1 << 20;
pub(super) const REQUEST: &[u8] = b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
