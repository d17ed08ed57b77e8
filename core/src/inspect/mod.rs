//! Inspection: the data of answers about single connections, and about the shard.

pub(crate) mod closed;
pub(crate) mod connection_info;
pub(crate) mod connection_list;
mod readiness;

pub use closed::{CloseInfo, ClosedConnection, SampledConnection};
pub use connection_info::{ConnectionInfo, ConnectionStage, Lookup, Pause, TimerKind, WaitReason};
pub use connection_list::{ConnectionList, ConnectionQuery, SortBy};
pub use readiness::Readiness;
