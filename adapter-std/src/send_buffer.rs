//! Transfer of bytes from a shard to a socket: copied under the shard's lock, sent outside it, then
//! acknowledged to the shard. Any thread may do this, but only one at a time for each connection.

use std::io;

use stentor_core::delivery::Chunks;
use stentor_core::{ConnId, Handler};

use crate::buffers::{BUFFER, BufferPool};
use crate::links::Socket;
use crate::locked_shard::ShardState;
use crate::stream::Stream;

/// Bytes in transfer from a shard to a socket.
pub(crate) struct SendBuffer<'a> {
    buffers: &'a BufferPool,
    /// Short data needs no buffer from the pool: most messages are short.
    short: [u8; SHORT],
    long: Option<Box<[u8]>>,
    len: usize,
}

/// Result of sending bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sent {
    /// All bytes were sent; the number of them.
    All(usize),
    /// The socket accepted this many bytes, and accepts no more for now.
    Part(usize),
    /// The socket has failed.
    Failed,
}

impl<'a> SendBuffer<'a> {
    pub(crate) const fn new(buffers: &'a BufferPool) -> Self {
        Self {
            buffers,
            short: [0; SHORT],
            long: None,
            len: 0,
        }
    }

    /// Takes the bytes that the shard wants flushed, unless another thread has. Returns whether it
    /// did; the result must then be reported with [`settle`]. Call under the shard's lock.
    pub(crate) fn take<H: Handler, S: Stream>(
        &mut self,
        inside: &mut ShardState<H, S>,
        id: ConnId,
    ) -> bool {
        let Some(link) = inside.links.find(id) else {
            return false;
        };
        if !link.flush || link.writing || link.full {
            return false;
        }
        (link.flush, link.writing) = (false, true);
        let mut chunks = Chunks::new();
        inside.shard.poll_transmit(id, &mut chunks);
        let len = chunks.len().min(BUFFER);
        let mut to = if len <= SHORT {
            &mut self.short[..len]
        } else {
            &mut self.long.get_or_insert_with(|| self.buffers.take())[..len]
        };
        for &slice in chunks.as_slices() {
            let n = slice.len().min(to.len());
            to[..n].copy_from_slice(&slice[..n]);
            to = &mut to[n..];
        }
        self.len = len;
        true
    }

    /// Sends the taken bytes as far as the socket accepts them now. Call outside the shard's lock.
    pub(crate) fn send<S: Stream>(&mut self, socket: &Socket<S>) -> Sent {
        let bytes = match &self.long {
            Some(long) if self.len > SHORT => &long[..self.len],
            _ => &self.short[..self.len],
        };
        let sent = send_all(socket, bytes);
        if let Some(long) = self.long.take() {
            self.buffers.give(long);
        }
        sent
    }
}

fn send_all(socket: &Socket<impl Stream>, bytes: &[u8]) -> Sent {
    let mut done = 0;
    while done < bytes.len() {
        match socket.stream.send_now(&bytes[done..]) {
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Part(done),
            Err(_) => return Sent::Failed,
        }
    }
    Sent::All(done)
}

/// Reports to the shard the result of sending the bytes that a thread took. Call under the shard's
/// lock.
pub(crate) fn settle<H: Handler, S: Stream>(inside: &mut ShardState<H, S>, id: ConnId, sent: Sent) {
    let Some(link) = inside.links.find(id) else {
        return;
    };
    link.writing = false;
    let now = inside.now;
    match sent {
        Sent::All(n) => {
            inside.shard.handle_transmitted(now, id, n);
            // The shard may have offered more than one buffer holds.
            inside.shard.handle_writable(now, id);
        }
        Sent::Part(n) => {
            link.full = true;
            inside.shard.handle_transmitted(now, id, n);
        }
        Sent::Failed => inside.shard.handle_disconnect(now, id),
    }
    inside.touch(id);
}

/// Size of the buffer on the stack of a thread, in bytes; most messages are shorter.
const SHORT: usize = 1 << 10;
