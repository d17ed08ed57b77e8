//! The order in which the parts of a server start and stop. The stages of the drain are defined in
//! [`stentor_core::node::Drain`]; threads, wake-ups and sockets are the adapter's.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::Duration;

use stentor_core::node::{Deadline, Drain, DrainGoal, DrainStep, ShardOrder};
use stentor_core::stats::Stats;
use stentor_core::{ConnId, ShardId};
use tracing::{error, info};

#[cfg(all(feature = "program", feature = "tls"))]
use super::certificates::CertificateWatch;
#[cfg(feature = "program")]
use super::notify::ServiceManager;
#[cfg(feature = "program")]
use super::pages::PageThreads;
use super::{HungShards, ShutdownReport};
use crate::builder::BoundServer;
use crate::host::{Host, ShardInput};
use crate::listen::Listener;
use crate::{Clock, listen};
#[cfg(all(feature = "program", feature = "tls"))]
use crate::{Settings, tls::TlsServer};

/// The threads of a running server. Dropping this stops them.
pub trait Threads {
    /// The server.
    type Host: Host;

    /// Returns the server.
    fn host(&self) -> &Arc<Self::Host>;

    /// Starts to accept from these listeners.
    ///
    /// # Errors
    /// Returns an error of the operating system.
    fn accept(&mut self, listeners: Vec<Listener>) -> io::Result<()>;

    /// Stops accepting. Waits until the deadline at most, since the acceptor may wait for a shard that
    /// hangs. Returns whether it has panicked.
    fn stop_accepting(&mut self, deadline: &mut Deadline) -> bool;

    /// Stops the shards, which have drained. Waits until the deadline at most.
    fn stop_shards(&mut self, deadline: &mut Deadline);

    /// Returns the counters of a shard that has stopped, or `None` if it has not. Does not wait. Drops
    /// what has not come to the shard.
    fn final_stats(&mut self, shard: ShardId) -> Option<io::Result<Stats>>;
}

/// Looks at the files of certificates from time to time, if there are any.
#[cfg(all(feature = "program", feature = "tls"))]
fn certificate_watch(settings: &Settings) -> io::Result<Option<CertificateWatch>> {
    let start =
        |tls: &TlsServer| CertificateWatch::start(tls.clone(), settings.tls_reload_interval);
    settings.tls.as_ref().map(start).transpose()
}

/// The reason why a server stops serving.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It was requested.
    Shutdown,
    /// A shard has ended by itself.
    Shard(ShardId),
    /// A listener has failed.
    Listener,
}

/// Reports an ending when it is dropped.
#[derive(Debug)]
pub struct EndingNotice(pub Sender<Ending>, pub Ending);

impl Drop for EndingNotice {
    fn drop(&mut self) {
        // The server may have ended by itself.
        let _ = self.0.send(self.1);
    }
}

/// Cuts the drain of a server short. Returned by `Server::force_shutdown`.
#[derive(Clone, Debug, Default)]
pub struct ForceShutdown(Arc<AtomicBool>);

