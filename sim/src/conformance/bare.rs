//! Smallest possible host: a [`Connection`] for each client that echoes every message.

use std::collections::VecDeque;

use stentor_core::CloseCode;
use stentor_core::testing::conn::{
    CloseState, Connection, ConnectionEvent, DecodeBuffers, MessageLimits, Payload, Role,
};

use super::Host;
use crate::simulator::Incoming;

/// Protocol machines without a shard around them.
#[derive(Debug, Default)]
pub struct Bare {
    peers: Vec<BarePeer>,
    workspace: DecodeBuffers,
}

#[derive(Debug)]
struct BarePeer {
    conn: Connection,
    input: Vec<u8>,
    heard: VecDeque<Incoming>,
}

impl Host for Bare {
    fn open(&mut self) {
        let conn = Connection::new(Role::Server);
        self.peers.push(BarePeer {
            conn,
            input: Vec::new(),
            heard: VecDeque::new(),
        });
    }

    fn send(&mut self, client: usize, bytes: &[u8]) {
        let Self { peers, workspace } = self;
        let BarePeer { conn, input, heard } = &mut peers[client];
        input.extend_from_slice(bytes);
        while conn.state().may_receive() {
            match conn.poll_event(input, LIMITS, workspace) {
                Ok(step) => {
                    let Some(event) = step.event else {
                        input.drain(..step.consumed);
                        return;
                    };
                    if let Some(answer) = answer(event, input, workspace) {
                        heard.push_back(answer);
                    }
                    input.drain(..step.consumed);
                }
                Err(error) => heard.push_back(closed(Some(error.close_code()))),
            }
        }
        conn.handle_close_sent();
        heard.push_back(Incoming::Eof);
    }

    fn shut(&mut self, client: usize) {
        if self.peers[client].conn.state() == CloseState::Open {
            self.peers[client].heard.push_back(Incoming::Eof);
        }
    }

    fn hear(&mut self, client: usize) -> Option<Incoming> {
        self.peers[client].heard.pop_front()
    }
}

fn answer(event: ConnectionEvent, input: &[u8], workspace: &mut DecodeBuffers) -> Option<Incoming> {
    match event {
        ConnectionEvent::Message {
            kind,
            payload: Payload::InPlace(range),
        } => Some(Incoming::Message(kind, input[range].to_vec())),
        ConnectionEvent::Message {
            kind,
            payload: Payload::Assembled,
        } => Some(Incoming::Message(kind, workspace.take_message())),
        ConnectionEvent::Ping(range) => Some(Incoming::Pong(input[range].to_vec())),
        ConnectionEvent::Pong(_) => None,
        ConnectionEvent::Close(code, _) => Some(closed(code)),
        other => unreachable!("a new event: {other:?}"),
    }
}

fn closed(code: Option<CloseCode>) -> Incoming {
    Incoming::Close(code.map(CloseCode::get))
}

const LIMITS: MessageLimits = MessageLimits {
    bytes: 1 << 20,
    empty_fragments: 256,
};
