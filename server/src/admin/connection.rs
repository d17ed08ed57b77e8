//! One connection to the admin listener: a request, its response, the end.

use std::io::{self, ErrorKind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use stentor_core::config::Hosts;
use stentor_core::proto::http::HandshakeError;
use stentor_core::proto::http::{Fields, HeadLimits, Request, response};
use tracing::info;

use super::answer;
use super::socket::AdminSocket;
use crate::inspect::AdminBackend;
use crate::metrics::Collector;
use crate::{Clock, Throttle};

/// Time limits of the steps of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) head: Duration,
    pub(super) response: Duration,
    pub(super) close: Duration,
}

impl Timeouts {
    pub(super) const DEFAULT: Self = Self {
        head: Duration::from_secs(5),
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

/// Reads the request of a connection and answers it.
///
/// # Errors
/// Returns an error if the socket fails or a step takes too long.
pub(super) fn serve<B: AdminBackend>(
    mut socket: AdminSocket<'_>,
    check: &HostCheck,
    backend: &B,
    collector: &Collector,
    timeouts: Timeouts,
) -> io::Result<()> {
    let deadline = Instant::now() + timeouts.head;
    let (mut input, mut out) = (Vec::new(), Vec::new());
    let status = loop {
        let mut fields = Fields::new();
        let refused = match Request::parse(&input, &mut fields, HeadLimits::default()) {
            Ok(Some((request, _))) => match request.check_host(&check.hosts) {
                Ok(()) => {
                    let reply = answer(backend, collector, &request);
                    reply.write(&mut out, request.is_head());
                    break reply.status();
                }
                Err(error) => Some(error),
            },
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let refused = match refused {
            Some(error) => error,
            None => match read_more(&mut socket, &mut input, deadline) {
                Ok(true) => continue,
                Ok(false) if input.is_empty() => return Ok(()),
                Ok(false) => HandshakeError::Truncated,
                Err(error) if error.kind() == ErrorKind::TimedOut => HandshakeError::Timeout,
                Err(error) => return Err(error),
            },
        };
        check.log_refusal(backend.dispatcher().clock(), refused);
        response::refusal(&mut out, refused, false);
        break refused.status();
    };
    backend.counters().count_admin(status);
    socket.write_all(&out, Instant::now() + timeouts.response)?;
    socket.close(Instant::now() + timeouts.close)
}

/// Log lines about refused requests, at once and per second.
const REFUSAL_BURST: u32 = 20;
const REFUSAL_RATE: u32 = 2;

/// Appends what arrives to `input`. Returns `false` at the end.
fn read_more(
    socket: &mut AdminSocket<'_>,
    input: &mut Vec<u8>,
    deadline: Instant,
) -> io::Result<bool> {
    let mut piece = [0; 4_096];
    let n = socket.read(&mut piece, deadline)?;
    input.extend_from_slice(&piece[..n]);
    Ok(n > 0)
}
