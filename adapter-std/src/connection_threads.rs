//! Threads that serve all connections (tickers and workers), and how they are stopped. Not the reader and writer threads of a connection, which are
//! in [`connection`](crate::connection).

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use stentor_core::node::Deadline;
use stentor_core::{Handler, ShardId};
use stentor_server::lifecycle::wait_until;

use crate::locked_shard::LockedShards;
use crate::primitive::AtomicBool;
use crate::primitive::thread::{Builder, JoinHandle};
use crate::stream::Stream;
use crate::ticker;
use crate::workers::{self, Work};

/// The threads that serve all connections, except the workers. Dropping this stops and joins them.
pub(crate) struct ConnectionThreads<H: Handler, S: Stream> {
    host: Arc<LockedShards<H, S>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl<H, S> ConnectionThreads<H, S>
where
    H: Handler + Send + 'static,
    H::State: Send,
    S: Stream,
{
    pub(crate) fn new(host: Arc<LockedShards<H, S>>) -> Self {
        Self {
            host,
            stop: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
        }
    }

    /// Starts the ticker of a shard.
    pub(crate) fn start_ticker(&mut self, at: ShardId) -> io::Result<()> {
        let (host, stop) = (self.host.clone(), self.stop.clone());
        let ticker = start(&format!("ticker-{}", at.0), move || {
            ticker::run(&host, at, &stop);
        })?;
        self.threads.push(ticker);
        Ok(())
    }
}

impl<H: Handler, S: Stream> ConnectionThreads<H, S> {
    /// Stops the threads. Those that have not ended by the deadline are left behind: they wait for
    /// the lock of a shard that hangs.
    pub(crate) fn end(mut self, deadline: &mut Deadline) {
        self.tell();
        let clock = self.host.state.clock();
        self.threads
            .retain(|thread| wait_until(clock, deadline, || thread.is_finished()));
    }

    /// Signals the threads to end.
    fn tell(&self) {
        self.stop.store(true, Ordering::Release);
        for thread in &self.threads {
            thread.thread().unpark();
        }
    }
}

impl<H: Handler, S: Stream> Drop for ConnectionThreads<H, S> {
    fn drop(&mut self) {
        self.tell();
        for thread in self.threads.drain(..) {
            // A thread that has panicked has logged it.
            let _ = thread.join();
        }
    }
}

/// Starts a thread.
pub(crate) fn start(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.into()).spawn(run)
}

/// Starts the workers, which end when the pool drains and no tasks are left. They are not among the
/// [`ConnectionThreads`], because a worker may be busy indefinitely.
pub(crate) fn start_workers<H, S, W>(
    host: &Arc<LockedShards<H, S>>,
    work: W,
) -> io::Result<Vec<JoinHandle<()>>>
where
    H: Handler + Send + 'static,
    H::State: Send,
    S: Stream,
    W: Work<H>,
{
    let work = Arc::new(work);
    let threads = host.state.dispatcher.workers().map(|worker| {
        let (host, work) = (host.clone(), work.clone());
        start(&format!("worker-{worker}"), move || {
            workers::run(worker, &host, &*work);
        })
    });
    let threads: io::Result<Vec<_>> = threads.collect();
    if threads.is_err() {
        // Stops those that have been started.
        host.drain_workers();
    }
    threads
}
