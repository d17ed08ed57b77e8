//! Client connection: its handshake, its read decoder, and data that is not yet sent.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, SockRef, Socket, Type};
use stentor_benches::messages::client_pong;

use super::decoder::{Decoder, StreamPiece};
use super::endpoint::{ACCEPT, ServerAddress};
use crate::error::Error;

/// A connection to the server.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    index: usize,
    stream: TcpStream,
    state: HandshakeState,
    decoder: Decoder,
    /// Data that the socket has not accepted yet; sent up to `written`.
    unsent: Vec<u8>,
    written: usize,
}

/// The progress of the handshake.
#[derive(Debug)]
enum HandshakeState {
    Connecting,
    /// The request was sent; the response as far as it was received.
    Handshake(Vec<u8>),
    Open,
}

impl ClientConnection {
    /// Starts to connect. `open` continues when the socket is ready.
    ///
    /// `buffer` limits the receive buffer of the kernel.
    pub(super) fn connect(
        endpoint: &ServerAddress,
        index: usize,
        buffer: Option<usize>,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(endpoint.address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(buffer) = buffer {
            socket.set_recv_buffer_size(buffer)?;
        }
        if let Some(source) = endpoint.source(index) {
            socket.bind(&source.into())?;
        }
        match socket.connect(&endpoint.address.into()) {
            Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => {
                return Err(error);
            }
            _ => {}
        }
        Ok(Self {
            index,
            stream: TcpStream::from_std(socket.into()),
            state: HandshakeState::Connecting,
            decoder: Decoder::default(),
            unsent: Vec::new(),
            written: 0,
        })
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, HandshakeState::Open)
    }

    /// Continues the handshake. Returns whether the connection is open.
    pub(super) fn open(
        &mut self,
        endpoint: &ServerAddress,
        scratch: &mut [u8],
    ) -> Result<bool, Error> {
        let index = self.index;
        let failed = || Error::system(format!("connection {index}"));
        if let Some(error) = self.stream.take_error().map_err(failed())? {
            return Err(failed()(error));
        }
        match &mut self.state {
            HandshakeState::Connecting => {
                match self.stream.peer_addr() {
                    Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
                    other => other.map_err(failed())?,
                };
                if let Some(request) = &endpoint.request {
                    // The request fits into the empty send buffer of a new socket.
                    let written = self.stream.write_all(request.as_bytes());
                    written.map_err(failed())?;
                    self.state = HandshakeState::Handshake(Vec::new());
                } else {
                    self.state = HandshakeState::Open;
                }
            }
            HandshakeState::Handshake(answer) => {
                let mut ended = false;
                while !ended {
                    match self.stream.read(scratch) {
                        Ok(0) => ended = true,
                        Ok(n) => answer.extend_from_slice(&scratch[..n]),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => return Err(failed()(error)),
                    }
                }
                if is_handshake_done(answer)? {
                    self.state = HandshakeState::Open;
                }
                if ended {
                    return Err(Error::Closed { index, code: None });
                }
            }
            HandshakeState::Open => {}
        }
        Ok(self.is_open())
    }

    /// Acknowledges segments at once, instead of waiting for data to send with the acknowledgement.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn enable_quick_ack(&self) -> io::Result<()> {
        SockRef::from(&self.stream).set_tcp_quickack(true)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "as it is on Linux"
    )]
    pub(super) fn enable_quick_ack(&self) -> io::Result<()> {
        Ok(())
    }

    /// Sends bytes. What the socket does not accept is kept until it is writable.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut taken = 0;
        if self.unsent.is_empty() {
            taken = self.write(bytes)?;
        }
        self.unsent.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    /// Sends the data that was kept.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        let taken = self.write(&unsent[self.written..]);
        self.unsent = unsent;
        self.written += taken?;
        if self.written == self.unsent.len() {
            self.unsent.clear();
            self.written = 0;
        }
        Ok(())
    }

    /// Reads once, and passes the payloads on. Returns the number of bytes, or `None` if there were
    /// none.
    #[inline]
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        mut on: impl FnMut(StreamPiece<'_>) -> Result<(), Error>,
    ) -> Result<Option<usize>, Error> {
        let index = self.index;
        let n = match self.stream.read(scratch) {
            Ok(0) => return Err(Error::Closed { index, code: None }),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(Error::system(format!("reading from {index}"))(error)),
        };
        let mut pongs = Vec::new();
        let fed = self.decoder.feed(&scratch[..n], |piece| match piece {
            StreamPiece::Ping(payload) => {
                client_pong(&mut pongs, payload);
                Ok(())
            }
            StreamPiece::Close(code) => Err(ReadError::Other(Error::Closed { index, code })),
            other => on(other).map_err(ReadError::Other),
        });
        fed.map_err(|error| match error {
            ReadError::InvalidFrame(what) => Error::unexpected(index, what),
            ReadError::Other(error) => error,
        })?;
        if !pongs.is_empty() {
            self.send(&pongs)?;
        }
        Ok(Some(n))
    }

    /// Resets the connection, so that its port is free at once, without TIME_WAIT.
    pub(super) fn abort(self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.stream.write(&bytes[taken..]) {
                Ok(n) => taken += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    return Err(Error::system(format!("writing to {}", self.index))(error));
                }
            }
        }
        Ok(taken)
    }
}

/// What can be wrong with received data.
enum ReadError {
    InvalidFrame(&'static str),
    Other(Error),
}

impl From<&'static str> for ReadError {
    fn from(what: &'static str) -> Self {
        Self::InvalidFrame(what)
    }
}

/// Returns whether the response is complete.
///
/// # Errors
/// Returns an error if the response refuses the handshake.
fn is_handshake_done(answer: &[u8]) -> Result<bool, Error> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if answer.len() > ANSWER {
            Err(Error::HandshakeRefused("the response has no end".into()))
        } else {
            Ok(false)
        };
    };
    let head = String::from_utf8_lossy(&answer[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 101") {
        return Err(Error::HandshakeRefused(status.into()));
    }
    let accept = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("sec-websocket-accept");
        is_it.then(|| value.trim() == ACCEPT)
    };
    if lines.find_map(accept) != Some(true) {
        return Err(Error::HandshakeRefused("wrong Sec-WebSocket-Accept".into()));
    }
    if answer.len() > end + 4 {
        return Err(Error::HandshakeRefused("data after the response".into()));
    }
    Ok(true)
}

/// The maximum length of a response.
const ANSWER: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_if_it_is_whole_and_right() {
        let right = "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-ACCEPT: \
                     s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        assert!(is_handshake_done(right.as_bytes()).expect("right"));
        assert!(!is_handshake_done(&right.as_bytes()[..right.len() - 1]).expect("incomplete"));
        let refused = is_handshake_done(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
        assert!(matches!(refused, Err(Error::HandshakeRefused(status)) if status.contains("503")));
        assert!(
            is_handshake_done(b"HTTP/1.1 101 Yes\r\n\r\n").is_err(),
            "no accept"
        );
        assert!(is_handshake_done(right.replace("s3p", "S3p").as_bytes()).is_err());
        assert!(is_handshake_done(&[b'x'; ANSWER + 1]).is_err(), "endless");
    }
}
