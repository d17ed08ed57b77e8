//! Writer thread of a connection: writes what other threads cause to be sent, and waits while the
//! socket accepts no more bytes.

use std::sync::Arc;

use stentor_core::{ConnId, Handler};

use crate::links::Socket;
use crate::locked_shard::{LockedShards, ShardState};
use crate::primitive::thread;
use crate::send_buffer::{SendBuffer, settle};
use crate::stream::Stream;

/// The next step of a writer after a turn.
enum AfterWrite {
    /// The shard has released the connection.
    End,
    /// There is nothing to write, or another thread writes it.
    Park,
    Send,
    /// The socket accepts no bytes for now.
    AwaitRoom,
}

/// Writes to a socket until the shard has released the connection.
pub(crate) fn run<H: Handler, S: Stream>(
    host: &LockedShards<H, S>,
    socket: &Arc<Socket<S>>,
    id: ConnId,
) {
    let mut parcels = SendBuffer::new(&host.buffers);
    let register = |inside: &mut ShardState<H, S>| {
        if let Some(link) = inside.links.find(id) {
            link.writer = Some(thread::current());
        }
    };
    host.handle_with(id.shard(), register);
    let mut sent = None;
    let mut has_room = false;
    loop {
        let (settled, writable) = (sent.take(), std::mem::take(&mut has_room));
        let next = host.turn(
            id.shard(),
            |inside| {
                if let Some(sent) = settled {
                    settle(inside, id, sent);
                }
                if writable && let Some(link) = inside.links.find(id) {
                    link.full = false;
                    inside.shard.handle_writable(inside.now, id);
                }
            },
            |inside| match inside.links.find(id).map(|link| link.full && !link.writing) {
                None => AfterWrite::End,
                Some(true) => AfterWrite::AwaitRoom,
                Some(_) if parcels.take(inside, id) => AfterWrite::Send,
                Some(_) => AfterWrite::Park,
            },
        );
        match next {
            AfterWrite::End => return,
            AfterWrite::Park => thread::park(),
            AfterWrite::Send => sent = Some(parcels.send(socket)),
            AfterWrite::AwaitRoom => {
                socket.stream.await_room();
                has_room = true;
            }
        }
    }
}
