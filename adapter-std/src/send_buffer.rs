//! Owns the way of bytes out of a shard: taken under its lock, sent outside it,
//! and then the shard is told. Whichever thread does it, one at a time does it
//! for a connection.

use std::io;

use stentor_core::{Chunks, ConnId, Handler};

use crate::buffers::{BUFFER, Buffers};
use crate::links::Socket;
use crate::locked_shard::ShardState;
use crate::stream::Stream;

/// Bytes on their way from a shard to a socket.
pub(crate) struct SendBuffer<'a> {
    buffers: &'a Buffers,
    /// What is short needs no buffer: most messages are.
    short: [u8; SHORT],
    long: Option<Box<[u8]>>,
    len: usize,
}

/// What became of bytes that were to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sent {
    /// All of them went out, so many.
    All(usize),
    /// The socket took so many, and takes no more for now.
    Part(usize),
    /// The socket has failed.
    Failed,
}

impl<'a> SendBuffer<'a> {
    pub(crate) const fn new(buffers: &'a Buffers) -> Self {
        Self {
            buffers,
            short: [0; SHORT],
            long: None,
            len: 0,
        }
    }

    /// Takes what the shard wants flushed, if nobody else has; the shard must
    /// then be told with [`settle`]. Under the shard's lock.
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

    /// Sends what was taken, as far as the socket takes it now. RemoteEndpoint the lock.
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

/// Tells the shard what became of the bytes that a thread took. Under its lock.
pub(crate) fn settle<H: Handler, S: Stream>(inside: &mut ShardState<H, S>, id: ConnId, sent: Sent) {
    let Some(link) = inside.links.find(id) else {
        return;
    };
    link.writing = false;
    let now = inside.now;
    match sent {
        Sent::All(n) => {
            inside.shard.handle_transmitted(now, id, n);
            // More may have been offered than one buffer holds.
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

/// What a thread keeps on its stack for messages; most are shorter.
const SHORT: usize = 1 << 10;
