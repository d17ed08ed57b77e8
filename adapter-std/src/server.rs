//! Server: its parts, and the order in which they start and stop.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use stentor_core::node::{ConnectionLimiter, Deadline};
use stentor_core::{Handler, ShardId};
use stentor_server::admin::Admin;
use stentor_server::metrics::{self, Collector};
use stentor_server::{HungShards, Settings, ShutdownReport, listen};
use tracing::{error, info};

use crate::connection_threads::{ConnectionThreads, start, start_workers};
use crate::drain::{ForceShutdown, drain, take_stock, wait_for, wait_for_threads};
use crate::locked_shard::{LockedShards, ShardInput};
use crate::primitive::thread::JoinHandle;
use crate::remote::{RemoteEndpoint, ServerHandle};
use crate::workers::{self, Work, WorkerPool};
use crate::{acceptor, reach, thread_limit};

/// A server that listens but does not serve yet.
#[derive(Debug)]
pub struct Server {
    settings: Arc<Settings>,
    listeners: Vec<TcpListener>,
    admin: Option<Admin>,
    hurry: ForceShutdown,
    outside: Arc<RemoteEndpoint>,
}

impl Server {
    /// Opens the listeners. Lowers [`Settings::max_connections`] if the system has too few memory
    /// maps for the threads of that many connections.
    ///
    /// # Errors
    /// Returns an error if an address cannot be listened on, unless it is one of the default
    /// addresses and another of them can.
    pub fn bind(mut settings: Settings) -> io::Result<Self> {
        let listeners = listen::open(&settings)?;
        let admin = Admin::open(&settings)?;
        settings.max_connections = thread_limit::limit(&settings);
        Ok(Self {
            outside: Arc::new(RemoteEndpoint::new(&settings.config)),
            settings: Arc::new(settings),
            listeners,
            admin,
            hurry: ForceShutdown::default(),
        })
    }

    /// Returns the addresses that the server listens on.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        listen::addresses(&self.listeners)
    }

    /// Returns the addresses of the admin pages, none if they are not enabled.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn admin_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let addresses = self.admin.as_ref().map(Admin::addresses).transpose()?;
        Ok(addresses.unwrap_or_default())
    }

    /// Returns a handle that cuts a drain short, for example on a second signal.
    #[must_use]
    pub fn hurry(&self) -> ForceShutdown {
        self.hurry.clone()
    }

    /// Returns a handle that sends commands to the connections of the server while it serves.
    #[must_use]
    pub fn remote(&self) -> ServerHandle {
        ServerHandle::of(&self.outside)
    }

    /// Serves until `shutdown` returns, then drains for up to the configured shutdown timeout.
    /// `shutdown` runs on a thread of its own, `handler` creates the application of each shard, and
    /// `work` runs the tasks. A task that has not ended continues when this returns.
    ///
    /// # Errors
    /// Returns an error if the operating system provides no thread, or if `shutdown` or the
    /// acceptor has panicked. Returns an error that contains a [`HungShards`], of the kind
    /// [`TimedOut`](io::ErrorKind::TimedOut), if an application has not returned when the shutdown
    /// timeout and a grace period are over; its shard, and every thread that waits for it, is then
    /// left behind.
    pub fn run<H, W>(
        self,
        handler: impl Fn(ShardId) -> H,
        work: W,
        shutdown: impl FnOnce() + Send + 'static,
    ) -> io::Result<ShutdownReport>
    where
        H: Handler + Send + 'static,
        H::State: Send,
        W: Work<H>,
    {
        let Self {
            settings,
            listeners,
            admin,
            hurry,
            outside,
        } = self;
        let (scrapes, requests) = channel();
        let stations = Arc::new(LockedShards::new(
            &settings.config,
            WorkerPool::new(&settings),
            Arc::new(ConnectionLimiter::new(
                settings.config.shards(),
                settings.max_connections,
            )),
            handler,
            &scrapes,
        ));
        // Whichever way this returns, the threads that were started end.
        let mut crew = ConnectionThreads::new(stations.clone(), scrapes);
        for at in stations.shards() {
            crew.start_ticker(at)?;
        }
        let timed = stations.clone();
        crew.start("task-clock", move || workers::watch_clock(&timed))?;
        let workers = start_workers(&stations, work)?;
        info!(
            size = settings.workers,
            queue = settings.task_queue,
            "worker pool started"
        );
        let reach = Arc::new(reach::AdminView {
            stations: stations.clone(),
            outside: outside.clone(),
        });
        let collector = Arc::new(Collector::new(&settings));
        let (scraped, pages) = (reach.clone(), collector.clone());
        crew.start("metrics", move || {
            metrics::serve(&requests, &*scraped, &pages, |scrape, page| {
                let post = ShardInput::Metrics(scrape, page.clone());
                scraped.stations.post(scrape.id.shard(), post);
            });
        })?;
        // Served until the drain is over, since the pages are needed during the drain too.
        let admin = admin
            .map(|admin| admin.serve(reach, collector))
            .transpose()?;

        let (told, ended) = channel();
        start("shutdown", move || {
            shutdown();
            // The server may have ended by itself.
            let _ = told.send(());
        })?;
        listen::announce(&listeners)?;
        outside.begin(&stations);
        let (stop, stopped) = UnixStream::pair()?;
        let accepting = stations.clone();
        let acceptor = start("acceptor", move || {
            acceptor::run(&listeners, &stopped, &accepting);
        })?;

        let failed = ended.recv().is_err();
        if failed {
            error!("a part of the server has ended");
        }
        info!("shutdown: stopping server and worker pool...");
        drop(stop);
        // The acceptor may be waiting for a shard that hangs.
        let clock = stations.pool.dispatcher.clock();
        let mut deadline = Deadline::new(clock.now(), LAST_SOCKET);
        let stopped = wait_for(&acceptor, clock, &mut deadline);
        // A thread that has panicked has logged it.
        let failed = failed || stopped && acceptor.join().is_err();
        stations.pool.cancel_delays();
        outside.server_end.end();
        drain(
            &stations,
            &outside.server_end,
            settings.shutdown_timeout,
            &hurry,
        );
        drop(admin);
        stations.pool.drain();
        wait_for_threads(&stations);
        let mut deadline = Deadline::new(clock.now(), HungShards::GRACE);
        crew.end(&mut deadline);
        stations.pool.dispatcher.abandon();
        // Workers that are still busy are not waited for.
        for worker in workers.into_iter().filter(JoinHandle::is_finished) {
            let _ = worker.join();
        }
        let stats = take_stock(&stations, &mut deadline)?;
        stations.shards().for_each(|at| stations.dispose(at));
        let report = ShutdownReport::complete(stats, stations.pool.dispatcher.stats());
        if failed {
            return Err(io::Error::other("a part of the server has failed"));
        }
        Ok(report)
    }
}

/// Time within which the acceptor must stop.
const LAST_SOCKET: Duration = Duration::from_secs(1);
