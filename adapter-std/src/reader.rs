//! Reader thread of a connection: reads the socket into its own buffer without holding the shard's
//! lock, then passes the bytes to the shard. It also sends the immediate replies of the shard,
//! which saves waking the writer.

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use stentor_core::node::TurnBudget;
use stentor_core::{ConnId, Handler};

use crate::links::Socket;
use crate::locked_shard::{LockedShards, ShardState};
use crate::primitive::thread;
use crate::send_buffer::{SendBuffer, settle};
use crate::stream::Stream;

/// Reads a socket until it ends or the shard has released the connection.
pub(crate) fn run<H: Handler, S: Stream>(
    host: &LockedShards<H, S>,
    socket: &Arc<Socket<S>>,
    id: ConnId,
) {
    let reader = Reader { host, socket, id };
    let register = |inside: &mut ShardState<H, S>| {
        if let Some(link) = inside.links.find(id) {
            link.reader = Some(thread::current());
        }
    };
    host.handle_with(id.shard(), register);
    reader.read();
}

struct Reader<'a, H: Handler, S: Stream> {
    host: &'a LockedShards<H, S>,
    socket: &'a Socket<S>,
    id: ConnId,
}

/// The next step of a reader after a turn.
enum AfterRead {
    /// The shard has released the connection.
    End,
    /// Reading was paused and has been resumed.
    Again,
    /// Reading is paused.
    Wait,
    Read,
    Send,
}

impl<H: Handler, S: Stream> Reader<'_, H, S> {
    fn read(&self) {
        let mut first = [0; FIRST];
        loop {
            match uninterrupted(|| self.socket.stream.receive(&mut first)) {
                Ok(0) => return self.end(true),
                Ok(n) => {
                    if !self.hand_in(&mut first[..n]) {
                        return;
                    }
                    // There is probably more, and reading it at once takes fewer turns.
                    if n == FIRST && !self.read_much() {
                        return;
                    }
                }
                Err(_) => return self.end(false),
            }
        }
    }

    /// Reads the bytes that are available already. Returns false if the connection is gone.
    fn read_much(&self) -> bool {
        let mut buffer = self.host.buffers.take();
        let mut goes_on = true;
        while goes_on
            && let Ok(n @ 1..) = uninterrupted(|| self.socket.stream.receive_now(&mut buffer))
        {
            goes_on = self.hand_in(&mut buffer[..n]);
        }
        self.host.buffers.give(buffer);
        // The next read reports the end of the stream or an error.
        goes_on
    }

    fn hand_in(&self, bytes: &mut [u8]) -> bool {
        self.when_reading(|inside| inside.shard.handle_input(inside.now, self.id, bytes))
    }

    /// Informs the shard that no more bytes will arrive.
    fn end(&self, orderly: bool) {
        self.when_reading(|inside| {
            if orderly {
                inside.shard.handle_eof(inside.now, self.id);
            } else {
                inside.shard.handle_disconnect(inside.now, self.id);
            }
        });
    }

    /// Calls `work` once the shard accepts bytes from this connection, and sends the replies.
    /// Returns false if the connection is gone.
    fn when_reading(&self, work: impl FnOnce(&mut ShardState<H, S>)) -> bool {
        let work = Cell::new(Some(work));
        let waits = || {
            let waiting = work.take();
            let waits = waiting.is_some();
            work.set(waiting);
            waits
        };
        let mut parcels = SendBuffer::new(&self.host.buffers);
        let mut sent = None;
        for sends in 0.. {
            let settled = sent.take();
            let next = self.host.turn(
                self.id.shard(),
                |inside| {
                    if let Some(sent) = settled {
                        settle(inside, self.id, sent);
                    }
                    let is_read = inside.links.find(self.id).is_some_and(|link| link.reading)
                        && inside.shard.is_reading(self.id);
                    if is_read && let Some(work) = work.take() {
                        work(inside);
                    }
                },
                |inside| match inside.links.find(self.id).map(|link| link.reading) {
                    None => AfterRead::End,
                    Some(true) if waits() => AfterRead::Again,
                    Some(false) if waits() => AfterRead::Wait,
                    Some(_) if sends < TurnBudget::REPLIES && parcels.take(inside, self.id) => {
                        AfterRead::Send
                    }
                    Some(_) => AfterRead::Read,
                },
            );
            match next {
                AfterRead::End => return false,
                AfterRead::Again => {}
                AfterRead::Wait => thread::park(),
                AfterRead::Read => return true,
                AfterRead::Send => sent = Some(parcels.send(self.socket)),
            }
        }
        true
    }
}

fn uninterrupted(mut receive: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match receive() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Size of the buffer on the stack of a reader, in bytes: enough for most messages.
const FIRST: usize = 1 << 10;
