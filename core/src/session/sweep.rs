//! Order that concerns every connection of a shard, and its progress.

use crate::CloseCode;

/// An order, and how far it has been carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    pub(crate) order: SweepOrder,
    /// The first slot for which it has not been.
    pub(crate) next: u32,
}

/// What is done for each connection. A later one takes the place of one before it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SweepOrder {
    /// It is read no more.
    Drain,
    /// Its closing handshake begins.
    Close(CloseCode),
    /// It is cut off.
    Abort,
}

impl SweepOrder {
    /// Returns the order's place among the three: a later one includes those before.
    pub(crate) const fn rank(self) -> u8 {
        match self {
            Self::Drain => 0,
            Self::Close(_) => 1,
            Self::Abort => 2,
        }
    }
}
