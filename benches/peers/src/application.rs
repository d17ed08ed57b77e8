//! Message handling for libraries whose sockets are a `Stream` and a `Sink`: all messages that are
//! ready are handled, then flushed once. yawc's benchmark, sockudo-ws' README and the echo example
//! of tokio-tungstenite do the same.

use std::sync::Arc;
use std::task::Poll;

use futures_util::{Sink, SinkExt, Stream, StreamExt, poll};

use crate::data::Data;
use crate::room::{Member, Room};

/// What a server does with messages.
#[derive(Debug)]
pub enum Application<M> {
    /// Returns every message to its sender.
    Echo,
    /// Sends what one member publishes to all members.
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
    /// Serves one connection until it ends. Takes the socket by reference, because each future
    /// would reserve space for it otherwise.
    pub async fn drive<W, E>(self, socket: &mut W) -> Result<(), E>
    where
        W: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    {
        match self {
            Self::Echo => echo(socket).await,
            Self::Rooms(room) => chat(socket, room).await,
        }
    }
}

async fn echo<M, W, E>(socket: &mut W) -> Result<(), E>
where
    M: Data,
    W: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    let mut batch = Vec::new();
    while let Some(first) = socket.next().await {
        answer(socket, first?, Some, &mut batch).await?;
    }
    Ok(())
}

async fn chat<M, W, E>(socket: &mut W, room: Arc<Room<M>>) -> Result<(), E>
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
                let say = |message| member.say(message);
                answer(socket, first?, say, &mut batch).await?;
            }
            _ = heard.recv_many(&mut batch, BATCH) => {
                for message in batch.drain(..) {
                    socket.feed(message).await?;
                }
                socket.flush().await?;
            }
        }
    }
}

/// Answers a message, and those that are ready already, with one flush.
async fn answer<M, W, E>(
    socket: &mut W,
    first: M,
    mut say: impl FnMut(M) -> Option<M>,
    answers: &mut Vec<M>,
) -> Result<(), E>
where
    M: Data,
    W: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    let mut message = first;
    for left in (0..BATCH).rev() {
        if message.is_data()
            && let Some(answer) = say(message)
        {
            if M::IS_FLUSHED_BY_READING {
                answers.push(answer);
            } else {
                socket.feed(answer).await?;
            }
        }
        if left == 0 {
            break;
        }
        let Poll::Ready(Some(next)) = poll!(socket.next()) else {
            break;
        };
        message = next?;
    }
    for answer in answers.drain(..) {
        socket.feed(answer).await?;
    }
    socket.flush().await
}

/// Messages that are handled before other tasks run, as in yawc's benchmark.
pub const BATCH: usize = 32;
