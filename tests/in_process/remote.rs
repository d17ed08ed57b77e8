//! Tests that other threads of an application reach every connection of its server: in order,
//! within the limit, until the end, and that a command that is not accepted is reported.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use stentor_core::channels::RemoteError;
use stentor_core::id::WorkerId;
use stentor_core::{
    CloseCode, ConnId, Context, Decision, Failure, Handler, HttpRequest, Message as Received,
    MessageType,
};
use stentor_server::ServerHandle;
use stentor_tests::Adapter;
use stentor_tests::process::SOON;
use stentor_tests::running::{Running, TaskRunner};
use tokio_tungstenite::tungstenite::protocol::frame::coding;
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Message, WebSocket, connect};

stentor_tests::for_each_adapter! {
    everything_said_from_outside_is_heard_or_refused,
    a_shard_that_is_busy_does_not_let_commands_pile_up,
    one_is_spoken_to_and_closed_and_what_comes_too_late_is_counted,
    what_was_taken_before_the_end_is_written,
    a_command_is_answered,
}

type TungsteniteSocket = WebSocket<MaybeTlsStream<TcpStream>>;

/// What the application knows on all shards.
#[derive(Default)]
struct Known {
    names: Mutex<HashMap<String, ConnId>>,
    /// Whoever has it keeps a shard from everything else.
    busy: Mutex<()>,
}

/// A connection is in the rooms that it names, behind a `+`; other words are its
/// name. `wait` waits.
struct RemoteApp(Arc<Known>);

impl Handler for RemoteApp {
    type State = ();
    type Task = ();
    type Outcome = ();

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Received<'_>) {
        match message.payload {
            [b'+', room @ ..] => ctx.subscribe(room),
            b"wait" => drop(self.0.busy.lock().expect("no panic")),
            name => {
                let name = String::from_utf8_lossy(name).into_owned();
                let mut names = self.0.names.lock().expect("no panic");
                names.insert(name, ctx.id());
            }
        }
        ctx.reply(MessageType::Text, 10, b"done");
    }
}

struct NoWork;

impl TaskRunner<RemoteApp> for NoWork {
    fn run(&self, _: WorkerId, (): &()) -> Result<(), Failure> {
        Ok(())
    }
}

struct RemoteServer {
    server: Running,
    known: Arc<Known>,
}

impl RemoteServer {
    fn set(adapter: Adapter, flags: &[&str]) -> Self {
        let known = Arc::new(Known::default());
        let handler = {
            let known = known.clone();
            move |_| RemoteApp(known.clone())
        };
        // No queue is ever full, so whatever is missing in the end was lost.
        let flags = [&["--queue.messages=1048576", "--queue.bytes=1GiB"], flags].concat();
        let server = Running::start(adapter, &flags, handler, NoWork);
        Self { server, known }
    }

    /// A connection that has said all this, and has its answers.
    fn open(&self, said: &[&str]) -> TungsteniteSocket {
        let (mut socket, _) =
            connect(format!("ws://{}/ws", self.server.addresses[0])).expect("an upgrade");
        for said in said {
            socket.send(Message::text(*said)).expect("open");
            // What others say may come before the answer.
            while hear(&mut socket).expect("open") != "done" {}
        }
        socket
    }

    fn id(&self, name: &str) -> ConnId {
        self.known.names.lock().expect("no panic")[name]
    }
}

/// The next message; `None` once it is closed.
fn hear(socket: &mut TungsteniteSocket) -> Option<String> {
    match socket.read().ok()? {
        Message::Text(text) => Some(text.as_str().into()),
        _ => None,
    }
}

