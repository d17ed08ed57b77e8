//! Links of sessions: wires other than WebSocket, transports, and codecs of the application.

mod codecs;
mod tls;
mod transports;
mod wires;

use stentor_core::delivery::{Codec, Outgoing};
use stentor_core::proto::wire::Wire;
use stentor_core::testing::wire::Opcode;
use stentor_core::{
    Acceptance, CloseCode, ConnId, Context, Decision, Handler, HttpRequest, Message, MessageType,
    SendOptions,
};
use stentor_sim::simulator;

use crate::net::{Net, masked, request};

/// A chat of one room. The path says the wire of a connection, and the query its codec: 1 adds the
/// channel, or repeats what begins with a star 16 times, 2 takes no binary messages and has no last
/// message, 3 panics.
struct Chat;

impl Handler for Chat {
    type State = ();
    type Task = ();
    type Outcome = ();

    const CODECS: usize = 4;

    fn encode(codec: Codec, message: &Outgoing<'_>, out: &mut Vec<u8>) -> Option<MessageType> {
        match codec.number() {
            1 if message.payload.starts_with(b"*") => {
                out.extend(message.payload.repeat(16));
                Some(MessageType::Text)
            }
            1 => {
                out.extend_from_slice(message.channel.unwrap_or(b"you"));
                out.push(b'>');
                out.extend_from_slice(message.payload);
                Some(MessageType::Text)
            }
            2 if message.kind == MessageType::Binary => None,
            2 => {
                out.extend(message.payload.iter().rev());
                Some(MessageType::Binary)
            }
            _ => simulator::crash(),
        }
    }

    fn encode_close(codec: Codec, code: CloseCode, reason: &str, out: &mut Vec<u8>) {
        match codec.number() {
            2 => {}
            3 => simulator::crash(),
            _ => out.extend_from_slice(format!("closed {} {reason}", code.get()).as_bytes()),
        }
    }

    fn on_request(&mut self, request: &HttpRequest<'_>) -> Decision<Self> {
        let codec = request.query().and_then(|query| query.parse().ok());
        let accepted = Acceptance::new(()).codec(Codec::new(codec.unwrap_or_default()));
        match request.path() {
            "/ws" => Decision::Accept(accepted),
            "/lines" => Decision::Accept(accepted.wire(Wire::Lines)),
            "/bytes" => Decision::Accept(accepted.wire(Wire::Bytes)),
            "/events" => Decision::Accept(accepted.wire(Wire::EventStream)),
            _ => Decision::reject(404),
        }
    }

    fn on_open(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.subscribe(b"room");
        ctx.reply(MessageType::Text, 1, b"welcome");
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        let Message { kind, payload } = message;
        match payload {
            b"bye" => ctx.close(CloseCode::GOING_AWAY),
            [b'-', other @ ..] => {
                let other = String::from_utf8_lossy(other).parse().expect("a name");
                ctx.disconnect(other, CloseCode::TRY_LATER, "later");
            }
            b"codec" => ctx.reply(kind, 5, &[b'0' + ctx.codec().number()]),
            b"me" => ctx.send(ctx.id(), kind, 5, b"to you"),
            [b'?', text @ ..] => ctx.reply(kind, 5, text),
            [b'!', text @ ..] => ctx.publish(b"room", kind, 0, text),
            text => {
                let options = SendOptions::new(10).receipt(1);
                ctx.publish(b"room", kind, options, text);
            }
        }
    }
}

impl Net<Chat> {
    /// Opens a session on the wire of the path. The response is taken off.
    fn connect(&mut self, shard: usize, target: &str) -> ConnId {
        let id = self.accept(shard, None);
        self.send(id, request(target).as_bytes());
        let response = self.take(id);
        let end = response.windows(4).position(|four| four == b"\r\n\r\n");
        let rest = &response[end.expect("a head") + 4..];
        assert!(
            String::from_utf8_lossy(rest).contains("welcome"),
            "{rest:?}"
        );
        id
    }
}

/// An unmasked frame of a server.
fn frame(kind: Opcode, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    let mut frame = vec![0x80 | kind as u8, payload.len() as u8];
    frame.extend(payload);
    frame
}
