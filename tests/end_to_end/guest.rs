//! Well-behaved client based on an independent implementation: tokio-tungstenite, which checks
//! every frame of the server and answers its pings.

use futures_util::{SinkExt, StreamExt};
use stentor_tests::process::SOON;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::server::ServerProcess;

/// A client of the server.
pub(crate) struct Guest(WebSocketStream<TcpStream>);

impl Guest {
    pub(crate) async fn connect(server: &ServerProcess) -> Self {
        let stream = TcpStream::connect(server.address()).await;
        let stream = stream.expect("the server listens");
        stream.set_nodelay(true).expect("an option");
        let url = format!("ws://{}/ws", server.address());
        let upgraded = timeout(SOON, client_async(url, stream)).await;
        let (socket, _) = upgraded.expect("in time").expect("an upgrade");
        Self(socket)
    }

    pub(crate) async fn connect_all(server: &ServerProcess, count: usize) -> Vec<Self> {
        let mut guests = Vec::new();
        for _ in 0..count {
            guests.push(Self::connect(server).await);
        }
        guests
    }

    /// Connects and joins a room.
    pub(crate) async fn member(server: &ServerProcess, room: &str) -> Self {
        let mut guest = Self::connect(server).await;
        guest.join(room).await;
        guest
    }

    pub(crate) async fn join(&mut self, room: &str) {
        self.say(&format!("join:{room}")).await;
        self.hears(&format!("joined:{room}")).await;
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        let sent = timeout(SOON, self.0.send(message)).await;
        sent.expect("in time").expect("the server takes it");
    }

    /// The next message that is not a ping or pong; `None` at the end.
    pub(crate) async fn hear(&mut self) -> Option<Message> {
        loop {
            let heard = timeout(SOON, self.0.next()).await.expect("in time")?;
            let message = heard.expect("what a server may send");
            if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
                return Some(message);
            }
        }
    }

    /// Hears this text next.
    pub(crate) async fn hears(&mut self, text: &str) {
        assert_eq!(self.hear().await, Some(Message::text(text)));
    }

    /// Has been told nothing that it was not asked about: its own question is
    /// what is answered next.
    pub(crate) async fn hears_nothing(&mut self) {
        self.say("anything else?").await;
        self.hears("echo:anything else?").await;
    }

    /// The next text.
    pub(crate) async fn text(&mut self) -> String {
        match self.hear().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("{other:?} is no text"),
        }
    }

    /// Is closed next; says with which code.
    pub(crate) async fn closed(&mut self) -> u16 {
        match self.hear().await {
            Some(Message::Close(Some(frame))) => frame.code.into(),
            other => panic!("{other:?} is no close frame with a code"),
        }
    }

    /// Closes with the handshake of the protocol.
    pub(crate) async fn leave(mut self) {
        self.0.close(None).await.expect("open");
        while self.hear().await.is_some() {}
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        self.0.get_ref()
    }
}