/// What four threads say in four rooms, 10,000 times in all, while clients come and go.
fn everything_said_from_outside_is_heard_or_refused(adapter: Adapter) {
    let stage = RemoteServer::set(adapter, &["--shards=3", "--shard.remote-commands=16"]);
    let rooms = ["+0", "+1", "+2", "+3"];
    let mut listeners: Vec<TungsteniteSocket> =
        rooms.iter().map(|&room| stage.open(&[room])).collect();
    listeners.push(stage.open(&rooms));
    let (refused, said) = (AtomicU64::new(0), AtomicU64::new(4 * EACH as u64));
    let over = AtomicBool::new(false);
    let listeners: Vec<Vec<String>> = thread::scope(|scope| {
        let listening: Vec<_> = listeners
            .into_iter()
            .enumerate()
            .map(|(n, mut socket)| {
                let all = if n < 4 { EACH } else { 4 * EACH };
                scope.spawn(move || {
                    let heard = (0..all).map(|_| hear(&mut socket).expect("open"));
                    let heard: Vec<_> = heard.collect();
                    drop(socket);
                    heard
                })
            })
            .collect();
        let (stage, over, refused) = (&stage, &over, &refused);
        let restless = scope.spawn(move || {
            let mut came = 0;
            while !over.load(Ordering::Relaxed) {
                let mut socket = stage.open(&[rooms[came % 4], rooms[(came + 1) % 4]]);
                hear(&mut socket);
                came += 1;
                if came % 3 == 0 {
                    let _ = socket.close(None);
                }
            }
            came
        });
        let speakers = [0, 1, 2, 3].map(|speaker| {
            let remote = stage.server.remote.clone();
            scope.spawn(move || {
                let say = |n: usize| (room_of(n), format!("{speaker} {n}"));
                if speaker < 2 {
                    for n in 0..EACH {
                        refused.fetch_add(insist(&remote, say(n)), Ordering::Relaxed);
                    }
                } else {
                    for n in 0..EACH {
                        let (room, text) = say(n);
                        let permit = remote.reserve().wait().expect("the server serves");
                        let told = permit.publish(room.as_bytes(), MessageType::Text, 10, text);
                        assert_eq!(told, Ok(()));
                    }
                }
            })
        });
        for speaker in speakers {
            speaker.join().expect("no panic");
        }
        let heard = listening.into_iter().map(|l| l.join().expect("no panic"));
        let heard = heard.collect();
        over.store(true, Ordering::Relaxed);
        // Whoever waits to hear something does.
        for n in 0.. {
            if restless.is_finished() {
                break;
            }
            let last = (room_of(n), "over".into());
            refused.fetch_add(insist(&stage.server.remote, last), Ordering::Relaxed);
            said.fetch_add(1, Ordering::Relaxed);
        }
        assert!(restless.join().expect("no panic") > 0);
        heard
    });
    for (room, heard) in listeners.iter().enumerate() {
        for speaker in 0..4 {
            let of_this = heard.iter().filter_map(|text| {
                let (of, n) = text.split_once(' ')?;
                (of == speaker.to_string()).then(|| n.parse::<usize>().expect("a number"))
            });
            if room < 4 {
                let expected = (0..EACH).filter(|n| room_of(*n) == room.to_string());
                assert!(of_this.eq(expected), "{speaker} in {room}");
            } else {
                // In rooms of different homes, not in the order of all.
                assert_eq!(of_this.count(), EACH);
            }
        }
    }
    let page = metrics(stage.server.addresses[0]);
    let (refused, said) = (refused.into_inner(), said.into_inner());
    assert!(refused > 0, "the bound was never met");
    // Those who waited have looked in vain, too.
    assert!(value(&page, "stentor_remote_full_total") >= refused);
    assert_eq!(value(&page, "stentor_remote_commands"), 0);
    assert_eq!(value(&page, "stentor_remote_commands_total"), said);
    let report = stage.server.stop().report();
    let stats = report.stats;
    assert_eq!(stats.channels.published, said);
    assert_eq!(stats.channels.published, stats.channels.encoded);
    let delivery = stats.delivery;
    assert_eq!(delivery.offered, delivery.queued + delivery.refused_closing);
    assert_eq!(delivery.queued, delivery.written + delivery.discarded);
}

