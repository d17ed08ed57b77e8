//! Replies that are not written when their connection ends.

use stentor_core::delivery::Chunks;
use stentor_core::proto::client::{Client, ClientConfig, ClientEvent, ClientRequest, Uri};
use stentor_core::shard::Admission;
use stentor_core::{Config, ConnId, Echo, MessageType, Output, Shard, ShardId, Timestamp};

const NOW: Timestamp = Timestamp::from_micros(1);

/// Hands the server everything that the client sends.
fn deliver(client: &mut Client, shard: &mut Shard<Echo>, id: ConnId) {
    let sent = client.poll_transmit();
    let n = sent.len();
    shard.read_buffer()[..n].copy_from_slice(sent);
    client.handle_transmitted(n);
    shard.handle_read(NOW, id, n);
}

/// Returns a client of a server, and the connection that it is.
fn connected(shard: &mut Shard<Echo>) -> (Client, ConnId) {
    let id = shard.accept(NOW, Admission::Normal);
    let uri = Uri::parse("ws://h/ws").expect("an address");
    let mut client = Client::new(ClientRequest::new(&uri), ClientConfig::default(), [1; 32]);
    deliver(&mut client, shard, id);
    while let Some(output) = shard.poll_output().work() {
        if let Output::Flush(id) = output {
            let mut chunks = Chunks::new();
            shard.poll_transmit(id, &mut chunks);
            let bytes = chunks.as_slices().concat();
            let n = chunks.len();
            assert!(n == bytes.len() && !chunks.is_empty());
            drop(chunks);
            client.handle_input(&bytes);
            shard.handle_transmitted(NOW, id, n);
        }
    }
    assert_eq!(client.poll_event(), Some(ClientEvent::Opened));
    (client, id)
}

#[test]
fn replies_to_a_socket_that_fails_in_the_same_turn_count_as_discarded() {
    for len in [5, 20_000] {
        let mut shard = Shard::new(ShardId(0), &Config::default(), Echo);
        let (mut client, id) = connected(&mut shard);
        for _ in 0..3 {
            let sent = client.send(MessageType::Binary, &vec![7; len]);
            sent.expect("the connection is open");
        }
        deliver(&mut client, &mut shard, id);
        shard.handle_disconnect(NOW, id);
        while shard.poll_output().work().is_some() {}

        let stats = shard.stats();
        let delivery = stats.delivery;
        assert_eq!(
            (delivery.queued, delivery.written),
            (3, 0),
            "of {len} bytes"
        );
        assert_eq!(delivery.discarded, 3, "of {len} bytes");
        let rows = stats.priorities.iter();
        let discarded: Vec<_> = rows.map(|(row, of_row)| (row, of_row.discarded)).collect();
        assert_eq!(discarded, [(Some(100), 3)], "of {len} bytes");
    }
}
