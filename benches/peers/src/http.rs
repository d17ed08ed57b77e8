//! Owns the handshake of the libraries that leave HTTP to hyper.

use std::error::Error;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Answers the one request of a connection, of which `accept` makes a response, and
/// a task for what comes after it.
pub async fn upgrade<E>(
    stream: TcpStream,
    accept: impl Fn(Request<Incoming>) -> Result<Response<Empty<Bytes>>, E>,
) where
    E: Error + Send + Sync + 'static,
{
    let service = service_fn(|request| std::future::ready(accept(request)));
    // Whoever does not speak HTTP is cut off, and there is nobody to be told.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}