fn a_command_is_answered(adapter: Adapter) {
    let stage = RemoteServer::set(adapter, &["--shards=3", "--shard.remote-commands=1"]);
    let (mut one, mut other) = (stage.open(&["one"]), stage.open(&["other"]));
    let (remote, id) = (&stage.server.remote, stage.id("one"));
    assert_eq!(remote.subscribe(id, b"room").wait(), Ok(true));
    // The shard of the connection and that of the room are not the same ones.
    wait_for_members(remote, 1);
    let report = remote
        .publish(b"room", MessageType::Text, 10, "heard")
        .wait()
        .expect("it serves");
    assert_eq!((report.members, report.queued), (1, 1));
    assert_eq!(hear(&mut one), Some("heard".into()));
    let report = remote
        .publish(b"nobody", MessageType::Text, 10, "unheard")
        .wait();
    assert_eq!(report.map(|report| report.members), Ok(0));
    let report = remote.broadcast(MessageType::Text, 10, "all").wait();
    assert_eq!(report.map(|report| report.queued), Ok(2));
    for socket in [&mut one, &mut other] {
        assert_eq!(hear(socket), Some("all".into()));
    }
    assert_eq!(remote.unsubscribe(id, b"room").wait(), Ok(true));
    wait_for_members(remote, 0);

    // On a runtime, many wait for the one permit.
    stentor_tests::block_on(async {
        let report = remote.send(id, MessageType::Text, 10, "sent").await;
        assert_eq!(report.map(|report| report.queued), Ok(1));
        let counts = (0..100).map(|_| remote.count_members(b"room"));
        for count in futures_util::future::join_all(counts).await {
            assert_eq!(count, Ok(0));
        }
        // One that is not waited for any more does not keep the permit from the others.
        let permit = remote.reserve().await.expect("it serves");
        let mut first = remote.reserve();
        assert!(futures_util::poll!(&mut first).is_pending());
        let mut second = remote.reserve();
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(permit);
        drop(first);
        assert!(second.await.is_ok());
    });
    assert_eq!(hear(&mut one), Some("sent".into()));

    let code = CloseCode::new(4_001).expect("for applications");
    assert_eq!(remote.close(id, code).wait(), Ok(true));
    assert_eq!(remote.close(id, code).wait(), Ok(false));
    assert_eq!(remote.subscribe(id, b"room").wait(), Ok(false));
    let report = remote.send(id, MessageType::Text, 10, "too late").wait();
    assert_eq!(report.map(|report| report.members), Ok(0));
    while one.read().is_ok() {}
    let remote = remote.clone();
    let ending = stage.server.stop();
    while other.read().is_ok() {}
    ending.report();
    let refused = remote.count_members(b"room").wait();
    assert_eq!(refused, Err(RemoteError::Ended));
}

/// Counts the members of the room until there are this many.
fn wait_for_members(remote: &ServerHandle, members: u64) {
    let begin = Instant::now();
    while remote.count_members(b"room").wait() != Ok(members) {
        assert!(begin.elapsed() < SOON, "not {members}");
    }
}

/// Says it until it is taken; how often it was refused.
fn insist(remote: &ServerHandle, (room, text): (String, String)) -> u64 {
    let mut refused = 0;
    while let Err(why) = remote.try_publish(room.as_bytes(), MessageType::Text, 10, text.clone()) {
        assert_eq!(why, RemoteError::Full);
        refused += 1;
        thread::sleep(Duration::from_micros(100));
    }
    refused
}

fn room_of(n: usize) -> String {
    (n % 4).to_string()
}

