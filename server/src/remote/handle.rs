//! Handle of a server for other threads and tasks, of either adapter.

use std::fmt;
use std::future::poll_fn;
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use stentor_core::channels::{CommandSender, Permit, RemoteError, RemoteResult};
use stentor_core::proto::http::HandshakeError;
use stentor_core::{CloseCode, ConnId, DeliveryReport, MessageType, SendOptions};

use super::HostLink;
use super::answer::{AnswerReceiver, answer};
use super::socket::{
    AcceptError, IncomingSocket, ReadSocket, SocketOrigin, UpgradeFields, UpgradeHead,
};
use super::waiters::block_on;

/// Publishes, sends, subscribes, closes and counts from any thread or task, and hands sockets over.
/// Can be cloned, and can be made before the server serves.
///
/// Each method that returns a [`Pending`] waits for a permit, of which
/// [`Config`](stentor_core::Config) has `remote_commands`, then for the result: `.await` it on any
/// runtime, or [`wait`](Pending::wait) for it on a thread. The methods of [`CommandSender`], to which
/// this dereferences, never wait and return no result.
///
/// What one thread publishes in one channel at one priority arrives in order, and so do messages to
/// one connection; a close follows them.
///
/// ```
/// use stentor_core::MessageType;
/// use stentor_core::channels::RemoteError;
/// use stentor_server::ServerHandle;
///
/// /// Publishes a price, and returns how many members there were.
/// async fn publish(server: &ServerHandle, price: u32) -> Result<u64, RemoteError> {
///     let report = server.publish(b"shares", MessageType::Text, 10, price.to_string()).await?;
///     Ok(report.members)
/// }
///
/// /// Does the same without a runtime.
/// fn publish_blocking(server: &ServerHandle, price: u32) -> Result<u64, RemoteError> {
///     let report = server.publish(b"shares", MessageType::Text, 10, price.to_string()).wait()?;
///     Ok(report.members)
/// }
/// ```
#[derive(Clone)]
pub struct ServerHandle {
    sender: CommandSender,
    link: Arc<HostLink>,
}

impl ServerHandle {
    pub(super) const fn new(sender: CommandSender, link: Arc<HostLink>) -> Self {
        Self { sender, link }
    }

    /// Waits until the server serves and a permit for one command is free.
    ///
    /// Resolves to [`RemoteError::Ended`] if the server has stopped issuing permits.
    pub fn reserve(&self) -> Pending<'_, Permit> {
        Pending::new(self.permit())
    }

    /// Publishes to every member of a channel. Resolves when the last queue has taken the message or
    /// refused it.
    pub fn publish(
        &self,
        channel: &[u8],
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: impl Into<Bytes>,
    ) -> Pending<'_, DeliveryReport> {
        let (channel, options, payload) = (
            Bytes::copy_from_slice(channel),
            options.into(),
            payload.into(),
        );
        let give = move |permit: Permit| permit.publish(&channel, kind, options, payload);
        self.command(give, delivered)
    }

    /// Publishes to every connection.
    pub fn broadcast(
        &self,
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: impl Into<Bytes>,
    ) -> Pending<'_, DeliveryReport> {
        let (options, payload) = (options.into(), payload.into());
        self.command(
            move |permit| permit.broadcast(kind, options, payload),
            delivered,
        )
    }

    /// Sends to one connection. The report has no member if the connection has ended.
    pub fn send(
        &self,
        to: ConnId,
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: impl Into<Bytes>,
    ) -> Pending<'_, DeliveryReport> {
        let (options, payload) = (options.into(), payload.into());
        self.command(
            move |permit| permit.send(to, kind, options, payload),
            delivered,
        )
    }

    /// Makes a connection a member of a channel, behind what it waits for itself. Resolves to whether
    /// the connection is open.
    pub fn subscribe(&self, conn: ConnId, channel: &[u8]) -> Pending<'_, bool> {
        let channel = Bytes::copy_from_slice(channel);
        self.command(move |permit| permit.subscribe(conn, &channel), found)
    }

    /// Ends the membership of a connection in a channel, behind what it waits for itself. Resolves to
    /// whether the connection is open.
    pub fn unsubscribe(&self, conn: ConnId, channel: &[u8]) -> Pending<'_, bool> {
        let channel = Bytes::copy_from_slice(channel);
        self.command(move |permit| permit.unsubscribe(conn, &channel), found)
    }

    /// Closes a connection behind everything that is queued for it. Resolves to whether the
    /// connection was open.
    pub fn close(&self, conn: ConnId, code: CloseCode) -> Pending<'_, bool> {
        self.command(move |permit| permit.close(conn, code), found)
    }

    /// Counts the members of a channel on all shards.
    pub fn count_members(&self, channel: &[u8]) -> Pending<'_, u64> {
        let channel = Bytes::copy_from_slice(channel);
        self.command(
            move |permit| permit.count_members(&channel),
            |result| match result {
                RemoteResult::Members(members) => Some(members),
                _ => None,
            },
        )
    }

    /// Hands over a socket whose request is not answered yet. `read` are the bytes that were read
    /// from it: the head of the request, or a part of it, and what came behind it. The server answers,
    /// as it does on its own listeners.
    ///
    /// Waits until the server serves. Resolves to an error, and closes the socket, if the server has
    /// ended or is full, or if the system has no thread or descriptor for the socket.
    pub fn accept(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        read: &[u8],
    ) -> Pending<'_, (), AcceptError> {
        self.hand_over(IncomingSocket {
            stream,
            arrival: ReadSocket {
                peer,
                read: read.to_vec(),
                origin: SocketOrigin::Listener,
            },
        })
    }

    /// Returns the fields of the response, with status 101, by which another HTTP server upgrades the
    /// connection of this request for [`accept_upgraded`](Self::accept_upgraded).
    ///
    /// # Errors
    /// Returns the error for which this server refuses the request, such as an origin that is not
    /// allowed. [`HandshakeError::status`] is the status of the response to it.
    pub fn upgrade_fields(&self, head: &UpgradeHead) -> Result<UpgradeFields, HandshakeError> {
        head.upgrade_fields(&self.link.config)
    }

    /// Hands over a socket whose opening handshake another HTTP server has answered with the
    /// [`upgrade_fields`](Self::upgrade_fields), without an extension and without a subprotocol.
    /// `read` are the bytes that were read behind the head.
    ///
    /// The application decides about the request as about any other, and can refuse it with a close
    /// frame only: see [`Shard::accept_upgraded`](stentor_core::Shard::accept_upgraded). Waits and
    /// fails as [`accept`](Self::accept).
    pub fn accept_upgraded(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        head: &UpgradeHead,
        read: &[u8],
    ) -> Pending<'_, (), AcceptError> {
        self.hand_over(IncomingSocket {
            stream,
            arrival: ReadSocket {
                peer,
                read: [head.as_bytes(), read].concat(),
                origin: SocketOrigin::Answered,
            },
        })
    }

    fn hand_over(&self, socket: IncomingSocket) -> Pending<'_, (), AcceptError> {
        Pending::new(async move {
            // As long as it is held, the server does not end.
            let _permit = self.permit().await.map_err(|_| AcceptError::Ended)?;
            let host = self.link.host().ok_or(AcceptError::Ended)?;
            host.accept(socket)
        })
    }

    fn command<'a, T: 'a>(
        &'a self,
        give: impl FnOnce(Permit) -> Result<(), RemoteError> + Send + 'a,
        take: fn(RemoteResult) -> Option<T>,
    ) -> Pending<'a, T> {
        Pending::new(async move {
            let permit = self.permit().await?;
            let (sender, receiver) = answer();
            give(permit.on_result(|result| sender.send(result)))?;
            let result = result_of(receiver).await?;
            take(result).ok_or(RemoteError::Ended)
        })
    }

    pub(super) const fn permit(&self) -> Reserve<'_> {
        Reserve {
            handle: self,
            place: None,
        }
    }
}

