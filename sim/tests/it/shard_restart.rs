//! A shard that begins anew learns who is in its rooms elsewhere: all who are,
//! each once, and nobody who is about to leave.

use stentor_core::testing::wire::Opcode;
use stentor_core::{
    Admission, Chunks, Config, ConnId, Output, Shard, ShardId, ShardMessage, Timestamp,
};
use stentor_sim::Rooms;
use stentor_sim::simulator::{REQUEST, masked};

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
fn turn(shard: &mut Shard<Rooms>) -> Vec<ShardMessage> {
    let letters = turn_addressed(shard).into_iter();
    letters.map(|(_, letter)| letter).collect()
}

/// [`turn`], and to whom the letters go.
fn turn_addressed(shard: &mut Shard<Rooms>) -> Vec<(ShardId, ShardMessage)> {
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
            Output::Send(to, letter) => letters.push((to, letter)),
            _ => {}
        }
        shard.audit();
    }
    letters
}

fn hand(shard: &mut Shard<Rooms>, letters: Vec<ShardMessage>) -> Vec<ShardMessage> {
    for letter in letters {
        shard.handle_message(NOW, letter);
    }
    turn(shard)
}

/// A connection that is upgraded.
fn connect(shard: &mut Shard<Rooms>) -> ConnId {
    let id = shard.accept(NOW, Admission::Normal);
    read(shard, id, REQUEST);
    turn(shard);
    id
}

