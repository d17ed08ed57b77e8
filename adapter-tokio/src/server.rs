//! Server: its parts, and the order in which they start and stop.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use stentor_core::node::ConnectionLimiter;
use stentor_core::stats::Stats;
use stentor_core::{Handler, Shard, ShardId};
use stentor_server::admin::Admin;
use stentor_server::metrics::{self, Collector, Scrape};
use stentor_server::{CatchPanics, EndOnPanic, HungShards, Settings, ShutdownReport, listen};
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tracing::{error, info};

use crate::acceptor;
use crate::drain::{ForceShutdown, drain, within};
use crate::driver::{Driver, DriverContext};
use crate::reach;
use crate::remote::{RemoteEndpoint, ServerHandle};
use crate::shard_handle::{ShardHandles, ShardInput};
use crate::workers::{self, Work, WorkerPool};

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
    /// Opens the listeners.
    ///
    /// # Errors
    /// Returns an error if an address cannot be listened on, unless it is one of the default
    /// addresses and another of them can.
    pub fn bind(settings: Settings) -> io::Result<Self> {
        let listeners = listen::open(&settings)?;
        let admin = Admin::open(&settings)?;
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

    /// Serves until `shutdown` completes, then drains for up to the configured shutdown timeout.
    /// `handler` creates the application of each shard, `work` runs the tasks.
    ///
    /// # Errors
    /// Returns an error if the operating system provides no thread or descriptor, or if a shard or
    /// a listener has failed. Returns an error that contains a [`HungShards`], of the kind
    /// [`TimedOut`](io::ErrorKind::TimedOut), if an application has not returned when the shutdown
    /// timeout and a grace period are over; the thread of its shard is then left behind.
    pub fn run<H, W>(
        self,
        handler: impl Fn(ShardId) -> H,
        work: W,
        shutdown: impl Future<Output = ()>,
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
        let doors = Arc::new(ShardHandles::new(ConnectionLimiter::new(
            settings.config.shards(),
            settings.max_connections,
        )));
        let pool = Arc::new(WorkerPool::new(&settings));
        let clock = pool.dispatcher.clock();
        let (scrapes, requests) = channel();
        let (ended, mut endings) = unbounded_channel();
        let _end = EndOnDrop(doors.clone());
        let (mut shards, mut runtimes) = (Vec::new(), Vec::new());
        for id in doors.shards() {
            let shard = Shard::isolated(id, &settings.config, handler(id));
            let (doors, pool) = (doors.clone(), pool.clone());
            let around = DriverContext {
                clock,
                doors,
                pool,
                scrapes: scrapes.clone(),
            };
            let (thread, runtime) = start_shard(shard, around, OnEnd(id, ended.clone()))?;
            shards.push(thread);
            runtimes.push(runtime);
        }
        let mut running: Vec<ShardId> = doors.shards().collect();
        let workers = start_workers(&settings, &pool, &doors, work)?;
        let reach = Arc::new(reach::AdminView {
            doors: doors.clone(),
            pool: pool.clone(),
            outside: outside.clone(),
        });
        let collector = Arc::new(Collector::new(&settings));
        start_metrics(requests, reach.clone(), collector.clone())?;
        // Served until the drain is over, since the pages are needed during the drain too.
        let admin = admin
            .map(|admin| admin.serve(reach, collector))
            .transpose()?;
        let main = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let served = main.block_on(async {
            let mut shutdown = pin!(shutdown);
            // Polled before the listeners are announced: after the announcement a shutdown may be
            // requested.
            let told = poll_fn(|context| Poll::Ready(shutdown.as_mut().poll(context).is_ready()));
            let is_over = told.await;
            listen::announce(&listeners)?;
            outside.begin(&doors);
            // Not on the runtime of the workers, which tasks may keep busy.
            let watcher = tokio::spawn(workers::watch_clock(pool.clone(), doors.clone()));
            // A single shard accepts its sockets itself, so no thread is woken to hand them over.
            let acceptor = match &runtimes[..] {
                [runtime] => runtime.clone(),
                _ => runtime::Handle::current(),
            };
            let mut acceptors = JoinSet::new();
            for listener in listeners {
                acceptors.spawn_on(acceptor::run(listener, doors.clone(), clock), &acceptor);
            }
            let mut failed = false;
            if !is_over {
                tokio::select! {
                    biased;
                    () = shutdown => {}
                    // Its sockets would wait forever, and it would be given more. The listeners
                    // that accept on its thread may end with it.
                    Some(ended) = endings.recv() => {
                        error!(shard = ended.0, "a shard has ended");
                        running.retain(|&shard| shard != ended);
                        failed = true;
                    }
                    Some(ended) = acceptors.join_next() => {
                        error!(?ended, "a listener has failed");
                        failed = true;
                    }
                }
            }
            info!("shutdown: stopping server and worker pool...");
            // If they run on a shard that does not return, they accept nothing either.
            let _ = within(clock, ACCEPTED, acceptors.shutdown()).await;
            pool.cancel_delays();
            outside.server_end.end();
            drain(&doors, &outside, settings.shutdown_timeout, &hurry, clock).await;
            pool.drain();
            // The receiver is gone if a request could not be answered.
            let _ = scrapes.send(None);
            watcher.abort();
            let all_end = async {
                while !running.is_empty()
                    && let Some(ended) = endings.recv().await
                {
                    running.retain(|&shard| shard != ended);
                }
            };
            // Shards that are still running then are not waited for.
            let _ = within(clock, HungShards::GRACE, all_end).await;
            io::Result::Ok((failed, running))
        });
        drop(admin);
        pool.dispatcher.abandon();
        workers.shutdown_background();
        let (failed, hanging) = served?;
        if let Some(hang) = HungShards::new(hanging) {
            return Err(hang.into());
        }
        let stats = join(shards)?;
        let report = ShutdownReport::complete(stats, pool.dispatcher.stats());
        if failed {
            return Err(io::Error::other("a part of the server has failed"));
        }
        Ok(report)
    }
}

