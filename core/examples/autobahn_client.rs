//! An echo client for the Autobahn test suite, whose fuzzing server says how
//! many cases there are, runs them one connection each, and writes the report.
//!
//! `cargo run --release -p stentor-core --example autobahn_client -- ws://127.0.0.1:9001 AGENT`

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use stentor_core::MessageType;
use stentor_core::proto::client::{Client, ClientConfig, ClientEvent, ClientRequest, Uri};
use stentor_core::proto::ws::MessageLimits;
use stentor_core::proto::ws::deflate::Params;

type Result<T> = core::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let server = args.next().ok_or("say where the fuzzing server is")?;
    let agent = args.next().ok_or("say what the report is to call this")?;
    let count = converse(&format!("{server}/getCaseCount"), false)?
        .ok_or("the server does not say how many cases there are")?;
    for case in 1..=count.parse::<u32>()? {
        let address = format!("{server}/runCase?case={case}&agent={agent}");
        if let Err(error) = converse(&address, true) {
            eprintln!("case {case}: {error}");
        }
    }
    converse(&format!("{server}/updateReports?agent={agent}"), false)?;
    Ok(())
}

/// Listens until the connection ends, and sends every message back if this one
/// `echoes`; says the first text that came.
fn converse(address: &str, echoes: bool) -> Result<Option<String>> {
    let uri = Uri::parse(address)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let config = ClientConfig {
        message: MessageLimits {
            bytes: 64 << 20,
            ..MessageLimits::default()
        },
        ..ClientConfig::default()
    };
    let offer = Params {
        client_max_window_bits: Some(15),
        ..Params::default()
    };
    let request = ClientRequest::new(&uri).deflate(offer)?;
    let mut client = Client::new(request, config, seed);

    let mut stream = TcpStream::connect((uri.host(), uri.port()))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (mut first, mut message, mut eof) = (None, Vec::new(), false);
    loop {
        while let Some(event) = client.poll_event() {
            match event {
                ClientEvent::Message { kind, payload } => {
                    if kind == MessageType::Text && first.is_none() {
                        first = Some(String::from_utf8_lossy(payload).into_owned());
                    }
                    if echoes {
                        message.clear();
                        message.extend_from_slice(payload);
                        client.send(kind, &message)?;
                    }
                }
                ClientEvent::Refused { status, .. } => {
                    return Err(format!("status {status}").into());
                }
                _ => {}
            }
        }
        while !client.poll_transmit().is_empty() {
            let n = stream.write(client.poll_transmit())?;
            client.handle_transmitted(n);
        }
        if eof {
            return Ok(first);
        }
        // Behind the closing handshake, too: the server closes first, be it with a reset.
        match stream.read(client.read_buffer()) {
            Ok(0) => {
                eof = true;
                client.handle_eof();
            }
            Ok(n) => client.handle_read(n),
            Err(_) if client.is_finished() => return Ok(first),
            Err(error) => return Err(error.into()),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
