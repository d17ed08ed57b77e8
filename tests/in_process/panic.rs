//! Tests that failures are isolated: an application that panics closes the connections of its shard
//! only; a task that panics fails alone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use stentor_core::{
    Context, Decision, Failure, FailureCause, Handler, HttpRequest, Message as Received,
    MessageType, ShardId, TaskEnd, WorkerId,
};
use stentor_tests::Adapter;
use stentor_tests::running::{Running, TaskRunner};
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Message, WebSocket, connect};

stentor_tests::for_each_adapter! {
    a_shard_that_panics_is_replaced_and_the_others_go_on,
    a_task_that_panics_fails_alone,
    what_a_failed_shard_has_to_tell_does_not_wait_for_an_event,
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
                ctx.join(b"everyone");
                ctx.reply(
                    MessageType::Text,
                    0,
                    format!("joined on {}", self.0.0).as_bytes(),
                );
            }
            said => ctx.publish(b"everyone", MessageType::Text, 0, said, false),
        }
    }

    fn on_outcome(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
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

/// Lets members join until there are two on each of two shards. Those whose shard
/// has failed may count as there a moment longer.
fn fill(members: &mut Vec<RoomMember>, address: SocketAddr) {
    let on = |members: &[RoomMember], shard: &str| {
        let on = |member: &&RoomMember| member.shard == shard;
        members.iter().filter(on).count()
    };
    while ["joined on 0", "joined on 1"]
        .iter()
        .any(|shard| on(members, shard) < 2)
    {
        members.push(RoomMember::join(address));
    }
}

fn a_shard_that_panics_is_replaced_and_the_others_go_on(adapter: Adapter) {
    for way in ["panic", "later"] {
        let server = start(adapter, "2");
        let mut members = Vec::new();
        for round in 0..3 {
            fill(&mut members, server.addresses[0]);
            // Whatever they have heard of each other is read, up to a mark.
            let mark = format!("mark {round}");
            say(&mut members[0].socket, &mark);
            for member in &mut members {
                while hear(&mut member.socket).expect("an open connection") != mark {}
            }
            let failed = members[round % 2].shard.clone();
            say(&mut members[round % 2].socket, way);
            let (gone, alive): (Vec<_>, Vec<_>) = members
                .into_iter()
                .partition(|member| member.shard == failed);
            for mut member in gone {
                assert_eq!(hear(&mut member.socket), None, "its connection is closed");
            }
            members = alive;
            for (at, member) in members.iter_mut().enumerate() {
                let own = format!("{at} after {round}");
                say(&mut member.socket, &own);
                while hear(&mut member.socket).expect("an open connection") != own {}
            }
        }
        let ending = server.stop();
        for mut member in members {
            while hear(&mut member.socket).is_some() {}
        }
        let report = ending.report();
        let delivery = report.stats.delivery;
        assert_eq!(delivery.queued, delivery.left());
    }
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

fn what_a_failed_shard_has_to_tell_does_not_wait_for_an_event(adapter: Adapter) {
    let server = start(adapter, "3");
    // One on each shard; the last fails, the first makes room for the scrape.
    let mut sockets: Vec<TungsteniteSocket> = (0..3).map(|_| open(server.addresses[0])).collect();
    say(&mut sockets[2], "later");
    assert_eq!(hear(&mut sockets[2]), None, "it is closed");
    drop(sockets.remove(0));
    thread::sleep(Duration::from_millis(500));
    // Two that tell of the failure, and the answers: a scrape, which may wake every
    // shard, finds them all on their way or there.
    let page = metrics(server.addresses[0]);
    assert!(
        page.contains("\nstentor_intershard_messages_total 4\n"),
        "{page}"
    );
    drop(sockets);
    server.stop().report();
}

fn metrics(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).expect("taken");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    page
}
