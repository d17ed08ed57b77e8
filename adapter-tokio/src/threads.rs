//! Threads of a server: one for each shard, the runtime of the workers, and one that accepts.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, sync_channel};
use std::thread::{self, JoinHandle};

use stentor_core::node::Deadline;
use stentor_core::stats::Stats;
use stentor_core::{ConnId, Handler, Shard, ShardId};
use stentor_server::host::ServerState;
use stentor_server::lifecycle::{Ending, EndingNotice, Threads, wait_until};
use stentor_server::{BoundServer, CatchPanics, EndOnPanic, HandlerFactory, Listener};
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use tokio::task;
use tracing::{error, info};

use crate::acceptor;
use crate::driver::Driver;
use crate::shard_handle::{DriverInput, ShardHandles};
use crate::workers::{self, Work};

/// The threads of a running server.
pub(crate) struct ServerThreads<H: Handler> {
    host: Arc<ShardHandles<H>>,
    shards: Vec<Option<ShardThread>>,
    workers: Option<Runtime>,
    acceptors: Vec<task::JoinHandle<()>>,
    /// Ends the thread that accepts, if there is one.
    accepting: Option<oneshot::Sender<()>>,
    endings: Sender<Ending>,
}

/// The thread of a shard, and its runtime.
struct ShardThread {
    thread: JoinHandle<io::Result<Stats>>,
    runtime: runtime::Handle,
}

impl<H> ServerThreads<H>
where
    H: Handler<State: Send> + Send + 'static,
{
    /// Starts the shards and the workers. Returns them and the end at which requests for the metrics
    /// arrive.
    pub(crate) fn start<W: Work<H>>(
        bound: &BoundServer,
        handler: HandlerFactory<H>,
        work: W,
        endings: &Sender<Ending>,
    ) -> io::Result<(Self, Receiver<Option<ConnId>>)> {
        let BoundServer {
            config,
            options,
            remote,
            ..
        } = bound;
        let (state, scrapes) = ServerState::new(config, options, remote.clone());
        let mut threads = Self {
            host: Arc::new(ShardHandles::new(state)),
            shards: Vec::new(),
            workers: None,
            acceptors: Vec::new(),
            accepting: None,
            endings: endings.clone(),
        };
        for id in threads.host.shards() {
            let mut shard = Shard::isolated(id, config, handler(id));
            shard.share_addresses(&threads.host.state.addresses);
            let ending = EndingNotice(endings.clone(), Ending::Shard(id));
            let thread = start_shard(shard, threads.host.clone(), ending)?;
            threads.shards.push(Some(thread));
        }
        threads.workers = Some(start_workers(&threads.host, work)?);
        info!(
            size = options.workers,
            queue = options.task_queue,
            "worker pool started"
        );
        Ok((threads, scrapes))
    }
}

impl<H> Threads for ServerThreads<H>
where
    H: Handler<State: Send> + Send + 'static,
{
    type Host = ShardHandles<H>;

    fn host(&self) -> &Arc<ShardHandles<H>> {
        &self.host
    }

    fn accept(&mut self, listeners: Vec<Listener>) -> io::Result<()> {
        // A single shard accepts its sockets itself, so no thread is woken to hand them over.
        let runtime = match &self.shards[..] {
            [Some(shard)] => shard.runtime.clone(),
            _ => {
                let (runtime, stop) = start_runtime("acceptor")?;
                self.accepting = Some(stop);
                runtime
            }
        };
        for listener in listeners {
            let accept = acceptor::run(listener, self.host.clone());
            let ending = EndingNotice(self.endings.clone(), Ending::Listener);
            self.acceptors.push(runtime.spawn(async move {
                let _ending = ending;
                let Err(error) = accept.await;
                error!(%error, "a listener has failed");
            }));
        }
        Ok(())
    }

    fn stop_accepting(&mut self, deadline: &mut Deadline) -> bool {
        for acceptor in &self.acceptors {
            acceptor.abort();
        }
        // If they run on a shard that does not return, they accept nothing either.
        let clock = self.host.state.clock();
        let all_ended = || self.acceptors.iter().all(task::JoinHandle::is_finished);
        wait_until(clock, deadline, all_ended);
        self.accepting = None;
        false
    }

    fn stop_shards(&mut self, _: &mut Deadline) {
        self.host.post_to_all(|| DriverInput::End);
    }

    fn final_stats(&mut self, shard: ShardId) -> Option<io::Result<Stats>> {
        let ended = self.shards[shard.index()].take_if(|shard| shard.thread.is_finished())?;
        let stats = ended.thread.join();
        Some(stats.unwrap_or_else(|_| Err(io::Error::other("a shard has panicked"))))
    }
}

impl<H: Handler> Drop for ServerThreads<H> {
    fn drop(&mut self) {
        self.host.post_to_all(|| DriverInput::End);
        if let Some(workers) = self.workers.take() {
            // Those that are still busy are not waited for.
            workers.shutdown_background();
        }
    }
}

/// Starts the thread of a shard, and waits until its driver is created.
fn start_shard<H>(
    shard: Shard<H, CatchPanics>,
    host: Arc<ShardHandles<H>>,
    ending: EndingNotice,
) -> io::Result<ShardThread>
where
    H: Handler<State: Send> + Send + 'static,
{
    let name = format!("shard-{}", shard.id().0);
    let (started, starting) = sync_channel(1);
    let thread = thread::Builder::new().name(name).spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let ready = runtime.and_then(|runtime| {
            let driver = runtime.block_on(async { Driver::new(shard, host) })?;
            Ok((runtime, driver))
        });
        // `start_shard` waits for this.
        match ready {
            Ok((runtime, mut driver)) => {
                // Dropped before the runtime, and so before the other tasks on it.
                let _ending = ending;
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
    Ok(ShardThread { thread, runtime })
}

/// Starts a thread with a runtime, which ends when the sender is dropped.
fn start_runtime(name: &str) -> io::Result<(runtime::Handle, oneshot::Sender<()>)> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    let run = move || {
        let _ = runtime.block_on(stopped);
    };
    thread::Builder::new().name(name.into()).spawn(run)?;
    Ok((handle, stop))
}

fn start_workers<H, W>(host: &Arc<ShardHandles<H>>, work: W) -> io::Result<Runtime>
where
    H: Handler<State: Send> + 'static,
    W: Work<H>,
{
    let workers = host.state.dispatcher.workers();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let runtime = runtime::Builder::new_multi_thread()
        .thread_name("worker")
        .worker_threads(cores.min(workers.len()))
        .enable_time()
        .build()?;
    let work = Arc::new(work);
    for worker in workers {
        runtime.spawn(workers::run(worker, host.clone(), work.clone()));
    }
    Ok(runtime)
}
