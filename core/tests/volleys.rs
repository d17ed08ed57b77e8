//! Messages that come in one read and go to one room wait as one frame. Nobody is to
//! notice: neither members, whatever they take at a time, nor whoever counts.

use proptest::prelude::*;
use stentor_core::testing::sim::{REQUEST, masked};
use stentor_core::wire::opcode::Opcode;
use stentor_core::{
    Admission, Chunks, CloseCode, Config, ConnId, Context, Handler, Kind, Message, Outcome, Output,
    Qos, Shard, ShardId, Stats, Timestamp, Verdict,
};

const NOW: Timestamp = Timestamp::from_micros(1);
const KEY: [u8; 4] = [1, 2, 3, 4];

/// Does what the first byte of a message says, with the whole of it.
struct Puppet;

impl Handler for Puppet {
    type State = ();
    type Task = core::convert::Infallible;
    type Outcome = core::convert::Infallible;

    fn on_request(&mut self, _: &stentor_core::handshake::Request<'_>) -> Verdict<()> {
        Verdict::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, Message { kind, payload }: Message<'_>) {
        let receipt = Qos::new(9).receipt(1);
        match payload[0] {
            b'p' => ctx.publish(b"hall", kind, 9, payload, false),
            b'u' => ctx.publish(b"hall", kind, 3, payload, false),
            b'o' => ctx.publish(b"hall", kind, 9, payload, true),
            b'w' => ctx.publish(b"other", kind, 9, payload, false),
            b'?' => ctx.publish(b"hall", kind, receipt, payload, false),
            b'b' => ctx.broadcast_all(kind, 9, payload, false),
            b'r' => ctx.reply(kind, 9, payload),
            b'd' => {
                ctx.publish(b"hall", kind, 9, payload, false);
                ctx.reply(kind, 9, b"and again");
            }
            b's' => {
                let someone = ctx.local_members(b"other").next();
                ctx.send(someone.unwrap_or(ctx.id()), kind, 9, payload);
            }
            b'j' => ctx.join(b"hall"),
            b'J' => ctx.join(b"other"),
            b'l' => ctx.leave(b"hall"),
            b'c' => ctx.close(CloseCode::NORMAL),
            _ => {}
        }
    }

    fn on_published(&mut self, ctx: &mut Context<'_, Self>, _: u64, outcome: Outcome) {
        ctx.reply(Kind::Text, 9, format!("{outcome:?}").as_bytes());
    }
}

/// A shard with three members of both rooms, of which each takes so much at a time.
struct Hall {
    shard: Shard<Puppet>,
    members: Vec<Member>,
}

struct Member {
    id: ConnId,
    takes: usize,
    heard: Vec<u8>,
}

impl Hall {
    /// The rule against starvation, which nothing here comes to, asks for messages one
    /// by one: so there are no volleys.
    fn new(takes: [usize; 3], one_by_one: bool) -> Self {
        let config = Config::builder().starvation_after(if one_by_one { 10_000 } else { 0 });
        let config = config.build().expect("in range");
        let mut shard = Shard::new(ShardId(0), &config, Puppet);
        let members = takes.map(|takes| Member {
            id: shard.accept(NOW, Admission::Normal),
            takes,
            heard: Vec::new(),
        });
        let mut hall = Self {
            shard,
            members: members.into(),
        };
        for at in 0..3 {
            let words = [text(b"j"), text(b"J")].concat();
            hall.read(at, &[REQUEST, &words].concat());
        }
        hall
    }

    fn read(&mut self, at: usize, bytes: &[u8]) {
        self.shard.read_buffer()[..bytes.len()].copy_from_slice(bytes);
        self.shard
            .handle_read(NOW, self.members[at].id, bytes.len());
        self.turn();
    }

    fn turn(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            if let Output::Flush(id) = output {
                self.flush(id);
            }
            self.shard.audit();
        }
    }

    fn flush(&mut self, id: ConnId) {
        let mut chunks = Chunks::new();
        self.shard.poll_transmit(id, &mut chunks);
        let bytes = chunks.as_slices().concat();
        drop(chunks);
        let member = self.members.iter_mut().find(|member| member.id == id);
        let member = member.expect("a member");
        let n = bytes.len().min(member.takes);
        member.heard.extend_from_slice(&bytes[..n]);
        self.shard.handle_transmitted(NOW, id, n);
    }

    /// Everyone hears all that waits, as much at a time as they take.
    fn settle(&mut self) {
        let mut before = usize::MAX;
        while before != self.heard() {
            before = self.heard();
            for at in 0..3 {
                self.shard.handle_writable(NOW, self.members[at].id);
            }
            self.turn();
        }
    }

    fn heard(&self) -> usize {
        self.members.iter().map(|member| member.heard.len()).sum()
    }

    fn stats(&self) -> Stats {
        self.shard.stats()
    }
}

fn text(payload: &[u8]) -> Vec<u8> {
    masked(Opcode::Text, true, KEY, payload)
}

