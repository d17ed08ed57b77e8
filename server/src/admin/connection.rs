//! One connection to the admin listener: its requests, their responses, the end. HTTP itself is
//! the core's.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use stentor_core::config::Hosts;
use stentor_core::proto::http::{
    Fields, HandshakeError, HeadLimits, HttpConnection, HttpEvent, HttpLimits, HttpState, Request,
};
use tracing::info;

use super::perform;
use super::reply::AdminReply;
use super::route::{Route, route};
use super::socket::AdminSocket;
use crate::inspect::AdminBackend;
use crate::metrics::Collector;
use crate::{Clock, Throttle};

/// Time limits of the steps of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// Of a request with its content, from the end of the response to the one before.
    pub(super) request: Duration,
    pub(super) response: Duration,
    pub(super) close: Duration,
}

impl Timeouts {
    pub(super) const DEFAULT: Self = Self {
        request: Duration::from_secs(5),
        response: Duration::from_secs(10),
        close: Duration::from_secs(1),
    };
}

/// Allowed hosts, and the log of refused requests.
#[derive(Debug)]
pub(super) struct HostCheck {
    hosts: Hosts,
    refusals: Mutex<Throttle>,
}

impl HostCheck {
    pub(super) const fn new(hosts: Hosts) -> Self {
        Self {
            hosts,
            refusals: Mutex::new(Throttle::new(REFUSAL_BURST, REFUSAL_RATE)),
        }
    }

    fn log_refusal(&self, clock: Clock, error: HandshakeError) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held_back) = refusals.admit(clock.now()) {
            let (status, error) = (error.status(), error.label());
            info!(status, error, held_back, "admin request refused");
        }
    }
}

/// The number of connections that may be kept after a response. Each occupies a thread.
#[derive(Debug)]
pub(super) struct KeepAliveLimit {
    most: usize,
    kept: AtomicUsize,
}

/// Counts as one kept connection until it is dropped.
#[derive(Debug)]
struct Kept<'a>(&'a AtomicUsize);

impl KeepAliveLimit {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            kept: AtomicUsize::new(0),
        }
    }

    fn acquire(&self) -> Option<Kept<'_>> {
        let (order, more) = (Ordering::Relaxed, |kept| {
            (kept < self.most).then(|| kept + 1)
        });
        let acquired = self.kept.fetch_update(order, order, more);
        acquired.ok().map(|_| Kept(&self.kept))
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct AdminRules {
    pub(super) check: HostCheck,
    pub(super) keep_alive: KeepAliveLimit,
    pub(super) timeouts: Timeouts,
}

/// Reads the requests of a connection and answers them.
///
/// # Errors
/// Returns an error if the socket fails or a step takes too long.
pub(super) fn serve<B: AdminBackend>(
    socket: AdminSocket<'_>,
    rules: &AdminRules,
    backend: &Arc<B>,
    collector: &Collector,
) -> io::Result<()> {
    let mut connection = AdminConnection {
        socket,
        rules,
        http: HttpConnection::new(),
        input: Vec::new(),
        kept: None,
    };
    loop {
        let mut out = Vec::new();
        let status = match connection.receive()? {
            ReadStep::End => return Ok(()),
            ReadStep::Application => {
                let AdminConnection { socket, input, .. } = connection;
                let socket = socket.into_incoming(input)?;
                return backend.clone().accept(socket).map_err(io::Error::other);
            }
            ReadStep::Refused(error) => {
                rules.check.log_refusal(backend.dispatcher().clock(), error);
                connection
                    .http
                    .refuse(&mut out, error)
                    .map_err(io::Error::other)?;
                error.status()
            }
            ReadStep::Request(route, content) => {
                let reply = match route {
                    Ok(route) => perform(&**backend, collector, route, &content),
                    Err(reply) => reply,
                };
                reply
                    .write(&mut connection.http, &mut out)
                    .map_err(io::Error::other)?;
                reply.status()
            }
        };
        backend.counters().count_admin(status);
        connection.write(&out)?;
        if connection.http.state() == HttpState::Closed {
            let deadline = Instant::now() + rules.timeouts.close;
            return connection.socket.close(deadline);
        }
    }
}

