//! A chat on the port of an axum server, in one program: axum has the pages, Stentor the WebSockets.
//!
//! ```sh
//! cargo run -p stentor-tokio --example axum
//! cargo run -p stentor-core --example client -- ws://localhost:8080/chat hello
//! ```

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::{Parts, downcast};
use stentor_core::{Config, Context, Decision, Handler, HttpRequest, Message};
use stentor_tokio::{Server, ServerHandle, UpgradeHead};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    serve(listener, std::future::pending()).await
}

/// Serves until `shutdown` completes.
pub(crate) async fn serve(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // It has no listener: axum accepts.
    let server = Server::builder(Config::default())
        .handler(|_shard| Chat)
        .bind()?;
    let app = Router::new()
        .route("/", get(async || "The chat is at /chat.\n"))
        .route("/chat", get(upgrade))
        .with_state(server.handle());
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let (stop, stopped) = oneshot::channel::<()>();
    let pages = async {
        let served = axum::serve(listener, app).with_graceful_shutdown(shutdown);
        let served = served.await;
        drop(stop);
        served
    };
    let chat = server.serve(async {
        let _ = stopped.await;
    });
    let (pages, chat) = tokio::join!(pages, chat);
    pages.and(chat.map(drop))
}

/// Answers an opening handshake, and hands the connection over once the answer is written.
async fn upgrade(
    State(server): State<ServerHandle>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    let target = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let Some(head) = UpgradeHead::new(target, fields) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let fields = match server.upgrade_fields(&head) {
        Ok(fields) => fields,
        Err(error) => {
            let status = StatusCode::from_u16(error.status());
            return status.unwrap_or(StatusCode::BAD_REQUEST).into_response();
        }
    };
    tokio::spawn(async move {
        if let Err(error) = hand_over(&server, peer, &head, &mut request).await {
            eprintln!("a connection was not handed over: {error}");
        }
    });
    (StatusCode::SWITCHING_PROTOCOLS, fields).into_response()
}

async fn hand_over(
    server: &ServerHandle,
    peer: SocketAddr,
    head: &UpgradeHead,
    request: &mut Request,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let upgraded = hyper::upgrade::on(request).await?;
    let parts = downcast::<TokioIo<TcpStream>>(upgraded);
    let Parts { io, read_buf, .. } = parts.map_err(|_| "axum has another type of socket")?;
    let stream = io.into_inner().into_std()?;
    let accepted = server.accept_upgraded(stream, peer, head, &read_buf);
    Ok(accepted.await?)
}

/// Everybody is in one room.
struct Chat;

impl Handler for Chat {
    type State = ();
    type Task = Infallible;
    type Outcome = Infallible;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_open(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.subscribe(b"chat");
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        ctx.publish(b"chat", message.kind, 10, message.payload);
    }
}
