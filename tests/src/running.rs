//! Servers that run in the process of a test, with an application of the test's own.

use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use stentor_core::channels::{Permit, RemoteError};
use stentor_core::id::WorkerId;
use stentor_core::{Failure, Handler, ShardId};
use stentor_server::{Settings, ShutdownReport};
use tokio::sync::oneshot;

use crate::Adapter;

/// What is done with a task, whichever the server.
pub trait TaskRunner<H: Handler>: Send + Sync + 'static {
    /// Does it.
    ///
    /// # Errors
    /// The task has failed.
    fn run(&self, worker: WorkerId, task: &H::Task) -> Result<H::Outcome, Failure>;
}

/// A server on a free port of loopback.
#[derive(Debug)]
pub struct Running {
    /// Where it listens; the admin pages, if there are any, come last.
    pub addresses: Vec<SocketAddr>,
    /// Its handle.
    pub remote: RunningHandle,
    stop: Stop,
    thread: JoinHandle<io::Result<ShutdownReport>>,
}

/// A server's handle.
#[derive(Clone, Debug)]
pub enum RunningHandle {
    /// Of the server on tokio.
    Tokio(stentor_tokio::ServerHandle),
    /// Of the server on threads.
    Threads(stentor_std::ServerHandle),
}

/// Dropped, it tells the server to end.
#[derive(Debug)]
enum Stop {
    Tokio { _end: oneshot::Sender<()> },
    Threads { _end: mpsc::Sender<()> },
}

impl Running {
    /// Starts a server with these flags.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start<H, J>(
        adapter: Adapter,
        flags: &[&str],
        handler: impl Fn(ShardId) -> H + Send + Sync + 'static,
        job: J,
    ) -> Self
    where
        H: Handler<State: Send, Task: Sync> + Send + 'static,
        J: TaskRunner<H>,
    {
        let args = [&["stentor", "--listen=127.0.0.1:0"], flags].concat();
        let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
        match adapter {
            Adapter::Tokio => {
                let server = stentor_tokio::Server::bind(settings).expect("a free port");
                let mut addresses = server.addresses().expect("an address");
                addresses.extend(server.admin_addresses().expect("an address"));
                let remote = RunningHandle::Tokio(server.remote());
                let (end, ended) = oneshot::channel();
                let until = async {
                    let _ = ended.await;
                };
                Self {
                    addresses,
                    remote,
                    stop: Stop::Tokio { _end: end },
                    thread: thread::spawn(move || server.run(handler, RunnerWork(job), until)),
                }
            }
            Adapter::Threads => {
                let server = stentor_std::Server::bind(settings).expect("a free port");
                let mut addresses = server.addresses().expect("an address");
                addresses.extend(server.admin_addresses().expect("an address"));
                let remote = RunningHandle::Threads(server.remote());
                let (end, ended) = mpsc::channel();
                let until = move || {
                    let _ = ended.recv();
                };
                Self {
                    addresses,
                    remote,
                    stop: Stop::Threads { _end: end },
                    thread: thread::spawn(move || server.run(handler, RunnerWork(job), until)),
                }
            }
        }
    }

    /// Tells it to end.
    pub fn stop(self) -> StoppingServer {
        drop(self.stop);
        StoppingServer(self.thread, self.remote)
    }
}

/// A server that ends.
#[derive(Debug)]
pub struct StoppingServer(JoinHandle<io::Result<ShutdownReport>>, RunningHandle);

impl StoppingServer {
    /// Returns what it reports when it has ended in order.
    ///
    /// # Panics
    /// If it has not.
    pub fn report(self) -> ShutdownReport {
        self.result().expect("an orderly end")
    }

    /// Returns how it has ended.
    ///
    /// # Errors
    /// Those of the server.
    ///
    /// # Panics
    /// If its thread has.
    pub fn result(self) -> io::Result<ShutdownReport> {
        let result = self.0.join().expect("no panic");
        // However it has: whoever holds a handle learns it.
        let refused = self.1.try_reserve().err();
        assert_eq!(refused, Some(RemoteError::Ended));
        result
    }
}

impl RunningHandle {
    /// Takes this many permits one after the other, and waits for each.
    ///
    /// # Errors
    /// There will be none any more.
    ///
    /// # Panics
    /// Without a runtime.
    pub fn take_permits(
        &self,
        permits: usize,
        mut take: impl FnMut(Permit),
    ) -> Result<(), RemoteError> {
        match self {
            Self::Tokio(handle) => {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                runtime.expect("a runtime").block_on(async {
                    for _ in 0..permits {
                        take(handle.reserve().await?);
                    }
                    Ok(())
                })
            }
            Self::Threads(handle) => {
                for _ in 0..permits {
                    take(handle.reserve()?);
                }
                Ok(())
            }
        }
    }
}

impl Deref for RunningHandle {
    type Target = stentor_core::ServerHandle;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Tokio(handle) => handle,
            Self::Threads(handle) => handle,
        }
    }
}

/// The work of a server that has this job.
struct RunnerWork<J>(J);

impl<H: Handler<Task: Sync>, J: TaskRunner<H>> stentor_tokio::Work<H> for RunnerWork<J> {
    async fn run(&self, worker: WorkerId, task: &H::Task) -> Result<H::Outcome, Failure> {
        self.0.run(worker, task)
    }
}

impl<H: Handler, J: TaskRunner<H>> stentor_std::Work<H> for RunnerWork<J> {
    fn run(&self, worker: WorkerId, task: &H::Task) -> Result<H::Outcome, Failure> {
        self.0.run(worker, task)
    }
}
