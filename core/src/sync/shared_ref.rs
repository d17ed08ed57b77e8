//! Shared reference to a value that several shards hold at once, which identifies the last holder.
//! What the last holder does with the value is up to the shard.

use core::ops::Deref;

use crate::sync::primitive::Arc;

/// One share of a value that several shards work on, such as a publication that
/// each interested shard delivers to its own members.
///
/// [`new`](Self::new) returns the first share. Its holder creates the others by
/// [`share`](Self::share) and ends its own by [`finish`](Self::finish) after it has handed out the
/// last. So no share can appear to be the last too early, and a value that no other shard needed
/// goes back to its creator.
///
/// Of all shares of one value, at most one gets it back; exactly one if the last share to end is
/// finished. A share that is dropped, because its shard failed, ends just the same and does not
/// keep the others from getting the value. If it is itself the last, the value is dropped at once:
/// a value whose end must be noticed even then implements `Drop`.
///
/// ```
/// use stentor_core::sync::SharedRef;
///
/// let mine = SharedRef::new("publication");
/// let theirs = mine.share();
/// assert_eq!(mine.finish(), None);
/// assert_eq!(theirs.finish(), Some("publication"));
/// ```
#[derive(Debug)]
pub struct SharedRef<T>(Arc<T>);

impl<T> SharedRef<T> {
    /// Creates the first share of `value`.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// Ends this share. Returns the value to the last share of all, after everything the others did
    /// before they ended theirs; returns `None` to any other.
    #[must_use = "the last share has to settle the account"]
    pub fn finish(self) -> Option<T> {
        Arc::into_inner(self.0)
    }

    /// Creates one more share, for one more shard.
    #[must_use]
    pub fn share(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for SharedRef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

// A message that carries one is as large as a pointer, optional or not.
#[cfg(not(loom))]
const _: () = assert!(size_of::<Option<SharedRef<[u64; 9]>>>() == size_of::<usize>());
