//! Questions about a channel that its owner answers, and the answers.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::channels::publication::{KeptPublication, Retention};
use crate::channels::subscription::{MemberInfo, Since};
use crate::id::ConnId;
use crate::position::Position;

/// A question about a channel: [`Context::query`](crate::Context::query).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ChannelQuery {
    /// How many connections are members, on all shards, shown or not.
    MemberCount,
    /// The members that are [shown](crate::channels::Subscription::presence).
    Members,
    /// How many they are.
    Occupancy,
    /// What was published.
    History(HistoryQuery),
    /// That what was published is forgotten. The position stays, so that a subscriber that has missed
    /// something is not recovered.
    ClearHistory,
}

/// Which part of what was published is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryQuery {
    /// How long the channel keeps its position after this.
    pub retention: Retention,
    /// What the answer begins behind: of what follows, or with `reverse` of what precedes.
    /// `None` for the oldest, or with `reverse` the newest.
    pub since: Option<Since>,
    /// The most publications.
    pub limit: u32,
    /// Whether the newest come first.
    pub reverse: bool,
}

/// The answer to a question about a channel:
/// [`Handler::on_channel_answer`](crate::Handler::on_channel_answer).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ChannelAnswer {
    /// How many connections are members.
    MemberCount(u64),
    /// The members that are shown, in no order.
    Members(Vec<(ConnId, Arc<MemberInfo>)>),
    /// How many connections are shown, and of how many users.
    Occupancy {
        /// Connections.
        clients: u64,
        /// Different users.
        users: u64,
    },
    /// What was published.
    History {
        /// The position of the newest publication, kept or not.
        position: Position,
        /// The publications.
        publications: Vec<KeptPublication>,
    },
    /// What was published is forgotten.
    HistoryCleared,
    /// The channel has another epoch than that of the question.
    ForeignEpoch(Position),
}