fn a_shard_that_is_busy_does_not_let_commands_pile_up(adapter: Adapter) {
    let stage = RemoteServer::set(adapter, &["--shards=1", "--shard.remote-commands=3"]);
    let mut socket = stage.open(&["name"]);
    let busy = stage.known.busy.lock().expect("no panic");
    socket.send(Message::text("wait")).expect("open");
    let remote = &stage.server.remote;
    let to = stage.id("name");
    // Some may be taken and be over before the shard is.
    let mut said = 0;
    loop {
        match remote.try_send(to, MessageType::Text, 10, said.to_string()) {
            Ok(()) => said += 1,
            Err(why) => {
                assert_eq!(why, RemoteError::Full);
                break;
            }
        }
    }
    assert!(said >= 3);
    let waits = {
        let remote = remote.clone();
        thread::spawn(move || {
            let report = remote.send(to, MessageType::Text, 10, "waited").wait();
            assert_eq!(report.map(|report| report.queued), Ok(1));
        })
    };
    drop(busy);
    waits.join().expect("no panic");
    let mut heard = Vec::new();
    while heard.len() < said + 2 {
        heard.push(hear(&mut socket).expect("open"));
    }
    heard.retain(|text| text != "done");
    let expected: Vec<_> = (0..said).map(|n| n.to_string()).collect();
    assert_eq!(heard[..said], expected);
    assert_eq!(heard[said..], ["waited"]);
    drop(socket);
    let direct = stage.server.stop().report().stats.direct;
    assert_eq!(direct.sent as usize, said + 1);
    assert_eq!(direct.undeliverable, 0);
}

fn one_is_spoken_to_and_closed_and_what_comes_too_late_is_counted(adapter: Adapter) {
    let stage = RemoteServer::set(adapter, &["--shards=2"]);
    let (mut one, mut other) = (stage.open(&["one"]), stage.open(&["other"]));
    let remote = &stage.server.remote;
    for name in ["one", "other"] {
        let told = remote.try_send(stage.id(name), MessageType::Text, 10, name);
        assert_eq!(told, Ok(()));
    }
    let code = CloseCode::new(4_001).expect("for applications");
    assert_eq!(remote.try_close(stage.id("one"), code), Ok(()));
    assert_eq!(hear(&mut one), Some("one".into()));
    let close = match one.read().expect("a close frame") {
        Message::Close(Some(close)) => close.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(close, coding::CloseCode::from(4_001));
    while one.read().is_ok() {}
    let told = remote.try_send(stage.id("one"), MessageType::Text, 10, "too late");
    assert_eq!(told, Ok(()));
    // Behind that, so it is over.
    assert_eq!(
        remote.try_broadcast_all(MessageType::Text, 10, "all"),
        Ok(())
    );
    assert_eq!(hear(&mut other), Some("other".into()));
    assert_eq!(hear(&mut other), Some("all".into()));
    let remote = remote.clone();
    let ending = stage.server.stop();
    while other.read().is_ok() {}
    let direct = ending.report().stats.direct;
    assert_eq!(
        (direct.sent, direct.offered, direct.undeliverable),
        (3, 2, 1)
    );
    let told = remote.try_broadcast_all(MessageType::Text, 10, "nobody");
    assert_eq!(told, Err(RemoteError::Ended));
    // Nobody waits for a place in vain.
    assert_eq!(remote.reserve().wait().err(), Some(RemoteError::Ended));
}

fn what_was_taken_before_the_end_is_written(adapter: Adapter) {
    let stage = RemoteServer::set(adapter, &["--shards=3", "--shard.remote-commands=512"]);
    let mut listeners: Vec<TungsteniteSocket> = (0..6).map(|_| stage.open(&["+room"])).collect();
    let remote = stage.server.remote.clone();
    let mut said = 0;
    while remote
        .try_publish(b"room", MessageType::Text, 10, said.to_string())
        .is_ok()
    {
        said += 1;
    }
    assert!(said >= 512);
    let ending = stage.server.stop();
    for listener in &mut listeners {
        for n in 0..said {
            assert_eq!(hear(listener), Some(n.to_string()));
        }
        let end = listener.read().expect("a close frame");
        assert!(
            matches!(end, Message::Close(Some(close)) if close.code == coding::CloseCode::Away)
        );
        while listener.read().is_ok() {}
    }
    let stats = ending.report().stats;
    assert_eq!(stats.delivery.discarded, 0);
    assert_eq!(stats.channels.offered, 6 * said);
}

fn metrics(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).expect("taken");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    page
}

fn value(page: &str, name: &str) -> u64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let number = line.and_then(|rest| rest.parse().ok());
    number.unwrap_or_else(|| panic!("no {name}: {page}"))
}

/// What each of four threads says.
const EACH: usize = 2_500;
