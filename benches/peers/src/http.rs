//! HTTP upgrade with hyper, for libraries that do not parse HTTP.

use std::error::Error;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Answers the request of a connection. `accept` creates the response, and starts a task for the
/// WebSocket connection.
pub async fn upgrade<E>(
    stream: TcpStream,
    accept: impl Fn(Request<Incoming>) -> Result<Response<Empty<Bytes>>, E>,
) where
    E: Error + Send + Sync + 'static,
{
    let service = service_fn(|request| std::future::ready(accept(request)));
    // An invalid request ends the connection; there is nobody to report it to.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}
