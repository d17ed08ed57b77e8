//! The example of a server on axum's port, in one runtime: pages, messages, refusals, the end.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

#[path = "../examples/axum.rs"]
#[expect(dead_code, reason = "its main function is not called")]
mod example;

#[tokio::test]
async fn a_message_passes_through_a_server_on_the_port_of_another() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(example::serve(listener, async {
        let _ = stopped.await;
    }));

    let mut page = TcpStream::connect(address).await.expect("it listens");
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    page.write_all(request).await.expect("taken");
    let mut text = String::new();
    page.read_to_string(&mut text).await.expect("a page");
    assert!(text.ends_with("The chat is at /chat.\n"), "{text}");

    let url = format!("ws://{address}/chat");
    let (mut one, _) = connect_async(&url).await.expect("an upgrade");
    let (mut other, _) = connect_async(&url).await.expect("an upgrade");
    // Its own message shows that it is a member. It may hear the other's before.
    for (socket, name) in [(&mut one, "one"), (&mut other, "other")] {
        socket.send(Message::text(name)).await.expect("open");
        while next(socket).await != Message::text(name) {}
    }
    let long = Message::text("a".repeat(100_000));
    one.send(long.clone()).await.expect("open");
    assert!(next(&mut other).await == long, "whole, and nothing else");

    // The server's own checks are made before the response.
    let mut elsewhere = url.into_client_request().expect("a request");
    let origin = HeaderValue::from_static("https://elsewhere.example");
    elsewhere.headers_mut().insert("origin", origin);
    match connect_async(elsewhere).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("{other:?}"),
    }

    drop(stop);
    assert!(matches!(closed(&mut other).await, Some(1001)), "going away");
    drop((one, other));
    serving.await.expect("no panic").expect("an orderly end");
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

async fn next(socket: &mut Socket) -> Message {
    socket.next().await.expect("open").expect("a message")
}

/// Returns the code of the next close frame.
async fn closed(socket: &mut Socket) -> Option<u16> {
    loop {
        if let Message::Close(frame) = next(socket).await {
            return frame.map(|frame| frame.code.into());
        }
    }
}
