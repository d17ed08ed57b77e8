//! Owns one connection from its first byte to its last: a request, an answer, the end.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use stentor_cli::admin::{self, Reach};
use stentor_core::handshake::{Fields, Request, response};
use stentor_core::{Config, HandshakeError};

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

/// Reads the request of a connection and answers it.
///
/// # Errors
/// That the socket failed or took too long; nobody need be told.
pub(crate) fn serve<R: Reach>(mut socket: Socket<'_>, reach: &R, times: Times) -> io::Result<()> {
    let config = Config::default();
    let deadline = Instant::now() + times.head;
    let (mut input, mut out) = (Vec::new(), Vec::new());
    let status = loop {
        let mut fields = Fields::new();
        let refused = match Request::parse(&input, &mut fields, &config) {
            Ok(Some((request, _))) => {
                let reply = admin::answer(reach, &request);
                reply.write(&mut out, request.is_head());
                break reply.status();
            }
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
        response::refusal(&mut out, refused, false);
        break refused.status();
    };
    reach.census().count_admin(status);
    socket.write_all(&out, Instant::now() + times.answer)?;
    socket.end(Instant::now() + times.end)
}

/// Adds what has come; false if that is the end.
fn read_more(socket: &mut Socket<'_>, input: &mut Vec<u8>, deadline: Instant) -> io::Result<bool> {
    let mut piece = [0; 4_096];
    let n = socket.read(&mut piece, deadline)?;
    input.extend_from_slice(&piece[..n]);
    Ok(n > 0)
}
