//! Replacements for primitives that loom lacks: threads that keep their wake-up token, cells that
//! are set once, and a clock that advances only where a model allows it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loom::sync::atomic::AtomicBool;
use stentor_core::Timestamp;

/// A cell that is set once. The standard one would hide from loom that a reader may come too early.
#[derive(Debug)]
pub(crate) struct MockOnceLock<T> {
    is_set: AtomicBool,
    value: std::sync::OnceLock<T>,
}

impl<T> MockOnceLock<T> {
    pub(crate) fn new() -> Self {
        Self {
            is_set: AtomicBool::new(false),
            value: std::sync::OnceLock::new(),
        }
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.is_set.store(true, Ordering::Release);
        Ok(())
    }

    pub(crate) fn get(&self) -> Option<&T> {
        let is_set = self.is_set.load(Ordering::Acquire);
        self.value.get().filter(|_| is_set)
    }
}

/// A clock that stands still while any thread runs. A thread that sleeps until a time wakes at that
/// time if it is not beyond the [`HORIZON`]; otherwise only when woken.
#[derive(Debug)]
pub(crate) struct MockClock {
    passed: AtomicU64,
}

impl MockClock {
    pub(crate) fn start() -> Self {
        Self {
            passed: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.passed.load(Ordering::Relaxed))
    }
}

pub(crate) fn park_until(clock: &MockClock, at: Timestamp) {
    if at.since(Timestamp::ORIGIN) > HORIZON {
        thread::park();
    } else {
        clock.passed.fetch_max(at.as_micros(), Ordering::Relaxed);
    }
}

/// Limit of time in a model: a deadline at the lower end of the configurable range is reached, an
/// ordinary one is not.
const HORIZON: Duration = Duration::from_millis(20);

/// Threads that keep their wake-up token. Loom's own threads lose it if they are waiting for a lock
/// when they are woken.
pub(crate) mod thread {
    use std::cell::RefCell;
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use loom::sync::Notify;

    #[derive(Clone, Debug)]
    pub(crate) struct Thread(Arc<Notify>);

    impl Thread {
        fn new() -> Self {
            Self(Arc::new(Notify::new()))
        }

        pub(crate) fn unpark(&self) {
            self.0.notify();
        }
    }

    loom::thread_local! {
        static CURRENT: RefCell<Option<Thread>> = RefCell::new(None);
    }

    pub(crate) fn current() -> Thread {
        CURRENT.with(|current| current.borrow_mut().get_or_insert_with(Thread::new).clone())
    }

    /// Sleeps until woken. May return spuriously once in the life of a thread.
    pub(crate) fn park() {
        current().0.wait();
    }

    #[derive(Debug)]
    pub(crate) struct Builder;

    impl Builder {
        pub(crate) const fn new() -> Self {
            Self
        }

        pub(crate) fn name(self, _: String) -> Self {
            self
        }

        pub(crate) fn stack_size(self, _: usize) -> Self {
            self
        }

        pub(crate) fn spawn<T: Send + 'static>(
            self,
            body: impl FnOnce() -> T + Send + 'static,
        ) -> io::Result<JoinHandle<T>> {
            let (thread, finished) = (Thread::new(), Arc::new(AtomicBool::new(false)));
            let (own, ends) = (thread.clone(), finished.clone());
            let builder = loom::thread::Builder::new().stack_size(STACK_WORDS);
            let inner = builder.spawn(move || {
                CURRENT.with(|current| *current.borrow_mut() = Some(own));
                let result = body();
                ends.store(true, Ordering::Relaxed);
                result
            })?;
            Ok(JoinHandle {
                inner,
                thread,
                finished,
            })
        }
    }

    #[derive(Debug)]
    pub(crate) struct JoinHandle<T> {
        inner: loom::thread::JoinHandle<T>,
        thread: Thread,
        finished: Arc<AtomicBool>,
    }

    impl<T> JoinHandle<T> {
        pub(crate) fn join(self) -> std::thread::Result<T> {
            self.inner.join()
        }

        pub(crate) fn thread(&self) -> &Thread {
            &self.thread
        }

        pub(crate) fn is_finished(&self) -> bool {
            self.finished.load(Ordering::Relaxed)
        }
    }

    /// Stack size in words, as loom counts; its default is too small for the message of a panic.
    const STACK_WORDS: usize = 32 << 10;
}
