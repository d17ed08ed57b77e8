//! Messages that come in one read and go to one room wait as one frame. Nobody is to
//! notice: neither members, whatever they take at a time, nor whoever counts.

use proptest::prelude::*;
use stentor_core::config::ConfigBuilder;
use stentor_core::delivery::Chunks;
use stentor_core::shard::Admission;
use stentor_core::stats::Stats;
use stentor_core::testing::wire::Opcode;
use stentor_core::{
    CloseCode, Config, ConnId, Context, Decision, DeliveryReport, Handler, HttpRequest, Message,
    MessageType, Output, SendOptions, Shard, ShardId, Timestamp,
};
use stentor_sim::simulator::{REQUEST, masked};

const NOW: Timestamp = Timestamp::from_micros(1);
const KEY: [u8; 4] = [1, 2, 3, 4];

/// Does what the first byte of a message says, with the whole of it.
struct ByteCommands;

impl Handler for ByteCommands {
    type State = ();
    type Task = core::convert::Infallible;
    type Outcome = core::convert::Infallible;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, Message { kind, payload }: Message<'_>) {
        let receipt = SendOptions::new(9).receipt(1);
        match payload[0] {
            b'p' => ctx.publish(b"hall", kind, 9, payload),
            b'u' => ctx.publish(b"hall", kind, 3, payload),
            b'o' => ctx.publish(b"hall", kind, SendOptions::new(9).exclude_sender(), payload),
            b'w' => ctx.publish(b"other", kind, 9, payload),
            b'?' => ctx.publish(b"hall", kind, receipt, payload),
            b'b' => ctx.broadcast(kind, 9, payload),
            b'r' => ctx.reply(kind, 9, payload),
            b'd' => {
                ctx.publish(b"hall", kind, 9, payload);
                ctx.reply(kind, 9, b"and again");
            }
            b's' => {
                let someone = ctx.local_members(b"other").next();
                ctx.send(someone.unwrap_or(ctx.id()), kind, 9, payload);
            }
            b'j' => ctx.subscribe(b"hall"),
            b'J' => ctx.subscribe(b"other"),
            b'l' => ctx.unsubscribe(b"hall"),
            b'c' => ctx.close(CloseCode::NORMAL),
            _ => {}
        }
    }

    fn on_published(&mut self, ctx: &mut Context<'_, Self>, _: u64, outcome: DeliveryReport) {
        ctx.reply(MessageType::Text, 9, format!("{outcome:?}").as_bytes());
    }
}

/// Three members of both rooms, each of which takes so much at a time, on one shard or more.
struct Hall {
    shards: Vec<Shard<ByteCommands>>,
    members: Vec<BatchMember>,
}

struct BatchMember {
    id: ConnId,
    takes: usize,
    heard: Vec<u8>,
}

impl Hall {
    /// The rule against starvation, which nothing here comes to, asks for messages one
    /// by one: so there are no batches.
    fn new(shards: u16, takes: [usize; 3], one_by_one: bool) -> Self {
        let after = if one_by_one { 10_000 } else { 0 };
        Self::with(
            Config::builder().shards(shards).starvation_after(after),
            takes,
        )
    }

    fn with(config: ConfigBuilder, takes: [usize; 3]) -> Self {
        let config = config.build().expect("in range");
        let shards = (0..config.shards()).map(|at| Shard::new(ShardId(at), &config, ByteCommands));
        let mut shards: Vec<_> = shards.collect();
        let members = (0..).zip(takes).map(|(at, takes)| BatchMember {
            id: shards[at % usize::from(config.shards())].accept(NOW, Admission::Normal),
            takes,
            heard: Vec::new(),
        });
        let members = members.collect();
        let mut hall = Self { shards, members };
        for at in 0..3 {
            let words = [text(b"j"), text(b"J")].concat();
            hall.read(at, &[REQUEST, &words].concat());
        }
        hall
    }

    fn read(&mut self, at: usize, bytes: &[u8]) {
        let id = self.members[at].id;
        let shard = &mut self.shards[id.shard().index()];
        shard.read_buffer()[..bytes.len()].copy_from_slice(bytes);
        shard.handle_read(NOW, id, bytes.len());
        self.turn();
    }

    /// Until nothing is to be done, and no message is under way.
    fn turn(&mut self) {
        let mut messages = Vec::new();
        loop {
            for at in 0..self.shards.len() {
                while let Some(output) = self.shards[at].poll_output().work() {
                    match output {
                        Output::Flush(id) => self.flush(id),
                        Output::Send(to, message) => messages.push((to, message)),
                        _ => {}
                    }
                    self.shards[at].audit();
                }
            }
            if messages.is_empty() {
                return;
            }
            for (to, message) in messages.drain(..) {
                self.shards[to.index()].handle_message(NOW, message);
            }
        }
    }

    fn flush(&mut self, id: ConnId) {
        let shard = &mut self.shards[id.shard().index()];
        let mut chunks = Chunks::new();
        shard.poll_transmit(id, &mut chunks);
        let bytes = chunks.as_slices().concat();
        drop(chunks);
        let member = self.members.iter_mut().find(|member| member.id == id);
        let member = member.expect("a member");
        let n = bytes.len().min(member.takes);
        member.heard.extend_from_slice(&bytes[..n]);
        shard.handle_transmitted(NOW, id, n);
    }

    /// Everyone hears all that waits, as much at a time as they take.
    fn settle(&mut self) {
        let mut before = usize::MAX;
        while before != self.heard() {
            before = self.heard();
            for at in 0..3 {
                let id = self.members[at].id;
                self.shards[id.shard().index()].handle_writable(NOW, id);
            }
            self.turn();
        }
    }

