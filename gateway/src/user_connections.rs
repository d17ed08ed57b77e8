//! How many connections the users have on all shards of the server, while there is a limit. One shard
//! decides for a user, so no two connections can both be the last one that is allowed.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use stentor_core::ConnId;
use stentor_core::app::ShardTarget;

use crate::settings::{ClientSettings, UserConnectionPolicy};
use crate::users::give_back;

/// The connections of the users for whom a shard decides, of each the oldest first.
#[derive(Debug, Default)]
pub(crate) struct UserConnections(HashMap<Box<str>, Vec<ConnId>, FixedState>);

/// The answer to a connection that wants to be one more of its user.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UserVerdict {
    pub(crate) is_admitted: bool,
    /// The connections that it replaces.
    pub(crate) replaced: Vec<String>,
}

impl UserConnections {
    /// Returns the shard that decides for a user.
    pub(crate) fn shard_of(user: &str) -> ShardTarget {
        ShardTarget::Keyed(FixedState::default().hash_one(user))
    }

    /// Adds a connection of a user, unless there are too many.
    pub(crate) fn admit(
        &mut self,
        user: &str,
        conn: ConnId,
        settings: &ClientSettings,
    ) -> UserVerdict {
        let limit = settings.user_connection_limit.max(1);
        let connections = self.0.entry(user.into()).or_default();
        let surplus = (connections.len() + 1).saturating_sub(limit);
        if surplus > 0 && settings.user_connection_policy == UserConnectionPolicy::Reject {
            return UserVerdict::default();
        }
        let replaced = connections.drain(..surplus);
        let replaced = replaced.map(|conn| conn.to_string()).collect();
        connections.push(conn);
        UserVerdict {
            is_admitted: true,
            replaced,
        }
    }

    /// Removes a connection of a user, if it is there.
    pub(crate) fn remove(&mut self, user: &str, conn: ConnId) {
        let Some(connections) = self.0.get_mut(user) else {
            return;
        };
        connections.retain(|&other| other != conn);
        if connections.is_empty() {
            self.0.remove(user);
            give_back(&mut self.0);
        }
    }
}
