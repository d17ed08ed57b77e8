//! Tests that a subprotocol is negotiated as in RFC 6455: of those that a client offers, the one
//! that the server prefers.

use stentor_tests::Adapter;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError, SubProtocolError};

use crate::guest::Guest;
use crate::raw::{RawSocket, upgrade};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    a_list_without_a_name_offers_nothing,
    what_is_no_list_of_different_names_is_refused,
    ; async
    the_first_of_the_servers_list_that_is_offered_is_spoken,
    without_one_in_common_it_is_upgraded_and_none_is_named,
}

/// What a client of another make is told when it offers these, each in a line of its own.
async fn agreed(server: &ServerProcess, offers: &[&str]) -> Result<Option<String>, Error> {
    let url = format!("ws://{}/ws", server.address());
    let mut request = url.into_client_request().expect("an address");
    for offer in offers {
        let value = offer.parse().expect("a value");
        request
            .headers_mut()
            .append("Sec-WebSocket-Protocol", value);
    }
    let stream = TcpStream::connect(server.address()).await;
    let (_, response) = client_async(request, stream.expect("the server listens")).await?;
    let mut values = response.headers().get_all("Sec-WebSocket-Protocol").iter();
    let value = values
        .next()
        .map(|value| value.to_str().expect("text").into());
    assert_eq!(values.next(), None, "there is one at most");
    Ok(value)
}

/// The head of the answer to a request with this field line, or with these.
fn answer(server: &ServerProcess, offers: &str) -> String {
    let mut raw = RawSocket::connect(server.address());
    raw.send(&upgrade(&[offers]));
    raw.head()
}

async fn the_first_of_the_servers_list_that_is_offered_is_spoken(adapter: Adapter) {
    let server = ServerProcess::start(
        adapter,
        "--websocket.subprotocols chat.v2 --websocket.subprotocols chat",
    );
    for (offers, expected) in [
        (&["chat"][..], "chat"),
        (&["chat, chat.v2"], "chat.v2"),
        (&["mqtt,chat.v2"], "chat.v2"),
    ] {
        let agreed = agreed(&server, offers).await.expect("an upgrade");
        assert_eq!(agreed.as_deref(), Some(expected), "{offers:?}");
    }
    // Offers in several lines are one list.
    let raw = answer(
        &server,
        "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat.v2",
    );
    assert!(
        raw.contains("\r\nSec-WebSocket-Protocol: chat.v2\r\n"),
        "{raw}"
    );
}

async fn without_one_in_common_it_is_upgraded_and_none_is_named(adapter: Adapter) {
    for flags in ["", "--websocket.subprotocols chat"] {
        let server = ServerProcess::start(adapter, flags);
        Guest::member(&server, "a").await.hears_nothing().await;
        // A client that insists finds its offer ignored, and that is for it to judge.
        let refused = agreed(&server, &["mqtt, CHAT"]).await;
        let Err(Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(error))) = refused
        else {
            panic!("{refused:?}");
        };
        assert_eq!(error, SubProtocolError::NoSubProtocol);
        let raw = answer(&server, "Sec-WebSocket-Protocol: mqtt");
        assert!(raw.starts_with("HTTP/1.1 101 "), "{raw}");
        assert!(!raw.contains("Sec-WebSocket-Protocol"), "{raw}");
    }
}

fn a_list_without_a_name_offers_nothing(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--websocket.subprotocols chat");
    for offers in ["", ",", " , \t", "\r\nSec-WebSocket-Protocol:"] {
        let head = answer(&server, &format!("Sec-WebSocket-Protocol:{offers}"));
        assert!(head.starts_with("HTTP/1.1 101 "), "{offers}: {head}");
        assert!(!head.contains("Sec-WebSocket-Protocol"), "{offers}: {head}");
    }
}

fn what_is_no_list_of_different_names_is_refused(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--websocket.subprotocols chat");
    let wrong = [
        "chat, chat",
        "cha t",
        "\"chat\"",
        "chat\r\nSec-WebSocket-Protocol: chat",
    ];
    for offers in wrong {
        let raw = answer(&server, &format!("Sec-WebSocket-Protocol: {offers}"));
        assert!(raw.starts_with("HTTP/1.1 400 "), "{offers}: {raw}");
    }
    let counter = "stentor_handshakes_refused_total{cause=\"subprotocol\"}";
    assert_eq!(server.metrics().get(counter), wrong.len() as u64);
}