/// Two shards, a connection on the first and the name of a room of the second.
fn two() -> ([Shard<Rooms>; 2], ConnId, String) {
    let config = Config::builder().shards(2).build().expect("in range");
    let mut shards = [0, 1].map(|id| Shard::new(ShardId(id), &config, Rooms::default()));
    let id = connect(&mut shards[0]);
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
fn talk(shards: &mut [Shard<Rooms>; 2], mut letters: Vec<ShardMessage>, mut to: usize) {
    while !letters.is_empty() {
        letters = hand(&mut shards[to], letters);
        to = 1 - to;
    }
}

#[test]
fn whoever_is_leaving_is_no_member_of_the_new_one() {
    let (mut shards, id, _) = two();
    shards[1].restart(Rooms::default());
    let news = turn(&mut shards[1]);
    say(&mut shards[0], id, "leave:");
    let leave = turn(&mut shards[0]);
    assert_eq!((news.len(), leave.len()), (1, 1));
    let left = hand(&mut shards[1], leave);
    let more = hand(&mut shards[0], news);
    hand(&mut shards[0], left);
    talk(&mut shards, more, 1);
    assert_eq!(shards[0].stats().channels.count, 0);
    assert_eq!(shards[1].stats().channels.count, 0);
}

#[test]
fn what_the_one_before_had_to_say_to_others_is_said() {
    let ([a, mut b], _, room) = two();
    let at_home = connect(&mut b);
    say(&mut b, at_home, &format!("join:{room}"));
    turn(&mut b);
    say(&mut b, at_home, "msg:the last word");
    // It fails before it has posted it.
    b.restart(Rooms::default());
    let mut shards = [a, b];
    let heard = |shards: &[Shard<Rooms>; 2]| shards[0].stats().delivery.written;
    let before = heard(&shards);
    let letters = turn(&mut shards[1]);
    talk(&mut shards, letters, 0);
    assert_eq!(heard(&shards) - before, 1);
}

#[test]
fn what_was_told_to_the_one_before_counts_once() {
    let (mut shards, id, _) = two();
    shards[1].restart(Rooms::default());
    let first = turn(&mut shards[1]);
    shards[1].restart(Rooms::default());
    let second = turn(&mut shards[1]);
    let mut told = hand(&mut shards[0], first);
    told.extend(hand(&mut shards[0], second));
    hand(&mut shards[1], told);
    assert_eq!(shards[1].stats().channels.count, 1);
    say(&mut shards[0], id, "leave:");
    let leave = turn(&mut shards[0]);
    talk(&mut shards, leave, 1);
    assert_eq!(shards[1].stats().channels.count, 0);
}

#[test]
fn who_leaves_the_one_before_takes_nobody_from_the_new_one() {
    let ([mut a, mut b], id, room) = two();
    let other = connect(&mut a);
    b.restart(Rooms::default());
    let news = turn(&mut b);
    // Neither knows yet of the failure: one joins the new one, one was known to the old.
    say(&mut a, other, &format!("join:{room}"));
    let join = turn(&mut a);
    let joined = hand(&mut b, join);
    say(&mut a, id, "leave:");
    let leave = turn(&mut a);
    let left = hand(&mut b, leave);
    let mut told = hand(&mut a, news);
    told.extend(hand(&mut a, joined));
    told.extend(hand(&mut a, left));
    let mut shards = [a, b];
    talk(&mut shards, told, 1);
    assert_eq!(
        shards[1].stats().channels.count,
        1,
        "it knows of who has joined"
    );
    say(&mut shards[0], other, "leave:");
    let leave = turn(&mut shards[0]);
    talk(&mut shards, leave, 1);
    assert_eq!(shards[1].stats().channels.count, 0);
}

/// Letters under way between three shards.
struct ThreeShards {
    shards: [Option<Shard<Rooms>>; 3],
    letters: Vec<(usize, ShardId, ShardMessage)>,
}

impl ThreeShards {
    fn shard(&mut self, at: usize) -> &mut Shard<Rooms> {
        self.shards[at].as_mut().expect("a shard")
    }

    fn turn(&mut self, at: usize) {
        let letters = turn_addressed(self.shard(at)).into_iter();
        let letters = letters.map(|(to, letter)| (at, to, letter));
        self.letters.extend(letters);
    }

    /// Carries the letters of which this is true, and what they lead to.
    fn carry(&mut self, which: impl Fn(usize, usize) -> bool) {
        while let Some(at) = self
            .letters
            .iter()
            .position(|&(from, to, _)| which(from, to.index()))
        {
            let (_, to, letter) = self.letters.remove(at);
            self.shard(to.index()).handle_message(NOW, letter);
            self.turn(to.index());
        }
    }
}

#[test]
fn what_was_under_way_to_the_one_before_is_forgiven_once() {
    let config = Config::builder().shards(3).credit_messages(1);
    let config = config.build().expect("in range");
    let new = |id| Some(Shard::new(ShardId(id), &config, Rooms::default()));
    let mut post = ThreeShards {
        shards: [0, 1, 2].map(new),
        letters: Vec::new(),
    };
    let publisher = connect(post.shard(0));
    let member = connect(post.shard(2));
    // A room whose home is the second shard.
    let room = (0..)
        .map(|n| n.to_string())
        .find(|room| {
            say(post.shard(0), publisher, &format!("join:{room}"));
            post.turn(0);
            let homes: Vec<usize> = post.letters.iter().map(|(_, to, _)| to.index()).collect();
            post.carry(|_, _| true);
            homes.last() == Some(&1)
        })
        .expect("one of them all");
    say(post.shard(2), member, &format!("join:{room}"));
    post.turn(2);
    post.carry(|_, _| true);
    for n in 0..3 {
        say(post.shard(0), publisher, &format!("msg:{n}"));
    }
    post.turn(0);
    // The third shard delivers late.
    post.carry(|_, to| to != 2);
    post.shard(1).restart(Rooms::default());
    post.turn(1);
    post.carry(|from, to| (from, to) == (1, 0));
    assert_eq!(
        post.shard(0).stats().channels.published,
        2,
        "the first is forgiven"
    );
    post.carry(|_, to| to == 2);
    post.carry(|from, to| (from, to) == (2, 0));
    assert_eq!(
        post.shard(0).stats().channels.published,
        2,
        "and is not so again"
    );
    post.carry(|_, _| true);
    assert_eq!(post.shard(0).stats().channels.published, 3);
    assert!(post.shard(0).is_quiet());
}

/// Counters only grow, so that rates over them are right after a restart too.
#[test]
fn counters_do_not_decrease_when_a_shard_is_restarted() {
    let config = Config::builder().fan_out_slice(2).build();
    let mut shard = Shard::new(ShardId(0), &config.expect("in range"), Rooms::default());
    let members: Vec<_> = (0..8).map(|_| connect(&mut shard)).collect();
    for &id in &members {
        say(&mut shard, id, "join:r");
        turn(&mut shard);
    }
    say(&mut shard, members[0], "msg:hello");
    while shard.stats().channels.slices < 4 {
        turn(&mut shard);
        shard.handle_timeout(NOW);
    }
    let before = shard.stats();
    shard.restart(None);
    let after = shard.stats();
    assert_eq!(after.channels.slices, before.channels.slices);
    assert_eq!(after.channels.offered, before.channels.offered);
    assert_eq!(after.channels.credit_waits, before.channels.credit_waits);
    assert_eq!(after.delivery.written, before.delivery.written);
    assert_eq!(after.sent, before.sent);
}
