//! Owns one connection of the generator: how it is opened, and what is still to
//! be written on it.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, SockRef, Socket, Type};
use stentor_core::proto::ws::mask;

use super::decoder::{Decoder, Piece};
use super::target::{ACCEPT, Target};
use crate::fault::Fault;

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    number: usize,
    stream: TcpStream,
    stage: Stage,
    decoder: Decoder,
    /// What the socket did not take at once, from `written` on.
    waiting: Vec<u8>,
    written: usize,
}

/// How far an opening has come.
#[derive(Debug)]
enum Stage {
    Connecting,
    /// The handshake was sent; so much of its answer has come.
    Asked(Vec<u8>),
    Open,
}

impl Link {
    /// Begins to open one. It goes on when the socket says that it is ready.
    ///
    /// What the kernel keeps for it until it is read can be limited.
    pub(super) fn dial(target: &Target, number: usize, buffer: Option<usize>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(target.address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(buffer) = buffer {
            socket.set_recv_buffer_size(buffer)?;
        }
        if let Some(source) = target.source(number) {
            socket.bind(&source.into())?;
        }
        match socket.connect(&target.address.into()) {
            Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => {
                return Err(error);
            }
            _ => {}
        }
        Ok(Self {
            number,
            stream: TcpStream::from_std(socket.into()),
            stage: Stage::Connecting,
            decoder: Decoder::default(),
            waiting: Vec::new(),
            written: 0,
        })
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// Goes on with opening it; true if it is open.
    pub(super) fn open(&mut self, target: &Target, scratch: &mut [u8]) -> Result<bool, Fault> {
        let number = self.number;
        let failed = || Fault::system(format!("connection {number}"));
        if let Some(error) = self.stream.take_error().map_err(failed())? {
            return Err(failed()(error));
        }
        match &mut self.stage {
            Stage::Connecting => {
                match self.stream.peer_addr() {
                    Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
                    other => other.map_err(failed())?,
                };
                if let Some(request) = &target.request {
                    // A new socket has room for it.
                    let written = self.stream.write_all(request.as_bytes());
                    written.map_err(failed())?;
                    self.stage = Stage::Asked(Vec::new());
                } else {
                    self.stage = Stage::Open;
                }
            }
            Stage::Asked(answer) => {
                let mut ended = false;
                while !ended {
                    match self.stream.read(scratch) {
                        Ok(0) => ended = true,
                        Ok(n) => answer.extend_from_slice(&scratch[..n]),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => return Err(failed()(error)),
                    }
                }
                if answered(answer)? {
                    self.stage = Stage::Open;
                }
                if ended {
                    let (who, code) = (number, None);
                    return Err(Fault::Closed { who, code });
                }
            }
            Stage::Open => {}
        }
        Ok(self.is_open())
    }

    /// From now on it mostly listens, so acknowledgements need not wait for an answer
    /// to go along with.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn listen(&self) -> io::Result<()> {
        SockRef::from(&self.stream).set_tcp_quickack(true)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "as it is on Linux"
    )]
    pub(super) fn listen(&self) -> io::Result<()> {
        Ok(())
    }

    /// Writes, and keeps what the socket does not take until it is writable again.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut taken = 0;
        if self.waiting.is_empty() {
            taken = self.write(bytes)?;
        }
        self.waiting.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let taken = self.write(&waiting[self.written..]);
        self.waiting = waiting;
        self.written += taken?;
        if self.written == self.waiting.len() {
            self.waiting.clear();
            self.written = 0;
        }
        Ok(())
    }

    /// Reads once, and hands out the payloads; how much was read, `None` if there
    /// is nothing more.
    #[inline]
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        mut on: impl FnMut(Piece<'_>) -> Result<(), Fault>,
    ) -> Result<Option<usize>, Fault> {
        let who = self.number;
        let n = match self.stream.read(scratch) {
            Ok(0) => return Err(Fault::Closed { who, code: None }),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(Fault::system(format!("reading from {who}"))(error)),
        };
        let mut pongs = Vec::new();
        let fed = self.decoder.feed(&scratch[..n], |piece| match piece {
            Piece::Ping(payload) => {
                pong(&mut pongs, payload);
                Ok(())
            }
            Piece::Close(code) => Err(Flaw::Fault(Fault::Closed { who, code })),
            other => on(other).map_err(Flaw::Fault),
        });
        fed.map_err(|flaw| match flaw {
            Flaw::Frame(what) => Fault::wrong(who, what),
            Flaw::Fault(fault) => fault,
        })?;
        if !pongs.is_empty() {
            self.send(&pongs)?;
        }
        Ok(Some(n))
    }

    /// Ends it at once and leaves nothing behind: no port has to wait for a
    /// minute, as after an orderly end, before it can be used again.
    pub(super) fn cut(self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.stream.write(&bytes[taken..]) {
                Ok(n) => taken += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    return Err(Fault::system(format!("writing to {}", self.number))(error));
                }
            }
        }
        Ok(taken)
    }
}

/// What can be wrong with what was read.
enum Flaw {
    Frame(&'static str),
    Fault(Fault),
}

impl From<&'static str> for Flaw {
    fn from(what: &'static str) -> Self {
        Self::Frame(what)
    }
}

fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    let key = [0x1C, 0x2B, 0x3A, 0x49];
    out.extend_from_slice(&[0x8A, 0x80 | payload.len() as u8]);
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[start..], key, 0);
}

/// Whether the answer to the request is there, and says yes.
fn answered(answer: &[u8]) -> Result<bool, Fault> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if answer.len() > ANSWER {
            Err(Fault::Refused("its answer has no end".into()))
        } else {
            Ok(false)
        };
    };
    let head = String::from_utf8_lossy(&answer[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 101") {
        return Err(Fault::Refused(status.into()));
    }
    let accept = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("sec-websocket-accept");
        is_it.then(|| value.trim() == ACCEPT)
    };
    if lines.find_map(accept) != Some(true) {
        return Err(Fault::Refused("Sec-WebSocket-Accept is not right".into()));
    }
    if answer.len() > end + 4 {
        return Err(Fault::Refused("it speaks before it is spoken to".into()));
    }
    Ok(true)
}

/// The longest answer to a request.
const ANSWER: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_if_it_is_whole_and_right() {
        let right = "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-ACCEPT: \
                     s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        assert!(answered(right.as_bytes()).expect("right"));
        assert!(!answered(&right.as_bytes()[..right.len() - 1]).expect("not whole"));
        let refused = answered(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
        assert!(matches!(refused, Err(Fault::Refused(said)) if said.contains("503")));
        assert!(answered(b"HTTP/1.1 101 Yes\r\n\r\n").is_err(), "no accept");
        assert!(answered(right.replace("s3p", "S3p").as_bytes()).is_err());
        assert!(answered(&[b'x'; ANSWER + 1]).is_err(), "endless");
    }

    #[test]
    fn a_pong_is_masked_and_says_the_same() {
        let mut out = Vec::new();
        pong(&mut out, b"?");
        assert_eq!(out, [0x8A, 0x81, 0x1C, 0x2B, 0x3A, 0x49, b'?' ^ 0x1C]);
    }
}
