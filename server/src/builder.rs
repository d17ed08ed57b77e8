//! Builder of a server: listeners, configuration, application and work. Either adapter has one.

use std::fmt;
use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use stentor_core::{Config, Handler, ShardId};

use crate::ServerOptions;
#[cfg(feature = "program")]
use crate::admin::Admin;
use crate::lifecycle::ForceShutdown;
use crate::listen::{self, ListenAt, Listener, Place};
use crate::remote::{RemoteEndpoint, ServerHandle};
#[cfg(feature = "program")]
use crate::state_file::StateFile;
#[cfg(feature = "tls")]
use crate::tls::TlsServer;
#[cfg(feature = "program")]
use crate::{Endpoint, Settings};

/// Builds a server. Returned by `Server::builder` of either adapter, which is `A`.
///
/// Without a call of [`work`](Self::work), the application has no tasks: its type `Task` is
/// [`Infallible`](core::convert::Infallible).
pub struct ServerBuilder<A, F = (), W = NoTasks> {
    parts: ServerParts,
    handler: F,
    work: W,
    adapter: PhantomData<fn() -> A>,
}

/// What an adapter builds its server from.
pub trait BuildServer<H: Handler, W>: Sized {
    /// The server.
    type Server;

    /// Returns a server that listens and does not serve yet.
    ///
    /// # Errors
    /// Returns an error of the operating system.
    fn build(bound: BoundServer, handler: HandlerFactory<H>, work: W) -> io::Result<Self::Server>;
}

/// Creates the application of each shard.
pub type HandlerFactory<H> = Box<dyn Fn(ShardId) -> H + Send>;

/// The work of an application without tasks.
#[derive(Clone, Copy, Debug)]
pub struct NoTasks;

struct ServerParts {
    config: Config,
    options: ServerOptions,
    listen: Vec<ListenAt>,
    #[cfg(feature = "tls")]
    tls: Option<TlsServer>,
    #[cfg(feature = "program")]
    admin: Vec<ListenAt>,
    /// The settings of a program, which the metrics show.
    #[cfg(feature = "program")]
    settings: Option<Settings>,
}

impl<A> ServerBuilder<A> {
    /// Returns a builder of a server without listeners.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            parts: ServerParts {
                config,
                options: ServerOptions::new(),
                listen: Vec::new(),
                #[cfg(feature = "tls")]
                tls: None,
                #[cfg(feature = "program")]
                admin: Vec::new(),
                #[cfg(feature = "program")]
                settings: None,
            },
            handler: (),
            work: NoTasks,
            adapter: PhantomData,
        }
    }

    /// Returns the builder of a server with these settings.
    #[cfg(feature = "program")]
    #[must_use]
    pub fn from_settings(settings: Settings) -> Self {
        let listen_at = |at: &Endpoint| at.listen_at(settings.socket_mode);
        let mut builder = Self::new(settings.config.clone()).options(settings.options);
        builder.parts.listen = settings.listen.iter().map(listen_at).collect();
        builder.parts.admin = settings.admin_listen.iter().map(listen_at).collect();
        #[cfg(feature = "tls")]
        {
            builder.parts.tls.clone_from(&settings.tls);
        }
        builder.parts.settings = Some(settings);
        builder
    }
}

impl<A, F, W> ServerBuilder<A, F, W> {
    /// Adds an address to listen on: `127.0.0.1:8080`, `localhost:8080`, `:8080` for all interfaces, or
    /// `unix:/run/server.sock`. For port 0 the system chooses one.
    #[must_use]
    pub fn listen(mut self, address: impl fmt::Display) -> Self {
        let place = Place::Text(address.to_string());
        self.parts.listen.push(place.into());
        self
    }

    /// Adds an address to listen on where each connection begins with a header of the PROXY protocol.
    /// Those of other peers than the trusted [proxies](Config::proxies) are closed.
    #[must_use]
    pub fn listen_behind_proxy(mut self, address: impl fmt::Display) -> Self {
        let place = Place::Text(address.to_string());
        self.parts.listen.push(ListenAt {
            has_proxy_header: true,
            ..place.into()
        });
        self
    }

