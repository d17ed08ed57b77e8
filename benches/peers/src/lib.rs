//! What the servers of all libraries share: their command line, their runtime, and
//! what they do with messages. A binary has only what its library is for: the
//! handshake, and how messages are read and written.
//!
//! `NAME ADDRESS echo` sends everything back. `NAME ADDRESS rooms` speaks as much of
//! Stentor's own protocol as `stentor-bench` does: `join:ROOM` is answered by
//! `joined:ROOM`, of `msg:TEXT` every member hears `TEXT`, anything else is answered
//! by `echo:` and itself. There is one room, whatever it is called.

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

/// Serves what the command line says, on one thread, until the process ends. Each
/// connection is a task, which `drive` makes of its socket.
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
            // As fastwebsockets and tokio-websockets have it in their examples.
            tokio::spawn(tokio::task::unconstrained(drive(stream)));
        }
    })
}
