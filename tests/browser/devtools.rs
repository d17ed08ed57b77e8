//! Client of the DevTools protocol of a browser: calls with their results, and the events between
//! them.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Error, Message, WebSocket};

/// One socket to one browser.
pub(crate) struct DevTools {
    socket: WebSocket<TcpStream>,
    calls: u64,
    events: Vec<Value>,
}

impl DevTools {
    /// Connects to the browser that wrote these lines into `DevToolsActivePort`.
    pub(crate) fn connect(port: u16, path: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let url = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = tungstenite::client(url, stream).map_err(io::Error::other)?;
        Ok(Self {
            socket,
            calls: 0,
            events: Vec::new(),
        })
    }

    /// Calls a method, of the browser or of one session, and waits for its result.
    pub(crate) fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut call = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        self.socket
            .send(Message::text(call.to_string()))
            .unwrap_or_else(|error| panic!("{method}: {error}"));
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let Some(mut said) = self.read(end) else {
                break;
            };
            if said["id"] == id {
                assert!(said["error"].is_null(), "{method}: {}", said["error"]);
                return said["result"].take();
            }
            self.events.push(said);
        }
        panic!("{method}: no answer within {PATIENCE:?}")
    }

    /// Listens until there is something new, but not for long.
    pub(crate) fn listen(&mut self, patience: Duration) {
        if let Some(said) = self.read(Instant::now() + patience) {
            self.events.push(said);
        }
    }

    /// What one session was told by events of this name, in order.
    pub(crate) fn events(&self, session: &str, method: &str) -> impl Iterator<Item = &Value> {
        self.events
            .iter()
            .filter(move |event| event["sessionId"] == session && event["method"] == method)
            .map(|event| &event["params"])
    }

    fn read(&mut self, end: Instant) -> Option<Value> {
        loop {
            let rest = end.saturating_duration_since(Instant::now());
            let rest = rest.max(Duration::from_millis(1));
            let _ = self.socket.get_ref().set_read_timeout(Some(rest));
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    return Some(serde_json::from_str(&text).expect("JSON"));
                }
                Ok(_) => {}
                Err(Error::Io(error))
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return None;
                }
                Err(error) => panic!("the browser has gone: {error}"),
            }
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
