//! While many are written to, something more urgent for one of them does not wait
//! for the others, and none of the others is forgotten for it.

use stentor_core::delivery::Chunks;
use stentor_core::shard::Admission;
use stentor_core::stats::Stats;
use stentor_core::testing::wire::Opcode;
use stentor_core::{Config, ConnId, Output, Shard, ShardId, Timestamp};
use stentor_sim::Rooms;
use stentor_sim::simulator::{REQUEST, masked};

const NOW: Timestamp = Timestamp::from_micros(1);
const MEMBERS: usize = 100;

struct Room {
    shard: Shard<Rooms>,
    members: Vec<ConnId>,
}

impl Room {
    fn new() -> Self {
        let config = Config::builder().build().expect("in range");
        let mut shard = Shard::new(ShardId(0), &config, Rooms::default());
        let members = (0..MEMBERS)
            .map(|_| shard.accept(NOW, Admission::Normal))
            .collect();
        let mut room = Self { shard, members };
        for i in 0..MEMBERS {
            room.read(i, REQUEST);
            room.say(i, b"join:all");
        }
        while room.flush().is_some() {}
        room
    }

    fn read(&mut self, member: usize, bytes: &[u8]) {
        self.shard.read_buffer()[..bytes.len()].copy_from_slice(bytes);
        self.shard
            .handle_read(NOW, self.members[member], bytes.len());
    }

    fn say(&mut self, member: usize, text: &[u8]) {
        self.read(member, &masked(Opcode::Text, true, [1, 2, 3, 4], text));
    }

    /// Does what the shard asks for, up to the next write; says to whom that was,
    /// and what.
    fn flush(&mut self) -> Option<(usize, String)> {
        loop {
            let Output::Flush(id) = self.shard.poll_output().work()? else {
                continue;
            };
            let mut chunks = Chunks::new();
            self.shard.poll_transmit(id, &mut chunks);
            let bytes = chunks.as_slices().concat();
            drop(chunks);
            self.shard.handle_transmitted(NOW, id, bytes.len());
            self.shard.audit();
            let member = self.members.iter().position(|&member| member == id)?;
            return Some((member, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }

    /// Everybody else that is written to before nothing is left, in order.
    fn rest(&mut self) -> Vec<usize> {
        std::iter::from_fn(|| self.flush().map(|(member, _)| member)).collect()
    }

    fn stats(&self) -> Stats {
        self.shard.stats()
    }
}

#[test]
fn an_urgent_answer_goes_out_before_the_rest_of_a_publication() {
    let mut room = Room::new();
    let before = room.stats().delivery.written;
    room.say(0, b"msg:to all");
    for expected in 0..10 {
        let (member, said) = room.flush().expect("many wait");
        assert_eq!(member, expected, "in the order in which they joined");
        assert!(said.contains("to all"), "{said:?}");
    }
    // A room without a name is refused with priority 1; the publication has 10.
    room.say(90, b"join:");
    let (member, said) = room.flush().expect("many wait");
    assert_eq!(member, 90);
    let (error, message) = (said.find("error:bad_room"), said.find("to all"));
    assert!(error.is_some() && error < message, "{said:?}");
    let rest: Vec<usize> = (10..MEMBERS).filter(|&member| member != 90).collect();
    assert_eq!(room.rest(), rest, "each once, in the order of before");
    assert_eq!(
        room.stats().delivery.written - before,
        MEMBERS as u64 + 1,
        "nothing was lost or said twice"
    );
}

#[test]
fn what_is_less_urgent_does_not_overtake_those_that_wait() {
    let mut room = Room::new();
    room.say(0, b"msg:to all");
    room.flush();
    // An echo has priority 100.
    room.say(90, b"hello");
    assert_eq!(room.rest(), (1..MEMBERS).collect::<Vec<_>>());
}

#[test]
fn a_full_socket_is_left_alone_wherever_its_connection_stands_in_line() {
    let mut room = Room::new();
    room.say(0, b"msg:to all");
    room.say(90, b"join:");
    let id = room.members[90];
    assert!(matches!(room.shard.poll_output().work(), Some(Output::Flush(first)) if first == id));
    let mut chunks = Chunks::new();
    room.shard.poll_transmit(id, &mut chunks);
    drop(chunks);
    room.shard.handle_transmitted(NOW, id, 0);
    let others: Vec<usize> = (0..MEMBERS).filter(|&member| member != 90).collect();
    assert_eq!(room.rest(), others);
    room.shard.handle_writable(NOW, id);
    let (member, said) = room.flush().expect("it takes bytes again");
    assert_eq!(member, 90);
    assert!(
        said.contains("error:bad_room") && said.contains("to all"),
        "{said:?}"
    );
}

#[test]
fn who_was_written_to_out_of_turn_is_written_to_again_for_what_comes_later() {
    let mut room = Room::new();
    room.say(0, b"msg:one");
    room.say(90, b"join:");
    assert_eq!(room.flush().map(|(member, _)| member), Some(90));
    room.say(0, b"msg:two");
    let mut heard = Vec::new();
    while let Some((member, said)) = room.flush() {
        if member == 90 {
            heard.push(said);
        }
    }
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].contains("two") && !heard[0].contains("one"));
}