struct AdminConnection<'a> {
    socket: AdminSocket<'a>,
    rules: &'a AdminRules,
    http: HttpConnection,
    /// Bytes that are not consumed.
    input: Vec<u8>,
    /// Set from the first response after which the connection is kept.
    kept: Option<Kept<'a>>,
}

/// What a connection has received.
enum ReadStep {
    /// A request with its content, or one whose content is not worth reading.
    Request(Result<Route, AdminReply>, Vec<u8>),
    Refused(HandshakeError),
    /// The head of a request for the application, which is still in the input.
    Application,
    /// No further request.
    End,
}

impl AdminConnection<'_> {
    /// Receives a request.
    fn receive(&mut self) -> io::Result<ReadStep> {
        let deadline = Instant::now() + self.rules.timeouts.request;
        let (mut received, mut content) = (None, Vec::new());
        loop {
            let mut fields = Fields::new();
            let step = match self.http.poll_event(&self.input, &mut fields, &LIMITS) {
                Ok(step) => step,
                Err(error) => return Ok(ReadStep::Refused(error)),
            };
            let mut keeps = false;
            let is_over = step.event.is_none();
            if let Some(HttpEvent::Data(data)) = &step.event {
                content.extend_from_slice(data);
            }
            if let Some(HttpEvent::Head(head)) = step.event {
                if let Err(error) = head.request().check_host(&self.rules.check.hosts) {
                    return Ok(ReadStep::Refused(error));
                }
                if is_for_application(head.request()) {
                    return Ok(ReadStep::Application);
                }
                received = Some(route(head.request()));
                keeps = head.keep_alive();
            }
            let consumed = step.consumed;
            self.input.drain(..consumed);
            if keeps {
                self.keep();
            }
            match (self.http.state(), received.take()) {
                (HttpState::Received, Some(route)) => {
                    return Ok(ReadStep::Request(route, content));
                }
                // Its answer is known before its content.
                (_, Some(Err(reply))) => return Ok(ReadStep::Request(Err(reply), content)),
                (_, other) => received = other,
            }
            if is_over && let Some(end) = self.read_more(deadline, received.is_some())? {
                return Ok(end);
            }
        }
    }

    /// Keeps the connection for another request if not too many are kept.
    fn keep(&mut self) {
        if self.kept.is_none() {
            self.kept = self.rules.keep_alive.acquire();
        }
        if self.kept.is_none() {
            self.http.close();
        }
    }

    /// Appends what arrives to `input`. Returns the end, if that is what comes.
    fn read_more(&mut self, deadline: Instant, has_head: bool) -> io::Result<Option<ReadStep>> {
        let mut out = Vec::new();
        if self.http.write_continue(&mut out) {
            self.write(&out)?;
        }
        let mut piece = [0; 4_096];
        let end = match self.socket.read(&mut piece, deadline) {
            Ok(0) => match self.http.handle_eof(&self.input) {
                Ok(()) => ReadStep::End,
                Err(error) => ReadStep::Refused(error),
            },
            Ok(n) => {
                self.input.extend_from_slice(&piece[..n]);
                return Ok(None);
            }
            Err(error) if error.kind() != ErrorKind::TimedOut => return Err(error),
            // A kept connection without another request.
            Err(_) if self.kept.is_some() && self.input.is_empty() && !has_head => ReadStep::End,
            Err(_) => ReadStep::Refused(HandshakeError::Timeout),
        };
        Ok(Some(end))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let deadline = Instant::now() + self.rules.timeouts.response;
        self.socket.write_all(bytes, deadline)
    }
}

/// Returns whether a request is for the server API, which is the application's.
fn is_for_application(request: &Request<'_>) -> bool {
    let rest = request.path().strip_prefix("/api");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Log lines about refused requests, at once and per second.
const REFUSAL_BURST: u32 = 20;
const REFUSAL_RATE: u32 = 2;

/// One page takes content, which is short; to all others, a client may send some.
const LIMITS: HttpLimits = HttpLimits {
    head: HeadLimits::DEFAULT,
    body: MAX_CONTENT,
};
pub(super) const MAX_CONTENT: u64 = 4 << 10;
