//! Server on yawc. Checks that text is UTF-8 (RFC 6455 §8.1), which the other libraries do by
//! default.

use std::process::ExitCode;

use futures_util::StreamExt;
use stentor_peers::{Application, serve, upgrade};
use tokio::net::TcpStream;
use yawc::{Frame, Options, WebSocket};

fn main() -> ExitCode {
    serve(drive)
}

async fn drive(stream: TcpStream, application: Application<Frame>) {
    upgrade(stream, |mut request| {
        let options = Options::default().without_compression().with_utf8();
        let (response, socket) = WebSocket::upgrade_with_options(&mut request, options)?;
        let application = application.clone();
        tokio::spawn(tokio::task::unconstrained(async move {
            if let Ok(socket) = socket.await {
                let _ = application.drive(&mut socket.map(Ok)).await;
            }
        }));
        yawc::Result::Ok(response)
    })
    .await;
}
