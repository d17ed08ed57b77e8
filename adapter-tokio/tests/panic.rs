//! Owns the proof that a failure stays where it is: an application that panics
//! costs its shard's connections and nothing else; a task that panics, only itself.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use futures_util::{SinkExt, StreamExt};
use stentor_cli::Settings;
use stentor_core::handshake::Request;
use stentor_core::{Context, Handler, Kind, Message as Received, TaskEnd, Verdict, WorkerId};
use stentor_tokio::{Report, Server, Work};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Everyone is in one room; `panic` panics, `task` submits a task that does.
struct Fragile;

impl Handler for Fragile {
    type State = ();
    type Task = ();
    type Outcome = Infallible;

    fn on_request(&mut self, _: &Request<'_>) -> Verdict<()> {
        Verdict::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Received<'_>) {
        match message.payload {
            b"panic" => panic!("as asked"),
            b"task" => ctx.submit(()),
            b"join" => {
                ctx.join(b"everyone");
                ctx.reply(Kind::Text, 0, b"joined");
            }
            said => ctx.publish(b"everyone", Kind::Text, 0, said, false),
        }
    }

    fn on_outcome(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
        if matches!(end, TaskEnd::Failed) {
            ctx.reply(Kind::Text, 0, b"failed");
        }
    }
}

struct Panics;

impl Work<Fragile> for Panics {
    async fn run(&self, _: WorkerId, (): &()) -> Infallible {
        panic!("as asked")
    }
}

fn start(shards: &str) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<Report>) {
    let args = [
        "stentor",
        "--listen",
        "127.0.0.1:0",
        "--shards",
        shards,
        "--workers",
        "1",
    ];
    let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
    let server = Server::bind(settings).expect("a free port");
    let address = server.addresses().expect("an address")[0];
    let (stop, stopped) = oneshot::channel();
    let until = async move {
        let _ = stopped.await;
    };
    let run = thread::spawn(move || {
        server
            .run(|_| Fragile, Panics, until)
            .expect("an orderly end")
    });
    (address, stop, run)
}

async fn connect(address: SocketAddr) -> Client {
    let (mut client, _) = connect_async(format!("ws://{address}/ws"))
        .await
        .expect("an upgrade");
    say(&mut client, "join").await;
    assert_eq!(hear(&mut client).await, Some("joined".into()));
    client
}

async fn say(client: &mut Client, text: &str) {
    client
        .send(Message::text(text))
        .await
        .expect("an open connection");
}

/// The next message; `None` if the connection is gone.
async fn hear(client: &mut Client) -> Option<String> {
    Some(client.next().await?.ok()?.into_text().ok()?.as_str().into())
}

#[tokio::test]
async fn a_shard_that_panics_is_replaced_and_the_others_go_on() {
    let (address, stop, run) = start("2");
    // The sockets alternate between the shards.
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(connect(address).await);
    }
    for round in 0..3 {
        say(&mut clients[0], "panic").await;
        assert_eq!(
            hear(&mut clients[0]).await,
            None,
            "its connection is closed"
        );
        let mut alive = Vec::new();
        for mut client in clients.drain(1..) {
            let text = format!("after {round}");
            if client.send(Message::text(text.as_str())).await.is_ok()
                && let Some(heard) = hear(&mut client).await
            {
                assert!(heard.starts_with("after"), "{heard}");
                alive.push(client);
            }
        }
        assert_eq!(alive.len(), 2, "those of the other shard");
        // Whatever they heard of each other is read, up to a mark of their own.
        clients = alive;
        clients.push(connect(address).await);
        clients.push(connect(address).await);
        let mark = format!("mark {round}");
        say(&mut clients[3], &mark).await;
        for client in &mut clients {
            while hear(client).await.expect("an open connection") != mark {}
        }
        clients.rotate_left(2);
    }
    stop.send(()).expect("it runs");
    for mut client in clients {
        while hear(&mut client).await.is_some() {}
    }
    let report = run.join().expect("the server");
    let delivery = report.stats.delivery;
    assert_eq!(
        delivery.queued,
        delivery.written + delivery.evicted + delivery.discarded
    );
}

#[tokio::test]
async fn a_task_that_panics_fails_alone() {
    let (address, stop, run) = start("1");
    let mut client = connect(address).await;
    for _ in 0..5 {
        say(&mut client, "task").await;
        assert_eq!(hear(&mut client).await, Some("failed".into()));
    }
    stop.send(()).expect("it runs");
    while hear(&mut client).await.is_some() {}
    assert_eq!(run.join().expect("the server").dispatch.panicked, 5);
}

/// Panics when a task ends: in the middle of what was handed to the shard.
struct FailsLater;

impl Handler for FailsLater {
    type State = ();
    type Task = ();
    type Outcome = ();

    fn on_request(&mut self, _: &Request<'_>) -> Verdict<()> {
        Verdict::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, _: Received<'_>) {
        ctx.submit(());
    }

    fn on_outcome(&mut self, _: &mut Context<'_, Self>, _: TaskEnd<Self>) {
        panic!("as asked")
    }
}

struct Nothing;

impl Work<FailsLater> for Nothing {
    async fn run(&self, _: WorkerId, (): &()) {}
}

#[tokio::test]
async fn what_a_failed_shard_has_to_tell_does_not_wait_for_an_event() {
    let args = ["stentor", "--listen", "127.0.0.1:0", "--shards", "3"];
    let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
    let server = Server::bind(settings).expect("a free port");
    let address = server.addresses().expect("an address")[0];
    let (stop, stopped) = oneshot::channel();
    let until = async move {
        let _ = stopped.await;
    };
    let run = thread::spawn(move || server.run(|_| FailsLater, Nothing, until).expect("an end"));
    // One on each shard; the last fails, the first makes room for the scrape.
    let mut clients = Vec::new();
    for _ in 0..3 {
        let (client, _) = connect_async(format!("ws://{address}/ws"))
            .await
            .expect("an upgrade");
        clients.push(client);
    }
    say(&mut clients[2], "go").await;
    assert_eq!(hear(&mut clients[2]).await, None, "it is closed");
    drop(clients.remove(0));
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    // Two that tell of the failure, and the answers: the scrape, for which every
    // shard is woken, finds them all on their way or there.
    let page = metrics(address).await;
    assert!(page.contains("\nstentor_shard_letters_total 4\n"), "{page}");
    stop.send(()).expect("it runs");
    run.join().expect("the server");
}

async fn metrics(address: SocketAddr) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n";
    stream.write_all(request).await.expect("taken");
    let mut page = String::new();
    stream.read_to_string(&mut page).await.expect("a page");
    page
}
