//! Questions of one shard's requests to all shards, and the answers, as bytes. They are JSON: they are
//! rare, and other nodes may be older or newer.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::token::Overrides;
#[cfg(doc)]
use crate::user_connections::UserVerdict;

/// A question to a shard.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ShardQuestion {
    /// Which channels it owns that have members. Answered with [`OwnedChannels`].
    Channels { pattern: String },
    /// How much there is. Answered with [`ShardInfo`].
    Info,
    /// That something is done to clients. Answered with a number: of how many.
    Act { target: Target, action: Action },
    /// Which clients there are. Answered with [`FoundClients`].
    Connections { target: Target, limit: usize },
    /// Which connection a client has. Answered with its name, if it is there.
    Locate { client: u64 },
    /// How a client is. Answered with [`FoundClients`].
    Explain { client: u64 },
    /// Whether the connection that asks may be one more of this user. Answered with [`UserVerdict`].
    AdmitUser { user: String },
    /// That the connection that asks is one of this user no more. Answered with nothing.
    RemoveUser { user: String },
    /// That a user or address may not connect until then, in seconds of Unix time. Answered with a
    /// number: of the bans that there are now.
    Ban {
        user: String,
        address: String,
        until: u64,
    },
}

/// Which clients are meant. What is empty says nothing; at least one thing must be said.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Target {
    pub(crate) user: String,
    /// As text: a client id that is no number is of no client.
    pub(crate) client: String,
    /// The secret of an emulated connection.
    pub(crate) session: String,
    /// An address without a port.
    pub(crate) address: String,
    /// A channel that they are subscribed to.
    pub(crate) channel: String,
    /// Ids of clients that are not meant.
    pub(crate) spared: Vec<String>,
}

/// What is done to clients.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// Subscriptions end: that to a channel, or all.
    Unsubscribe { channel: String },
    /// Connections are closed.
    Disconnect { code: u16, reason: String },
    /// Connections expire at another time, in seconds of Unix time, or never.
    Refresh { expires_at: u64, info: Vec<u8> },
    /// Clients are subscribed.
    Subscribe {
        channel: String,
        expires_at: u64,
        info: Vec<u8>,
        data: Vec<u8>,
        since: Option<(u64, String)>,
        overrides: [Option<bool>; 5],
    },
}

/// Channels with the numbers of their members.
pub(crate) type OwnedChannels = Vec<(String, u64)>;

/// How much there is on a shard.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ShardInfo {
    pub(crate) clients: u64,
    /// A number for each user, the same on all shards.
    pub(crate) users: Vec<u64>,
    /// Channels that it owns and that have members.
    pub(crate) channels: u64,
    /// Memberships of these.
    pub(crate) subscriptions: u64,
}

/// Clients that were found.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FoundClients {
    /// How many match.
    pub(crate) matching: u64,
    /// Id and description, which is a JSON object, of some of them.
    pub(crate) clients: Vec<(String, String)>,
}

/// Encodes a question or an answer.
pub(crate) fn encode(value: &impl Serialize) -> Bytes {
    // Maps have texts as keys, and nothing else can fail.
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// Decodes a question or an answer; `None` if it is none.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// Returns overrides as a question has them.
pub(crate) const fn override_list(overrides: Overrides) -> [Option<bool>; 5] {
    [
        overrides.presence,
        overrides.join_leave,
        overrides.force_push_join_leave,
        overrides.force_recovery,
        overrides.force_positioning,
    ]
}

/// Returns the overrides that a question has.
pub(crate) const fn overrides_of(list: [Option<bool>; 5]) -> Overrides {
    let [
        presence,
        join_leave,
        force_push_join_leave,
        force_recovery,
        force_positioning,
    ] = list;
    Overrides {
        presence,
        join_leave,
        force_push_join_leave,
        force_recovery,
        force_positioning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let target = Target {
            user: "4\"2".into(),
            spared: Vec::from(["17".into()]),
            ..Target::default()
        };
        let overrides = [Some(true), None, Some(false), None, Some(true)];
        assert_eq!(override_list(overrides_of(overrides)), overrides);
        let actions = [
            Action::Unsubscribe {
                channel: "a".into(),
            },
            Action::Disconnect {
                code: 3_503,
                reason: String::new(),
            },
            Action::Refresh {
                expires_at: u64::MAX,
                info: Vec::from(*b"\xFF{}"),
            },
            Action::Subscribe {
                channel: "a".into(),
                expires_at: 0,
                info: Vec::new(),
                data: Vec::from(*b"[1]"),
                since: Some((7, "abcdefgh".into())),
                overrides,
            },
        ];
        let acts = actions.map(|action| ShardQuestion::Act {
            target: target.clone(),
            action,
        });
        let others = [
            ShardQuestion::Info,
            ShardQuestion::Channels {
                pattern: "a*".into(),
            },
            ShardQuestion::Explain { client: u64::MAX },
        ];
        for question in acts.into_iter().chain(others) {
            assert_eq!(decode(&encode(&question)), Some(question));
        }
        assert_eq!(decode::<ShardQuestion>(b"{}"), None);
        assert_eq!(decode::<ShardInfo>(b"{}"), Some(ShardInfo::default()));
    }
}
