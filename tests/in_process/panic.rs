//! Tests that panics are contained: a callback that panics closes its own connection only; a task
//! that panics fails alone.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};

use stentor_core::id::WorkerId;
use stentor_core::tasks::FailureCause;
use stentor_core::{
    CloseCause, Context, Decision, Failure, Handler, HttpRequest, Message as Received, MessageType,
    ShardId, TaskEnd,
};
use stentor_tests::Adapter;
use stentor_tests::running::{Running, TaskRunner};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Message, WebSocket, connect};

stentor_tests::for_each_adapter! {
    a_callback_that_panics_closes_its_own_connection,
    a_task_that_panics_fails_alone,
}

type TungsteniteSocket = WebSocket<MaybeTlsStream<TcpStream>>;

/// Everyone is in one room, and is told on which shard; `panic` panics, `task`
/// submits a task that does, `later` one whose end does.
struct PanickingApp(ShardId);

impl Handler for PanickingApp {
    type State = ();
    type Task = bool;
    type Outcome = ();

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Received<'_>) {
        match message.payload {
            b"panic" => panic!("as asked"),
            b"task" => ctx.submit(true),
            b"later" => ctx.submit(false),
            b"join" => {
                ctx.subscribe(b"everyone");
                ctx.reply(
                    MessageType::Text,
                    0,
                    format!("joined on {}", self.0.0).as_bytes(),
                );
            }
            said => ctx.publish(b"everyone", MessageType::Text, 0, said),
        }
    }

    fn on_task(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
        match end {
            TaskEnd::Failed {
                cause: FailureCause::Panicked,
                attempts: 2,
            } => ctx.reply(MessageType::Text, 0, b"failed"),
            _ => panic!("as asked"),
        }
    }
}

struct Panics;

impl TaskRunner<PanickingApp> for Panics {
    fn run(&self, _: WorkerId, &panics: &bool) -> Result<(), Failure> {
        assert!(!panics, "as asked");
        Ok(())
    }
}

fn start(adapter: Adapter, shards: &str) -> Running {
    let flags = [
        "--tasks.attempts=2",
        "--tasks.backoff=1ms",
        "--shards",
        shards,
    ];
    Running::start(adapter, &flags, PanickingApp, Panics)
}

fn open(address: SocketAddr) -> TungsteniteSocket {
    let (socket, _) = connect(format!("ws://{address}/ws")).expect("an upgrade");
    socket
}

fn say(socket: &mut TungsteniteSocket, text: &str) {
    socket
        .send(Message::text(text))
        .expect("an open connection");
}

/// The next message; `None` if the connection is gone.
fn hear(socket: &mut TungsteniteSocket) -> Option<String> {
    Some(socket.read().ok()?.into_text().ok()?.as_str().into())
}

/// A member of the room, and the shard that it is on.
struct RoomMember {
    socket: TungsteniteSocket,
    shard: String,
}

impl RoomMember {
    fn join(address: SocketAddr) -> Self {
        let mut socket = open(address);
        say(&mut socket, "join");
        // What others say may come before the answer.
        let shard = loop {
            let heard = hear(&mut socket).expect("an answer");
            if heard.starts_with("joined") {
                break heard;
            }
        };
        Self { socket, shard }
    }
}

/// Callbacks panic, one after the other, while everybody publishes: each closes its own connection
/// with 1011, behind what it had asked for, and everybody else hears everything in its order.
fn a_callback_that_panics_closes_its_own_connection(adapter: Adapter) {
    let server = start(adapter, "2");
    let address = server.addresses[0];
    let mut members: Vec<RoomMember> = (0..6).map(|_| RoomMember::join(address)).collect();
    let shards: BTreeSet<&str> = members.iter().map(|member| member.shard.as_str()).collect();
    assert_eq!(shards.len(), 2, "both have members");
    for (round, way) in ["panic", "later", "panic", "later"].iter().enumerate() {
        let mut victim = RoomMember::join(address);
        let texts: Vec<Vec<String>> = (0..members.len())
            .map(|at| (0..20).map(|n| format!("{round} {at} {n}")).collect())
            .collect();
        for n in 0..20 {
            for (member, texts) in members.iter_mut().zip(&texts) {
                say(&mut member.socket, &texts[n]);
            }
            if n == 10 {
                say(&mut victim.socket, "last words");
                say(&mut victim.socket, way);
            }
        }
        let code = loop {
            match victim.socket.read() {
                Ok(Message::Close(frame)) => break frame.expect("a code").code,
                Ok(_) => {}
                Err(error) => panic!("no close frame: {error}"),
            }
        };
        assert_eq!(code, CloseCode::Error);
        for member in &mut members {
            let mut heard = vec![Vec::new(); texts.len()];
            let mut last_words = 0;
            while last_words == 0 || heard.iter().map(Vec::len).sum::<usize>() < 20 * texts.len() {
                let text = hear(&mut member.socket).expect("an open connection");
                match text.split(' ').collect::<Vec<_>>()[..] {
                    ["last", "words"] => last_words += 1,
                    [of, at, _] if of == round.to_string() => {
                        heard[at.parse::<usize>().expect("a number")].push(text);
                    }
                    _ => panic!("{text} in round {round}"),
                }
            }
            assert_eq!(heard, texts);
            assert_eq!(last_words, 1);
        }
    }
    let ending = server.stop();
    for mut member in members {
        while hear(&mut member.socket).is_some() {}
    }
    let stats = ending.report().stats;
    assert_eq!(stats.links.panics, 4);
    assert_eq!(stats.closed[CloseCause::Panic as usize], 4);
    assert_eq!(stats.delivery.queued, stats.delivery.left());
}

fn a_task_that_panics_fails_alone(adapter: Adapter) {
    let server = start(adapter, "1");
    let mut socket = RoomMember::join(server.addresses[0]).socket;
    for _ in 0..5 {
        say(&mut socket, "task");
        assert_eq!(hear(&mut socket), Some("failed".into()));
    }
    let ending = server.stop();
    while hear(&mut socket).is_some() {}
    let dispatch = ending.report().dispatch;
    assert_eq!((dispatch.panicked, dispatch.failed), (10, 5));
}
