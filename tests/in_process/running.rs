//! Owns a server that runs in the process of a test, with an application of the
//! test's own. What differs between servers is in the `adapter` of each package.

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use stentor_core::{Failure, Handler, RemoteError, ShardId, WorkerId};
use stentor_server::Settings;

use crate::adapter::{Server, ServerHandle, ShutdownReport, Stop, Work, until_dropped};

/// What is done with a task, whichever the server.
pub(crate) trait Job<H: Handler>: Send + Sync + 'static {
    fn run(&self, worker: WorkerId, task: &H::Task) -> Result<H::Outcome, Failure>;
}

/// A server on a free port of loopback.
pub(crate) struct Running {
    /// Where it listens; the admin pages, if there are any, come last.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) remote: ServerHandle,
    stop: Stop,
    thread: JoinHandle<io::Result<ShutdownReport>>,
}

impl Running {
    /// Starts a server with these flags.
    pub(crate) fn start<H, J>(
        flags: &[&str],
        handler: impl Fn(ShardId) -> H + Send + Sync + 'static,
        job: J,
    ) -> Self
    where
        H: Handler<State: Send, Task: Sync> + Send + 'static,
        J: Job<H>,
    {
        let args = [&["stentor", "--listen=127.0.0.1:0"], flags].concat();
        let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
        let server = Server::bind(settings).expect("a free port");
        let mut addresses = server.addresses().expect("an address");
        addresses.extend(server.admin_addresses().expect("an address"));
        let remote = server.remote();
        let (stop, until) = until_dropped();
        let thread = thread::spawn(move || server.run(handler, Work(job), until));
        Self {
            addresses,
            remote,
            stop,
            thread,
        }
    }

    /// Tells it to end.
    pub(crate) fn stop(self) -> Ending {
        drop(self.stop);
        Ending(self.thread, self.remote)
    }
}

/// A server that ends.
pub(crate) struct Ending(JoinHandle<io::Result<ShutdownReport>>, ServerHandle);

impl Ending {
    /// What it reports when it has ended in order.
    pub(crate) fn report(self) -> ShutdownReport {
        self.result().expect("an orderly end")
    }

    /// How it has ended.
    pub(crate) fn result(self) -> io::Result<ShutdownReport> {
        let result = self.0.join().expect("no panic");
        // However it has: whoever holds a handle learns it.
        let refused = self.1.try_reserve().err();
        assert_eq!(refused, Some(RemoteError::Ended));
        result
    }
}
