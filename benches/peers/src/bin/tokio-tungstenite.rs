//! A server on tokio-tungstenite. Its read buffer is smaller than the default of
//! 128 KiB, which each connection would hold from the first moment on, and which
//! is filled with zeros before each read: 4 KiB is what its documentation names for
//! many connections.

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
