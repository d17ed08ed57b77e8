//! Tests of the protocol table, row by row: with one shard and with four, over several connections
//! and room names, so that some connections are on the owner shard of their room and others are
//! not.

use stentor_tests::Adapter;
use tokio_tungstenite::tungstenite::Message;

use crate::guest::Guest;
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    async
    join_is_answered_and_moves_the_connection,
    joining_the_room_it_is_in_is_answered_and_changes_nothing,
    leave_is_answered_with_the_room_whatever_follows_the_colon,
    leave_without_a_room_is_an_error,
    msg_reaches_every_member_and_the_sender_and_nobody_else,
    the_opcode_is_mirrored_and_a_publication_keeps_its_own,
    msg_without_a_room_goes_nowhere,
    msg_without_a_room_goes_to_everyone_where_that_is_set,
    the_sender_is_left_out_where_that_is_set,
    a_bad_room_name_is_an_error_and_the_connection_stays_where_it_was,
    anything_else_comes_back_with_a_prefix,
}

/// Connections enough for some on every shard.
const GUESTS: usize = 8;
const ROOMS: [&str; 5] = ["A", "lobby", "a b:c", "Zürich", "0123456789"];

/// Servers of one shard and of four.
fn servers(adapter: Adapter, flags: &str) -> impl Iterator<Item = ServerProcess> {
    ["1", "4"]
        .into_iter()
        .map(move |shards| ServerProcess::start(adapter, &format!("--shards {shards} {flags}")))
}

/// As many guests as there are, all members of the room.
async fn members(server: &ServerProcess, room: &str) -> Vec<Guest> {
    let mut guests = Guest::connect_all(server, GUESTS).await;
    for guest in &mut guests {
        guest.join(room).await;
    }
    guests
}

fn binary(text: &str) -> Message {
    Message::binary(text.as_bytes().to_vec())
}

async fn join_is_answered_and_moves_the_connection(adapter: Adapter) {
    for server in servers(adapter, "") {
        for mut guest in Guest::connect_all(&server, GUESTS).await {
            for room in ROOMS {
                guest.join(room).await;
                guest.say("msg:here?").await;
                guest.hears("here?").await;
            }
            // It has left the others.
            server.await_metric("stentor_room_members", 1);
            guest.leave().await;
            server.await_metric("stentor_rooms", 0);
        }
    }
}

async fn joining_the_room_it_is_in_is_answered_and_changes_nothing(adapter: Adapter) {
    for server in servers(adapter, "") {
        for room in ROOMS {
            let mut guests = members(&server, room).await;
            guests[0].join(room).await;
            // Those of the room before may not have left yet.
            server.await_metric("stentor_room_members", GUESTS as u64);
            guests[1].say("msg:once").await;
            for guest in &mut guests {
                guest.hears("once").await;
                guest.hears_nothing().await;
            }
        }
    }
}

async fn leave_is_answered_with_the_room_whatever_follows_the_colon(adapter: Adapter) {
    for server in servers(adapter, "") {
        for room in ROOMS {
            for what in ["", "whatever", room, "\u{1F600}"] {
                let mut guests = members(&server, room).await;
                guests[0].say(&format!("leave:{what}")).await;
                guests[0].hears(&format!("left:{room}")).await;
                guests[1].say("msg:gone?").await;
                for guest in &mut guests[1..] {
                    guest.hears("gone?").await;
                }
                guests[0].hears_nothing().await;
            }
        }
    }
}

async fn leave_without_a_room_is_an_error(adapter: Adapter) {
    for server in servers(adapter, "") {
        for mut guest in Guest::connect_all(&server, GUESTS).await {
            guest.say("leave:A").await;
            guest.hears("error:no_room").await;
            guest.join("A").await;
            guest.say("leave:").await;
            guest.hears("left:A").await;
            guest.send(binary("leave:")).await;
            assert_eq!(guest.hear().await, Some(binary("error:no_room")));
        }
    }
}

async fn msg_reaches_every_member_and_the_sender_and_nobody_else(adapter: Adapter) {
    for server in servers(adapter, "") {
        for room in ROOMS {
            let mut guests = members(&server, room).await;
            let mut strangers = members(&server, "elsewhere").await;
            for sender in 0..guests.len() {
                guests[sender].say(&format!("msg:from {sender}")).await;
                for guest in &mut guests {
                    guest.hears(&format!("from {sender}")).await;
                }
            }
            for stranger in &mut strangers {
                stranger.hears_nothing().await;
            }
        }
    }
}

