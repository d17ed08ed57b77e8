//! Client connections and their event loop: edge-triggered, on one thread, with one read buffer.

use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::connection::ClientConnection;
use super::decoder::StreamPiece;
use super::endpoint::ServerAddress;
use crate::error::Error;
use crate::measure::{add_wait_time, is_busy_wait};
use crate::watchdog::Watchdog;

/// The messages of a load: what to send, and what to do with what is received. Payload arrives in
/// pieces, which can be parts of a message.
pub(crate) trait Traffic {
    /// Sends the first messages.
    fn on_start(&mut self, _connections: &mut Connections<'_>, _now: Instant) -> Result<(), Error> {
        Ok(())
    }

    /// Handles a piece of payload.
    fn on_payload(&mut self, index: usize, part: &[u8], now: Instant) -> Result<(), Error>;

    /// Handles the end of a message.
    fn on_message_end(&mut self, _index: usize, _now: Instant) -> Result<(), Error> {
        Ok(())
    }

    /// Sends on a connection after it was read.
    fn after_read(
        &mut self,
        _index: usize,
        _connection: &mut ClientConnection,
        _now: Instant,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Sends on any connection after all events were handled.
    fn after_poll(
        &mut self,
        _connections: &mut Connections<'_>,
        _now: Instant,
    ) -> Result<(), Error> {
        Ok(())
    }
}

/// The open connections, by index.
pub(crate) struct Connections<'a>(&'a mut [Option<ClientConnection>]);

impl Connections<'_> {
    /// Sends bytes on one connection.
    pub(crate) fn send(&mut self, index: usize, bytes: &[u8]) -> Result<(), Error> {
        match &mut self.0[index] {
            Some(connection) => connection.send(bytes),
            None => Err(Error::Closed { index, code: None }),
        }
    }
}

/// The connections of a run.
#[derive(Debug)]
pub(crate) struct Clients {
    endpoint: ServerAddress,
    poll: Poll,
    events: Events,
    connections: Vec<Option<ClientConnection>>,
    scratch: Box<[u8]>,
    read_limit: Option<ReadLimit>,
}

/// A limit for the rate at which each connection reads.
#[derive(Debug)]
struct ReadLimit {
    quota: usize,
    due: Instant,
    /// Which connections have data to read.
    ready: Vec<bool>,
}

impl Clients {
    pub(crate) fn new(endpoint: &ServerAddress) -> Result<Self, Error> {
        Ok(Self {
            endpoint: endpoint.clone(),
            poll: Poll::new().map_err(Error::system("epoll"))?,
            events: Events::with_capacity(1_024),
            connections: Vec::new(),
            scratch: vec![0; SCRATCH].into(),
            read_limit: None,
        })
    }

    /// Makes each connection that is opened from now on read at most this many bytes per second, so
    /// that a queue forms in the server.
    pub(crate) fn limit_read_rate(&mut self, bytes_per_second: usize) {
        let ticks = TICK.as_secs_f64().recip();
        self.read_limit = Some(ReadLimit {
            quota: ((bytes_per_second as f64 / ticks) as usize).clamp(1, SCRATCH),
            due: Instant::now(),
            ready: Vec::new(),
        });
    }

    /// Opens connections until there are `count`, and allows this process to have so many.
    pub(crate) fn open(&mut self, count: usize) -> Result<(), Error> {
        raise_open_files(count)?;
        let (mut pending, mut open) = (0, self.connections.len());
        let mut watchdog = Watchdog::new(open as u64);
        let mut opened = Vec::new();
        while open < count {
            while pending < CONCURRENT_HANDSHAKES && self.connections.len() < count {
                self.connections.push(None);
                self.connect(self.connections.len() - 1)?;
                pending += 1;
            }
            opened.clear();
            self.poll_opening(POLL_INTERVAL, &mut opened)?;
            pending -= opened.len();
            open += opened.len();
            watchdog.check(open as u64)?;
        }
        Ok(())
    }

