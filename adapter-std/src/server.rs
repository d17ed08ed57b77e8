//! Server: its builder, and the call that serves. The threads are in
//! [`connection_threads`](crate::connection_threads), the order in which they start and stop in
//! [`stentor_server::lifecycle`].

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use stentor_core::node::Deadline;
use stentor_core::stats::Stats;
use stentor_core::{Config, Echo, Handler, ShardId};
use stentor_server::host::ServerState;
use stentor_server::lifecycle::{Ending, EndingNotice, Threads, serve, wait_until};
use stentor_server::{
    BoundServer, BuildServer, ForceShutdown, HandlerFactory, Listener, NoTasks, ServerBuilder,
    ServerHandle, ShutdownReport,
};
use tracing::info;

use crate::connection_threads::{ConnectionThreads, start, start_workers};
use crate::locked_shard::LockedShards;
use crate::primitive::thread::JoinHandle;
use crate::workers::Work;
use crate::{acceptor, thread_limit};

/// A server that listens but does not serve yet.
pub struct Server<H: Handler, W = NoTasks> {
    bound: BoundServer,
    handler: HandlerFactory<H>,
    work: W,
}

/// The adapter on blocking threads, as a parameter of [`ServerBuilder`].
#[derive(Clone, Copy, Debug)]
pub struct BlockingThreads;

impl<H, W> BuildServer<H, W> for BlockingThreads
where
    H: Handler<State: Send> + Send + 'static,
    W: Work<H>,
{
    type Server = Server<H, W>;

    /// Lowers the maximum number of connections if the system has too few memory maps for the threads
    /// of that many.
    fn build(
        mut bound: BoundServer,
        handler: HandlerFactory<H>,
        work: W,
    ) -> io::Result<Server<H, W>> {
        bound.options.max_connections = thread_limit::limit(&bound.config, &bound.options);
        Ok(Server {
            bound,
            handler,
            work,
        })
    }
}

/// The builder does not depend on the application, which it is given later.
impl Server<Echo> {
    /// Returns a builder of a server with this configuration.
    #[must_use]
    pub fn builder(config: Config) -> ServerBuilder<BlockingThreads> {
        ServerBuilder::new(config)
    }

    /// Returns a builder of a server with these settings.
    #[cfg(feature = "binary")]
    #[must_use]
    pub fn from_settings(settings: stentor_server::Settings) -> ServerBuilder<BlockingThreads> {
        ServerBuilder::from_settings(settings)
    }
}

impl<H: Handler, W> Server<H, W> {
    /// Returns the addresses that the server listens on.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.bound.addresses()
    }

    /// Returns the addresses of the admin pages, none if they are not enabled.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    #[cfg(feature = "binary")]
    pub fn admin_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.bound.admin_addresses()
    }

    /// Returns a handle for other threads.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.bound.handle()
    }

    /// Returns a handle that cuts a drain short, for example on a second signal.
    #[must_use]
    pub fn force_shutdown(&self) -> ForceShutdown {
        self.bound.force_shutdown()
    }
}

impl<H, W> Server<H, W>
where
    H: Handler<State: Send> + Send + 'static,
    W: Work<H>,
{
    /// Serves until `shutdown` returns, then drains for up to the shutdown timeout. `shutdown` runs on
    /// a thread of its own. A task that has not ended continues when this returns.
    ///
    /// # Errors
    /// Returns an error if the operating system provides no thread, or if the acceptor has panicked.
    /// Returns an error that contains a [`HungShards`](crate::HungShards), of the kind
    /// [`TimedOut`](io::ErrorKind::TimedOut), if an application has not returned when the shutdown
    /// timeout and a grace period are over; its shard, and every thread that waits for it, is then
    /// left behind.
    pub fn serve(self, shutdown: impl FnOnce() + Send + 'static) -> io::Result<ShutdownReport> {
        let Self {
            bound,
            handler,
            work,
        } = self;
        let BoundServer {
            config,
            options,
            remote,
            ..
        } = &bound;
        let (state, scrapes) = ServerState::new(config, options, remote.clone());
        let host = Arc::new(LockedShards::new(config, state, handler));
        let (endings, ended) = channel();
        // Whichever way this returns, the threads that were started end.
        let mut threads = ServerThreads {
            connections: Some(ConnectionThreads::new(host.clone())),
            host,
            workers: Vec::new(),
            acceptor: None,
            endings: endings.clone(),
        };
        threads.start(work)?;
        info!(
            size = options.workers,
            queue = options.task_queue,
            "worker pool started"
        );
        let ending = EndingNotice(endings, Ending::Shutdown);
        start("shutdown", move || {
            let _ending = ending;
            shutdown();
        })?;
        serve(threads, bound, scrapes, &ended)
    }
}

/// The threads of a running server.
struct ServerThreads<H: Handler> {
    host: Arc<LockedShards<H>>,
    connections: Option<ConnectionThreads<H, std::net::TcpStream>>,
    workers: Vec<JoinHandle<()>>,
    /// The acceptor, and what ends it when it is dropped.
    acceptor: Option<(JoinHandle<()>, UnixStream)>,
    endings: Sender<Ending>,
}

impl<H> ServerThreads<H>
where
    H: Handler<State: Send> + Send + 'static,
{
    fn start(&mut self, work: impl Work<H>) -> io::Result<()> {
        if let Some(connections) = &mut self.connections {
            for at in self.host.shards() {
                connections.start_ticker(at)?;
            }
        }
        self.workers = start_workers(&self.host, work)?;
        Ok(())
    }
}

impl<H> Threads for ServerThreads<H>
where
    H: Handler<State: Send> + Send + 'static,
{
    type Host = LockedShards<H>;

    fn host(&self) -> &Arc<LockedShards<H>> {
        &self.host
    }

    fn accept(&mut self, listeners: Vec<Listener>) -> io::Result<()> {
        let (stop, stopped) = UnixStream::pair()?;
        let host = self.host.clone();
        let ending = EndingNotice(self.endings.clone(), Ending::Listener);
        let acceptor = start("acceptor", move || {
            let _ending = ending;
            acceptor::run(&listeners, &stopped, &host);
        })?;
        self.acceptor = Some((acceptor, stop));
        Ok(())
    }

    fn stop_accepting(&mut self, deadline: &mut Deadline) -> bool {
        let Some((acceptor, stop)) = self.acceptor.take() else {
            return false;
        };
        drop(stop);
        let clock = self.host.state.clock();
        // A thread that has panicked has logged it.
        wait_until(clock, deadline, || acceptor.is_finished()) && acceptor.join().is_err()
    }

    fn stop_shards(&mut self, deadline: &mut Deadline) {
        let clock = self.host.state.clock();
        // The threads of connections whose sockets have ended.
        let mut last = Deadline::new(clock.now(), LAST_THREADS);
        let limiter = &self.host.state.limiter;
        wait_until(clock, &mut last, || limiter.sockets() == 0);
        if let Some(connections) = self.connections.take() {
            connections.end(deadline);
        }
    }

    fn final_stats(&mut self, shard: ShardId) -> Option<io::Result<Stats>> {
        let stats = self.host.try_stats(shard)?;
        self.host.dispose(shard);
        Some(Ok(stats))
    }
}

impl<H: Handler> Drop for ServerThreads<H> {
    fn drop(&mut self) {
        // Workers that are still busy are not waited for.
        for worker in self.workers.drain(..).filter(JoinHandle::is_finished) {
            let _ = worker.join();
        }
    }
}

impl<H: Handler, W> fmt::Debug for Server<H, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

/// Time for the threads of connections to end.
const LAST_THREADS: Duration = Duration::from_secs(1);
