//! Reasons for which a queue refuses a message or drops it unwritten.

/// How a message left the queue that was not written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DropReason {
    /// It had to make room.
    Evicted,
    /// It outlived its deadline.
    Expired,
    /// A newer one took its place.
    Conflated,
    /// The server had not enough memory for it.
    Shed,
}

/// Why a message was not queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PushError {
    /// There is no room, and none can be made for it.
    Full,
    /// There is no room, and the connection is to be closed for that.
    Slow,
}
