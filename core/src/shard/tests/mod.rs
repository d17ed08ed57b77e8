//! One client of a shard whose application does what the client says, over a socket that takes as
//! much as a test wants.

mod closing;
mod codec_limits;
mod discarded;
mod pushes;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::app::Acceptance;
use crate::delivery::codec::Codec;
use crate::delivery::frame::Chunks;
use crate::proto::client::{Client, ClientConfig, ClientEvent, ClientRequest, Uri};
use crate::proto::ws::deflate::Params;
use crate::shard::Admission;
use crate::{
    CloseCode, Config, ConnId, Context, Decision, Handler, HttpRequest, Message, MessageType,
    Output, OverflowPolicy, SendOptions, Shard, ShardId, Timestamp,
};

const NOW: Timestamp = Timestamp::from_micros(1);

/// Does what the words of a message say, one after the other:
///
/// - `push:text`, `flood:n` pushes so many numbers, `long:n` pushes so many bytes;
/// - `reply:text` of priority 0, `echo` replies the message itself;
/// - `insist:text` replies with a message that closes the connection if there is no room for it;
/// - `close`, and `explain` with a reason that is too long.
///
/// The query of a request is the number of the codec.
struct Obedient;

impl Handler for Obedient {
    type State = ();
    type Task = ();
    type Outcome = ();

    const CODECS: usize = 3;

    fn on_request(&mut self, request: &HttpRequest<'_>) -> Decision<Self> {
        let codec = request.query().and_then(|query| query.parse().ok());
        Decision::Accept(Acceptance::new(()).codec(Codec::new(codec.unwrap_or_default())))
    }

    fn slow_consumer(codec: Codec) -> (CloseCode, &'static str) {
        match codec.number() {
            1 => (CloseCode::new(3_008).expect("a code"), "slow"),
            _ => (CloseCode::POLICY, REASON),
        }
    }

    fn on_open(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.push(MessageType::Text, b"welcome");
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        let text = core::str::from_utf8(message.payload).expect("text");
        for word in text.split(' ') {
            let (verb, rest) = word.split_once(':').unwrap_or((word, ""));
            let number = || rest.parse::<usize>().expect("a number");
            match verb {
                "push" => ctx.push(MessageType::Text, rest.as_bytes()),
                "flood" => (0..number()).for_each(|n| {
                    ctx.push(MessageType::Text, alloc::format!("{n}").as_bytes());
                }),
                "long" => ctx.push(MessageType::Text, &vec![b'a'; number()]),
                "reply" => ctx.reply(MessageType::Text, SendOptions::new(0), rest.as_bytes()),
                "echo" => ctx.reply(message.kind, 0, message.payload),
                "insist" => {
                    let insists = SendOptions::new(0).overflow(OverflowPolicy::Disconnect);
                    ctx.reply(MessageType::Text, insists, rest.as_bytes());
                }
                "explain" => ctx.close_with(CloseCode::GOING_AWAY, REASON),
                "close" => ctx.close(CloseCode::GOING_AWAY),
                _ => {}
            }
        }
    }
}

/// A reason of 146 bytes.
const REASON: &str = "\
    an explanation that is much longer than frames may be, with the letter \u{20ac} at its end \
    \u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\
    \u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}";

/// A client, and the shard that it is connected to.
struct Pair<H: Handler = Obedient> {
    shard: Shard<H>,
    id: ConnId,
    client: Client,
    is_full: bool,
    is_reading: bool,
    /// How often the shard has stopped reading.
    pauses: usize,
    is_closed: bool,
    /// Texts, and the code and the reason of a close frame.
    received: Vec<String>,
}

impl Pair {
    /// Returns a connection that is open, with this number of a codec.
    fn new(config: &Config, codec: u8, offer: Option<Params>) -> Self {
        Self::with(Obedient, config, codec, offer)
    }
}

