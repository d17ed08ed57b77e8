//! The shards as a [`Host`]: what the life cycle, the handles and the admin pages need of them. None of
//! it blocks on the lock of a shard, because an application that hangs holds it.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use stentor_core::node::DrainGoal;
use stentor_core::shard::Admission;
use stentor_core::{ConnId, Handler, ShardId, TaskEnd};
use stentor_server::IncomingSocket;
use stentor_server::host::{Host, ServerState, ShardInput};

use crate::connection;
use crate::locked_shard::{LockedShards, ShardState};
use crate::workers::tell;

impl<H> Host for LockedShards<H>
where
    H: Handler<State: Send> + Send + 'static,
{
    type Handler = H;

    fn state(&self) -> &ServerState<H::Task> {
        &self.state
    }

    fn post(&self, to: ShardId, input: ShardInput) {
        self.post_input(to, input);
    }

    fn report_task(&self, conn: ConnId, end: TaskEnd<H>) {
        tell(self, conn, end);
    }

    fn wake_workers(&self, workers: usize) {
        for _ in 0..workers {
            self.worker_wakes.notify_one();
        }
    }

    fn has_reached(&self, goal: DrainGoal) -> bool {
        self.all(|shard| match goal {
            DrainGoal::Quiet => shard.is_quiet(),
            DrainGoal::Empty => shard.is_empty(),
        })
    }

    fn take_socket(
        self: Arc<Self>,
        socket: IncomingSocket,
        place: (ShardId, Admission),
    ) -> io::Result<()> {
        let IncomingSocket { stream, arrival } = socket;
        if let Err(error) = stream.set_nonblocking(false) {
            self.state.limiter.release(place.0, place.1);
            return Err(error);
        }
        let enter = move |inside: &mut ShardState<H, TcpStream>| {
            arrival.enter(inside.now, place.1, &mut inside.shard)
        };
        // The socket is released with the last of its threads.
        connection::start(&self, stream, place, enter).map_err(|(error, _)| error)
    }
}
