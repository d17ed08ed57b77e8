//! Server: its builder, and the future that serves. The threads are in [`threads`](crate::threads), the
//! order in which they start and stop in [`stentor_server::lifecycle`].

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::thread;

use stentor_core::{Config, Echo, Handler};
use stentor_server::lifecycle::{Ending, EndingNotice, serve};
use stentor_server::{
    BoundServer, BuildServer, ForceShutdown, HandlerFactory, NoTasks, ServerBuilder, ServerHandle,
    ShutdownReport,
};
use tokio::sync::oneshot;

use crate::threads::ServerThreads;
use crate::workers::Work;

/// A server that listens but does not serve yet.
pub struct Server<H: Handler, W = NoTasks> {
    bound: BoundServer,
    handler: HandlerFactory<H>,
    work: W,
}

/// The adapter on tokio, as a parameter of [`ServerBuilder`].
#[derive(Clone, Copy, Debug)]
pub struct Tokio;

impl<H, W> BuildServer<H, W> for Tokio
where
    H: Handler<State: Send> + Send + 'static,
    W: Work<H>,
{
    type Server = Server<H, W>;

    fn build(bound: BoundServer, handler: HandlerFactory<H>, work: W) -> io::Result<Server<H, W>> {
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
    pub fn builder(config: Config) -> ServerBuilder<Tokio> {
        ServerBuilder::new(config)
    }

    /// Returns a builder of a server with these settings.
    #[cfg(feature = "binary")]
    #[must_use]
    pub fn from_settings(settings: stentor_server::Settings) -> ServerBuilder<Tokio> {
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

    /// Returns a handle for other threads and tasks.
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
    /// Serves until `shutdown` completes, then drains for up to the shutdown timeout.
    ///
    /// The server has threads and runtimes of its own: this blocks no thread, and can be awaited on
    /// any runtime. If it is dropped, the server shuts down in the background.
    ///
    /// # Errors
    /// Returns an error if the operating system provides no thread or descriptor, or if a shard or
    /// a listener has failed. Returns an error that contains a
    /// [`HungShards`](crate::HungShards), of the kind [`TimedOut`](io::ErrorKind::TimedOut), if an
    /// application has not returned when the shutdown timeout and a grace period are over; the thread
    /// of its shard is then left behind.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<ShutdownReport> {
        let mut shutdown = pin!(shutdown);
        // Polled before the listeners are announced: after the announcement a shutdown may be
        // requested.
        let is_over =
            poll_fn(|context| Poll::Ready(shutdown.as_mut().poll(context).is_ready())).await;
        let (endings, ended) = channel();
        let (report, mut reported) = oneshot::channel();
        let stop = EndingNotice(endings.clone(), Ending::Shutdown);
        let run = move || {
            let Self {
                bound,
                handler,
                work,
            } = self;
            let started = ServerThreads::start(&bound, handler, work, &endings);
            let result =
                started.and_then(|(threads, scrapes)| serve(threads, bound, scrapes, &ended));
            // The future may have been dropped.
            let _ = report.send(result);
        };
        thread::Builder::new().name("lifecycle".into()).spawn(run)?;
        if !is_over {
            tokio::select! {
                biased;
                () = shutdown => {}
                result = &mut reported => return report_of(result),
            }
        }
        drop(stop);
        report_of(reported.await)
    }
}

fn report_of(
    result: Result<io::Result<ShutdownReport>, oneshot::error::RecvError>,
) -> io::Result<ShutdownReport> {
    result.unwrap_or_else(|_| Err(io::Error::other("the life cycle has panicked")))
}

impl<H: Handler, W> fmt::Debug for Server<H, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}
