//! Client that sends arbitrary bytes: requests, frames and malformed ones. It knows the formats
//! just well enough to parse the server's responses.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use stentor_tests::process::SOON;

use crate::server::ServerProcess;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A socket to the server.
pub(crate) struct RawSocket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A frame of the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReceivedFrame {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// A response without an upgrade.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl RawSocket {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("the server listens"))
    }

    /// Connects with a receive buffer of so many bytes, so that little waits in the kernel.
    pub(crate) fn connect_with_receive_buffer(address: SocketAddr, bytes: usize) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("an option");
        socket.connect(&address.into()).expect("the server listens");
        Self::over(socket.into())
    }

    /// Speaks over any connected stream socket.
    pub(crate) fn over_any(socket: OwnedFd) -> Self {
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        // A unix socket has no such option.
        let _ = stream.set_nodelay(true);
        stream.set_read_timeout(Some(SOON)).expect("an option");
        stream.set_write_timeout(Some(SOON)).expect("an option");
        let buffer = Vec::new();
        Self { stream, buffer }
    }

    /// A connection that has been upgraded.
    pub(crate) fn open(server: &ServerProcess) -> Self {
        Self::connect(server.address()).upgraded()
    }

    /// One that has been upgraded and, until it is read, has little room for what comes.
    pub(crate) fn open_narrow(server: &ServerProcess) -> Self {
        Self::connect_with_receive_buffer(server.address(), 4 << 10).upgraded()
    }

    /// One that has been upgraded, if there is still somebody to do so.
    pub(crate) fn try_open(address: SocketAddr) -> Option<Self> {
        let mut raw = Self::over(TcpStream::connect(address).ok()?);
        raw.stream.write_all(&upgrade(&[])).ok()?;
        let mut answer = [0; 4_096];
        let n = raw.stream.read(&mut answer).ok()?;
        answer[..n].starts_with(b"HTTP/1.1 101 ").then_some(raw)
    }

    fn upgraded(mut self) -> Self {
        self.send(&upgrade(&[]));
        self.expect_upgrade();
        self
    }

    /// Reads the answer to an upgrade, which must be one.
    pub(crate) fn expect_upgrade(&mut self) -> String {
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let accept = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n";
        assert!(head.to_ascii_lowercase().contains(accept), "{head}");
        head
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes it");
    }

    /// Sends what the server may refuse to take to the end.
    pub(crate) fn send_as_far_as_possible(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.send(&frame(TEXT, text.as_bytes()));
    }

    /// The next frame that is not a ping; pings are answered. `None` at the end.
    pub(crate) fn hear(&mut self) -> Option<ReceivedFrame> {
        loop {
            let frame = self.frame()?;
            if frame.opcode != PING {
                return Some(frame);
            }
            self.send_as_far_as_possible(&self::frame(PONG, &frame.payload));
        }
    }

    /// The next frame, which must be whole and not masked; `None` at the end.
    pub(crate) fn frame(&mut self) -> Option<ReceivedFrame> {
        let (first, frame) = self.any_frame()?;
        assert_eq!(first & 0xF0, 0x80, "FIN, and nothing reserved");
        Some(frame)
    }

    /// The next frame and its first byte, whatever that says.
    pub(crate) fn any_frame(&mut self) -> Option<(u8, ReceivedFrame)> {
        if !self.fill(2) {
            assert!(self.buffer.is_empty(), "cut off within a frame");
            return None;
        }
        let (first, second) = (self.buffer[0], self.buffer[1]);
        let (extra, short) = match second {
            0..126 => (0, usize::from(second)),
            126 => (2, 0),
            127 => (8, 0),
            _ => panic!("a masked frame"),
        };
        assert!(self.fill(2 + extra), "cut off within a header");
        let extended = &self.buffer[2..2 + extra];
        let len = extended.iter().fold(short, |n, &b| n << 8 | usize::from(b));
        let end = 2 + extra + len;
        assert!(self.fill(end), "cut off within a payload");
        let payload = self.buffer[2 + extra..end].to_vec();
        self.buffer.drain(..end);
        let opcode = first & 0xF;
        Some((first, ReceivedFrame { opcode, payload }))
    }

    /// Hears this text next.
    pub(crate) fn expect(&mut self, text: &str) {
        let frame = self.hear().expect("not the end");
        let heard = String::from_utf8_lossy(&frame.payload);
        assert_eq!((frame.opcode, &*heard), (TEXT, text));
    }

    /// Hears a close frame next, answers it, and then hears the end; says its code.
    pub(crate) fn expect_close(&mut self) -> Option<u16> {
        let close = self.hear().expect("a close frame before the end");
        assert_eq!(close.opcode, CLOSE, "{close:?}");
        self.send_as_far_as_possible(&frame(CLOSE, &close.payload));
        assert_eq!(self.hear(), None, "nothing comes behind a close frame");
        close.close_code()
    }

    /// Hears the answer to its own close frame next, and then the end; says its code.
    pub(crate) fn expect_close_answer(&mut self) -> Option<u16> {
        let close = self.hear().expect("a close frame before the end");
        assert_eq!(close.opcode, CLOSE, "{close:?}");
        assert_eq!(self.hear(), None, "nothing comes behind a close frame");
        close.close_code()
    }

    /// Reads to the end, without a reset.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read_more() > 0 {}
        std::mem::take(&mut self.buffer)
    }

    pub(crate) fn shut_write(&self) {
        self.stream.shutdown(Shutdown::Write).expect("connected");
    }

    /// Closes the socket with a reset.
    pub(crate) fn reset(self) {
        let no_time = Some(Duration::ZERO);
        SockRef::from(&self.stream)
            .set_linger(no_time)
            .expect("an option");
    }

    /// The response, and after it the end.
    pub(crate) fn response(&mut self) -> HttpResponse {
        let head = self.head();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {head}"));
        let body = String::from_utf8(self.rest()).expect("text");
        HttpResponse { status, head, body }
    }

    /// The first line of an answer, whatever follows.
    pub(crate) fn first_line(&mut self) -> String {
        let head = self.head();
        head.lines().next().expect("a line").to_owned()
    }

    pub(crate) fn head(&mut self) -> String {
        loop {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let rest = self.buffer.split_off(end + 4);
                let head = std::mem::replace(&mut self.buffer, rest);
                return String::from_utf8(head).expect("text");
            }
            assert!(self.read_more() > 0, "the end within a head");
        }
    }

    /// The next bytes, as many as asked for.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        assert!(self.fill(len), "the end within {len} bytes");
        let rest = self.buffer.split_off(len);
        std::mem::replace(&mut self.buffer, rest)
    }

    fn fill(&mut self, len: usize) -> bool {
        while self.buffer.len() < len {
            if self.read_more() == 0 {
                return false;
            }
        }
        true
    }

    fn read_more(&mut self) -> usize {
        let mut piece = [0; 16_384];
        let n = self.stream.read(&mut piece).expect("bytes or the end");
        self.buffer.extend_from_slice(&piece[..n]);
        n
    }
}

