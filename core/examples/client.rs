//! A client over a plain TCP stream: says what its arguments are, one message
//! each, shows what it hears, and closes when nothing has come for a second.
//!
//! `cargo run -p stentor-core --example client -- ws://localhost:8080/ws join:a msg:hello`

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use stentor_core::proto::client::{Client, ClientConfig, ClientEvent, ClientRequest, Uri};
use stentor_core::{CloseCode, MessageType};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let address = args.next().ok_or("say where to: ws://localhost:8080/ws")?;
    let mut texts = Some(args.collect::<Vec<_>>());
    let uri = Uri::parse(&address)?;
    if uri.is_secure() {
        return Err("this stream is no TLS; any that is would do".into());
    }

    // Nobody may foresee the masks, so the seed is the operating system's.
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut client = Client::new(ClientRequest::new(&uri), ClientConfig::default(), seed);

    // How long to wait is the caller's to say: the core has no clock.
    let mut stream = TcpStream::connect((uri.host(), uri.port()))?;
    stream.set_read_timeout(Some(QUIET))?;
    stream.set_write_timeout(Some(10 * QUIET))?;
    loop {
        while let Some(event) = client.poll_event() {
            show(&event);
        }
        if client.is_open() {
            for text in texts.take().unwrap_or_default() {
                client.send(MessageType::Text, text.as_bytes())?;
            }
        }
        while !client.poll_transmit().is_empty() {
            let n = stream.write(client.poll_transmit())?;
            client.handle_transmitted(n);
        }
        if client.is_finished() {
            return Ok(());
        }
        match stream.read(client.read_buffer()) {
            Ok(0) => client.handle_eof(),
            Ok(n) => client.handle_read(n),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // An error here: the server answers neither its handshake nor our close frame.
                client.close(Some(CloseCode::NORMAL), "that is all")?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn show(event: &ClientEvent<'_>) {
    match event {
        ClientEvent::Message { kind, payload } => {
            println!("{kind:?}: {}", String::from_utf8_lossy(payload));
        }
        ClientEvent::Refused { status, head } => {
            println!("refused with {status}:\n{}", String::from_utf8_lossy(head));
        }
        other => println!("{other:?}"),
    }
}

const QUIET: Duration = Duration::from_secs(1);
