//! Tests with a client of the Rust SDK, in JSON and in Protobuf: connect, subscribe, publish, errors, and
//! a connection that the server ends.

use std::time::Duration;

use stentor_tests::Adapter;
use stentor_tests::process::{Process, SOON};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;
use tokio_centrifuge::client::{Client, RequestError};
use tokio_centrifuge::config::{Config, Protocol};
use tokio_centrifuge::protocol::Publication;
use tokio_centrifuge::subscription::Subscription;

stentor_tests::for_each_adapter! { async
    publications_reach_subscribers_in_both_encodings,
    errors_have_their_codes,
    a_wrong_token_is_refused,
    many_publications_keep_their_order,
    a_client_comes_back_after_a_restart,
}

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sdk/js.toml");

/// The user 42, signed with the key of the configuration.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiJ9\
    .79CVgMIG_JB921dVUeJDWNJubJojFodH3-XtC_1C408";

const PROTOCOLS: [Protocol; 2] = [Protocol::Json, Protocol::Protobuf];

async fn publications_reach_subscribers_in_both_encodings(adapter: Adapter) {
    let server = start(adapter, "127.0.0.1:0");
    let mut subscribers = Vec::new();
    for protocol in PROTOCOLS {
        let client = connected(&server, protocol).await;
        let info = client.server_info();
        assert!(info.client_id.parse::<u64>().is_ok_and(|id| id > 0));
        assert!(!info.server_version.is_empty());
        assert_eq!((info.server_ping, info.send_pong), (25, true));
        let (subscription, publications) = subscribed(&client, "open:room").await;
        subscribers.push((client, subscription, publications));
    }
    for sender in 0..subscribers.len() {
        let said = format!("{{\"from\":{sender}}}").into_bytes();
        let (client, subscription, _) = &subscribers[sender];
        let id = client.server_info().client_id;
        subscription.publish(said.clone()).await.expect("accepted");
        for (_, _, publications) in &mut subscribers {
            let publication = next(publications).await;
            assert_eq!(publication.data, said);
            assert_eq!(publication.offset, sender as u64 + 1);
            let info = publication.info.expect("the publisher");
            assert_eq!((info.user.as_str(), info.client), ("42", id.clone()));
        }
    }
    let (client, subscription, publications) = &mut subscribers[0];
    subscription.unsubscribe().await;
    let last = b"{}".to_vec();
    client.publish("open:room", last).await.expect("accepted");
    assert!(publications.try_recv().is_err(), "it has unsubscribed");
    for (client, ..) in subscribers {
        client.disconnect().await;
    }
}

async fn errors_have_their_codes(adapter: Adapter) {
    let server = start(adapter, "127.0.0.1:0");
    for protocol in PROTOCOLS {
        let client = connected(&server, protocol).await;
        for (channel, code) in [("unknown:room", 102), ("closed:room", 103)] {
            let refused = client.publish(channel, b"{}".to_vec()).await;
            assert_eq!(code_of(refused), code, "{channel}");
            let subscription = client.new_subscription(channel);
            let refused = timeout(SOON, subscription.subscribe().into_future()).await;
            assert_eq!(refused.expect("an answer"), Err(()), "{channel}");
        }
        assert_eq!(code_of(client.rpc("nothing", b"{}".to_vec()).await), 108);
        client
            .publish("open:room", b"{}".to_vec())
            .await
            .expect("the connection stays");
    }
}

async fn a_wrong_token_is_refused(adapter: Adapter) {
    let server = start(adapter, "127.0.0.1:0");
    for protocol in PROTOCOLS {
        let client = client(&server, protocol, "no token");
        let answer = timeout(SOON, client.connect().into_future()).await;
        assert_eq!(answer.expect("an answer"), Err(()));
        assert_eq!(client.server_info().client_id, "");
    }
}