/// Time within which a listener must stop.
const ACCEPTED: Duration = Duration::from_secs(1);

/// Ends the running shards when it is dropped, however the server ends.
struct EndOnDrop<H: Handler>(Arc<ShardHandles<H>>);

impl<H: Handler> Drop for EndOnDrop<H> {
    fn drop(&mut self) {
        self.0.post_to_all(|| ShardInput::End);
    }
}

/// Reports, when it is dropped, that the thread of a shard has ended.
struct OnEnd(ShardId, UnboundedSender<ShardId>);

impl Drop for OnEnd {
    fn drop(&mut self) {
        // The receiver is gone if the thread was left behind.
        let _ = self.1.send(self.0);
    }
}

/// Starts the thread of a shard, waits until its driver is created, and returns the thread and its
/// runtime.
fn start_shard<H>(
    shard: Shard<H, CatchPanics>,
    around: DriverContext<H>,
    on_end: OnEnd,
) -> io::Result<(JoinHandle<io::Result<Stats>>, runtime::Handle)>
where
    H: Handler + Send + 'static,
    H::State: Send,
{
    let name = format!("shard-{}", shard.id().0);
    let (started, starting) = sync_channel(1);
    let thread = thread::Builder::new().name(name).spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let ready = runtime.and_then(|runtime| {
            let driver = runtime.block_on(async { Driver::new(shard, around) })?;
            Ok((runtime, driver))
        });
        // `start_shard` waits for this.
        match ready {
            Ok((runtime, mut driver)) => {
                // Dropped before the runtime, and so before the other tasks on it.
                let _on_end = on_end;
                let _end = EndOnPanic;
                let _ = started.send(Ok(runtime.handle().clone()));
                let ended = runtime.block_on(driver.run());
                driver.dispose();
                ended
            }
            Err(error) => {
                let _ = started.send(Err(error));
                Ok(Stats::default())
            }
        }
    })?;
    let told = starting.recv();
    let runtime = told.unwrap_or_else(|_| Err(io::Error::other("a shard has panicked")))?;
    Ok((thread, runtime))
}

/// Starts the thread that answers requests for the metrics. It is not joined: it ends when all
/// senders of requests are gone, or when it receives `None`.
fn start_metrics<H>(
    requests: Receiver<Option<Scrape>>,
    reach: Arc<reach::AdminView<H>>,
    collector: Arc<Collector>,
) -> io::Result<()>
where
    H: Handler + 'static,
    H::State: Send,
{
    let answer = move || {
        metrics::serve(&requests, &*reach, &collector, |Scrape { id }, page| {
            let text = page.clone();
            let answer = ShardInput::Metrics { id, text };
            reach.doors.post(id.shard(), answer);
        });
    };
    let builder = thread::Builder::new().name("metrics".into());
    builder.spawn(answer).map(drop)
}

fn start_workers<H, W>(
    settings: &Settings,
    pool: &Arc<WorkerPool<H>>,
    doors: &Arc<ShardHandles<H>>,
    work: W,
) -> io::Result<Runtime>
where
    H: Handler + 'static,
    H::State: Send,
    W: Work<H>,
{
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let runtime = runtime::Builder::new_multi_thread()
        .thread_name("worker")
        .worker_threads(cores.min(settings.workers))
        .enable_time()
        .build()?;
    let work = Arc::new(work);
    for worker in pool.dispatcher.workers() {
        runtime.spawn(workers::run(
            worker,
            pool.clone(),
            doors.clone(),
            work.clone(),
        ));
    }
    info!(
        size = settings.workers,
        queue = settings.task_queue,
        "worker pool started"
    );
    Ok(runtime)
}

fn join(shards: Vec<JoinHandle<io::Result<Stats>>>) -> io::Result<Stats> {
    let mut sum = Stats::default();
    for shard in shards {
        match shard.join() {
            Ok(stats) => sum += &stats?,
            Err(_) => return Err(io::Error::other("a shard has panicked")),
        }
    }
    Ok(sum)
}
