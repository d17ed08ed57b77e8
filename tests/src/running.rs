//! Servers that run in the process of a test, with an application of the test's own.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use stentor_core::channels::RemoteError;
use stentor_core::id::WorkerId;
use stentor_core::{Failure, Handler, ShardId};
use stentor_server::{ServerHandle, Settings, ShutdownReport};
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
    pub remote: ServerHandle,
    stop: Stop,
    thread: JoinHandle<io::Result<ShutdownReport>>,
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
                let server = stentor_tokio::Server::from_settings(settings)
                    .handler(handler)
                    .work(RunnerWork(job))
                    .bind()
                    .expect("a free port");
                let mut addresses = server.addresses().expect("an address");
                addresses.extend(server.admin_addresses().expect("an address"));
                let remote = server.handle();
                let (end, ended) = oneshot::channel();
                let until = async {
                    let _ = ended.await;
                };
                let serve = move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build();
                    runtime.expect("a runtime").block_on(server.serve(until))
                };
                Self {
                    addresses,
                    remote,
                    stop: Stop::Tokio { _end: end },
                    thread: thread::spawn(serve),
                }
            }
            Adapter::Threads => {
                let server = stentor_std::Server::from_settings(settings)
                    .handler(handler)
                    .work(RunnerWork(job))
                    .bind()
                    .expect("a free port");
                let mut addresses = server.addresses().expect("an address");
                addresses.extend(server.admin_addresses().expect("an address"));
                let remote = server.handle();
                let (end, ended) = mpsc::channel();
                let until = move || {
                    let _ = ended.recv();
                };
                Self {
                    addresses,
                    remote,
                    stop: Stop::Threads { _end: end },
                    thread: thread::spawn(move || server.serve(until)),
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
pub struct StoppingServer(JoinHandle<io::Result<ShutdownReport>>, ServerHandle);

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
