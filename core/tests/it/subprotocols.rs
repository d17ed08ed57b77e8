//! Who chooses the subprotocol: the list of the server, unless the application does.

use stentor_core::app::Subprotocol;
use stentor_core::delivery::Chunks;
use stentor_core::proto::client::{Client, ClientConfig, ClientEvent, ClientRequest, Uri};
use stentor_core::proto::http::Request as Asked;
use stentor_core::shard::Admission;
use stentor_core::{
    Acceptance, Config, Context, Decision, Handler, HttpRequest, Message, Output, Shard, ShardId,
    Timestamp,
};

/// Chooses by what it is shown.
#[derive(Debug)]
struct Chooser(fn(&Asked<'_>) -> Subprotocol);

impl Handler for Chooser {
    type State = ();
    type Task = ();
    type Outcome = ();

    fn on_request(&mut self, request: &HttpRequest<'_>) -> Decision<Self> {
        Decision::Accept(Acceptance::new(()).subprotocol((self.0)(request)))
    }

    fn on_message(&mut self, _: &mut Context<'_, Self>, _: Message<'_>) {}
}

/// What a client is told that offers `a`, `b` and `c` to a server whose list is `c`, `b`.
fn agreed(choose: fn(&Asked<'_>) -> Subprotocol) -> Option<String> {
    let served = vec!["c".into(), "b".into()];
    let config = Config::builder().subprotocols(served).build();
    let config = config.expect("in range");
    let mut shard = Shard::new(ShardId(0), &config, Chooser(choose));
    let now = Timestamp::from_micros(1);
    let id = shard.accept(now, Admission::Normal);

    let uri = Uri::parse("ws://h/ws").expect("an address");
    let request = ["a", "b", "c"]
        .iter()
        .try_fold(ClientRequest::new(&uri), |request, name| {
            request.subprotocol(name)
        });
    let mut client = Client::new(request.expect("tokens"), ClientConfig::default(), [1; 32]);
    let asked = client.poll_transmit();
    shard.read_buffer()[..asked.len()].copy_from_slice(asked);
    shard.handle_read(now, id, asked.len());
    while let Some(output) = shard.poll_output().work() {
        if let Output::Flush(id) = output {
            let mut chunks = Chunks::new();
            shard.poll_transmit(id, &mut chunks);
            client.handle_input(&chunks.as_slices().concat());
            let n = chunks.len();
            drop(chunks);
            shard.handle_transmitted(now, id, n);
        }
    }
    assert_eq!(client.poll_event(), Some(ClientEvent::Opened));
    client.subprotocol().map(Into::into)
}

#[test]
fn the_list_of_the_server_chooses() {
    assert_eq!(agreed(|_| Subprotocol::Listed).as_deref(), Some("c"));
}

#[test]
fn the_application_may_choose_another_or_none() {
    let favourite = |request: &Asked<'_>| {
        let place = request.subprotocols().position(|name| name == "a");
        place.map_or(Subprotocol::None, Subprotocol::Offered)
    };
    assert_eq!(agreed(favourite).as_deref(), Some("a"));
    assert_eq!(agreed(|_| Subprotocol::None), None);
}

#[test]
fn what_was_not_offered_cannot_be_chosen() {
    assert_eq!(agreed(|_| Subprotocol::Offered(3)), None);
}