impl<H: Handler> Pair<H> {
    fn with(handler: H, config: &Config, codec: u8, offer: Option<Params>) -> Self {
        let mut shard = Shard::new(ShardId(0), config, handler);
        let id = shard.accept(NOW, Admission::Normal);
        let uri = alloc::format!("ws://h/ws?{codec}");
        let mut request = ClientRequest::new(&Uri::parse(&uri).expect("an address"));
        if let Some(offer) = offer {
            request = request.deflate(offer).expect("an offer");
        }
        let mut pair = Self {
            shard,
            id,
            client: Client::new(request, ClientConfig::default(), [1; 32]),
            is_full: false,
            is_reading: true,
            pauses: 0,
            is_closed: false,
            received: Vec::new(),
        };
        pair.deliver();
        pair.turn(usize::MAX);
        assert!(pair.client.is_open());
        pair
    }

    fn say(&mut self, text: &str) {
        let sent = self.client.send(MessageType::Text, text.as_bytes());
        sent.expect("it is open");
    }

    /// Hands the shard what the client has sent, unless it does not read.
    fn deliver(&mut self) {
        while self.is_reading && self.client.queued_bytes() > 0 {
            let (buffer, sent) = (self.shard.read_buffer(), self.client.poll_transmit());
            let n = sent.len().min(buffer.len());
            buffer[..n].copy_from_slice(&sent[..n]);
            self.client.handle_transmitted(n);
            self.shard.handle_read(NOW, self.id, n);
        }
    }

    /// Says, and lets the shard have its turn with a socket that takes everything.
    fn do_all(&mut self, text: &str) -> Vec<String> {
        self.say(text);
        self.deliver();
        self.turn(usize::MAX);
        core::mem::take(&mut self.received)
    }

    /// Does all that the shard asks for; its socket takes so many bytes.
    fn turn(&mut self, mut room: usize) {
        if self.is_full && room > 0 && !self.is_closed {
            self.is_full = false;
            self.shard.handle_writable(NOW, self.id);
        }
        while let Some(output) = self.shard.poll_output().work() {
            match output {
                Output::Flush(id) => {
                    let mut chunks = Chunks::new();
                    self.shard.poll_transmit(id, &mut chunks);
                    let mut bytes = chunks.as_slices().concat();
                    drop(chunks);
                    self.is_full = bytes.len() > room;
                    bytes.truncate(room);
                    room -= bytes.len();
                    self.shard.handle_transmitted(NOW, id, bytes.len());
                    self.receive(&bytes);
                }
                Output::StopReading(_) => {
                    self.is_reading = false;
                    self.pauses += 1;
                }
                Output::StartReading(_) => self.is_reading = true,
                Output::Disconnect(_) => self.is_closed = true,
                _ => {}
            }
        }
        self.audit();
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        loop {
            let n = self.client.handle_input(bytes);
            bytes = &bytes[n..];
            while let Some(event) = self.client.poll_event() {
                match event {
                    ClientEvent::Opened | ClientEvent::Ping(_) | ClientEvent::Pong(_) => {}
                    ClientEvent::Message { payload, .. } => {
                        let text = String::from_utf8(payload.to_vec()).expect("text");
                        self.received.push(text);
                    }
                    ClientEvent::Closed { code, reason } => {
                        let code = code.map_or(0, CloseCode::get);
                        self.received.push(alloc::format!("closed:{code}:{reason}"));
                    }
                    other => panic!("{other:?}"),
                }
            }
            if bytes.is_empty() {
                return;
            }
        }
    }

    fn audit(&self) {
        self.shard.engine.out.audit();
        self.shard.engine.audit_memory();
        let sent = self.shard.stats().sent;
        assert!(sent.pushes >= sent.pushes_discarded + sent.pushes_waiting);
    }
}

fn numbers(range: core::ops::Range<usize>) -> Vec<String> {
    range.map(|n| alloc::format!("{n}")).collect()
}
