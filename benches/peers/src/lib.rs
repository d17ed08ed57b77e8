//! Parts that all peer servers share: command line, runtime and message handling. Each program adds
//! what depends on its library: the handshake, and reading and writing messages.
//!
//! `NAME ADDRESS echo` returns every message. `NAME ADDRESS rooms` implements the part of Stentor's
//! room protocol that `stentor-bench` uses: `join:ROOM` is answered with `joined:ROOM`, `msg:TEXT`
//! sends `TEXT` to every member, and anything else is answered with `echo:` and the message. There
//! is one room, whatever its name.

mod application;
mod data;
mod http;
mod room;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

pub use application::{Application, BATCH};
pub use data::Data;
pub use http::upgrade;
pub use room::{Member, Room};

/// Serves as the command line says, on one thread, until the process ends. Each connection is a
/// task, which `drive` creates.
pub fn serve<M, F, T>(drive: F) -> ExitCode
where
    M: Data,
    F: Fn(TcpStream, Application<M>) -> T,
    T: Future<Output = ()> + Send + 'static,
{
    let mut words = std::env::args().skip(1);
    let (address, handler) = (words.next(), words.next());
    let address = address.and_then(|word| word.parse::<SocketAddr>().ok());
    let application = match handler.as_deref() {
        Some("echo") => Some(Application::Echo),
        Some("rooms") => Some(Application::Rooms(Arc::default())),
        _ => None,
    };
    let (Some(address), Some(application)) = (address, application) else {
        eprintln!("usage: ADDRESS echo|rooms");
        return ExitCode::from(2);
    };
    match run(address, |stream| drive(stream, application.clone())) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run<T>(address: SocketAddr, drive: impl Fn(TcpStream) -> T) -> io::Result<Infallible>
where
    T: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // As in the examples of fastwebsockets and tokio-websockets.
            tokio::spawn(tokio::task::unconstrained(drive(stream)));
        }
    })
}
