//! A shard that begins anew while something is sent, asked or commanded: no
//! credit and no place is lost with it, and what it had taken is still done.

use stentor_core::testing::wire::Opcode;
use stentor_core::{
    Admission, Chunks, Config, ConnId, MessageType, Output, ServerEnd, Shard, ShardId,
    ShardMessage, Timestamp,
};
use stentor_sim::simulator::{REQUEST, masked};

use super::switchboard::{HeldMailbox, Switchboard, room_of};

const NOW: Timestamp = Timestamp::from_micros(1);

/// Two shards, and the letters that have been posted and not yet handed in.
struct Two {
    shards: Vec<Shard<Switchboard>>,
    letters: Vec<(ShardId, ShardMessage)>,
    board: Switchboard,
    config: Config,
    written: Vec<u8>,
}

impl Two {
    fn new() -> Self {
        let config = Config::builder().shards(2).seed(3).credit_messages(2);
        let config = config.build().expect("in range");
        let board = Switchboard::default();
        let shard = |id| Shard::new(ShardId(id), &config, board.clone());
        Self {
            shards: vec![shard(0), shard(1)],
            letters: Vec::new(),
            board,
            config,
            written: Vec::new(),
        }
    }

    fn connect(&mut self, shard: usize, name: &str) -> ConnId {
        let id = self.shards[shard].accept(NOW, Admission::Normal);
        self.shards[shard].handle_input(NOW, id, &mut REQUEST.to_vec());
        self.say(id, &format!("name {name}"));
        id
    }

    fn say(&mut self, id: ConnId, text: &str) {
        let mut frame = masked(Opcode::Text, true, [0; 4], text.as_bytes());
        self.shards[id.shard().index()].handle_input(NOW, id, &mut frame);
        self.turn(id.shard().index());
    }

    /// Does what a shard asks for.
    fn turn(&mut self, at: usize) {
        let shard = &mut self.shards[at];
        while let Some(output) = shard.poll_output() {
            match output {
                Output::Flush(id) => {
                    let mut chunks = Chunks::new();
                    shard.poll_transmit(id, &mut chunks);
                    self.written.extend(chunks.as_slices().concat());
                    let n = chunks.len();
                    drop(chunks);
                    shard.handle_transmitted(NOW, id, n);
                }
                Output::Send(to, letter) => self.letters.push((to, letter)),
                _ => {}
            }
            shard.audit();
        }
    }

    /// Hands the letters in that have been posted so far.
    fn carry(&mut self) {
        for (to, letter) in core::mem::take(&mut self.letters) {
            self.shards[to.index()].handle_message(NOW, letter);
            self.turn(to.index());
        }
    }

    fn carry_all(&mut self) {
        while !self.letters.is_empty() {
            self.carry();
        }
        assert!(self.shards.iter().all(Shard::is_quiet), "credits are lost");
    }

    fn fail(&mut self, at: usize) {
        self.shards[at].restart(self.board.clone());
        self.turn(at);
    }

    fn was_told(&mut self, text: &str) -> bool {
        let written = core::mem::take(&mut self.written);
        written.windows(text.len()).any(|at| at == text.as_bytes())
    }
}

#[test]
fn the_receiving_shard_fails() {
    let mut two = Two::new();
    let from = two.connect(0, "a");
    two.connect(1, "b");
    for _ in 0..3 {
        two.say(from, "to? b x");
    }
    assert_eq!(two.letters.len(), 2, "one waits for credit");
    assert!(!two.shards[0].is_quiet());
    two.fail(1);
    two.carry_all();
    let direct = two.shards[0].stats().direct;
    assert_eq!(direct.sent, 3);
    assert_eq!(two.shards[1].stats().direct.undeliverable, 3);
    assert!(two.was_told("sent 0 0 0"));
}

#[test]
fn the_sending_shard_fails() {
    let mut two = Two::new();
    let from = two.connect(0, "a");
    two.connect(1, "b");
    two.say(from, "to b x");
    two.say(from, "to b x");
    two.fail(0);
    two.carry_all();
    assert_eq!(two.shards[1].stats().direct.offered, 2);
    // Credits that come back for the one before are not the heir's.
    let heir = two.connect(0, "c");
    for _ in 0..3 {
        two.say(heir, "to b y");
    }
    assert_eq!(two.letters.len(), 2);
    two.carry_all();
    assert_eq!(two.shards[1].stats().direct.offered, 5);
}

#[test]
fn what_a_home_is_asked_while_it_learns_who_is_there_is_answered_after() {
    for failures in 1..4 {
        let mut two = Two::new();
        let room = room_of(1, &two.config);
        let member = two.connect(0, "a");
        two.say(member, &format!("join {room}"));
        two.carry_all();
        let post = HeldMailbox::default();
        let gate = ServerEnd::new(&two.config, post.clone());
        gate.begin();
        let remote = gate.remote();
        two.fail(1);
        // None of this is handled before the home knows of its member again,
        // however often it fails meanwhile.
        let from_outside = remote.try_publish(room.as_bytes(), MessageType::Text, 10, "out");
        assert_eq!(from_outside, Ok(()));
        let mut letters = std::collections::VecDeque::new();
        post.0.drain_into(&mut letters);
        for (to, letter) in letters {
            two.shards[to.index()].handle_message(NOW, letter);
        }
        let count = format!("count {room}");
        two.say(member, &count);
        let asked = two.letters.pop().expect("a letter to the home");
        two.shards[1].handle_message(NOW, asked.1);
        two.turn(1);
        assert!(!two.was_told("out") && !two.was_told("members"));
        for _ in 1..failures {
            two.fail(1);
        }
        assert!(!gate.is_idle());
        two.carry_all();
        assert!(gate.is_idle());
        let written = core::mem::take(&mut two.written);
        for told in ["out", "members 1"] {
            let is_there = written.windows(told.len()).any(|at| at == told.as_bytes());
            assert!(is_there, "{told} after {failures}");
        }
    }
}
