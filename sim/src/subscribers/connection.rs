//! What is known of a connection: what it has asked, what it was told, and what it may be told next.

use std::collections::{BTreeMap, BTreeSet};

use super::wire::Speech;

/// A user of the server, over all their connections.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) speech: Speech,
    pub(super) user: String,
    /// The connection, while it is of use.
    pub(super) conn: Option<usize>,
    /// The last position that is known of each channel: epoch and offset.
    pub(super) known: BTreeMap<String, (String, u64)>,
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// It waits for the upgrade.
    Dialing,
    /// It has sent `connect`.
    Connecting,
    Connected,
    /// `connect` was answered with an error.
    Unusable,
    /// The server has closed it.
    Closed,
    /// The client has cut it, or gone.
    Gone,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) who: usize,
    pub(super) speech: Speech,
    pub(super) stage: Stage,
    /// What its first command follows from.
    pub(super) opening: u64,
    /// What the server calls it.
    pub(super) client: String,
    pub(super) user: String,
    pub(super) conn_info: String,
    pub(super) next_id: u32,
    pub(super) pending: BTreeMap<u32, Pending>,
    pub(super) subs: BTreeMap<String, Sub>,
    /// Channels that it has left.
    pub(super) left: BTreeSet<String>,
    /// Channels in which it has lost its position.
    pub(super) lost: BTreeSet<String>,
    /// The channel of the room of the seed protocol, and what was heard there.
    pub(super) room: Option<Sub>,
    /// Rooms that it has asked to join; empty for leaving.
    pub(super) rooms_asked: Vec<String>,
    /// The codes with which the server may close it.
    pub(super) may_close: BTreeSet<u16>,
    /// The code with which the server is to close it, unless another reason comes first.
    pub(super) must_close: Option<u16>,
    /// It has not always read all there was.
    pub(super) was_slow: bool,
    /// It has sent what is not allowed, and replies may be missing.
    pub(super) is_spoiled: bool,
    pub(super) answers_pings: bool,
    /// When it was connected, or answered no more pings.
    pub(super) unanswering_since: Option<u64>,
    /// When its token expires, in seconds of Unix time.
    pub(super) expires: Option<u64>,
    /// Errors that it was told.
    pub(super) errors: u32,
    /// It said that it closes.
    pub(super) has_closed: bool,
}

impl Conn {
    pub(super) const fn is_open(&self) -> bool {
        matches!(
            self.stage,
            Stage::Dialing | Stage::Connecting | Stage::Connected | Stage::Unusable
        )
    }

    pub(super) fn is_connected(&self) -> bool {
        self.stage == Stage::Connected
    }
}

/// A command that waits for its reply.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) asked: Asked,
    pub(super) channel: String,
    pub(super) sent: u64,
    /// The newest position of the channel that was known then.
    pub(super) floor: Option<(String, u64)>,
    /// Errors that may be the answer.
    pub(super) errors: Vec<u32>,
    /// Nothing but an error may be.
    pub(super) must_fail: bool,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Connect {
        /// What it wants to recover.
        subs: BTreeMap<String, (String, u64)>,
        expires: Option<u64>,
    },
    Subscribe(SubscribeAsked),
    Unsubscribe,
    Publish(usize),
    Presence,
    PresenceStats,
    History {
        limit: i32,
        since: Option<(String, u64)>,
        reverse: bool,
    },
    Rpc,
    Refresh(Option<u64>),
    SubRefresh(Option<u64>),
}

impl Asked {
    /// Returns when its token expires, in seconds of Unix time.
    pub(super) fn expires(&self) -> Option<u64> {
        match self {
            Self::Connect { expires, .. } => *expires,
            Self::Subscribe(asked) => asked.expires,
            Self::Refresh(until) | Self::SubRefresh(until) => *until,
            _ => None,
        }
    }
}

/// What a subscription was asked with.
#[derive(Clone, Debug, Default)]
pub(super) struct SubscribeAsked {
    pub(super) since: Option<(String, u64)>,
    pub(super) recoverable: bool,
    pub(super) positioned: bool,
    pub(super) join_leave: bool,
    pub(super) rejects_unrecovered: bool,
    pub(super) expires: Option<u64>,
}

/// A subscription.
#[derive(Debug, Default)]
pub(super) struct Sub {
    pub(super) state: SubState,
    pub(super) channel: String,
    pub(super) is_server_side: bool,
    /// Its position, if that is watched.
    pub(super) position: Option<(String, u64)>,
    pub(super) gets_events: bool,
    /// When it was asked for, and when it was answered.
    pub(super) asked_at: u64,
    pub(super) since: u64,
    pub(super) heard: BTreeSet<usize>,
    /// For each client that has come or left since, whether it is there.
    pub(super) others: BTreeMap<String, bool>,
    /// When it has heard that it has come itself.
    pub(super) came: Option<u64>,
    pub(super) expires: Option<u64>,
    /// Its end was asked for before the answer came.
    pub(super) leaves_at_once: bool,
    /// It is asked for once more behind the end that was asked for.
    pub(super) is_asked_again: bool,
}

/// How far a subscription has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum SubState {
    #[default]
    Asked,
    Live,
    /// It was asked to end.
    Leaving,
}
