//! A shard that begins anew learns who is in its rooms elsewhere: all who are,
//! each once, and nobody who is about to leave.

use stentor_core::testing::sim::{REQUEST, masked};
use stentor_core::wire::opcode::Opcode;
use stentor_core::{
    Admission, Chunks, Config, ConnId, Letter, Output, Rooms, Shard, ShardId, Timestamp,
};

const NOW: Timestamp = Timestamp::from_micros(1);

fn read(shard: &mut Shard<Rooms>, id: ConnId, bytes: &[u8]) {
    shard.read_buffer()[..bytes.len()].copy_from_slice(bytes);
    shard.handle_read(NOW, id, bytes.len());
}

fn say(shard: &mut Shard<Rooms>, id: ConnId, text: &str) {
    read(
        shard,
        id,
        &masked(Opcode::Text, true, [1, 2, 3, 4], text.as_bytes()),
    );
}

/// Does what the shard asks for; the letters.
fn turn(shard: &mut Shard<Rooms>) -> Vec<Letter> {
    let mut letters = Vec::new();
    while let Some(output) = shard.poll_output() {
        match output {
            Output::Flush(id) => {
                let mut chunks = Chunks::new();
                shard.poll_transmit(id, &mut chunks);
                let n = chunks.len();
                drop(chunks);
                shard.handle_transmitted(NOW, id, n);
            }
            Output::Mail(_, letter) => letters.push(letter),
            _ => {}
        }
        shard.audit();
    }
    letters
}

fn hand(shard: &mut Shard<Rooms>, letters: Vec<Letter>) -> Vec<Letter> {
    for letter in letters {
        shard.handle_mail(NOW, letter);
    }
    turn(shard)
}

/// Two shards, a connection on the first and the name of a room of the second.
fn two() -> ([Shard<Rooms>; 2], ConnId, String) {
    let config = Config::builder().shards(2).build().expect("in range");
    let mut shards = [0, 1].map(|id| Shard::new(ShardId(id), &config, Rooms::default()));
    let id = shards[0].accept(NOW, Admission::Normal);
    read(&mut shards[0], id, REQUEST);
    turn(&mut shards[0]);
    for n in 0.. {
        let room = format!("{n}");
        say(&mut shards[0], id, &format!("join:{room}"));
        let letters = turn(&mut shards[0]);
        if !letters.is_empty() {
            let letters = hand(&mut shards[1], letters);
            hand(&mut shards[0], letters);
            return (shards, id, room);
        }
    }
    unreachable!()
}

/// Lets both talk until neither has more to say.
fn talk(shards: &mut [Shard<Rooms>; 2], mut letters: Vec<Letter>, mut to: usize) {
    while !letters.is_empty() {
        letters = hand(&mut shards[to], letters);
        to = 1 - to;
    }
}

#[test]
fn whoever_is_leaving_is_no_member_of_the_new_one() {
    let ([a, b], id, _) = two();
    let mut shards = [a, b.rebirth(Rooms::default())];
    let news = turn(&mut shards[1]);
    say(&mut shards[0], id, "leave:");
    let leave = turn(&mut shards[0]);
    assert_eq!((news.len(), leave.len()), (1, 1));
    let left = hand(&mut shards[1], leave);
    let more = hand(&mut shards[0], news);
    hand(&mut shards[0], left);
    talk(&mut shards, more, 1);
    assert_eq!(shards[0].stats().rooms.rooms, 0);
    assert_eq!(shards[1].stats().rooms.rooms, 0);
}

#[test]
fn what_was_told_to_the_one_before_counts_once() {
    let ([a, b], id, _) = two();
    let mut shards = [a, b.rebirth(Rooms::default())];
    let first = turn(&mut shards[1]);
    let [a, b] = shards;
    let mut shards = [a, b.rebirth(Rooms::default())];
    let second = turn(&mut shards[1]);
    let mut told = hand(&mut shards[0], first);
    told.extend(hand(&mut shards[0], second));
    hand(&mut shards[1], told);
    assert_eq!(shards[1].stats().rooms.rooms, 1);
    say(&mut shards[0], id, "leave:");
    let leave = turn(&mut shards[0]);
    talk(&mut shards, leave, 1);
    assert_eq!(shards[1].stats().rooms.rooms, 0);
}
