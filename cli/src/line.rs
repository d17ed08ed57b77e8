//! Owns the line from the application's other threads to the shards of a server: it leads
//! nowhere until there are shards, and nowhere once they are gone. What may be under way on it
//! is the core's business; how somebody waits, and what wakes a shard, the adapter's.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use stentor_core::{ShardId, ShardMessage, ShardSender};

/// The shards of a server, whatever its application.
pub trait Shards: Send + Sync {
    /// Hands a letter to a shard, and wakes it.
    fn hand_in(&self, to: ShardId, letter: ShardMessage);
}

/// AfterUnlock those who wait for a place.
pub trait Notifier: Send + Sync {
    /// One of them.
    fn ring(&self);
    /// All of them.
    fn ring_all(&self);
}

/// A line, with the bell for those who wait at its end outside.
pub struct Line<B>(Arc<Ends<B>>);

struct Ends<B> {
    /// Not kept alive by letters that nobody takes any more, nor by handles that are left over.
    shards: OnceLock<Weak<dyn Shards>>,
    bell: B,
}

impl<B: Notifier> Line<B> {
    /// One that leads nowhere yet.
    pub fn new(bell: B) -> Self {
        Self(Arc::new(Ends {
            shards: OnceLock::new(),
            bell,
        }))
    }

    /// Lets it lead to these shards. The first call counts.
    pub fn connect<S: Shards + 'static>(&self, shards: &Arc<S>) {
        let shards: Weak<S> = Arc::downgrade(shards);
        self.0.shards.get_or_init(|| shards);
    }

    /// The bell.
    pub fn bell(&self) -> &B {
        &self.0.bell
    }
}

impl<B: Notifier> ShardSender for Line<B> {
    fn carry(&self, to: ShardId, letter: ShardMessage) -> bool {
        let shards = self.0.shards.get().and_then(Weak::upgrade);
        match shards {
            Some(shards) => {
                shards.hand_in(to, letter);
                true
            }
            None => false,
        }
    }

    fn on_permit_released(&self) {
        self.0.bell.ring();
    }

    fn on_state_change(&self) {
        self.0.bell.ring_all();
    }
}

impl<B> Clone for Line<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B> fmt::Debug for Line<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
