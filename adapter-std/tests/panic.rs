//! Owns the proof that a failure stays where it is: an application that panics
//! costs its shard's connections and nothing else; a task that panics, only itself.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use stentor_cli::Settings;
use stentor_core::handshake::Request;
use stentor_core::{Context, Handler, Kind, Message as Received, TaskEnd, Verdict, WorkerId};
use stentor_std::{Report, Server, Work};
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Message, WebSocket, connect};

type Client = WebSocket<MaybeTlsStream<TcpStream>>;

/// Everyone is in one room; `panic` panics, `task` submits a task that does,
/// `later` one whose end does.
struct Fragile;

impl Handler for Fragile {
    type State = ();
    type Task = bool;
    type Outcome = ();

    fn on_request(&mut self, _: &Request<'_>) -> Verdict<()> {
        Verdict::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Received<'_>) {
        match message.payload {
            b"panic" => panic!("as asked"),
            b"task" => ctx.submit(true),
            b"later" => ctx.submit(false),
            b"join" => {
                ctx.join(b"everyone");
                ctx.reply(Kind::Text, 0, b"joined");
            }
            said => ctx.publish(b"everyone", Kind::Text, 0, said, false),
        }
    }

    fn on_outcome(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
        match end {
            TaskEnd::Failed => ctx.reply(Kind::Text, 0, b"failed"),
            _ => panic!("as asked"),
        }
    }
}

struct Panics;

impl Work<Fragile> for Panics {
    fn run(&self, _: WorkerId, &panics: &bool) {
        assert!(!panics, "as asked");
    }
}

fn start(shards: &str) -> (SocketAddr, Sender<Infallible>, JoinHandle<Report>) {
    let args = ["stentor", "--listen", "127.0.0.1:0", "--shards", shards];
    let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
    let server = Server::bind(settings).expect("a free port");
    let address = server.addresses().expect("an address")[0];
    let (stop, stopped) = channel();
    let until = move || {
        let _ = stopped.recv();
    };
    let run = thread::spawn(move || {
        server
            .run(|_| Fragile, Panics, until)
            .expect("an orderly end")
    });
    (address, stop, run)
}

fn open(address: SocketAddr) -> Client {
    let (mut client, _) = connect(format!("ws://{address}/ws")).expect("an upgrade");
    say(&mut client, "join");
    assert_eq!(hear(&mut client), Some("joined".into()));
    client
}

fn say(client: &mut Client, text: &str) {
    client
        .send(Message::text(text))
        .expect("an open connection");
}

/// The next message; `None` if the connection is gone.
fn hear(client: &mut Client) -> Option<String> {
    Some(client.read().ok()?.into_text().ok()?.as_str().into())
}

#[test]
fn a_shard_that_panics_is_replaced_and_the_others_go_on() {
    for way in ["panic", "later"] {
        let (address, stop, run) = start("2");
        // The sockets alternate between the shards.
        let mut clients: Vec<Client> = (0..4).map(|_| open(address)).collect();
        for round in 0..3 {
            say(&mut clients[0], way);
            assert_eq!(hear(&mut clients[0]), None, "its connection is closed");
            let mut alive = Vec::new();
            for mut client in clients.drain(1..) {
                let text = format!("after {round}");
                if client.send(Message::text(text.as_str())).is_ok()
                    && let Some(heard) = hear(&mut client)
                {
                    assert!(heard.starts_with("after"), "{heard}");
                    alive.push(client);
                }
            }
            assert_eq!(alive.len(), 2, "those of the other shard");
            // Whatever they heard of each other is read, up to a mark of their own.
            clients = alive;
            clients.push(open(address));
            clients.push(open(address));
            let mark = format!("mark {round}");
            say(&mut clients[3], &mark);
            for client in &mut clients {
                while hear(client).expect("an open connection") != mark {}
            }
            clients.rotate_left(2);
        }
        drop(stop);
        for mut client in clients {
            while hear(&mut client).is_some() {}
        }
        let report = run.join().expect("the server");
        let delivery = report.stats.delivery;
        assert_eq!(
            delivery.queued,
            delivery.written + delivery.evicted + delivery.discarded
        );
    }
}

#[test]
fn a_task_that_panics_fails_alone() {
    let (address, stop, run) = start("1");
    let mut client = open(address);
    for _ in 0..5 {
        say(&mut client, "task");
        assert_eq!(hear(&mut client), Some("failed".into()));
    }
    drop(stop);
    while hear(&mut client).is_some() {}
    assert_eq!(run.join().expect("the server").dispatch.panicked, 5);
}
