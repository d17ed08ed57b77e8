//! A server on yawc. It is told to look at whether text is UTF-8, as RFC 6455 §8.1
//! has it, and as the others do unasked.

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