impl ForceShutdown {
    /// Ends the drain, now or as soon as one begins: connections are closed with code 1001 at once
    /// and have a moment to answer, and whatever is still queued or in flight then is discarded.
    pub fn trigger(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_triggered(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Returns whether this was requested since the last call.
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

/// Serves until `endings` has one, drains, and returns the report. `scrapes` are the requests for the
/// metrics that arrive at the shards.
///
/// # Errors
/// Returns an error if the operating system provides no thread or descriptor, or if a shard or a
/// listener has failed. Returns an error that contains a [`HungShards`], of the kind
/// [`TimedOut`](io::ErrorKind::TimedOut), if an application has not returned when the shutdown
/// timeout and a grace period are over; its shard is then left behind.
pub fn serve<T: Threads>(
    mut threads: T,
    mut bound: BoundServer,
    scrapes: Receiver<Option<ConnId>>,
    endings: &Receiver<Ending>,
) -> io::Result<ShutdownReport> {
    let host = threads.host().clone();
    let state = host.state();
    let clock = state.clock();
    let tasks = DrainTasks(&*host);
    start_timers(&host)?;
    // Served until the drain is over, since the pages are needed during the drain too.
    #[cfg(all(feature = "program", feature = "tls"))]
    let watch = certificate_watch(&bound.settings())?;
    #[cfg(feature = "program")]
    let pages = PageThreads::start(&host, bound.admin.take(), bound.settings(), scrapes)?;
    #[cfg(not(feature = "program"))]
    drop(scrapes);
    #[cfg(feature = "program")]
    let state_file = bound.state_file();
    #[cfg(feature = "program")]
    if let Some(file) = &state_file {
        file.restore(&*host);
    }
    let listeners = core::mem::take(&mut bound.listeners);
    listen::announce(&listeners);
    state.remote.begin(&host);
    threads.accept(listeners)?;
    // That of an application around the server is the application's.
    #[cfg(feature = "program")]
    let manager = match bound.is_program {
        true => Some(ServiceManager::ready(&host)?),
        false => None,
    };

    let mut failed = match endings.recv() {
        Ok(Ending::Shutdown) => false,
        // Its sockets would wait forever, and it would be given more.
        Ok(Ending::Shard(ShardId(shard))) => {
            error!(shard, "a shard has ended");
            true
        }
        // Whatever has failed has logged it.
        Ok(Ending::Listener) | Err(_) => true,
    };
    info!("shutdown: stopping server and worker pool...");
    #[cfg(feature = "program")]
    if let Some(manager) = &manager {
        manager.stopping();
    }
    if !failed {
        leave(&*host, &bound);
    }
    failed |= threads.stop_accepting(&mut Deadline::new(clock.now(), LAST_SOCKET));
    host.perform(state.dispatcher.cancel_delays());
    state.remote.end();
    drain(&*host, &bound);
    #[cfg(feature = "program")]
    if let Some(file) = &state_file {
        file.save(&*host);
    }
    drop(tasks);
    let mut deadline = Deadline::new(clock.now(), HungShards::GRACE);
    threads.stop_shards(&mut deadline);
    #[cfg(all(feature = "program", feature = "tls"))]
    drop(watch);
    #[cfg(feature = "program")]
    drop(pages);
    let stats = take_stock(&mut threads, &mut deadline);
    state.dispatcher.abandon();
    drop(threads);
    let report = ShutdownReport::complete(stats?, state.dispatcher.stats());
    match failed {
        true => Err(io::Error::other("a part of the server has failed")),
        false => Ok(report),
    }
}

/// Lets workers and timers end, however the server does.
struct DrainTasks<'a, N: Host>(&'a N);

impl<N: Host> Drop for DrainTasks<'_, N> {
    fn drop(&mut self) {
        self.0.drain_tasks();
    }
}

/// Starts the thread that runs the timers of the dispatcher, which ends when that drains.
fn start_timers<N: Host>(host: &Arc<N>) -> io::Result<()> {
    let host = host.clone();
    let run = move || {
        let wake = |wakeups| host.perform(wakeups);
        let report = |conn, end| host.report_task(conn, end);
        host.state()
            .dispatcher
            .run_timers::<N::Handler>(wake, report);
    };
    let builder = thread::Builder::new().name("task-clock".into());
    builder.spawn(run).map(drop)
}

/// Says that the server is about to end, and goes on for a while.
fn leave<N: Host>(host: &N, bound: &BoundServer) {
    let state = host.state();
    for shard in state.limiter.shards() {
        host.post(shard, ShardInput::Order(ShardOrder::Leave));
    }
    let clock = state.clock();
    let mut deadline = Deadline::new(clock.now(), bound.options.shutdown_delay);
    wait_until(clock, &mut deadline, || bound.force.is_triggered());
}

/// Drains every shard.
fn drain<N: Host>(host: &N, bound: &BoundServer) {
    let (state, force) = (host.state(), &bound.force);
    let clock = state.clock();
    let mut stages = Drain::new(clock.now(), bound.options.shutdown_timeout);
    if bound.config.shutdown_rate() > 0 {
        stages = stages.paced();
    }
    let is_reached = |goal| match goal {
        DrainGoal::Quiet => state.remote.is_idle() && host.has_reached(goal),
        DrainGoal::Empty => host.has_reached(goal),
    };
    while let Some(step) = stages.poll(clock.now(), is_reached) {
        match step {
            DrainStep::Order(order) => {
                for shard in state.limiter.shards() {
                    host.post(shard, ShardInput::Order(order));
                }
            }
            DrainStep::Wait(_) if force.take() => {
                info!("shutdown: forced, closing at once");
                stages.handle_force(clock.now());
            }
            DrainStep::Wait(_) => thread::sleep(POLL_INTERVAL),
        }
    }
}

/// Returns the sum of the counters of all shards, or the shards that have not stopped at the deadline.
fn take_stock<T: Threads>(threads: &mut T, deadline: &mut Deadline) -> io::Result<Stats> {
    let host = threads.host().clone();
    let (mut sum, mut hanging, mut failed) = (Stats::default(), Vec::new(), None);
    for shard in host.state().limiter.shards() {
        let mut stats = None;
        wait_until(host.state().clock(), deadline, || {
            stats = threads.final_stats(shard);
            stats.is_some()
        });
        match stats {
            Some(Ok(stats)) => sum += &stats,
            Some(Err(error)) => failed = Some(error),
            None => hanging.push(shard),
        }
    }
    match (HungShards::new(hanging), failed) {
        (Some(hung), _) => Err(hung.into()),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(sum),
    }
}

/// Waits until something holds, or until the deadline. Returns whether it holds.
pub fn wait_until(clock: Clock, deadline: &mut Deadline, mut holds: impl FnMut() -> bool) -> bool {
    loop {
        if holds() {
            return true;
        }
        if deadline.is_over(clock.now()) {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Time within which the acceptor must stop.
const LAST_SOCKET: Duration = Duration::from_secs(1);
/// Poll interval while a server ends. Nobody can wait for a shard whose application hangs.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
