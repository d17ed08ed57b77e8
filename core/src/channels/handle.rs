//! Handle for threads outside all shards: commands, and the permits that bound how many are under
//! way. Does not contain the transport to a shard and the wait for a permit, which the adapter
//! provides, nor the execution of commands.

use alloc::boxed::Box;
use core::fmt;

use bytes::Bytes;

use crate::CloseCode;
use crate::channels::delivery_report::DeliveryReport;
use crate::channels::message::{MessageBody, ShardMessage};
use crate::channels::registry::OwnerShards;
use crate::config::Config;
use crate::delivery::frame::MAX_PAYLOAD;
use crate::delivery::queue::SendOptions;
use crate::id::{ConnId, ShardId};
use crate::proto::ws::opcode::MessageType;
use crate::sync::primitive::Arc;
use crate::sync::{AcquireError, Semaphore};

/// Sends commands to the connections of a server from any thread.
///
/// A command takes one of [`Config::remote_commands`] places until every shard that
/// it concerns has carried it out, so what is under way is bounded in number; each
/// keeps its payload as long. Nothing here waits: `try_*` says [`Full`] and has done
/// nothing then. How to wait for a place is for the adapter to offer.
///
/// **Order.** What one thread says in one channel, in one priority, is heard in that order, and
/// so is what it sends to one connection; closing that comes behind. Different channels, and
/// different connections, have nothing to do with each other, as everywhere.
///
/// **The end.** Before a server serves, and from the beginning of its end on, there are no
/// places. What has one by then is still carried out, and a drain waits for it.
///
/// A [receipt](SendOptions::receipt) is asked for in vain: there is no connection to tell. The result
/// of a command goes to [`Permit::on_result`].
///
/// [`Full`]: RemoteError::Full
#[derive(Clone)]
pub struct CommandSender(Arc<Outside>);

/// The server's end of all its [`CommandSender`]s. Dropped, it ends them.
pub struct ServerEnd(Arc<Outside>);

/// A place among the commands that are under way, for one command. It is free
/// again when that is over, or when this is dropped.
#[must_use = "it is there to be used"]
pub struct Permit {
    outside: Arc<Outside>,
    on_result: Option<OnResult>,
}

/// What is called with the result of a command.
type OnResult = Box<dyn FnOnce(RemoteResult) + Send + Sync>;

/// The result of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RemoteResult {
    /// Of a publication or a message: the queues that took it.
    Delivered(DeliveryReport),
    /// Of a count: the number of members.
    Members(u64),
    /// Of a command to one connection: whether the connection was open.
    Found(bool),
}

/// What an adapter does for a [`CommandSender`].
pub trait ShardSender: Send + Sync {
    /// Carries a message to a shard and wakes that. Messages given one after the
    /// other arrive in that order. False if there is no such shard any more.
    fn send(&self, to: ShardId, message: ShardMessage) -> bool;

    /// A place has become free: one of those who wait for one may look again. Called
    /// from inside shards, so it must not wait for one.
    fn on_permit_released(&self);

    /// The server serves, or ends: all who wait for a place are to look again.
    fn on_state_change(&self);
}

/// Why a command was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RemoteError {
    /// So many are under way as may be.
    Full,
    /// The server does not serve yet.
    NotYet,
    /// The server ends, or has ended.
    Ended,
    /// The payload is longer than [`MAX_PAYLOAD`].
    TooLong,
}

/// What all handles of a server have in common, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteStats {
    /// Permits given out.
    pub given: u64,
    /// Times somebody looked for one and there was none.
    pub full: u64,
    /// Permits taken now (a gauge).
    pub under_way: u64,
}

/// What is to be done at a shard.
#[derive(Debug)]
pub(crate) enum RemoteCommand {
    /// In this channel, or to everyone.
    Publish {
        channel: Option<Bytes>,
        kind: MessageType,
        options: SendOptions,
        payload: Bytes,
    },
    Send {
        to: ConnId,
        kind: MessageType,
        options: SendOptions,
        payload: Bytes,
    },
    Close {
        conn: ConnId,
        code: CloseCode,
    },
    /// The connection becomes a member of the channel, or is one no more.
    Membership {
        conn: ConnId,
        channel: Bytes,
        joins: bool,
    },
    Count {
        channel: Bytes,
    },
}

