//! A client of this crate and a shard of this crate, in memory: both see the
//! same conversation, however the bytes between them are cut.

use std::cell::RefCell;
use std::rc::Rc;

use proptest::prelude::*;
use stentor_core::app::Backpressure;
use stentor_core::delivery::Chunks;
use stentor_core::proto::client::{Client, ClientConfig, ClientEvent, ClientRequest, Uri};
use stentor_core::shard::Admission;
use stentor_core::{
    CloseCode, Config, ConnId, Context, Decision, Handler, HttpRequest, Message, MessageType,
    Output, Shard, ShardId, Timestamp,
};

/// What a side has to say.
#[derive(Clone, Debug)]
enum ScriptStep {
    Whole(MessageType, String),
    Split(MessageType, Vec<String>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

/// What a side was told.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Observed {
    Opened,
    Message(MessageType, Vec<u8>),
    Pong(Vec<u8>),
    Closed(Option<u16>),
}

/// Sends everything back, and writes down what came.
#[derive(Debug)]
struct Witness(Rc<RefCell<Vec<Observed>>>);

impl Handler for Witness {
    type State = ();
    type Task = ();
    type Outcome = ();

    const OVERFLOW: Backpressure = Backpressure::PauseReads;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        let Message { kind, payload } = message;
        let mut heard = self.0.borrow_mut();
        heard.push(Observed::Message(kind, payload.to_vec()));
        if payload == LEAVE.as_bytes() {
            ctx.close(CloseCode::GOING_AWAY);
        } else {
            ctx.reply(kind, 100, payload);
        }
    }

    fn on_pong(&mut self, _: &mut Context<'_, Self>, payload: &[u8]) {
        self.0.borrow_mut().push(Observed::Pong(payload.to_vec()));
    }
}

/// The two, and the bytes between them.
struct ClientPair<I> {
    client: Client,
    heard: Vec<Observed>,
    shard: Shard<Witness>,
    told: Rc<RefCell<Vec<Observed>>>,
    id: ConnId,
    /// How many bytes go at a time.
    cuts: I,
    reads: bool,
    over: bool,
}

impl<I: Iterator<Item = usize>> ClientPair<I> {
    fn new(cuts: I) -> Self {
        let config = Config::default();
        let uri = Uri::parse("ws://h/ws").expect("an address");
        let client = Client::new(ClientRequest::new(&uri), ClientConfig::default(), [3; 32]);
        let told = Rc::default();
        let mut shard = Shard::new(ShardId(0), &config, Witness(Rc::clone(&told)));
        let id = shard.accept(NOW, Admission::Normal);
        Self {
            client,
            heard: Vec::new(),
            shard,
            told,
            id,
            cuts,
            reads: true,
            over: false,
        }
    }

    fn cut(&mut self) -> usize {
        self.cuts.next().expect("endless")
    }

    /// Moves bytes both ways until none are left.
    fn settle(&mut self) {
        loop {
            let up = self.client_writes();
            let down = self.server_turns();
            self.shard.handle_writable(NOW, self.id);
            if !up && !down {
                return;
            }
        }
    }

    fn client_writes(&mut self) -> bool {
        let n = self.cut().min(self.client.queued_bytes());
        if n == 0 || !self.reads || self.over {
            return false;
        }
        let buffer = self.shard.read_buffer();
        buffer[..n].copy_from_slice(&self.client.poll_transmit()[..n]);
        self.client.handle_transmitted(n);
        self.shard.handle_read(NOW, self.id, n);
        true
    }

    fn server_turns(&mut self) -> bool {
        let mut moved = false;
        while let Some(output) = self.shard.poll_output().work() {
            match output {
                Output::Flush(id) => {
                    let most = self.cut();
                    let mut chunks = Chunks::new();
                    self.shard.poll_transmit(id, &mut chunks);
                    let mut bytes = chunks.as_slices().concat();
                    drop(chunks);
                    bytes.truncate(most);
                    self.shard.handle_transmitted(NOW, id, bytes.len());
                    self.client_reads(&bytes);
                    moved |= !bytes.is_empty();
                }
                Output::StopReading(_) => self.reads = false,
                Output::StartReading(_) => {
                    self.reads = true;
                    moved = true;
                }
                Output::LimitUnsent { .. } => {}
                Output::Shut(_) => {
                    self.client.handle_eof();
                    self.client_reads(&[]);
                    if self.client.is_finished() {
                        self.shard.handle_eof(NOW, self.id);
                    }
                    moved = true;
                }
                Output::Disconnect(_) => self.over = true,
                Output::Event(_) => {}
                Output::Timeout(_) | Output::Abort => panic!("no work"),
                other => panic!("{other:?} is not for one connection alone"),
            }
        }
        moved
    }

