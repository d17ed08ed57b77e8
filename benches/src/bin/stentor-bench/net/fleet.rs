//! Owns the generator's connections and its one loop: readiness in, turns of
//! reading and writing. Edge-triggered; one buffer for all.

use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::decoder::Piece;
use super::link::Link;
use super::target::Target;
use crate::fault::Fault;
use crate::measure::{has_waited, is_awake};

/// What is said on the connections. The payloads that one gets are a stream: a
/// piece may be part of a message, and its end is told of.
pub(crate) trait Traffic {
    /// Says what is to be said first.
    fn begin(&mut self, _links: &mut Links<'_>, _now: Instant) -> Result<(), Fault> {
        Ok(())
    }

    /// Takes in a piece.
    fn payload(&mut self, who: usize, part: &[u8], now: Instant) -> Result<(), Fault>;

    /// A message has ended.
    fn end(&mut self, _who: usize, _now: Instant) -> Result<(), Fault> {
        Ok(())
    }

    /// Answers what a read of a connection has brought.
    fn after_read(&mut self, _who: usize, _link: &mut Link, _now: Instant) -> Result<(), Fault> {
        Ok(())
    }

    /// Says what is to be said next, wherever that is.
    fn after_turn(&mut self, _links: &mut Links<'_>, _now: Instant) -> Result<(), Fault> {
        Ok(())
    }
}

/// The open connections, by number.
pub(crate) struct Links<'a>(&'a mut [Option<Link>]);

impl Links<'_> {
    /// Sends on one of them.
    pub(crate) fn send(&mut self, who: usize, bytes: &[u8]) -> Result<(), Fault> {
        match &mut self.0[who] {
            Some(link) => link.send(bytes),
            None => Err(Fault::Closed { who, code: None }),
        }
    }
}

/// All connections of a run.
#[derive(Debug)]
pub(crate) struct Fleet {
    target: Target,
    poll: Poll,
    events: Events,
    links: Vec<Option<Link>>,
    scratch: Box<[u8]>,
    slowly: Option<Slowly>,
}

/// How peers on a thin line read: so much at a time, and the kernel keeps little
/// for them.
#[derive(Debug)]
struct Slowly {
    quota: usize,
    due: Instant,
    /// Which connections have something to read.
    ready: Vec<bool>,
}

impl Fleet {
    pub(crate) fn new(target: &Target) -> Result<Self, Fault> {
        Ok(Self {
            target: target.clone(),
            poll: Poll::new().map_err(Fault::system("epoll"))?,
            events: Events::with_capacity(1_024),
            links: Vec::new(),
            scratch: vec![0; SCRATCH].into(),
            slowly: None,
        })
    }

    /// Lets each connection that is opened from now on read at most so many bytes
    /// a second, so that a queue forms in the server.
    pub(crate) fn read_slowly(&mut self, bytes_a_second: usize) {
        let ticks = TICK.as_secs_f64().recip();
        self.slowly = Some(Slowly {
            quota: ((bytes_a_second as f64 / ticks) as usize).clamp(1, SCRATCH),
            due: Instant::now(),
            ready: Vec::new(),
        });
    }

    /// Opens connections until there are so many.
    pub(crate) fn open(&mut self, count: usize, patience: Duration) -> Result<(), Fault> {
        let (mut under_way, mut open) = (0, self.links.len());
        let mut heard = Instant::now();
        let mut opened = Vec::new();
        while open < count {
            while under_way < DIALLED_AT_ONCE && self.links.len() < count {
                self.links.push(None);
                self.dial(self.links.len() - 1)?;
                under_way += 1;
            }
            opened.clear();
            self.await_open(POLL, &mut opened)?;
            under_way -= opened.len();
            open += opened.len();
            if !opened.is_empty() {
                heard = Instant::now();
            } else if heard.elapsed() > patience {
                return Err(Fault::Stalled(patience.as_secs()));
            }
        }
        Ok(())
    }

    /// Begins to open the connection of this number.
    pub(crate) fn dial(&mut self, number: usize) -> Result<(), Fault> {
        let failed = || Fault::system(format!("connection {number} to {}", self.target.address));
        let buffer = self.slowly.as_ref().map(|slowly| slowly.quota);
        let mut link = Link::dial(&self.target, number, buffer).map_err(failed())?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry
            .register(link.stream(), Token(number), interest)
            .map_err(failed())?;
        if self.links.len() <= number {
            self.links.resize_with(number + 1, || None);
        }
        self.links[number] = Some(link);
        Ok(())
    }

    /// Goes on with handshakes, and names the connections that are open now.
    pub(crate) fn await_open(
        &mut self,
        wait: Duration,
        opened: &mut Vec<usize>,
    ) -> Result<(), Fault> {
        self.wait(wait)?;
        for event in &self.events {
            let number = event.token().0;
            if let Some(link) = &mut self.links[number]
                && !link.is_open()
                && link.open(&self.target, &mut self.scratch)?
            {
                opened.push(number);
            }
        }
        Ok(())
    }

    /// Ends a connection at once.
    pub(crate) fn cut(&mut self, number: usize) {
        if let Some(link) = self.links[number].take() {
            link.cut();
        }
    }

    /// Moves the bytes for which there is readiness, or waits so long for some.
    pub(crate) fn turn(&mut self, traffic: &mut impl Traffic, wait: Duration) -> Result<(), Fault> {
        let wait = match &self.slowly {
            Some(slowly) => wait.min(slowly.due.saturating_duration_since(Instant::now())),
            None => wait,
        };
        self.wait(wait)?;
        for event in &self.events {
            let who = event.token().0;
            let Some(link) = &mut self.links[who] else {
                continue;
            };
            if event.is_writable() {
                link.flush()?;
            }
            if !event.is_readable() && !event.is_read_closed() {
                continue;
            }
            if let Some(slowly) = &mut self.slowly {
                slowly.ready.resize(self.links.len(), false);
                slowly.ready[who] = true;
            } else {
                let to_the_end = event.is_read_closed();
                read(link, who, &mut self.scratch, traffic, to_the_end)?;
            }
        }
        self.read_a_little(traffic)?;
        traffic.after_turn(&mut Links(&mut self.links), Instant::now())
    }

