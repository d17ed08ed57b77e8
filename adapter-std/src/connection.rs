//! Start of a connection: its registration in a shard and its two threads.

use std::io;
use std::sync::Arc;

use stentor_core::shard::Admission;
use stentor_core::{ConnId, Handler, ShardId};

use crate::links::Socket;
use crate::locked_shard::{LockedShards, ShardState};
use crate::primitive::OnceLock;
use crate::primitive::thread::{self, JoinHandle};
use crate::stream::Stream;
use crate::{reader, writer};

/// Gives a socket to a shard, which `enter` does, and starts its reader and writer threads, which end by themselves when
/// the shard releases the connection.
///
/// # Errors
/// Returns an error if no thread can be started, and the socket unless there is no descriptor
/// either. The shard then has not seen the connection.
pub(crate) fn start<H, S>(
    host: &Arc<LockedShards<H, S>>,
    stream: S,
    (shard, admission): (ShardId, Admission),
    enter: impl FnOnce(&mut ShardState<H, S>) -> ConnId,
) -> Result<(), (io::Error, Option<S>)>
where
    H: Handler + Send + 'static,
    H::State: Send,
    S: Stream,
{
    let socket = Socket::new(stream, shard, admission, host.state.limiter.clone());
    let birth = Arc::new(PendingConnection {
        socket: Arc::new(socket),
        id: OnceLock::new(),
    });
    let threads = spawn("reader", host, &birth, reader::run).and_then(|reader| {
        match spawn("writer", host, &birth, writer::run) {
            Ok(writer) => Ok([reader, writer]),
            Err(error) => {
                birth.tell(None, &[reader]);
                Err(error)
            }
        }
    });
    match threads {
        Ok(threads) => {
            let socket = birth.socket.clone();
            let mut told = None;
            host.handle_with(shard, |inside| {
                let id = enter(inside);
                inside.links.insert(id, socket);
                told = Some(id);
            });
            // The threads take a turn each, which handles the first deadline of the connection.
            birth.tell(told, &threads);
            Ok(())
        }
        Err(error) => Err((error, birth.socket.stream.try_clone().ok())),
    }
}

/// A connection whose threads wait for its id.
struct PendingConnection<S: Stream> {
    socket: Arc<Socket<S>>,
    /// Set to `None` if the connection was not registered; the threads then end.
    id: OnceLock<Option<ConnId>>,
}

impl<S: Stream> PendingConnection<S> {
    fn tell(&self, id: Option<ConnId>, threads: &[JoinHandle<()>]) {
        // Set only here, and only once.
        let _ = self.id.set(id);
        for thread in threads {
            thread.thread().unpark();
        }
    }

    fn wait(&self) -> Option<ConnId> {
        loop {
            if let Some(&id) = self.id.get() {
                return id;
            }
            thread::park();
        }
    }
}

fn spawn<H, S>(
    name: &str,
    host: &Arc<LockedShards<H, S>>,
    birth: &Arc<PendingConnection<S>>,
    run: fn(&LockedShards<H, S>, &Arc<Socket<S>>, ConnId),
) -> io::Result<JoinHandle<()>>
where
    H: Handler + Send + 'static,
    H::State: Send,
    S: Stream,
{
    let (host, birth) = (host.clone(), birth.clone());
    let thread = thread::Builder::new().name(name.into()).stack_size(STACK);
    thread.spawn(move || {
        if let Some(id) = birth.wait() {
            let socket = birth.socket.clone();
            drop(birth);
            run(&host, &socket, id);
        }
    })
}

/// Stack size for the deepest calls of a connection's thread: a message through the application, a
/// log line, an unwinding panic. Measured: an upgraded connection in a room has touched 8 to 16 KiB
/// of it; with a panic of the application that writes a full backtrace, 32 KiB. The rest is for
/// applications; it is only address space until it is touched.
const STACK: usize = 128 << 10;