async fn the_opcode_is_mirrored_and_a_publication_keeps_its_own(adapter: Adapter) {
    for server in servers(adapter, "") {
        for room in ROOMS {
            let mut guests = members(&server, room).await;
            guests[0].send(binary("msg:bytes")).await;
            guests[1].say("msg:text").await;
            for guest in &mut guests {
                let mut heard = [guest.hear().await, guest.hear().await];
                // Two senders have no order between them.
                heard.sort_by_key(|message| matches!(message, Some(Message::Text(_))));
                assert_eq!(heard, [Some(binary("bytes")), Some(Message::text("text"))]);
            }
        }
        let mut guest = Guest::connect(&server).await;
        let texts = |text: &str| Message::text(text);
        for of_kind in [binary as fn(&str) -> Message, texts] {
            for (said, answer) in [
                ("join:A", "joined:A"),
                ("join:A", "joined:A"),
                ("leave:", "left:A"),
                ("leave:", "error:no_room"),
                ("join:", "error:bad_room"),
                ("what", "echo:what"),
                ("", "echo:"),
            ] {
                guest.send(of_kind(said)).await;
                assert_eq!(guest.hear().await, Some(of_kind(answer)), "{said}");
            }
        }
        guest.send(Message::binary(b"\xFF\x00".to_vec())).await;
        let echo = Message::binary(b"echo:\xFF\x00".to_vec());
        assert_eq!(guest.hear().await, Some(echo));
    }
}

async fn msg_without_a_room_goes_nowhere(adapter: Adapter) {
    for server in servers(adapter, "") {
        let mut guests = Guest::connect_all(&server, GUESTS).await;
        guests[0].join("A").await;
        guests[1].say("msg:into the void").await;
        for guest in &mut guests {
            guest.hears_nothing().await;
        }
        assert_eq!(server.metrics().get("stentor_publications_total"), 0);
    }
}

async fn msg_without_a_room_goes_to_everyone_where_that_is_set(adapter: Adapter) {
    for server in servers(adapter, "--rooms.no-room-policy everyone") {
        let mut guests = Guest::connect_all(&server, GUESTS).await;
        guests[0].join("A").await;
        for sender in 1..guests.len() {
            guests[sender].say(&format!("msg:from {sender}")).await;
            for guest in &mut guests {
                guest.hears(&format!("from {sender}")).await;
            }
        }
        guests[0].say("msg:for the room").await;
        guests[0].hears("for the room").await;
        for guest in &mut guests {
            guest.hears_nothing().await;
        }
    }
}

async fn the_sender_is_left_out_where_that_is_set(adapter: Adapter) {
    for server in servers(
        adapter,
        "--rooms.exclude-sender --rooms.no-room-policy everyone",
    ) {
        for room in ROOMS {
            let mut guests = members(&server, room).await;
            for sender in 0..guests.len() {
                guests[sender].say(&format!("msg:from {sender}")).await;
                for (at, guest) in guests.iter_mut().enumerate() {
                    if at != sender {
                        guest.hears(&format!("from {sender}")).await;
                    }
                }
                guests[sender].hears_nothing().await;
            }
        }
        let mut guests = Guest::connect_all(&server, GUESTS).await;
        guests[0].say("msg:to all others").await;
        for guest in &mut guests[1..] {
            guest.hears("to all others").await;
        }
        guests[0].hears_nothing().await;
    }
}

async fn a_bad_room_name_is_an_error_and_the_connection_stays_where_it_was(adapter: Adapter) {
    let long = "x".repeat(129);
    let halved = "é".repeat(64) + "x";
    for server in servers(adapter, "") {
        let mut guest = Guest::member(&server, "A").await;
        for name in ["", &long, &halved] {
            guest.say(&format!("join:{name}")).await;
            guest.hears("error:bad_room").await;
        }
        for name in [&b"\xFF"[..], b"a\x80", b"\xC3", b"\xED\xA0\x80", b""] {
            guest.send(Message::binary([b"join:", name].concat())).await;
            assert_eq!(guest.hear().await, Some(binary("error:bad_room")));
        }
        guest.say("msg:still here").await;
        guest.hears("still here").await;
        for name in ["x".repeat(128), "é".repeat(64)] {
            guest.join(&name).await;
        }
    }
}

async fn anything_else_comes_back_with_a_prefix(adapter: Adapter) {
    for server in servers(adapter, "") {
        let mut guest = Guest::connect(&server).await;
        for said in [
            "", ":", "join", "Join:A", " msg:x", "msg", "task", "leave", "\0", "é",
        ] {
            guest.say(said).await;
            guest.hears(&format!("echo:{said}")).await;
        }
        let long = "x".repeat(100_000);
        guest.say(&long).await;
        guest.hears(&format!("echo:{long}")).await;
    }
}
