//! Record of connections that are ending and, for a limited number, of those that have ended. An
//! open connection has no entry.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::CloseCode;
use crate::delivery::Drops;
use crate::id::ConnId;
use crate::proto::ws::PeerError;
use crate::stats::CloseCause;
use crate::table::Peak;
use crate::time::Timestamp;

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CloseInfo {
    /// What began it.
    pub cause: CloseCause,
    /// The code of the close frame that began it: the peer's, where that closed;
    /// otherwise ours, if there was one.
    pub code: Option<CloseCode>,
    /// What the peer did wrong, if that was it.
    pub error: Option<PeerError>,
}

/// What is remembered of a connection that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ClosedConnection {
    /// Who it was.
    pub id: ConnId,
    /// The address of the peer, if the adapter has told it.
    pub peer: Option<SocketAddr>,
    /// When it ended.
    pub at: Timestamp,
    /// How long it had been open.
    pub open_for: Duration,
    /// Why it ended.
    pub ending: CloseInfo,
    /// The channels that it was in, the first few.
    pub channels: Vec<Bytes>,
    /// How many those were in all.
    pub memberships: usize,
    /// What was dropped of what was for it.
    pub drops: Drops,
}

/// A connection that has ended, and what the application [knew](crate::Handler::describe) of it. What is
/// dropped later is not in it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SampledConnection {
    /// What the core knows of it.
    pub connection: ClosedConnection,
    /// What the application says.
    pub application: Vec<(&'static str, String)>,
}

/// What is known of single connections.
#[derive(Debug)]
pub(crate) struct ClosedConnections {
    /// Those that are ending, by slot. Boxed, since all are moved in one go when the table
    /// grows, however many there are.
    ending: HashMap<u32, Box<ClosedConnection>, FixedState>,
    peak: Peak,
    /// Who has gone, the oldest first.
    gone: VecDeque<ClosedConnection>,
    /// How many of those are kept.
    limit: usize,
    /// How many have ended since one was to be logged.
    unsampled: usize,
    /// Those that are to be logged, the oldest first.
    sampled: VecDeque<SampledConnection>,
    /// Bytes of memory that the channels of all of the others take.
    channel_bytes: usize,
}

/// The most connections that wait to be logged; the oldest is lost.
const MAX_SAMPLED: usize = 1_024;

impl CloseInfo {
    pub(crate) const fn new(cause: CloseCause) -> Self {
        Self::with_code(cause, None)
    }

    pub(crate) const fn with_code(cause: CloseCause, code: Option<CloseCode>) -> Self {
        Self {
            cause,
            code,
            error: None,
        }
    }

    pub(crate) const fn of_error(error: PeerError) -> Self {
        Self {
            cause: CloseCause::PeerError,
            code: Some(error.close_code()),
            error: Some(error),
        }
    }
}

impl ClosedConnection {
    /// Returns the bytes of memory that its channels take.
    fn channel_bytes(&self) -> usize {
        let names = self.channels.iter().map(Bytes::len).sum::<usize>();
        self.channels.capacity() * size_of::<Bytes>() + names
    }
}

impl ClosedConnections {
    pub(crate) fn new(seed: u64, limit: usize) -> Self {
        Self {
            ending: HashMap::with_hasher(FixedState::with_seed(seed)),
            peak: Peak::default(),
            gone: VecDeque::new(),
            limit,
            unsampled: 0,
            sampled: VecDeque::new(),
            channel_bytes: 0,
        }
    }

    /// Returns what is known of the end of a connection that is ending.
    pub(crate) fn ending(&self, at: u32) -> Option<&ClosedConnection> {
        self.ending.get(&at).map(|ending| &**ending)
    }

    /// Takes note that a connection begins to end.
    pub(crate) fn begin(&mut self, at: u32, ending: ClosedConnection) {
        self.channel_bytes += ending.channel_bytes();
        self.ending.insert(at, Box::new(ending));
    }

    /// Returns whether a connection that is ending is to be logged: one of so many, 0 for none.
    pub(crate) const fn is_sampled(&mut self, every: usize) -> bool {
        if every == 0 {
            return false;
        }
        self.unsampled += 1;
        let is_sampled = self.unsampled >= every;
        if is_sampled {
            self.unsampled = 0;
        }
        is_sampled
    }

    /// Keeps what is known of a connection that is ending until it is [taken](Self::take_sampled).
    pub(crate) fn sample(&mut self, at: u32, application: Vec<(&'static str, String)>) {
        let Some(connection) = self.ending.get(&at) else {
            return;
        };
        if self.sampled.len() == MAX_SAMPLED {
            self.sampled.pop_front();
        }
        self.sampled.push_back(SampledConnection {
            connection: ClosedConnection::clone(connection),
            application,
        });
    }

    /// Returns the oldest of those that are kept to be logged.
    pub(crate) fn take_sampled(&mut self) -> Option<SampledConnection> {
        let sampled = self.sampled.pop_front();
        if self.sampled.is_empty() {
            // They are taken within a turn.
            self.sampled = VecDeque::new();
        }
        sampled
    }

    /// Takes note that a socket is given up. If it was a connection, that is kept for a while,
    /// with what was dropped of the messages for it.
    pub(crate) fn close(&mut self, at: u32, drops: Drops) {
        self.peak.note(self.ending.len());
        if let Some(ending) = self.ending.remove(&at) {
            self.add(ClosedConnection { drops, ..*ending });
        }
    }

    /// Gives memory back that was not needed since the last time.
    pub(crate) fn decay(&mut self) {
        let (len, capacity) = (self.ending.len(), self.ending.capacity());
        if let Some(most) = self.peak.decay(len, capacity) {
            self.ending.shrink_to(most);
        }
    }

    /// Returns the bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.ending.allocation_size()
            + self.ending.len() * size_of::<ClosedConnection>()
            + self.gone.capacity() * size_of::<ClosedConnection>()
            + self.sampled.capacity() * size_of::<SampledConnection>()
            + self.channel_bytes
    }

    /// Asserts that the bytes of the channels are what is kept of them, and that no more are kept
    /// than may be.
    #[cfg(feature = "testing")]
    pub(crate) fn audit(&self) {
        let ending = self.ending.values().map(|ending| &**ending);
        let bytes = ending
            .chain(&self.gone)
            .map(ClosedConnection::channel_bytes);
        assert_eq!(self.channel_bytes, bytes.sum());
        assert!(self.gone.len() <= self.limit);
    }

    /// Returns how many connections are ending.
    #[cfg(feature = "testing")]
    pub(crate) fn known(&self) -> usize {
        self.ending.len()
    }

    /// Returns the closed connections, the latest first.
    pub(crate) fn gone(&self) -> impl Iterator<Item = &ClosedConnection> {
        self.gone.iter().rev()
    }

    fn add(&mut self, connection: ClosedConnection) {
        let oldest = if self.limit == 0 {
            self.channel_bytes -= connection.channel_bytes();
            return;
        } else if self.gone.len() >= self.limit {
            self.gone.pop_front()
        } else {
            None
        };
        self.channel_bytes -= oldest.map_or(0, |oldest| oldest.channel_bytes());
        self.gone.push_back(connection);
    }
}

/// Channels of one connection that are remembered when it has gone.
pub(crate) const MAX_CLOSED_CHANNELS: usize = 8;
