//! The core in a loop of one's own: one thread, one shard, mio, and no adapter.
//! All that an adapter must do is here; a real one adds more shards, workers,
//! fairness and an orderly end. Say `echo` or `rooms`, and where to listen.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Instant;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use stentor_core::delivery::Chunks;
use stentor_core::id::WorkerId;
use stentor_core::shard::Admission;
use stentor_core::{Config, ConnId, Echo, Handler, Output, Shard, ShardId, TaskEnd, Timestamp};
use stentor_gateway::Rooms;

const LISTENER: Token = Token(usize::MAX - 1);

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let echoes = args.next().is_some_and(|application| application == "echo");
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(address.parse().map_err(io::Error::other)?)?;
    if echoes {
        serve(listener, Echo, |task| match task {})
    } else {
        serve(listener, Rooms::default(), |task| task.run(WorkerId(0)))
    }
}

struct MioServer<H: Handler> {
    shard: Shard<H>,
    /// The sockets under the slots of their connections, and whether to read them.
    links: Vec<Option<(TcpStream, bool)>>,
    /// Does a task; here, at once.
    work: fn(H::Task) -> H::Outcome,
    origin: Instant,
}

fn serve<H: Handler>(
    mut listener: TcpListener,
    handler: H,
    work: fn(H::Task) -> H::Outcome,
) -> io::Result<()> {
    let config = Config::builder().build().map_err(io::Error::other)?;
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1_024));
    let registry = poll.registry().try_clone()?;
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on {}", listener.local_addr()?);
    let mut server = MioServer {
        shard: Shard::new(ShardId(0), &config, handler),
        links: Vec::new(),
        work,
        origin: Instant::now(),
    };
    let mut ids: Vec<Option<ConnId>> = Vec::new();
    loop {
        // A turn ends with all that the shard asks for, and begins with time and readiness.
        let next = loop {
            match server.shard.poll_output() {
                Output::Timeout(next) => break next.map(|(at, _)| at),
                output => server.handle_output(output),
            }
        };
        poll.poll(&mut events, next.map(|at| at.since(server.now())))?;
        if next.is_some_and(|at| at <= server.now()) {
            server.shard.handle_timeout(server.now());
        }
        for event in &events {
            if event.token() != LISTENER {
                let id = ids[event.token().0].expect("registered");
                server.shard.handle_writable(server.now(), id);
                server.read(id);
                continue;
            }
            while let Ok((mut socket, _)) = listener.accept() {
                let id = server.shard.accept(server.now(), Admission::Normal);
                let both = Interest::READABLE | Interest::WRITABLE;
                registry.register(&mut socket, Token(id.slot()), both)?;
                let slots = ids.len().max(id.slot() + 1);
                ids.resize(slots, None);
                server.links.resize_with(slots, || None);
                ids[id.slot()] = Some(id);
                server.links[id.slot()] = Some((socket, true));
            }
        }
    }
}

impl<H: Handler> MioServer<H> {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.origin.elapsed().as_micros() as u64)
    }

    /// Reads until there is no more, because mio tells of it only once.
    fn read(&mut self, id: ConnId) {
        let now = self.now();
        while let Some((socket, true)) = &mut self.links[id.slot()]
            && self.shard.is_reading(id)
        {
            match socket.read(self.shard.read_buffer()) {
                Ok(0) => return self.shard.handle_eof(now, id),
                Ok(n) => self.shard.handle_read(now, id, n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.shard.handle_disconnect(now, id),
            }
        }
    }

    fn flush(&mut self, id: ConnId) {
        let now = self.now();
        let mut chunks = Chunks::new();
        self.shard.poll_transmit(id, &mut chunks);
        let bytes = chunks.as_slices().concat(); // a vectored write needs no copy
        drop(chunks);
        let (socket, _) = self.links[id.slot()].as_mut().expect("a socket");
        let written = match socket.write(&bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => return self.shard.handle_disconnect(now, id),
            Ok(written) => written,
        };
        self.shard.handle_transmitted(now, id, written);
    }

    fn handle_output(&mut self, output: Output<H>) {
        let now = self.now();
        match output {
            Output::Flush(id) => self.flush(id),
            Output::StopReading(id) => self.links[id.slot()].as_mut().expect("a socket").1 = false,
            Output::StartReading(id) => {
                self.links[id.slot()].as_mut().expect("a socket").1 = true;
                self.read(id); // mio has told of what came meanwhile
            }
            Output::Submit(id, task, _) => {
                let end = TaskEnd::Done((self.work)(task));
                self.shard.handle_task(now, id, end);
            }
            Output::Page { .. } => unreachable!("no page is declared"),
            Output::LimitUnsent { .. } | Output::Timeout(_) => {} // TCP_NOTSENT_LOWAT; the loop's
            Output::Shut(id) => {
                let (socket, _) = self.links[id.slot()].as_ref().expect("a socket");
                let _ = socket.shutdown(Shutdown::Write); // fails if the peer is gone
            }
            Output::Disconnect(id) => self.links[id.slot()] = None,
            Output::Send(..) => unreachable!("there is one shard"),
            Output::Abort => std::process::abort(),
            Output::Event(event) => eprintln!("{event:?}"),
        }
    }
}
