//! Owns how a thread waits for a place among the commands from outside. What a
//! command is, and how many there may be, is the core's business.

use std::ops::Deref;
use std::sync::{Arc, PoisonError};

use stentor_cli::{Bell, Line, Shards};
use stentor_core::{Config, Gate, Handler, Letter, Place, RemoteError, ShardId};

use crate::primitive::{Condvar, Mutex, MutexGuard};
use crate::station::{Post, Stations};
use crate::stream::Stream;

/// Speaks to the connections of a server from any thread: as the
/// [`Remote`](stentor_core::Remote) that it is besides, which never waits, and as one that
/// does. Of [`Server::remote`](crate::Server::remote).
///
/// ```
/// use stentor_core::{Kind, RemoteError};
/// use stentor_std::Remote;
///
/// /// Tells a room how the shares stand, no faster than they are told.
/// fn tell(remote: &Remote, prices: &[u32]) -> Result<(), RemoteError> {
///     for price in prices {
///         let place = remote.reserve()?;
///         place.publish(b"shares", Kind::Text, 10, price.to_string())?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Remote {
    remote: stentor_core::Remote,
    line: Line<Chime>,
}

impl Remote {
    /// Waits for a place for one command; also until the server serves. Not to be
    /// called by a handler: it would keep the shard from giving places back.
    ///
    /// # Errors
    /// [`Ended`](RemoteError::Ended): there will be none any more.
    pub fn reserve(&self) -> Result<Place, RemoteError> {
        let mut seen = self.remote.try_reserve();
        let chime = self.line.bell();
        let mut listening = None;
        while let Err(RemoteError::Full | RemoteError::NotYet) = seen {
            // Looks once more under the lock, so that it misses nothing in between.
            listening = Some(match listening {
                None => chime.lock(),
                Some(listening) => chime.wait(listening),
            });
            seen = self.remote.try_reserve();
        }
        seen
    }
}

impl Deref for Remote {
    type Target = stentor_core::Remote;

    fn deref(&self) -> &Self::Target {
        &self.remote
    }
}

/// The server's end.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) gate: Gate,
    line: Line<Chime>,
}

impl Outside {
    pub(crate) fn new(config: &Config) -> Self {
        let line = Line::new(Chime::default());
        Self {
            gate: Gate::new(config, line.clone()),
            line,
        }
    }

    pub(crate) fn remote(&self) -> Remote {
        Remote {
            remote: self.gate.remote(),
            line: self.line.clone(),
        }
    }

    /// Lets commands in, to these shards.
    pub(crate) fn begin<H, S>(&self, stations: &Arc<Stations<H, S>>)
    where
        H: Handler + Send + 'static,
        H::State: Send,
        S: Stream,
    {
        self.line.connect(stations);
        self.gate.begin();
    }
}

impl<H, S> Shards for Stations<H, S>
where
    H: Handler + Send,
    H::State: Send,
    S: Stream,
{
    fn hand_in(&self, to: ShardId, letter: Letter) {
        self.post(to, Post::Letter(letter));
    }
}

/// Wakes those who wait for a place.
#[derive(Default)]
struct Chime {
    listening: Mutex<()>,
    free: Condvar,
}

impl Chime {
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, listening: MutexGuard<'a, ()>) -> MutexGuard<'a, ()> {
        self.free
            .wait(listening)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell for Chime {
    fn ring(&self) {
        // Whoever has looked and does not listen yet has the lock.
        drop(self.lock());
        self.free.notify_one();
    }

    fn ring_all(&self) {
        drop(self.lock());
        self.free.notify_all();
    }
}
