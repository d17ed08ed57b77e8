//! Owns the parts of a server and their order of birth and death.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use stentor_cli::{Census, Report, Settings, listen};
use stentor_core::{Handler, ShardId, Stats};
use tracing::{error, info};

use crate::drain::{Hurry, drain, wait_for_threads};
use crate::station::Stations;
use crate::workers::{self, Pool, Work};
use crate::{acceptor, room, scrape};

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct Server {
    settings: Arc<Settings>,
    listeners: Vec<TcpListener>,
    hurry: Hurry,
}

/// Why a server ends.
enum Cause {
    Told,
    ListenerFailed(io::Error),
}

impl Server {
    /// Opens the listeners. Lowers [`Settings::max_connections`] where the
    /// system has no room for the threads of so many.
    ///
    /// # Errors
    /// An address that cannot be listened on, unless it is one of the defaults
    /// and another of them can.
    pub fn bind(mut settings: Settings) -> io::Result<Self> {
        let listeners = listen::open(&settings)?;
        settings.max_connections = room::limit(&settings);
        Ok(Self {
            settings: Arc::new(settings),
            listeners,
            hurry: Hurry::default(),
        })
    }

    /// The addresses it listens on.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        listen::addresses(&self.listeners)
    }

    /// What cuts a drain short, for whoever is told twice to end the server.
    #[must_use]
    pub fn hurry(&self) -> Hurry {
        self.hurry.clone()
    }

    /// Serves until `shutdown` returns, which runs on a thread of its own; then
    /// drains for as long as the settings allow. `handler` makes the application
    /// of each shard, `work` does the tasks. A task that does not end goes on
    /// when this returns.
    ///
    /// # Errors
    /// A thread that the operating system does not give, or a listener that has
    /// failed.
    pub fn run<H, W>(
        self,
        handler: impl Fn(ShardId) -> H + Send + Sync + 'static,
        work: W,
        shutdown: impl FnOnce() + Send + 'static,
    ) -> io::Result<Report>
    where
        H: Handler + Send + 'static,
        H::State: Send,
        W: Work<H>,
    {
        let Self {
            settings,
            listeners,
            hurry,
        } = self;
        let (scrapes, requests) = channel();
        let stations = Arc::new(Stations::new(
            &settings.config,
            Pool::new(&settings),
            Arc::new(Census::new(&settings)),
            Box::new(handler),
            &scrapes,
        ));
        // However this returns, what was started ends.
        let mut crew = Crew::new(stations.clone(), scrapes);
        for at in stations.shards() {
            crew.start_ticker(at)?;
        }
        let timed = stations.clone();
        crew.start("task-clock", move || workers::watch_clock(&timed))?;
        let workers = start_workers(&stations, work)?;
        info!(
            size = settings.workers,
            queue = settings.worker_queue,
            "worker pool started"
        );
        let scraped = (settings.clone(), stations.clone());
        crew.start("scrape", move || {
            scrape::run(&requests, &scraped.0, &scraped.1);
        })?;

        let (end, ended) = channel();
        let told = end.clone();
        start("shutdown", move || {
            shutdown();
            // The server may have ended by itself.
            let _ = told.send(Cause::Told);
        })?;
        listen::announce(&listeners)?;
        let (stop, stopped) = UnixStream::pair()?;
        let accepting = stations.clone();
        let acceptor = start("acceptor", move || {
            if let Err(error) = acceptor::run(&listeners, &stopped, &accepting) {
                let _ = end.send(Cause::ListenerFailed(error));
            }
        })?;

        let failed = match ended.recv() {
            Ok(Cause::ListenerFailed(error)) => {
                error!(%error, "a listener has failed");
                true
            }
            Ok(Cause::Told) => false,
            Err(_) => {
                error!("a part of the server has ended");
                true
            }
        };
        info!("shutdown: stopping server and worker pool...");
        drop(stop);
        // One that has panicked has said so.
        let failed = acceptor.join().is_err() || failed;
        stations.pool.hasten();
        drain(&stations, settings.drain, &hurry);
        stations.pool.drain();
        wait_for_threads(&stations);
        drop(crew);
        stations.pool.desk.abandon();
        // A worker that is busy still is not waited for.
        for worker in workers.into_iter().filter(JoinHandle::is_finished) {
            let _ = worker.join();
        }
        let mut stats = Stats::default();
        for at in stations.shards() {
            stats += &stations.stats(at);
        }
        let report = Report::complete(stats, stations.pool.desk.stats());
        if failed {
            return Err(io::Error::other("a part of the server has failed"));
        }
        Ok(report)
    }
}

/// The threads that serve all connections. Dropped, they are told to end, and do.
struct Crew<H: Handler> {
    stations: Arc<Stations<H>>,
    scrapes: Sender<Option<scrape::Scrape>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl<H> Crew<H>
where
    H: Handler + Send + 'static,
    H::State: Send,
{
    fn new(stations: Arc<Stations<H>>, scrapes: Sender<Option<scrape::Scrape>>) -> Self {
        Self {
            stations,
            scrapes,
            stop: Arc::default(),
            threads: Vec::new(),
        }
    }

    fn start(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(start(name, run)?);
        Ok(())
    }

    /// Starts the thread that sees to a shard's letters and timers.
    fn start_ticker(&mut self, at: ShardId) -> io::Result<()> {
        let (stations, stop) = (self.stations.clone(), self.stop.clone());
        self.start(&format!("ticker-{}", at.0), move || {
            stations.set_ticker(at, thread::current());
            while !stop.load(Ordering::Acquire) {
                match stations.tick(at) {
                    None => thread::park(),
                    Some(until) => {
                        thread::park_timeout(until.saturating_duration_since(Instant::now()));
                    }
                }
            }
        })
    }
}

impl<H: Handler> Drop for Crew<H> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.stations.pool.drain();
        // Its end is what is asked for.
        let _ = self.scrapes.send(None);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // One that has panicked has said so.
            let _ = thread.join();
        }
    }
}

fn start(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(run)
}

fn start_workers<H, W>(stations: &Arc<Stations<H>>, work: W) -> io::Result<Vec<JoinHandle<()>>>
where
    H: Handler + Send + 'static,
    H::State: Send,
    W: Work<H>,
{
    let work = Arc::new(work);
    let threads = stations.pool.desk.workers().map(|worker| {
        let (stations, work) = (stations.clone(), work.clone());
        start(&format!("worker-{worker}"), move || {
            workers::run(worker, &stations, &*work);
        })
    });
    let threads: io::Result<Vec<_>> = threads.collect();
    if threads.is_err() {
        // Those that have begun end again.
        stations.pool.drain();
    }
    threads
}
