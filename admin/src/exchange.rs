//! Owns one connection from its first byte to its last: a request, an answer, the end.

use std::io::{self, ErrorKind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use stentor_cli::Throttle;
use stentor_cli::admin::{self, AdminBackend};
use stentor_core::proto::http::{Fields, Request, response};
use stentor_core::{Config, HandshakeError, Hosts};
use tracing::info;

use crate::socket::Socket;

/// How long each step of a connection may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) head: Duration,
    pub(crate) answer: Duration,
    pub(crate) end: Duration,
}

impl Times {
    pub(crate) const USUAL: Self = Self {
        head: Duration::from_secs(5),
        answer: Duration::from_secs(10),
        end: Duration::from_secs(1),
    };
}

/// Who is let in, and what is written of those who are not.
#[derive(Debug)]
pub(crate) struct Door {
    hosts: Hosts,
    refusals: Mutex<Throttle>,
}

impl Door {
    pub(crate) const fn new(hosts: Hosts) -> Self {
        Self {
            hosts,
            refusals: Mutex::new(Throttle::new(REFUSAL_BURST, REFUSALS)),
        }
    }

    fn log(&self, error: HandshakeError) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held_back) = refusals.admit(Instant::now()) {
            let (status, error) = (error.status(), error.label());
            info!(status, error, held_back, "admin request refused");
        }
    }
}

/// Reads the request of a connection and answers it.
///
/// # Errors
/// That the socket failed or took too long; nobody need be told.
pub(crate) fn serve<R: AdminBackend>(
    mut socket: Socket<'_>,
    door: &Door,
    reach: &R,
    times: Times,
) -> io::Result<()> {
    let config = Config::default();
    let deadline = Instant::now() + times.head;
    let (mut input, mut out) = (Vec::new(), Vec::new());
    let status = loop {
        let mut fields = Fields::new();
        let refused = match Request::parse(&input, &mut fields, &config) {
            Ok(Some((request, _))) => match request.check_host(&door.hosts) {
                Ok(()) => {
                    let reply = admin::answer(reach, &request);
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
        door.log(refused);
        response::refusal(&mut out, refused, false);
        break refused.status();
    };
    reach.census().count_admin(status);
    socket.write_all(&out, Instant::now() + times.answer)?;
    socket.end(Instant::now() + times.end)
}

/// Lines about refused requests that are written at once, and in a second.
const REFUSAL_BURST: u32 = 20;
const REFUSALS: u32 = 2;

/// Adds what has come; false if that is the end.
fn read_more(socket: &mut Socket<'_>, input: &mut Vec<u8>, deadline: Instant) -> io::Result<bool> {
    let mut piece = [0; 4_096];
    let n = socket.read(&mut piece, deadline)?;
    input.extend_from_slice(&piece[..n]);
    Ok(n > 0)
}