    /// Starts to open the connection with this index.
    pub(crate) fn connect(&mut self, index: usize) -> Result<(), Error> {
        let failed = || Error::system(format!("connection {index} to {}", self.endpoint.address));
        let buffer = self.read_limit.as_ref().map(|read_limit| read_limit.quota);
        let mut connection =
            ClientConnection::connect(&self.endpoint, index, buffer).map_err(failed())?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry
            .register(connection.stream(), Token(index), interest)
            .map_err(failed())?;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        self.connections[index] = Some(connection);
        Ok(())
    }

    /// Continues the handshakes, and appends the connections that are now open to `opened`.
    pub(crate) fn poll_opening(
        &mut self,
        wait: Duration,
        opened: &mut Vec<usize>,
    ) -> Result<(), Error> {
        self.wait(wait)?;
        for event in &self.events {
            let index = event.token().0;
            if let Some(connection) = &mut self.connections[index]
                && !connection.is_open()
                && connection.open(&self.endpoint, &mut self.scratch)?
            {
                opened.push(index);
            }
        }
        Ok(())
    }

    /// Aborts a connection with a reset.
    pub(crate) fn abort(&mut self, index: usize) {
        if let Some(connection) = self.connections[index].take() {
            connection.abort();
        }
    }

    /// Waits for events, at most for this time, and handles them.
    pub(crate) fn poll_once(
        &mut self,
        traffic: &mut impl Traffic,
        wait: Duration,
    ) -> Result<(), Error> {
        let wait = match &self.read_limit {
            Some(read_limit) => wait.min(read_limit.due.saturating_duration_since(Instant::now())),
            None => wait,
        };
        self.wait(wait)?;
        for event in &self.events {
            let index = event.token().0;
            let Some(connection) = &mut self.connections[index] else {
                continue;
            };
            if event.is_writable() {
                connection.flush()?;
            }
            if !event.is_readable() && !event.is_read_closed() {
                continue;
            }
            if let Some(read_limit) = &mut self.read_limit {
                read_limit.ready.resize(self.connections.len(), false);
                read_limit.ready[index] = true;
            } else {
                let until_eof = event.is_read_closed();
                read(connection, index, &mut self.scratch, traffic, until_eof)?;
            }
        }
        self.read_limited(traffic)?;
        traffic.after_poll(&mut Connections(&mut self.connections), Instant::now())
    }

    /// Reads from all connections what their rate limit allows by now.
    fn read_limited(&mut self, traffic: &mut impl Traffic) -> Result<(), Error> {
        let Some(read_limit) = &mut self.read_limit else {
            return Ok(());
        };
        let now = Instant::now();
        if now < read_limit.due {
            return Ok(());
        }
        read_limit.due = now + TICK;
        let scratch = &mut self.scratch[..read_limit.quota];
        for (index, ready) in read_limit.ready.iter_mut().enumerate() {
            if *ready && let Some(connection) = &mut self.connections[index] {
                *ready = read_once(connection, index, scratch, traffic)? == Some(read_limit.quota);
            }
        }
        Ok(())
    }

    /// Makes the kernel acknowledge each segment at once. Otherwise it treats connections with
    /// quick answers as interactive, and delays acknowledgements there. They are processed on the
    /// server's core, so the cost of a broadcast would depend on earlier traffic.
    pub(crate) fn enable_quick_ack(&self) -> Result<(), Error> {
        for connection in self.connections.iter().flatten() {
            connection
                .enable_quick_ack()
                .map_err(Error::system("TCP_QUICKACK"))?;
        }
        Ok(())
    }

    /// Starts the closing handshake on all connections. Returns their number.
    pub(crate) fn start_closing(&mut self) -> Result<usize, Error> {
        let connections = self.connections.iter_mut().flatten();
        let mut count = 0;
        for connection in connections {
            connection.send(NORMAL_CLOSE)?;
            count += 1;
        }
        Ok(count)
    }