impl RemoteCommand {
    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Publish {
                channel, payload, ..
            } => channel.as_ref().map_or(0, Bytes::len) + payload.len(),
            Self::Send { payload, .. } => payload.len(),
            Self::Membership { channel, .. } | Self::Count { channel } => channel.len(),
            Self::Close { .. } => 0,
        }
    }
}

struct Outside {
    permits: Semaphore,
    owners: OwnerShards,
    shards: u16,
    sender: Box<dyn ShardSender>,
}

impl ServerEnd {
    /// That of a server of this configuration, which does not serve yet.
    pub fn new(config: &Config, sender: impl ShardSender + 'static) -> Self {
        Self(Arc::new(Outside {
            permits: Semaphore::new(config.remote_commands),
            owners: OwnerShards::new(config.seed, config.shards),
            shards: config.shards,
            sender: Box::new(sender),
        }))
    }

    /// Returns a sender of commands to this server.
    pub fn sender(&self) -> CommandSender {
        CommandSender(self.0.clone())
    }

    /// The server serves from now on.
    pub fn begin(&self) {
        self.0.permits.begin();
        self.0.sender.on_state_change();
    }

    /// The server ends: no more commands are taken.
    pub fn end(&self) {
        self.0.permits.end();
        self.0.sender.on_state_change();
    }

    /// Whether no command is under way. After the end, this stays true once it is.
    pub fn is_idle(&self) -> bool {
        self.0.permits.held() == 0
    }

    /// What was counted.
    pub fn stats(&self) -> RemoteStats {
        let (given, full) = self.0.permits.counts();
        RemoteStats {
            given: given as u64,
            full: full as u64,
            under_way: self.0.permits.held() as u64,
        }
    }
}

impl CommandSender {
    /// Takes a place for one command, if there is one.
    ///
    /// # Errors
    /// Why there is none.
    pub fn try_reserve(&self) -> Result<Permit, RemoteError> {
        match self.0.permits.try_acquire() {
            Ok(()) => Ok(Permit {
                outside: self.0.clone(),
                on_result: None,
            }),
            Err(AcquireError::Full) => Err(RemoteError::Full),
            Err(AcquireError::NotYet) => Err(RemoteError::NotYet),
            Err(AcquireError::Ended) => Err(RemoteError::Ended),
        }
    }

    /// Says something to every member of a channel.
    ///
    /// # Errors
    /// It has been said to nobody.
    pub fn try_publish(
        &self,
        channel: &[u8],
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: impl Into<Bytes>,
    ) -> Result<(), RemoteError> {
        self.try_reserve()?.publish(channel, kind, options, payload)
    }

    /// Says something to every connection, in a channel or not.
    ///
    /// # Errors
    /// It has been said to nobody.
    pub fn try_broadcast_all(
        &self,
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: impl Into<Bytes>,
    ) -> Result<(), RemoteError> {
        self.try_reserve()?.broadcast(kind, options, payload)
    }

    /// Says something to one connection. That it may be gone by then is counted
    /// ([`Direct::undeliverable`](crate::stats::Direct::undeliverable)).
    ///
    /// # Errors
    /// It has not been said.
    pub fn try_send(
        &self,
        to: ConnId,
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: impl Into<Bytes>,
    ) -> Result<(), RemoteError> {
        self.try_reserve()?.send(to, kind, options, payload)
    }

    /// Closes a connection once everything that waits for it has been written. If it
    /// is gone by then, so much the better.
    ///
    /// # Errors
    /// It has not been told to.
    pub fn try_close(&self, conn: ConnId, code: CloseCode) -> Result<(), RemoteError> {
        self.try_reserve()?.close(conn, code)
    }
}

impl Permit {
    /// Sets what is called with the result of the command, on the thread of a shard: it must neither
    /// wait nor panic. It is dropped uncalled if the command is not carried out.
    pub fn on_result(self, call: impl FnOnce(RemoteResult) + Send + Sync + 'static) -> Self {
        let mut permit = self;
        permit.on_result = Some(Box::new(call));
        permit
    }

    /// Returns whether the result is asked for.
    pub(crate) const fn wants_result(&self) -> bool {
        self.on_result.is_some()
    }

    /// Reports the result of the command, which is over.
    pub(crate) fn finish(mut self, result: impl FnOnce() -> RemoteResult) {
        if let Some(call) = self.on_result.take() {
            call(result());
        }
    }

