//! Server on sockudo-ws.

use std::process::ExitCode;

use sockudo_ws::server::WebSocketServer;
use sockudo_ws::{Config, Http1, Message};
use stentor_peers::{Application, serve};
use tokio::net::TcpStream;

fn main() -> ExitCode {
    serve(drive)
}

async fn drive(stream: TcpStream, application: Application<Message>) {
    let server = WebSocketServer::<Http1>::new(Config::default());
    if let Ok((mut socket, _)) = server.accept_raw(stream).await {
        let _ = application.drive(&mut socket).await;
    }
}
