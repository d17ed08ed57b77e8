//! Server on tokio-websockets, configured as in its echo example.

use std::process::ExitCode;

use stentor_peers::{Application, serve};
use tokio::net::TcpStream;
use tokio_websockets::{Config, Limits, Message, ServerBuilder};

fn main() -> ExitCode {
    serve(drive)
}

async fn drive(stream: TcpStream, application: Application<Message>) {
    let server = ServerBuilder::new()
        .config(Config::default().frame_size(usize::MAX))
        .limits(Limits::unlimited());
    if let Ok((_, mut socket)) = server.accept(stream).await {
        let _ = application.drive(&mut socket).await;
    }
}
