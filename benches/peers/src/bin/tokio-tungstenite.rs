//! Server on tokio-tungstenite. Its read buffer is 4 KiB, which the documentation recommends for
//! many connections. The default of 128 KiB is allocated for each connection at once, and filled
//! with zeros before each read.

use std::process::ExitCode;

use stentor_peers::{Application, serve};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

fn main() -> ExitCode {
    serve(drive)
}

async fn drive(stream: TcpStream, application: Application<Message>) {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    if let Ok(mut socket) = accept_async_with_config(stream, Some(config)).await {
        let _ = application.drive(&mut socket).await;
    }
}

const READ_BUFFER: usize = 4 << 10;