    /// Adds a listener.
    #[must_use]
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.parts.listen.push(Place::Listener(listener).into());
        self
    }

    /// Has all listeners but those of the admin pages speak TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: TlsServer) -> Self {
        self.parts.tls = Some(tls);
        self
    }

    /// Adds an address of the admin pages and the metrics. They are unauthenticated.
    #[cfg(feature = "program")]
    #[must_use]
    pub fn admin(mut self, address: impl fmt::Display) -> Self {
        self.parts
            .admin
            .push(Place::Text(address.to_string()).into());
        self
    }

    /// Sets all options.
    #[must_use]
    pub const fn options(mut self, options: ServerOptions) -> Self {
        self.parts.options = options;
        self
    }

    /// Sets the maximum number of open connections.
    #[must_use]
    pub const fn max_connections(mut self, connections: usize) -> Self {
        self.parts.options.max_connections = Some(connections);
        self
    }

    /// Sets the time limit of a shutdown.
    #[must_use]
    pub const fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.parts.options.shutdown_timeout = timeout;
        self
    }

    /// Sets the number of workers.
    #[must_use]
    pub const fn workers(mut self, workers: usize) -> Self {
        self.parts.options.workers = workers;
        self
    }

    /// Sets the work, which runs the tasks of the application.
    #[must_use]
    pub fn work<V>(self, work: V) -> ServerBuilder<A, F, V> {
        ServerBuilder {
            parts: self.parts,
            handler: self.handler,
            work,
            adapter: PhantomData,
        }
    }

    /// Sets the application, of which `create` returns one value per shard.
    #[must_use]
    pub fn handler<H: Handler>(
        self,
        create: impl Fn(ShardId) -> H + Send + 'static,
    ) -> ServerBuilder<A, HandlerFactory<H>, W> {
        ServerBuilder {
            parts: self.parts,
            handler: Box::new(create),
            work: self.work,
            adapter: PhantomData,
        }
    }
}

impl<A, H: Handler, W> ServerBuilder<A, HandlerFactory<H>, W>
where
    A: BuildServer<H, W>,
{
    /// Opens the listeners. A server without any has the connections that its
    /// [`ServerHandle`] accepts.
    ///
    /// # Errors
    /// Returns an error if an address cannot be listened on, unless another address of the same name
    /// can, and of the kind [`InvalidInput`](ErrorKind::InvalidInput) if an option is out of range.
    pub fn bind(self) -> io::Result<A::Server> {
        A::build(BoundServer::new(self.parts)?, self.handler, self.work)
    }
}

impl<A, F, W> fmt::Debug for ServerBuilder<A, F, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("options", &self.parts.options)
            .field("listen", &self.parts.listen)
            .finish_non_exhaustive()
    }
}

/// A server that listens, apart from its application.
#[derive(Debug)]
pub struct BoundServer {
    /// The configuration of the core.
    pub config: Config,
    /// The options.
    pub options: ServerOptions,
    pub(crate) listeners: Vec<Listener>,
    #[cfg(feature = "program")]
    pub(crate) admin: Option<Admin>,
    #[cfg(feature = "program")]
    settings: Settings,
    /// Whether it was built from settings, and so is the whole of its process.
    #[cfg(feature = "program")]
    pub(crate) is_program: bool,
    /// The end of its handles.
    pub remote: Arc<RemoteEndpoint>,
    pub(crate) force: ForceShutdown,
}

impl BoundServer {
    fn new(parts: ServerParts) -> io::Result<Self> {
        let ServerParts {
            config, options, ..
        } = parts;
        let invalid = |text: &str| Err(io::Error::new(ErrorKind::InvalidInput, text));
        if !(1..=ServerOptions::MAX_WORKERS).contains(&options.workers) {
            return invalid("there must be 1 to 1024 workers");
        }
        if cfg!(not(feature = "program")) && config.pages().rendered().next().is_some() {
            return invalid("the metrics page needs the feature `program` of stentor-server");
        }
        #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "TLS is set below"))]
        let mut listeners = listen::open(parts.listen, &config)?;
        #[cfg(feature = "tls")]
        for listener in &mut listeners {
            listener.tls.clone_from(&parts.tls);
        }
        #[cfg(feature = "program")]
        let is_program = parts.settings.is_some();
        #[cfg(feature = "program")]
        let settings = match parts.settings {
            Some(settings) => settings,
            None => Settings::with(config.clone(), options),
        };
        Ok(Self {
            listeners,
            #[cfg(feature = "program")]
            admin: Admin::new(
                listen::open(parts.admin, &config)?,
                settings.admin_hosts.clone(),
            ),
            #[cfg(feature = "program")]
            settings,
            #[cfg(feature = "program")]
            is_program,
            remote: Arc::new(RemoteEndpoint::new(&config)),
            force: ForceShutdown::default(),
            config,
            options,
        })
    }

    /// Returns the settings that the metrics show.
    #[cfg(feature = "program")]
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            options: self.options,
            ..self.settings.clone()
        }
    }

    /// Returns the state file, if there is one.
    #[cfg(feature = "program")]
    pub(crate) fn state_file(&self) -> Option<StateFile> {
        self.settings.state_file.clone()
    }

    /// Returns the addresses that the server listens on, without unix sockets.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(listen::addresses(&self.listeners))
    }

    /// Returns the addresses of the admin pages, none if they are not enabled.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    #[cfg(feature = "program")]
    pub fn admin_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self
            .admin
            .as_ref()
            .map(Admin::addresses)
            .unwrap_or_default())
    }

    /// Returns a handle for other threads and tasks.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.remote.handle()
    }

    /// Returns a handle that cuts a drain short, for example on a second signal.
    #[must_use]
    pub fn force_shutdown(&self) -> ForceShutdown {
        self.force.clone()
    }
}
