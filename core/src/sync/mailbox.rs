//! Mailbox: a queue behind a lock, from many shards to one. It reports which writer must wake the
//! reader but does not wake it, because it knows no thread and no runtime. It is not bounded:
//! credits limit the messages in flight.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use std::sync::PoisonError;

use crate::sync::primitive::{Mutex, MutexGuard};

/// Mailbox with many writers and one reader. Messages come out in the order in which they were
/// pushed: a total order that includes the order of each writer.
///
/// **Waking.** A push returns `true` exactly when it found the mailbox empty. The writer then owes
/// the reader a wake-up, after the push. The reader may sleep after any drain. No wake-up is lost:
/// a drain leaves the mailbox empty, so the next push finds it empty and owes the wake-up. A push
/// that returns `false` found a message whose writer has given the wake-up or is about to, and
/// which the reader has not drained since. The wake-up must be sticky, like the unpark token of a
/// thread, an eventfd or a notify permit: given between the drain and the sleep, it must end that
/// sleep. A wake-up may be spurious, if the reader drained on its own before it came.
///
/// **Cost.** An empty destination is swapped in, so the lock is held for a few words and two
/// buffers are used alternately: nothing is allocated once both have grown to the largest number of
/// messages ever in flight. No code of `T` runs under the lock.
///
/// **Failure.** A thread that panics while it holds the lock leaves a whole queue
/// behind, and the others go on with it.
pub struct Mailbox<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    messages: VecDeque<T>,
    closed: bool,
}

impl<T> Mailbox<T> {
    /// Creates an empty, open mailbox.
    pub fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                messages: VecDeque::new(),
                closed: false,
            }),
        }
    }

    /// Appends a message. Returns `true` if the mailbox was empty: the reader must be woken.
    ///
    /// # Errors
    /// Returns the message if the mailbox is closed.
    pub fn push(&self, message: T) -> Result<bool, T> {
        let mut inner = self.lock();
        if inner.closed {
            // The guard is dropped first, so that the message is never dropped under the lock.
            drop(inner);
            return Err(message);
        }
        let was_empty = inner.messages.is_empty();
        inner.messages.push_back(message);
        Ok(was_empty)
    }

    /// Appends all `messages`, contiguously and under one lock, and leaves the vector empty with
    /// its buffer. Returns `true` if the mailbox was empty and no longer is: the reader must be
    /// woken.
    ///
    /// # Errors
    /// Returns [`MailboxClosed`] if the mailbox is closed; `messages` is then unchanged.
    pub fn push_all(&self, messages: &mut Vec<T>) -> Result<bool, MailboxClosed> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(MailboxClosed);
        }
        let owes_a_wake = inner.messages.is_empty() && !messages.is_empty();
        inner.messages.extend(messages.drain(..));
        Ok(owes_a_wake)
    }

    /// Moves all messages to the end of `to` and returns their number. If `to` is empty, its buffer
    /// is left in exchange.
    pub fn drain_into(&self, to: &mut VecDeque<T>) -> usize {
        let mut inner = self.lock();
        let count = inner.messages.len();
        if to.is_empty() {
            mem::swap(&mut inner.messages, to);
        } else {
            to.append(&mut inner.messages);
        }
        count
    }

    /// Rejects every later push. The messages inside stay for a drain, and the first drain after
    /// this is the last that finds any.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// Returns the number of waiting messages. It may change before the caller uses it.
    pub fn len(&self) -> usize {
        self.lock().messages.len()
    }

    /// Returns whether no message waits. It may change before the caller uses it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

/// Error of a push to a closed mailbox: its shard has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct MailboxClosed;

impl fmt::Display for MailboxClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mailbox is closed")
    }
}

impl core::error::Error for MailboxClosed {}

// Loom's lock exists only inside a model; these are about one thread.
#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::vec;

    use proptest::collection::vec as vec_of;
    use proptest::prelude::*;

    use super::*;
    use crate::sync::primitive::{Arc, thread};

    #[derive(Clone, Debug)]
    enum Op {
        Push,
        PushAll(usize),
        Drain,
        DrainBehind(usize),
        Close,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            8 => Just(Op::Push),
            4 => (0_usize..5).prop_map(Op::PushAll),
            4 => Just(Op::Drain),
            2 => (1_usize..4).prop_map(Op::DrainBehind),
            1 => Just(Op::Close),
        ]
    }

    proptest! {
        #[test]
        fn does_what_a_plain_queue_does(ops in vec_of(op(), 0..200)) {
            let mailbox = Mailbox::new();
            let (mut oracle, mut closed) = (VecDeque::new(), false);
            let mut scratch = VecDeque::new();
            let mut next = 0_usize;
            let mut fresh = || { next += 1; next };
            for op in ops {
                match op {
                    Op::Push => {
                        let message = fresh();
                        let expected = if closed { Err(message) } else { Ok(oracle.is_empty()) };
                        prop_assert_eq!(mailbox.push(message), expected);
                        oracle.extend((!closed).then_some(message));
                    }
                    Op::PushAll(n) => {
                        let before: Vec<_> = (0..n).map(|_| fresh()).collect();
                        let mut messages = before.clone();
                        let expected = if closed { Err(MailboxClosed) } else { Ok(oracle.is_empty() && n > 0) };
                        prop_assert_eq!(mailbox.push_all(&mut messages), expected);
                        if closed {
                            prop_assert_eq!(messages, before);
                        } else {
                            prop_assert!(messages.is_empty());
                            oracle.extend(before);
                        }
                    }
                    Op::Drain => {
                        scratch.clear();
                        prop_assert_eq!(mailbox.drain_into(&mut scratch), oracle.len());
                        prop_assert_eq!(&scratch, &mem::take(&mut oracle));
                    }
                    Op::DrainBehind(n) => {
                        let mut to: VecDeque<_> = vec![0; n].into();
                        prop_assert_eq!(mailbox.drain_into(&mut to), oracle.len());
                        prop_assert!(to.drain(..n).all(|old| old == 0));
                        prop_assert_eq!(&to, &mem::take(&mut oracle));
                    }
                    Op::Close => {
                        mailbox.close();
                        closed = true;
                    }
                }
                prop_assert_eq!(mailbox.len(), oracle.len());
                prop_assert_eq!(mailbox.is_empty(), oracle.is_empty());
            }
        }
    }

    #[test]
    fn two_buffers_go_round() {
        let mailbox = Mailbox::new();
        let mut to = VecDeque::new();
        let mut fill_and_drain = || {
            (0..100).for_each(|n| assert_eq!(mailbox.push(n), Ok(n == 0)));
            to.clear();
            assert_eq!(mailbox.drain_into(&mut to), 100);
            (to.as_slices().0.as_ptr(), to.capacity())
        };
        let first = [fill_and_drain(), fill_and_drain()];
        for _ in 0..10 {
            assert_eq!([fill_and_drain(), fill_and_drain()], first);
        }
    }

    #[test]
    fn a_writer_that_dies_with_the_lock_harms_nobody() {
        let mailbox = Arc::new(Mailbox::new());
        assert_eq!(mailbox.push(1), Ok(true));
        let dies = mailbox.clone();
        let died = thread::spawn(move || {
            let _guard = dies.lock();
            std::panic::resume_unwind(alloc::boxed::Box::new("dies with the lock"));
        });
        assert!(died.join().is_err() && mailbox.inner.is_poisoned());
        assert_eq!(mailbox.push(2), Ok(false));
        let mut to = VecDeque::new();
        assert_eq!(mailbox.drain_into(&mut to), 2);
        assert_eq!(to, [1, 2]);
    }
}