impl Deref for ServerHandle {
    type Target = CommandSender;

    fn deref(&self) -> &CommandSender {
        &self.sender
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").finish_non_exhaustive()
    }
}

/// A command that begins when it is awaited, or waited for.
#[must_use = "nothing is done until it is awaited or waited for"]
pub struct Pending<'a, T, E = RemoteError>(BoxFuture<'a, Result<T, E>>);

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<'a, T, E> Pending<'a, T, E> {
    fn new(future: impl Future<Output = Result<T, E>> + Send + 'a) -> Self {
        Self(Box::pin(future))
    }

    /// Blocks this thread until the result is there. Must not be called by a handler: that would keep
    /// its shard from giving the result.
    ///
    /// # Errors
    /// Returns the error of the command.
    pub fn wait(self) -> Result<T, E> {
        block_on(self)
    }
}

impl<T, E> Future for Pending<'_, T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<T, E> fmt::Debug for Pending<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

/// Waits for a permit.
pub(super) struct Reserve<'a> {
    handle: &'a ServerHandle,
    /// The place among the waiters.
    place: Option<u64>,
}

impl Future for Reserve<'_> {
    type Output = Result<Permit, RemoteError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let waiters = &this.handle.link.waiters;
        if this.place.is_none() {
            match this.handle.try_reserve() {
                Err(RemoteError::Full | RemoteError::NotYet) => {}
                other => return Poll::Ready(other),
            }
        }
        waiters.enter(&mut this.place, context.waker());
        match this.handle.try_reserve() {
            Err(RemoteError::Full | RemoteError::NotYet) => Poll::Pending,
            other => {
                waiters.leave(&mut this.place);
                Poll::Ready(other)
            }
        }
    }
}

impl Drop for Reserve<'_> {
    fn drop(&mut self) {
        self.handle.link.waiters.leave(&mut self.place);
    }
}

async fn result_of(receiver: AnswerReceiver) -> Result<RemoteResult, RemoteError> {
    poll_fn(|context| receiver.poll(context)).await
}

const fn delivered(result: RemoteResult) -> Option<DeliveryReport> {
    match result {
        RemoteResult::Delivered(report) => Some(report),
        _ => None,
    }
}

const fn found(result: RemoteResult) -> Option<bool> {
    match result {
        RemoteResult::Found(found) => Some(found),
        _ => None,
    }
}
