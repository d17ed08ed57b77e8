//! Clients of the conformance script that speak over real sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use stentor_core::testing::conn::{
    Connection, ConnectionEvent, DecodeBuffers, MessageLimits, Payload, Role,
};
use stentor_sim::conformance::Host;
use stentor_sim::simulator::{Incoming, REQUEST};

/// Clients of the server at an address.
pub(crate) struct SocketClients {
    address: SocketAddr,
    clients: Vec<SocketClient>,
}

impl SocketClients {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        let clients = Vec::new();
        Self { address, clients }
    }
}

struct SocketClient {
    socket: TcpStream,
    conn: Connection,
    workspace: DecodeBuffers,
    input: Vec<u8>,
}

impl Host for SocketClients {
    fn open(&mut self) {
        let mut socket = TcpStream::connect(self.address).expect("a listener");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        // A server on loopback answers to no name but its own.
        let request = String::from_utf8_lossy(REQUEST).replace("Host: sim", "Host: localhost");
        socket
            .write_all(request.as_bytes())
            .expect("an open socket");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "));
        self.clients.push(SocketClient {
            socket,
            conn: Connection::new(Role::Client),
            workspace: DecodeBuffers::default(),
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

    fn hear(&mut self, client: usize) -> Option<Incoming> {
        let SocketClient {
            socket,
            conn,
            workspace,
            input,
        } = &mut self.clients[client];
        loop {
            if conn.state().may_receive() {
                let step = conn
                    .poll_event(input, LIMITS, workspace)
                    .expect("a server's frames");
                let heard = step.event.map(|event| match event {
                    ConnectionEvent::Message {
                        kind,
                        payload: Payload::InPlace(range),
                    } => Incoming::Message(kind, input[range].to_vec()),
                    ConnectionEvent::Message {
                        kind,
                        payload: Payload::Assembled,
                    } => Incoming::Message(kind, workspace.take_message()),
                    ConnectionEvent::Ping(range) => Incoming::Ping(input[range].to_vec()),
                    ConnectionEvent::Pong(range) => Incoming::Pong(input[range].to_vec()),
                    ConnectionEvent::Close(code, _) => Incoming::Close(code.map(|code| code.get())),
                    other => panic!("{other:?}"),
                });
                input.drain(..step.consumed);
                if heard.is_some() {
                    return heard;
                }
            }
            let mut piece = vec![0; 64 << 10];
            match socket.read(&mut piece) {
                Ok(0) => return Some(Incoming::Eof),
                Ok(n) => input.extend_from_slice(&piece[..n]),
                Err(_) => return None,
            }
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
const LIMITS: MessageLimits = MessageLimits {
    bytes: 1 << 20,
    empty_fragments: 0,
};
