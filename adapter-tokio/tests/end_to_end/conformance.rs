//! Owns the run of the conformance script against the real binary, the same
//! script that the bare protocol machine and the simulator pass.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use stentor_core::conn::{Buffers, Connection, Event, MessageLimits, Payload, Role};
use stentor_core::testing::conformance::{Application, Host, cases, run};
use stentor_core::testing::sim::{Heard, REQUEST};

use crate::server::Server;

/// Clients over real sockets.
struct Sockets {
    address: SocketAddr,
    clients: Vec<Client>,
}

struct Client {
    socket: TcpStream,
    conn: Connection,
    buffers: Buffers,
    input: Vec<u8>,
}

impl Host for Sockets {
    fn open(&mut self) {
        let mut socket = TcpStream::connect(self.address).expect("a listener");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket.write_all(REQUEST).expect("an open socket");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "));
        self.clients.push(Client {
            socket,
            conn: Connection::new(Role::Client),
            buffers: Buffers::default(),
            input: Vec::new(),
        });
    }

    fn send(&mut self, client: usize, bytes: &[u8]) {
        self.clients[client]
            .socket
            .write_all(bytes)
            .expect("an open socket");
    }

    fn shut(&mut self, client: usize) {
        self.clients[client]
            .socket
            .shutdown(Shutdown::Write)
            .expect("an open socket");
    }

    fn hear(&mut self, client: usize) -> Option<Heard> {
        let Client {
            socket,
            conn,
            buffers,
            input,
        } = &mut self.clients[client];
        loop {
            if conn.state().may_receive() {
                let step = conn
                    .poll_event(input, LIMITS, buffers)
                    .expect("a server's frames");
                let heard = step.event.map(|event| match event {
                    Event::Message {
                        kind,
                        payload: Payload::Here(range),
                    } => Heard::Message(kind, input[range].to_vec()),
                    Event::Message {
                        kind,
                        payload: Payload::Assembled,
                    } => Heard::Message(kind, conn.take_message()),
                    Event::Ping(range) => Heard::Ping(input[range].to_vec()),
                    Event::Pong(range) => Heard::Pong(input[range].to_vec()),
                    Event::Close(code) => Heard::Close(code.map(|code| code.get())),
                    other => panic!("{other:?}"),
                });
                input.drain(..step.consumed);
                if heard.is_some() {
                    return heard;
                }
            }
            let mut piece = vec![0; 64 << 10];
            match socket.read(&mut piece) {
                Ok(0) => return Some(Heard::Eof),
                Ok(n) => input.extend_from_slice(&piece[..n]),
                Err(_) => return None,
            }
        }
    }
}

fn conforms(application: Application, flags: &str) {
    let server = Server::start(&format!("{flags} --workers 1"));
    for case in cases().filter(|case| case.application == application) {
        let mut host = Sockets {
            address: server.address(),
            clients: Vec::new(),
        };
        run(case, &mut host).expect("conformance");
    }
}

#[test]
fn echo_on_one_shard_and_on_four() {
    conforms(Application::Echo, "--handler echo --shards 1");
    conforms(Application::Echo, "--handler echo --shards 4");
}

#[test]
fn rooms_on_one_shard_and_on_four() {
    conforms(Application::Rooms, "--shards 1");
    conforms(Application::Rooms, "--shards 4");
}

const PATIENCE: Duration = Duration::from_secs(10);
const LIMITS: MessageLimits = MessageLimits {
    bytes: 1 << 20,
    empty_fragments: 0,
};