async fn many_publications_keep_their_order(adapter: Adapter) {
    let server = start(adapter, "127.0.0.1:0");
    for protocol in PROTOCOLS {
        let channel = format!("open:{protocol:?}");
        let source = connected(&server, protocol).await;
        let client = connected(&server, protocol).await;
        let (_subscription, mut publications) = subscribed(&client, &channel).await;
        let sent: Vec<_> = (1..=500_u64)
            .map(|n| source.publish(&channel, n.to_string().into_bytes()))
            .collect();
        for reply in sent {
            reply.await.expect("accepted");
        }
        for n in 1..=500 {
            let publication = next(&mut publications).await;
            assert_eq!(publication.data, n.to_string().into_bytes());
            assert_eq!(publication.offset, n);
        }
    }
}

async fn a_client_comes_back_after_a_restart(adapter: Adapter) {
    let mut server = start(adapter, "127.0.0.1:0");
    let mut subscribers = Vec::new();
    for protocol in PROTOCOLS {
        let client = connected(&server, protocol).await;
        let (subscription, publications) = subscribed(&client, "open:room").await;
        let (told, again) = mpsc::unbounded_channel();
        subscription.on_subscribed(move |_| told.send(()).unwrap_or_default());
        subscribers.push((client, publications, again));
    }
    server.terminate();
    assert!(server.exit_within(SOON).success());
    let _server = start(adapter, &server.address().to_string());
    for (_, _, again) in &mut subscribers {
        timeout(SOON, again.recv()).await.expect("subscribed again");
    }
    let data = b"{\"again\":true}".to_vec();
    let published = subscribers[0].0.publish("open:room", data.clone());
    published.await.expect("accepted");
    for (_, publications, _) in &mut subscribers {
        assert_eq!(next(publications).await.data, data);
    }
}

fn start(adapter: Adapter, address: &str) -> Process {
    let flags = ["--config", CONFIGURATION, "--listen", address];
    Process::start(&mut adapter.command(), flags).expect("the binary runs")
}

/// Returns a client that is not connected yet.
fn client(server: &Process, protocol: Protocol, token: &str) -> Client {
    let endpoint = format!("ws://{}/connection/websocket", server.address());
    let (url, config) = match protocol {
        Protocol::Json => (endpoint, Config::new().use_json()),
        Protocol::Protobuf => (endpoint + "?format=protobuf", Config::new().use_protobuf()),
    };
    Client::new(
        &url,
        config
            .with_token(token)
            .with_read_timeout(SOON)
            .with_reconnect_strategy(Constant(Duration::from_millis(50))),
    )
}

async fn connected(server: &Process, protocol: Protocol) -> Client {
    let client = client(server, protocol, TOKEN);
    let connected = timeout(SOON, client.connect().into_future()).await;
    connected.expect("an answer").expect("connected");
    client
}

/// Subscribes, and returns what is published from now on.
async fn subscribed(
    client: &Client,
    channel: &str,
) -> (Subscription, UnboundedReceiver<Publication>) {
    let (told, publications) = mpsc::unbounded_channel();
    let subscription = client.new_subscription(channel);
    subscription.on_publication(move |publication| drop(told.send(publication)));
    let subscribed = timeout(SOON, subscription.subscribe().into_future()).await;
    subscribed.expect("an answer").expect("subscribed");
    (subscription, publications)
}

async fn next(publications: &mut UnboundedReceiver<Publication>) -> Publication {
    let publication = timeout(SOON, publications.recv()).await;
    publication.expect("one comes").expect("a client")
}

fn code_of<T: std::fmt::Debug>(result: Result<T, RequestError>) -> u32 {
    match result {
        Err(RequestError::ErrorResponse(error)) => error.code,
        other => panic!("no error of the server: {other:?}"),
    }
}

/// Connects again after a time that is always the same.
#[derive(Debug)]
struct Constant(Duration);

impl tokio_centrifuge::config::ReconnectStrategy for Constant {
    fn time_before_next_attempt(&self, _attempt: u32) -> Duration {
        self.0
    }
}