    fn heard(&self) -> usize {
        self.members.iter().map(|member| member.heard.len()).sum()
    }

    fn stats(&self) -> Vec<Stats> {
        self.shards.iter().map(Shard::stats).collect()
    }

    /// Volleys that there were, and that did not stay whole.
    fn batches(&self) -> [u64; 2] {
        let of_each = self.shards.iter().map(Shard::batches);
        of_each.fold([0; 2], |[a, b], [c, d]| [a + c, b + d])
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

/// What may be the last that somebody says.
fn ending() -> impl Strategy<Value = Vec<u8>> {
    let rude = [&[0xF1, 0x80][..], &KEY].concat();
    prop_oneof![
        Just(Vec::new()),
        Just([text(b"c"), text(b"p behind its own end")].concat()),
        Just([masked(Opcode::Close, true, KEY, &[3, 232]), text(b"p")].concat()),
        Just(rude),
    ]
}

proptest! {
    #[test]
    fn nobody_hears_a_difference(
        shards in 1..=3_u16,
        takes in [1..4_000_usize, 1..4_000, 5_000..9_000],
        reads in reads(),
        ending in ending(),
    ) {
        let halls = [false, true].map(|one_by_one| {
            let mut hall = Hall::new(shards, takes, one_by_one);
            for (n, words) in reads.iter().enumerate() {
                let mut bytes = frames(words);
                if n + 1 == reads.len() {
                    bytes.extend(&ending);
                }
                hall.read(0, &bytes);
            }
            hall.settle();
            hall
        });
        let [together, one_by_one] = &halls;
        for (at, (a, b)) in together.members.iter().zip(&one_by_one.members).enumerate() {
            prop_assert_eq!(&a.heard, &b.heard, "member {}", at);
        }
        for (a, b) in together.stats().iter().zip(one_by_one.stats()) {
            prop_assert_eq!(a.delivery, b.delivery);
            prop_assert_eq!(a.channels, b.channels);
        }
        prop_assert_eq!(one_by_one.batches(), [0, 0]);
    }
}

#[test]
fn what_comes_in_one_read_is_one_frame() {
    let mut hall = Hall::new(1, [usize::MAX; 3], false);
    hall.read(0, &text(b"p alone"));
    assert_eq!(hall.batches(), [0, 0]);
    hall.read(0, &text(b"p not alone").repeat(16));
    assert_eq!(hall.batches(), [1, 0]);
    // More urgent than the others, and so are those behind it no part of the first.
    let words = [
        text(b"p1"),
        text(b"p2"),
        text(b"u3"),
        text(b"p4"),
        text(b"p5"),
    ];
    hall.read(0, &words.concat());
    assert_eq!(hall.batches(), [3, 0]);
    assert_eq!(hall.stats()[0].delivery.written, 3 * (1 + 16 + 5));
}

#[test]
fn what_is_said_behind_an_answer_that_stays_where_it_was_read_keeps_its_place() {
    let mut hall = Hall::new(1, [usize::MAX; 3], false);
    let long = [b"r", &[b'a'; 2_000][..]].concat();
    hall.read(0, &[text(&long), text(b"do")].concat());
    let heard = &hall.members[0].heard;
    let tail = &heard[heard.len() - (4 + 2_001) - 4 - 11..];
    assert_eq!(&tail[4..9], b"raaaa");
    assert_eq!(&tail[4 + 2_001..], b"\x81\x02do\x81\x09and again");
}

#[test]
fn a_volley_is_no_longer_than_a_quarter_of_a_queue() {
    let mut hall = Hall::with(Config::builder().queue_messages(32), [usize::MAX; 3]);
    hall.read(0, &text(b"p").repeat(80));
    assert_eq!(hall.batches(), [10, 0]);
    let delivery = hall.stats()[0].delivery;
    assert_eq!((delivery.written, delivery.refused_full), (3 * 80, 0));
}

#[test]
fn what_is_held_back_leaves_room_for_a_long_message_behind_it() {
    for before in 30..60 {
        let mut hall = Hall::with(Config::builder().queue_bytes(64 << 10), [usize::MAX; 3]);
        let short = text(&[b'p'; 1_000]).repeat(before);
        hall.read(0, &[short, text(&[b'p'; 30_000])].concat());
        let delivery = hall.stats()[0].delivery;
        assert_eq!(delivery.written, 3 * (before as u64 + 1), "{delivery:?}");
    }
}

#[test]
fn whoever_takes_a_part_of_a_volley_has_the_rest_one_by_one() {
    let mut hall = Hall::new(1, [usize::MAX, 5, usize::MAX], false);
    hall.settle();
    hall.read(0, &text(b"p").repeat(16));
    assert_eq!(hall.batches(), [1, 1]);
    assert_eq!(hall.shards[0].waiting(), [(hall.members[1].id, 15)]);
    // The second is half out; what is more urgent goes before the third.
    hall.read(0, &text(b"u"));
    hall.settle();
    let heard = &hall.members[1].heard;
    let said = &heard[heard.len() - 17 * 3..];
    let urgent = said.chunks(3).position(|frame| frame == b"\x81\x01u");
    assert_eq!(urgent, Some(2));
}

#[test]
fn what_comes_to_another_shard_in_one_go_is_one_frame_there_too() {
    let mut hall = Hall::new(3, [usize::MAX; 3], false);
    hall.read(0, &text(b"p").repeat(16));
    assert_eq!(hall.batches(), [3, 0]);
}
