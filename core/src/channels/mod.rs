//! Channels: members, unfinished publications of large channels, credits between shards, and the
//! messages and questions that shards send to one another.

pub(crate) mod credits;
pub(crate) mod delivery_report;
pub(crate) mod fan_outs;
pub(crate) mod handle;
pub(crate) mod message;
pub(crate) mod presence;
pub(crate) mod publication;
pub(crate) mod query;
pub(crate) mod question;
pub(crate) mod registry;
pub(crate) mod repeats;
pub(crate) mod saved;
pub(crate) mod stream;
pub(crate) mod streams;
pub(crate) mod subscription;
pub(crate) mod waiters;

pub use crate::position::{Epoch, Position};
pub use delivery_report::DeliveryReport;
pub use handle::{
    CommandSender, Permit, RemoteError, RemoteResult, RemoteStats, ServerEnd, ShardSender,
};
pub use message::ShardMessage;
pub use publication::{KeptPublication, Publication, Retention};
pub use query::{ChannelAnswer, ChannelQuery, HistoryQuery};
pub use saved::{SavedError, SavedPart, SavedStream, SavedStreams, SavedWriter};
pub use subscription::{MemberInfo, Recovery, RecoveryScope, Since, Subscribed, Subscription};