    fn client_reads(&mut self, mut bytes: &[u8]) {
        loop {
            let n = self.client.handle_input(bytes);
            bytes = &bytes[n..];
            while let Some(event) = self.client.poll_event() {
                self.heard.push(match event {
                    ClientEvent::Opened => Observed::Opened,
                    ClientEvent::Message { kind, payload } => {
                        Observed::Message(kind, payload.to_vec())
                    }
                    ClientEvent::Pong(payload) => Observed::Pong(payload.to_vec()),
                    ClientEvent::Closed { code, .. } => Observed::Closed(code.map(CloseCode::get)),
                    other => panic!("{other:?}"),
                });
            }
            if bytes.is_empty() {
                return;
            }
        }
    }

    /// Queues it at the client; what the server hears of it, and the client then.
    fn say(&mut self, say: &ScriptStep) -> (Option<Observed>, Option<Observed>) {
        let client = &mut self.client;
        let both = |heard: Observed| (Some(heard.clone()), Some(heard));
        match say {
            ScriptStep::Whole(kind, text) => {
                client.send(*kind, text.as_bytes()).expect("open");
                both(Observed::Message(*kind, text.clone().into_bytes()))
            }
            ScriptStep::Split(kind, pieces) => {
                for (n, piece) in pieces.iter().enumerate() {
                    let last = n + 1 == pieces.len();
                    let sent = client.send_fragment(*kind, piece.as_bytes(), last);
                    sent.expect("open");
                    client.send_pong(b"between").expect("open");
                }
                both(Observed::Message(*kind, pieces.concat().into_bytes()))
            }
            ScriptStep::Ping(payload) => {
                client.send_ping(payload).expect("open");
                (None, Some(Observed::Pong(payload.clone())))
            }
            ScriptStep::Pong(payload) => {
                client.send_pong(payload).expect("open");
                (Some(Observed::Pong(payload.clone())), None)
            }
        }
    }
}

/// Pongs overtake messages, and those between fragments come before their message is
/// whole: each kind keeps its order.
fn sorted(heard: &[Observed]) -> (Vec<Observed>, Vec<Observed>) {
    let (pongs, rest) = heard
        .iter()
        .filter(|heard| **heard != Observed::Pong(b"between".to_vec()))
        .cloned()
        .partition(|heard| matches!(heard, Observed::Pong(_)));
    (pongs, rest)
}

fn say() -> impl Strategy<Value = ScriptStep> {
    let kind = || prop_oneof![Just(MessageType::Text), Just(MessageType::Binary)];
    let text = || {
        prop_oneof![
            4 => "[a-z\u{e9}]{0,200}",
            1 => (0_usize..70_000).prop_map(|n| "z".repeat(n)),
        ]
    };
    let control = || prop::collection::vec(any::<u8>(), 0..=125);
    prop_oneof![
        6 => (kind(), text()).prop_map(|(kind, text)| ScriptStep::Whole(kind, text)),
        3 => (kind(), prop::collection::vec(text(), 1..4)).prop_map(|(kind, texts)| ScriptStep::Split(kind, texts)),
        1 => control().prop_map(ScriptStep::Ping),
        1 => control().prop_map(ScriptStep::Pong),
    ]
}

proptest! {
    #[test]
    fn both_see_the_same(
        says in prop::collection::vec(say(), 0..12),
        cuts in prop::collection::vec(prop_oneof![1_usize..40, 1_usize..20_000], 1..20),
        breaks in prop::collection::vec(any::<bool>(), 12),
        client_closes in any::<bool>(),
    ) {
        let mut pair = ClientPair::new(cuts.into_iter().cycle());
        pair.settle();
        let (mut server, mut client) = (Vec::new(), vec![Observed::Opened]);
        for (say, breaks) in says.iter().zip(breaks) {
            let (there, back) = pair.say(say);
            server.extend(there);
            client.extend(back);
            if breaks {
                pair.settle();
            }
        }
        pair.settle();
        let code = if client_closes {
            let normal = CloseCode::NORMAL;
            pair.client.close(Some(normal), "enough").expect("open");
            normal
        } else {
            pair.client.send(MessageType::Text, LEAVE.as_bytes()).expect("open");
            server.push(Observed::Message(MessageType::Text, LEAVE.into()));
            CloseCode::GOING_AWAY
        };
        client.push(Observed::Closed(Some(code.get())));
        pair.settle();
        prop_assert_eq!(sorted(&pair.told.borrow()), sorted(&server));
        prop_assert_eq!(sorted(&pair.heard), sorted(&client));
        prop_assert!(pair.over && pair.client.is_finished());
        let links = pair.shard.stats().links;
        prop_assert_eq!((links.opened, links.active), (1, 0));
    }
}

const NOW: Timestamp = Timestamp::from_micros(1);
/// At this the server closes.
const LEAVE: &str = "\u{2}leave";
