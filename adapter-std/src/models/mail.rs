//! Model of the order of messages between two shards.

use std::sync::{Arc, Mutex};

use stentor_core::{Config, ShardId};
use stentor_gateway::Rooms;

use super::model;
use super::server::{ModelServer, PLENTY, join, messages, room_of_the_second, said, spawn};

/// Fails if messages are pushed after the lock of the sending shard is released, or taken out
/// before the lock of the receiving shard is held.
#[test]
fn loom_messages_are_handled_in_the_order_in_which_they_were_posted() {
    model(|| {
        let (here, home) = (ShardId(0), ShardId(1));
        let server = Arc::new(ModelServer::new(
            Config::builder().shards(2),
            Rooms::default(),
        ));
        let room = format!("join:{}", room_of_the_second());
        let (speaker, listener) = (server.connect(here), server.connect(home));
        assert!(!server.exchange(&listener, &said(&room)).is_empty());
        server.exchange(&speaker, &said(&room));
        for at in [home, here] {
            server.handle_with(at, |_| {});
        }

        let posted = Arc::new(Mutex::new(Vec::new()));
        let speakers = ["a", "b"].map(|text| {
            let (server, posted, id) = (server.clone(), posted.clone(), speaker.id);
            spawn(move || {
                let mut bytes = said(&format!("msg:{text}"));
                server.handle_with(here, |inside| {
                    posted.lock().expect("no model panics").push(text);
                    inside.shard.handle_input(inside.now, id, &mut bytes);
                });
            })
        });
        let reads = server.clone();
        let reader = spawn(move || reads.handle_with(home, |_| {}));
        server.handle_with(home, |_| {});
        join(speakers);
        join([reader]);
        server.handle_with(home, |_| {});
        listener.peer.make_room(PLENTY);
        server.send(&listener);
        let posted = posted.lock().expect("no model panics");
        assert_eq!(messages(&listener.peer.take_heard()), *posted);
    });
}
