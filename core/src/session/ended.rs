//! Connections that have ended, and values of the application that a shard needs no longer.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::session::app_types::{AppTypes, TaskEnd};
use crate::stats::CloseCause;

/// A connection that has ended, and of which the application is still to be told. Its slot is kept
/// until then.
pub(crate) struct Ended {
    pub(crate) at: u32,
    pub(crate) cause: CloseCause,
    /// The channels that it was in.
    pub(crate) channels: SmallVec<[Bytes; 1]>,
}

/// A value of the application to be dropped where a panic is caught: the engine runs no code of
/// the application.
pub(crate) enum Leftover<A: AppTypes> {
    Task(A::Task),
    TaskEnd(TaskEnd<A>),
    State(A::State),
}
