//! Inspection: the data of answers about single connections.

pub(crate) mod closed;
pub(crate) mod connection_info;
pub(crate) mod connection_list;

pub use closed::{CloseInfo, ClosedConnection};
pub use connection_info::{ConnectionInfo, ConnectionStage, Lookup, Pause, TimerKind, WaitReason};
pub use connection_list::{ConnectionList, ConnectionQuery, SortBy};
