//! Owns the value that several shards hold at once, and the answer to who was
//! the last to be done with it. What the last one has to do is the shard's.

use core::ops::Deref;

use crate::sync::primitive::Arc;

/// One share of a value that several shards work on, such as a publication that
/// each interested shard delivers to its own members.
///
/// Whoever makes a parcel holds its first share, hands out the others by
/// [`share`](Self::share) and ends its own by [`finish`](Self::finish) once it has
/// handed out the last. So nobody can be told that it was the last too early, and
/// a parcel that nobody else wanted tells its maker.
///
/// Of all shares of one parcel, at most one is told; exactly one if the last share
/// to end is finished. A share that is merely dropped, because its shard failed,
/// ends just the same and never keeps the others from being told. If it is itself
/// the last, there is nobody left to tell, and the value is dropped there and
/// then: a value whose end must not go unnoticed even so says it in its own `Drop`.
///
/// ```
/// use stentor_core::SharedRef;
///
/// let mine = SharedRef::new("publication");
/// let theirs = mine.share();
/// assert_eq!(mine.finish(), None);
/// assert_eq!(theirs.finish(), Some("publication"));
/// ```
#[derive(Debug)]
pub struct SharedRef<T>(Arc<T>);

impl<T> SharedRef<T> {
    /// The first share of `value`.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// Ends this share. The last share of all gets the value back, and everything
    /// the others did before they ended theirs has happened before; any other gets
    /// `None`.
    #[must_use = "the last share has to settle the account"]
    pub fn finish(self) -> Option<T> {
        Arc::into_inner(self.0)
    }

    /// One more share, for one more shard.
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

// A letter that carries one is as big as a pointer, optional or not.
#[cfg(not(loom))]
const _: () = assert!(size_of::<Option<SharedRef<[u64; 9]>>>() == size_of::<usize>());