    /// Where it is read slowly, reads what may be read by now.
    fn read_a_little(&mut self, traffic: &mut impl Traffic) -> Result<(), Fault> {
        let Some(slowly) = &mut self.slowly else {
            return Ok(());
        };
        let now = Instant::now();
        if now < slowly.due {
            return Ok(());
        }
        slowly.due = now + TICK;
        let scratch = &mut self.scratch[..slowly.quota];
        for (who, ready) in slowly.ready.iter_mut().enumerate() {
            if *ready && let Some(link) = &mut self.links[who] {
                *ready = read_once(link, who, scratch, traffic)? == Some(slowly.quota);
            }
        }
        Ok(())
    }

    /// Lets the kernel know that these connections mostly listen. Otherwise it takes
    /// those that were asked and answered quickly for a dialogue, and acknowledges only
    /// every other segment there, on the core of the server: so what a broadcast costs
    /// would depend on how fast its audience was opened, and on what it had to say.
    pub(crate) fn listen(&self) -> Result<(), Fault> {
        for link in self.links.iter().flatten() {
            link.listen().map_err(Fault::system("TCP_QUICKACK"))?;
        }
        Ok(())
    }

    /// Begins the closing handshake on all connections; how many that are.
    pub(crate) fn begin_close(&mut self) -> Result<usize, Fault> {
        let links = self.links.iter_mut().flatten();
        let mut count = 0;
        for link in links {
            link.send(NORMAL_CLOSE)?;
            count += 1;
        }
        Ok(count)
    }

    /// Waits so long for answers to that, and lets go of the connections that have
    /// theirs; how many those are.
    pub(crate) fn go_on_closing(&mut self, wait: Duration) -> Result<usize, Fault> {
        self.wait(wait)?;
        let mut closed = 0;
        for event in &self.events {
            let who = event.token().0;
            let Some(link) = &mut self.links[who] else {
                continue;
            };
            match link.read(&mut self.scratch, |_| Ok(())) {
                Err(Fault::Closed {
                    code: Some(1_000), ..
                }) => {
                    self.links[who] = None;
                    closed += 1;
                }
                other => {
                    other?;
                }
            }
        }
        Ok(closed)
    }

    /// Lets the first be said.
    pub(crate) fn begin(&mut self, traffic: &mut impl Traffic) -> Result<(), Fault> {
        traffic.begin(&mut Links(&mut self.links), Instant::now())
    }

    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// Waits for events, at most so long: awake, or asleep.
    fn wait(&mut self, wait: Duration) -> Result<(), Fault> {
        if !is_awake() {
            return self.look(wait);
        }
        self.look(Duration::ZERO)?;
        if self.events.is_empty() {
            let begin = Instant::now();
            while self.events.is_empty() && begin.elapsed() < wait {
                self.look(Duration::ZERO)?;
            }
            has_waited(begin.elapsed());
        }
        Ok(())
    }

    fn look(&mut self, wait: Duration) -> Result<(), Fault> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                Err(Fault::system("epoll")(error))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for link in self.links.drain(..).flatten() {
            link.cut();
        }
    }
}

/// Reads until there is no more: after a short read there is none, unless the
/// server has hung up.
#[inline]
fn read(
    link: &mut Link,
    who: usize,
    scratch: &mut [u8],
    traffic: &mut impl Traffic,
    to_the_end: bool,
) -> Result<(), Fault> {
    loop {
        let n = read_once(link, who, scratch, traffic)?;
        if n.is_none_or(|n| n < scratch.len() && !to_the_end) {
            return Ok(());
        }
    }
}

/// Reads once, and says how much; `None` if there was nothing.
#[inline]
fn read_once(
    link: &mut Link,
    who: usize,
    scratch: &mut [u8],
    traffic: &mut impl Traffic,
) -> Result<Option<usize>, Fault> {
    // One look at the clock a read: what has come together has come now.
    let mut now = None;
    let n = link.read(scratch, |piece| {
        let now = *now.get_or_insert_with(Instant::now);
        match piece {
            Piece::Payload(part) => traffic.payload(who, part, now),
            _ => traffic.end(who, now),
        }
    })?;
    if let Some(now) = now {
        traffic.after_read(who, link, now)?;
    }
    Ok(n)
}

/// Sees to it that so many sockets can be opened.
pub(crate) fn raise_open_files(sockets: usize) -> Result<(), Fault> {
    let failed = |errno: nix::Error| Fault::system("the limit of open files")(errno.into());
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(failed)?;
    let most = (hard as usize).saturating_sub(RESERVE);
    if sockets > most {
        return Err(Fault::Argument(format!(
            "{sockets} connections need more open files than this system gives a process; at \
             most {most}"
        )));
    }
    Ok(())
}

/// A close frame with code 1000, masked.
const NORMAL_CLOSE: &[u8] = &[0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xE8 ^ 2];
/// As much as one read takes.
const SCRATCH: usize = 256 << 10;
/// Handshakes under way at once.
const DIALLED_AT_ONCE: usize = 128;
const POLL: Duration = Duration::from_millis(100);
/// How often a slow reader reads.
const TICK: Duration = Duration::from_millis(2);
/// Descriptors that are not connections.
const RESERVE: usize = 32;
