//! A client of the channel protocol in JSON that prints what is published.

use std::io::{ErrorKind, Read as _, Write};
use std::net::TcpStream;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use stentor_core::MessageType;
use stentor_core::proto::client::{Client, ClientConfig, ClientEvent, ClientRequest, Uri};

use super::CallError;
use super::api::error;
use super::url::ServerUrl;

/// Tokens, empty if there are none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens<'a> {
    pub(super) connection: &'a str,
    pub(super) subscription: &'a str,
}

/// Subscribes to channels and prints what is published, until the server closes the connection or
/// nobody reads what is printed.
///
/// # Errors
/// Returns why the connection, or a subscription, has ended.
pub(super) fn run(
    server: &ServerUrl,
    channels: &[&str],
    tokens: Tokens<'_>,
    out: &mut impl Write,
) -> Result<(), CallError> {
    let address = server.socket("/connection/websocket");
    let uri = Uri::parse(&address).map_err(|error| CallError::new(error.to_string()))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| CallError::new(error.to_string()))?;
    let mut stream = server.connect()?;
    let mut client = Client::new(ClientRequest::new(&uri), ClientConfig::default(), seed);
    let mut subscriber = Subscriber {
        channels,
        tokens,
        pings: false,
    };
    loop {
        let mut answer = Vec::new();
        while let Some(event) = client.poll_event() {
            subscriber.handle(event, &mut answer, out)?;
        }
        if !answer.is_empty() {
            let sent = client.send(MessageType::Text, &answer);
            sent.map_err(|error| CallError::new(error.to_string()))?;
        }
        while !client.poll_transmit().is_empty() {
            let n = stream.write(client.poll_transmit())?;
            client.handle_transmitted(n);
        }
        read(&mut stream, &mut client, subscriber.pings)?;
    }
}

/// Reads what has come.
fn read(stream: &mut TcpStream, client: &mut Client, pings: bool) -> Result<(), CallError> {
    match stream.read(client.read_buffer()) {
        Ok(0) => client.handle_eof(),
        Ok(n) => client.handle_read(n),
        Err(error) => match error.kind() {
            // The server pings more seldom.
            ErrorKind::WouldBlock | ErrorKind::TimedOut if pings => {}
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                return Err(CallError::new("the server does not answer"));
            }
            ErrorKind::Interrupted => {}
            _ => return Err(error.into()),
        },
    }
    Ok(())
}

/// A reply, or a push, as far as it is of interest here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply<'a> {
    id: usize,
    error: Option<Value>,
    #[serde(borrow)]
    push: Option<Push<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Push<'a> {
    channel: String,
    #[serde(borrow, rename = "pub")]
    publication: Option<&'a RawValue>,
    unsubscribe: Option<Value>,
}

struct Subscriber<'a> {
    channels: &'a [&'a str],
    tokens: Tokens<'a>,
    /// Whether the server has answered, so that silence is nothing bad.
    pings: bool,
}

impl Subscriber<'_> {
    /// Takes an event. What is to be sent is appended to `answer`.
    fn handle(
        &mut self,
        event: ClientEvent<'_>,
        answer: &mut Vec<u8>,
        out: &mut impl Write,
    ) -> Result<(), CallError> {
        match event {
            ClientEvent::Opened => self.connect(answer),
            ClientEvent::Message { payload, .. } => {
                for line in payload.split(|&byte| byte == b'\n') {
                    self.handle_reply(line, answer, out)?;
                }
            }
            ClientEvent::Refused { status, .. } => {
                return Err(CallError::new(format!("the server answers {status}")));
            }
            ClientEvent::Closed { code, reason } => {
                let code = code.map_or(1_005, |code| code.get());
                return Err(CallError::new(format!(
                    "the server has closed the connection: {reason} ({code})"
                )));
            }
            ClientEvent::Failed(error) => return Err(CallError::new(error.to_string())),
            ClientEvent::Lost => return Err(CallError::new("the connection is lost")),
            _ => {}
        }
        Ok(())
    }

    /// Adds the first commands, which may come in one message.
    fn connect(&self, answer: &mut Vec<u8>) {
        let connect = json!({ "token": self.tokens.connection, "name": "stentor" });
        answer.extend_from_slice(
            json!({ "id": 1, "connect": connect })
                .to_string()
                .as_bytes(),
        );
        for (place, channel) in self.channels.iter().enumerate() {
            let subscribe = json!({ "channel": channel, "token": self.tokens.subscription });
            let command = json!({ "id": place + 2, "subscribe": subscribe });
            answer.push(b'\n');
            answer.extend_from_slice(command.to_string().as_bytes());
        }
    }

    fn handle_reply(
        &mut self,
        line: &[u8],
        answer: &mut Vec<u8>,
        out: &mut impl Write,
    ) -> Result<(), CallError> {
        let reply: Reply<'_> = serde_json::from_slice(line)
            .map_err(|_| CallError::new("a message of the server is no JSON"))?;
        let Reply {
            id,
            error: reason,
            push,
        } = reply;
        if let Some(reason) = reason {
            let place = id.checked_sub(2);
            let channel = place.and_then(|place| self.channels.get(place));
            let reason = error(&reason);
            return Err(match channel {
                Some(channel) => CallError::new(format!("{channel}: {reason}")),
                None => reason,
            });
        }
        match push {
            Some(Push {
                channel,
                unsubscribe: Some(end),
                ..
            }) => {
                let reason = end["reason"].as_str().unwrap_or_default();
                return Err(CallError::new(format!(
                    "the server has ended the subscription to {channel}: {reason} ({})",
                    end["code"]
                )));
            }
            Some(Push {
                channel,
                publication: Some(publication),
                ..
            }) => {
                let channel = Value::String(channel);
                writeln!(out, "{{\"channel\":{channel},\"pub\":{publication}}}")?;
                out.flush()?;
            }
            // A ping is an empty object, and so is the answer to it.
            None if line.trim_ascii() == b"{}" => answer.extend_from_slice(b"{}"),
            _ => {}
        }
        self.pings = true;
        Ok(())
    }
}
