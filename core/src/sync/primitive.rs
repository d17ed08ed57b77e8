//! Selection between loom's primitives and those of `std`, `core` and `alloc`. No other module
//! makes this choice. Contains no behavior of its own.

#[cfg(not(loom))]
pub(crate) use alloc::sync::Arc;
#[cfg(all(not(loom), feature = "std"))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(loom)]
pub(crate) use counted::Arc;
#[cfg(all(loom, feature = "std"))]
pub(crate) use loom::sync::{Mutex, MutexGuard};

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
#[cfg(all(test, loom))]
pub(crate) use loom::thread;
#[cfg(all(test, not(loom)))]
pub(crate) use std::thread;

/// An `Arc` whose count loom can see. Loom's own has no `into_inner`, and the
/// standard one hides its count from loom. This one moves both counts in one
/// step as far as loom can tell, with the orderings of the standard one.
#[cfg(loom)]
mod counted {
    use core::ops::Deref;

    use loom::sync::atomic::{AtomicUsize, Ordering, fence};

    #[derive(Debug)]
    pub(crate) struct Arc<T>(Option<alloc::sync::Arc<ArcInner<T>>>);

    #[derive(Debug)]
    struct ArcInner<T> {
        count: AtomicUsize,
        value: T,
    }

    impl<T> Arc<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(Some(alloc::sync::Arc::new(ArcInner {
                count: AtomicUsize::new(1),
                value,
            })))
        }

        pub(crate) fn into_inner(mut this: Self) -> Option<T> {
            this.release()
        }

        pub(crate) fn get_mut(this: &mut Self) -> Option<&mut T> {
            let held = this.0.as_mut()?;
            let counted = alloc::sync::Arc::get_mut(held)?;
            fence(Ordering::Acquire);
            Some(&mut counted.value)
        }

        fn release(&mut self) -> Option<T> {
            let held = self.0.take()?;
            if held.count.fetch_sub(1, Ordering::Release) == 1 {
                fence(Ordering::Acquire);
            }
            alloc::sync::Arc::into_inner(held).map(|counted| counted.value)
        }

        fn held(&self) -> &alloc::sync::Arc<ArcInner<T>> {
            self.0
                .as_ref()
                .expect("only into_inner and drop, which end it, take it out")
        }
    }

    impl<T> Clone for Arc<T> {
        fn clone(&self) -> Self {
            self.held().count.fetch_add(1, Ordering::Relaxed);
            Self(self.0.clone())
        }
    }

    impl<T> Deref for Arc<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.held().value
        }
    }

    impl<T> Drop for Arc<T> {
        fn drop(&mut self) {
            drop(self.release());
        }
    }
}