    /// Waits for close frames, at most for this time, and drops the connections that received one.
    /// Returns their number.
    pub(crate) fn poll_closing(&mut self, wait: Duration) -> Result<usize, Error> {
        self.wait(wait)?;
        let mut closed = 0;
        for event in &self.events {
            let index = event.token().0;
            let Some(connection) = &mut self.connections[index] else {
                continue;
            };
            match connection.read(&mut self.scratch, |_| Ok(())) {
                Err(Error::Closed {
                    code: Some(1_000), ..
                }) => {
                    self.connections[index] = None;
                    closed += 1;
                }
                other => {
                    other?;
                }
            }
        }
        Ok(closed)
    }

    /// Sends the first messages of a load.
    pub(crate) fn start(&mut self, traffic: &mut impl Traffic) -> Result<(), Error> {
        traffic.on_start(&mut Connections(&mut self.connections), Instant::now())
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Waits for events, at most for this time, polling or sleeping.
    fn wait(&mut self, wait: Duration) -> Result<(), Error> {
        if !is_busy_wait() {
            return self.poll_events(wait);
        }
        self.poll_events(Duration::ZERO)?;
        if self.events.is_empty() {
            let begin = Instant::now();
            while self.events.is_empty() && begin.elapsed() < wait {
                self.poll_events(Duration::ZERO)?;
            }
            add_wait_time(begin.elapsed());
        }
        Ok(())
    }

    fn poll_events(&mut self, wait: Duration) -> Result<(), Error> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                Err(Error::system("epoll")(error))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        for connection in self.connections.drain(..).flatten() {
            connection.abort();
        }
    }
}

/// Reads until the socket is empty. A short read means that it is, unless the server has closed the
/// connection.
#[inline]
fn read(
    connection: &mut ClientConnection,
    index: usize,
    scratch: &mut [u8],
    traffic: &mut impl Traffic,
    until_eof: bool,
) -> Result<(), Error> {
    loop {
        let n = read_once(connection, index, scratch, traffic)?;
        if n.is_none_or(|n| n < scratch.len() && !until_eof) {
            return Ok(());
        }
    }
}

/// Reads once. Returns the number of bytes, or `None` if there were none.
#[inline]
fn read_once(
    connection: &mut ClientConnection,
    index: usize,
    scratch: &mut [u8],
    traffic: &mut impl Traffic,
) -> Result<Option<usize>, Error> {
    // The clock is read once per read: the data arrived together.
    let mut now = None;
    let n = connection.read(scratch, |piece| {
        let now = *now.get_or_insert_with(Instant::now);
        match piece {
            StreamPiece::Payload(part) => traffic.on_payload(index, part, now),
            _ => traffic.on_message_end(index, now),
        }
    })?;
    if let Some(now) = now {
        traffic.after_read(index, connection, now)?;
    }
    Ok(n)
}

/// Raises the limit of open files, and checks that it allows this many sockets.
pub(crate) fn raise_open_files(sockets: usize) -> Result<(), Error> {
    let failed = |errno: nix::Error| Error::system("the limit of open files")(errno.into());
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(failed)?;
    let most = (hard as usize).saturating_sub(RESERVE);
    if sockets > most {
        return Err(Error::InvalidArgument(format!(
            "{sockets} connections need more open files than this system gives a process; at \
             most {most}"
        )));
    }
    Ok(())
}

/// A masked close frame with code 1000.
const NORMAL_CLOSE: &[u8] = &[0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xE8 ^ 2];
/// The size of a read.
const SCRATCH: usize = 256 << 10;
/// Handshakes in progress at the same time.
const CONCURRENT_HANDSHAKES: usize = 128;
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The interval at which connections with a limited rate read.
const TICK: Duration = Duration::from_millis(2);
/// File descriptors that are not connections.
const RESERVE: usize = 32;
