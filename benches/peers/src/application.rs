//! Owns what is done with the messages of one connection, for libraries whose
//! sockets are a `Stream` and a `Sink`: what is at hand is taken, and then flushed
//! once. So do yawc's own benchmark, sockudo-ws by its README, and the echo example
//! of tokio-tungstenite, whose `forward` flushes when nothing more is ready.

use std::sync::Arc;
use std::task::Poll;

use futures_util::{Sink, SinkExt, Stream, StreamExt, poll};

use crate::data::Data;
use crate::room::{Member, Room};

/// What a server is for.
#[derive(Debug)]
pub enum Application<M> {
    /// Everything comes back.
    Echo,
    /// What one member says, all hear.
    Rooms(Arc<Room<M>>),
}

impl<M> Clone for Application<M> {
    fn clone(&self) -> Self {
        match self {
            Self::Echo => Self::Echo,
            Self::Rooms(room) => Self::Rooms(room.clone()),
        }
    }
}

impl<M: Data> Application<M> {
    /// Serves one connection until it ends.
    pub async fn drive<W, E>(self, socket: W) -> Result<(), E>
    where
        W: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    {
        match self {
            Self::Echo => echo(socket).await,
            Self::Rooms(room) => chat(socket, room).await,
        }
    }
}

async fn echo<M, W, E>(mut socket: W) -> Result<(), E>
where
    M: Data,
    W: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    let mut batch = Vec::new();
    while let Some(first) = socket.next().await {
        gather(&mut socket, first?, &mut batch).await?;
        for message in batch.drain(..).filter(M::is_data) {
            socket.feed(message).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}

async fn chat<M, W, E>(mut socket: W, room: Arc<Room<M>>) -> Result<(), E>
where
    M: Data,
    W: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    let (mut member, mut heard) = Member::new(room);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            first = socket.next() => {
                let Some(first) = first else { return Ok(()) };
                gather(&mut socket, first?, &mut batch).await?;
                for message in batch.drain(..).filter(M::is_data) {
                    if let Some(answer) = member.say(message) {
                        socket.feed(answer).await?;
                    }
                }
            }
            _ = heard.recv_many(&mut batch, BATCH) => {
                for message in batch.drain(..) {
                    socket.feed(message).await?;
                }
            }
        }
        socket.flush().await?;
    }
}

/// Takes a message and those that are there already. They are answered after that:
/// tokio-websockets flushes whenever it is read from.
async fn gather<M, W, E>(socket: &mut W, first: M, batch: &mut Vec<M>) -> Result<(), E>
where
    W: Stream<Item = Result<M, E>> + Unpin,
{
    batch.push(first);
    while batch.len() < BATCH
        && let Poll::Ready(Some(next)) = poll!(socket.next())
    {
        batch.push(next?);
    }
    Ok(())
}

/// Messages that are taken before others get their turn; as yawc's benchmark has it.
pub const BATCH: usize = 32;