impl ReceivedFrame {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("text")
    }

    pub(crate) fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk()?;
        Some(u16::from_be_bytes(*code))
    }
}

impl HttpResponse {
    /// The value of a header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }
}

/// A whole frame of a client.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    fragment(0x80 | opcode, payload)
}

/// A frame of a client with this first byte.
pub(crate) fn fragment(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    let masked = payload.iter().zip(KEY.iter().cycle()).map(|(b, k)| b ^ k);
    bytes.extend(masked);
    bytes
}

/// The header alone of a client's frame that says it is so long.
pub(crate) fn header(first: u8, len: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match len {
        0..126 => bytes.push(0x80 | len as u8),
        126..0x1_0000 => {
            bytes.push(0xFE);
            bytes.extend((len as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0xFF);
            bytes.extend(len.to_be_bytes());
        }
    }
    bytes.extend(KEY);
    bytes
}

/// A close frame of a client.
pub(crate) fn close(code: u16) -> Vec<u8> {
    frame(CLOSE, &code.to_be_bytes())
}

/// A request for a page.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes()
}

/// A request for an upgrade, with these lines besides.
pub(crate) fn upgrade(lines: &[&str]) -> Vec<u8> {
    let mut head = UPGRADE.to_owned();
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// The lines of a request for an upgrade, without the last, empty one.
pub(crate) const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

const KEY: [u8; 4] = [0x5A, 0xC3, 0x17, 0xE8];