    /// Says something to every member of a channel.
    ///
    /// # Errors
    /// [`Ended`](RemoteError::Ended): it has been said to nobody.
    pub fn publish(
        self,
        channel: &[u8],
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: impl Into<Bytes>,
    ) -> Result<(), RemoteError> {
        self.publish_to(Some(channel), kind, options.into(), payload.into())
    }

    /// Says something to every connection, in a channel or not.
    ///
    /// # Errors
    /// [`Ended`](RemoteError::Ended): it has been said to nobody.
    pub fn broadcast(
        self,
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: impl Into<Bytes>,
    ) -> Result<(), RemoteError> {
        self.publish_to(None, kind, options.into(), payload.into())
    }

    /// Says something to one connection.
    ///
    /// # Errors
    /// [`Ended`](RemoteError::Ended): it has not been said.
    pub fn send(
        self,
        to: ConnId,
        kind: MessageType,
        options: impl Into<SendOptions>,
        payload: impl Into<Bytes>,
    ) -> Result<(), RemoteError> {
        let (options, payload) = (options.into(), payload.into());
        if payload.len() > MAX_PAYLOAD {
            return Err(RemoteError::TooLong);
        }
        let command = RemoteCommand::Send {
            to,
            kind,
            options,
            payload,
        };
        self.give(to.shard(), command)
    }

    /// Closes a connection once everything that waits for it has been written.
    ///
    /// # Errors
    /// [`Ended`](RemoteError::Ended): it has not been told to.
    pub fn close(self, conn: ConnId, code: CloseCode) -> Result<(), RemoteError> {
        self.give(conn.shard(), RemoteCommand::Close { conn, code })
    }

    /// Makes a connection a member of a channel, behind what the connection waits for.
    ///
    /// # Errors
    /// [`Ended`](RemoteError::Ended): nothing has been done.
    pub fn subscribe(self, conn: ConnId, channel: &[u8]) -> Result<(), RemoteError> {
        self.change_membership(conn, channel, true)
    }

    /// Ends the membership of a connection in a channel, behind what the connection waits for.
    ///
    /// # Errors
    /// [`Ended`](RemoteError::Ended): nothing has been done.
    pub fn unsubscribe(self, conn: ConnId, channel: &[u8]) -> Result<(), RemoteError> {
        self.change_membership(conn, channel, false)
    }

    /// Counts the members of a channel on all shards, for [`on_result`](Self::on_result).
    ///
    /// # Errors
    /// [`Ended`](RemoteError::Ended): there will be no result.
    pub fn count_members(self, channel: &[u8]) -> Result<(), RemoteError> {
        let owner = self.outside.owners.of(Some(channel));
        let channel = Bytes::copy_from_slice(channel);
        self.give(owner, RemoteCommand::Count { channel })
    }

    fn change_membership(
        self,
        conn: ConnId,
        channel: &[u8],
        joins: bool,
    ) -> Result<(), RemoteError> {
        let channel = Bytes::copy_from_slice(channel);
        let command = RemoteCommand::Membership {
            conn,
            channel,
            joins,
        };
        self.give(conn.shard(), command)
    }

    fn publish_to(
        self,
        channel: Option<&[u8]>,
        kind: MessageType,
        options: SendOptions,
        payload: Bytes,
    ) -> Result<(), RemoteError> {
        if payload.len() > MAX_PAYLOAD {
            return Err(RemoteError::TooLong);
        }
        let owner = self.outside.owners.of(channel);
        let command = RemoteCommand::Publish {
            channel: channel.map(Bytes::copy_from_slice),
            kind,
            options,
            payload,
        };
        self.give(owner, command)
    }

    fn give(self, to: ShardId, command: RemoteCommand) -> Result<(), RemoteError> {
        let outside = self.outside.clone();
        // The name may be that of another server's connection.
        let to = ShardId(to.0 % outside.shards);
        if outside
            .sender
            .send(to, ShardMessage(MessageBody::Command(command, self)))
        {
            Ok(())
        } else {
            Err(RemoteError::Ended)
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // Whoever learns the result may use the permit.
        self.on_result = None;
        self.outside.permits.release();
        self.outside.sender.on_permit_released();
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for ServerEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerEnd").field(&self.stats()).finish()
    }
}

impl fmt::Debug for CommandSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandSender").finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl RemoteError {
    const fn reason(self) -> &'static str {
        match self {
            Self::Full => "as many commands are under way as may be",
            Self::NotYet => "the server does not serve yet",
            Self::Ended => "the server has ended",
            Self::TooLong => "the payload is too long",
        }
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for RemoteError {}