/// What the first of them says, some of it in one read.
fn reads() -> impl Strategy<Value = Vec<Vec<(u8, usize)>>> {
    let verb = prop_oneof![
        12 => Just(b'p'),
        2 => prop::sample::select(&b"uow"[..]),
        3 => prop::sample::select(&b"?brdsjlP."[..]),
    ];
    let len = prop_oneof![9 => 0..200_usize, 1 => 0..6_000_usize];
    let word = (verb, len);
    prop::collection::vec(prop::collection::vec(word, 1..20), 1..6)
}

fn frames(words: &[(u8, usize)]) -> Vec<u8> {
    let frame = |(n, &(verb, len)): (usize, &(u8, usize))| {
        if verb == b'P' {
            return masked(Opcode::Ping, true, KEY, b"?");
        }
        let filler = (b'a' + n as u8 % 26) as char;
        let payload: String = [verb as char]
            .into_iter()
            .chain([filler].repeat(len))
            .collect();
        text(payload.as_bytes())
    };
    words.iter().enumerate().flat_map(frame).collect()
}

proptest! {
    #[test]
    fn nobody_hears_a_difference(
        takes in [1..4_000_usize, 1..4_000, 5_000..9_000],
        reads in reads(),
        ends in any::<bool>(),
    ) {
        let [mut together, mut one_by_one] = [false, true].map(|one| Hall::new(takes, one));
        for hall in [&mut together, &mut one_by_one] {
            for (n, words) in reads.iter().enumerate() {
                let mut bytes = frames(words);
                if ends && n + 1 == reads.len() {
                    bytes.extend(text(b"c"));
                    bytes.extend(text(b"p behind its own end"));
                }
                hall.read(0, &bytes);
            }
            hall.settle();
        }
        for at in 0..3 {
            let heard = |hall: &Hall| hall.members[at].heard.clone();
            prop_assert_eq!(heard(&together), heard(&one_by_one), "member {}", at);
        }
        prop_assert_eq!(together.stats().delivery, one_by_one.stats().delivery);
        prop_assert_eq!(together.stats().rooms, one_by_one.stats().rooms);
        prop_assert_eq!(one_by_one.shard.volleys(), [0, 0]);
    }
}

#[test]
fn what_comes_in_one_read_is_one_frame() {
    let mut hall = Hall::new([usize::MAX; 3], false);
    hall.read(0, &text(b"p alone"));
    assert_eq!(hall.shard.volleys(), [0, 0]);
    hall.read(0, &text(b"p not alone").repeat(16));
    assert_eq!(hall.shard.volleys(), [1, 0]);
    // More urgent than the others, and so are those behind it no part of the first.
    let words = [
        text(b"p1"),
        text(b"p2"),
        text(b"u3"),
        text(b"p4"),
        text(b"p5"),
    ];
    hall.read(0, &words.concat());
    assert_eq!(hall.shard.volleys(), [3, 0]);
    assert_eq!(hall.stats().delivery.written, 3 * (1 + 16 + 5));
}

#[test]
fn what_is_said_behind_an_answer_that_stays_where_it_was_read_keeps_its_place() {
    let mut hall = Hall::new([usize::MAX; 3], false);
    let long = [b"r", &[b'a'; 2_000][..]].concat();
    hall.read(0, &[text(&long), text(b"do")].concat());
    let heard = &hall.members[0].heard;
    let tail = &heard[heard.len() - (4 + 2_001) - 4 - 11..];
    assert_eq!(&tail[4..9], b"raaaa");
    assert_eq!(&tail[4 + 2_001..], b"\x81\x02do\x81\x09and again");
}

#[test]
fn a_volley_is_no_longer_than_a_quarter_of_a_queue() {
    let config = Config::builder().queue_messages(32);
    let mut hall = Hall::new([usize::MAX; 3], false);
    hall.shard = Shard::new(ShardId(0), &config.build().expect("in range"), Puppet);
    hall.members[0].id = hall.shard.accept(NOW, Admission::Normal);
    hall.read(0, &[REQUEST, &text(b"j")].concat());
    hall.read(0, &text(b"p").repeat(80));
    assert_eq!(hall.shard.volleys(), [10, 0]);
    let delivery = hall.stats().delivery;
    assert_eq!((delivery.written, delivery.refused_full), (80, 0));
}

#[test]
fn whoever_takes_a_part_of_a_volley_has_the_rest_one_by_one() {
    let mut hall = Hall::new([usize::MAX, 5, usize::MAX], false);
    hall.settle();
    hall.read(0, &text(b"p").repeat(16));
    assert_eq!(hall.shard.volleys(), [1, 1]);
    assert_eq!(hall.shard.waiting(), [(hall.members[1].id, 15)]);
    // The second is half out; what is more urgent goes before the third.
    hall.read(0, &text(b"u"));
    hall.settle();
    let heard = &hall.members[1].heard;
    let said = &heard[heard.len() - 17 * 3..];
    let urgent = said.chunks(3).position(|frame| frame == b"\x81\x01u");
    assert_eq!(urgent, Some(2));
}
