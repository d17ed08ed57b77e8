//! A turn may take in several things before anything is asked for; they keep
//! their order all the same.

mod length;

use stentor_core::channels::ShardMessage;
use stentor_core::delivery::Chunks;
use stentor_core::shard::Admission;
use stentor_core::testing::wire::Opcode;
use stentor_core::{
    CloseCode, Config, ConnId, Context, Decision, DeliveryReport, Event, Handler, HttpRequest,
    Message, MessageType, Output, SendOptions, Shard, ShardId, TaskEnd, Timestamp,
};
use stentor_sim::Rooms;
use stentor_sim::simulator::{REQUEST, masked};

const NOW: Timestamp = Timestamp::from_micros(1);
const KEY: [u8; 4] = [1, 2, 3, 4];

fn read<H: Handler>(shard: &mut Shard<H>, id: ConnId, bytes: &[u8]) {
    shard.read_buffer()[..bytes.len()].copy_from_slice(bytes);
    shard.handle_read(NOW, id, bytes.len());
}

fn text(payload: &[u8]) -> Vec<u8> {
    masked(Opcode::Text, true, KEY, payload)
}

/// What was written, to whom; and the messages.
type Out = (Vec<(ConnId, Vec<u8>)>, Vec<(ShardId, ShardMessage)>);

fn turn<H: Handler>(shard: &mut Shard<H>) -> Out {
    let (mut written, mut messages) = (Vec::new(), Vec::new());
    while let Some(output) = shard.poll_output().work() {
        match output {
            Output::Flush(id) => {
                let mut chunks = Chunks::new();
                shard.poll_transmit(id, &mut chunks);
                let bytes = chunks.as_slices().concat();
                drop(chunks);
                shard.handle_transmitted(NOW, id, bytes.len());
                written.push((id, bytes));
            }
            Output::Send(to, message) => messages.push((to, message)),
            _ => {}
        }
        shard.audit();
    }
    (written, messages)
}

fn config(shards: u16) -> Config {
    Config::builder().shards(shards).build().expect("in range")
}

#[test]
fn a_read_does_not_overtake_commands_that_have_just_been_let_go() {
    let mut remote = 0;
    for n in 0..20 {
        let mut shards: Vec<_> = (0..2)
            .map(|id| Shard::new(ShardId(id), &config(2), Rooms::default()))
            .collect();
        let id = shards[0].accept(NOW, Admission::Normal);
        read(&mut shards[0], id, REQUEST);
        turn(&mut shards[0]);
        read(&mut shards[0], id, &text(format!("join:{n}").as_bytes()));
        let (_, messages) = turn(&mut shards[0]);
        for (to, message) in messages {
            remote += 1;
            assert_eq!(to, ShardId(1));
            shards[1].handle_message(NOW, message);
            for (_, message) in turn(&mut shards[1]).1 {
                shards[0].handle_message(NOW, message);
                read(&mut shards[0], id, &text(b"join:"));
                read(&mut shards[0], id, &text(format!("join:{n}").as_bytes()));
                read(&mut shards[0], id, &text(b"leave:"));
                // An answer to the read comes after the answer to the command.
                let said: Vec<u8> = turn(&mut shards[0])
                    .0
                    .into_iter()
                    .flat_map(|w| w.1)
                    .collect();
                let said = String::from_utf8_lossy(&said).into_owned();
                assert_eq!(said.matches("joined:").count(), 2, "{said:?}");
            }
        }
    }
    assert!(remote > 0, "some homes are on the other shard");
}

/// Sends binary messages back as they are and publishes text, in a room that
/// everyone is in; and says a word for each pong.
struct EchoAndPublish;

impl Handler for EchoAndPublish {
    type State = ();
    type Task = core::convert::Infallible;
    type Outcome = core::convert::Infallible;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        ctx.subscribe(b"all");
        match message.kind {
            MessageType::Binary => ctx.reply(message.kind, 9, message.payload),
            MessageType::Text => ctx.publish(b"all", message.kind, 9, message.payload),
        }
        if message.payload == b"bye" {
            ctx.close(CloseCode::NORMAL);
        }
    }

    fn on_pong(&mut self, ctx: &mut Context<'_, Self>, payload: &[u8]) {
        ctx.publish(b"all", MessageType::Text, 9, payload);
    }
}

#[test]
fn a_reply_in_place_and_a_publication_keep_their_order() {
    let mut shard = Shard::new(ShardId(0), &config(1), EchoAndPublish);
    let ids = [(); 2].map(|()| shard.accept(NOW, Admission::Normal));
    for id in ids {
        read(&mut shard, id, REQUEST);
        read(&mut shard, id, &text(b"in"));
        turn(&mut shard);
    }
    let big = vec![b'a'; 2_000];
    let echo = masked(Opcode::Binary, true, KEY, &big);
    let tails: [&[u8]; 3] = [
        &text(b"whole"),
        &[
            masked(Opcode::Text, false, KEY, b"spl"),
            masked(Opcode::Continuation, true, KEY, b"it"),
        ]
        .concat(),
        &masked(Opcode::Pong, true, KEY, b"pong"),
    ];
    for (tail, word) in tails.into_iter().zip(["whole", "split", "pong"]) {
        read(&mut shard, ids[0], &[&echo[..], tail].concat());
        read(&mut shard, ids[1], &[&echo[..], tail].concat());
        let (written, _) = turn(&mut shard);
        for id in ids {
            let bytes: Vec<u8> = written
                .iter()
                .filter(|w| w.0 == id)
                .flat_map(|w| w.1.clone())
                .collect();
            let said = [&[0x81, word.len() as u8], word.as_bytes()].concat();
            let back = [&[0x82, 126, 7, 208], &big[..]].concat();
            let expected = if id == ids[0] {
                [back, said.clone(), said]
            } else {
                [said.clone(), back, said]
            };
            assert_eq!(bytes, expected.concat(), "{word} to {id}");
        }
    }
}

/// Sends binary messages back as they are, publishes text and asks what became
/// of it: how many queues took it, and how many did not.
#[derive(Default)]
struct Asking(Vec<[u64; 2]>);

impl Handler for Asking {
    type State = ();
    type Task = core::convert::Infallible;
    type Outcome = core::convert::Infallible;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        ctx.subscribe(b"all");
        if message.kind == MessageType::Binary {
            ctx.reply(message.kind, 9, message.payload);
            return;
        }
        let options = SendOptions::new(9).receipt(17);
        ctx.publish(b"all", message.kind, options, message.payload);
        ctx.reply(MessageType::Text, 9, b"after");
    }

    fn on_published(&mut self, _: &mut Context<'_, Self>, ticket: u64, outcome: DeliveryReport) {
        assert_eq!((ticket, outcome.members), (17, 1));
        self.0.push([outcome.queued, outcome.refused]);
    }
}

#[test]
fn a_receipt_counts_the_senders_own_queue_behind_a_reply_in_place() {
    for (queue_messages, took) in [(256, [[1, 0]; 2]), (1, [[0, 1]; 2])] {
        let config = Config::builder().queue_messages(queue_messages);
        let config = config.build().expect("in range");
        let mut shard = Shard::new(ShardId(0), &config, Asking::default());
        let id = shard.accept(NOW, Admission::Normal);
        read(&mut shard, id, REQUEST);
        turn(&mut shard);
        let big = masked(Opcode::Binary, true, KEY, &[b'a'; 2_000]);
        read(
            &mut shard,
            id,
            &[big, text(b"said"), text(b"again")].concat(),
        );
        let mut written = Vec::new();
        if queue_messages == 1 {
            // A socket that takes nothing: the reply fills the queue.
            while let Some(output) = shard.poll_output().work() {
                if let Output::Flush(id) = output {
                    shard.poll_transmit(id, &mut Chunks::new());
                    shard.handle_transmitted(NOW, id, 0);
                }
            }
        } else {
            written = turn(&mut shard).0.into_iter().flat_map(|w| w.1).collect();
        }
        assert_eq!(shard.handler().0, took);
        if queue_messages > 1 {
            let words = b"\x81\x04said\x81\x05after\x81\x05again\x81\x05after";
            assert_eq!(written[4 + 2_000..], words[..], "in order");
        }
    }
}

#[test]
fn a_message_of_ones_own_goes_ahead_of_the_close_frame() {
    let mut shard = Shard::new(ShardId(0), &config(1), EchoAndPublish);
    let id = shard.accept(NOW, Admission::Normal);
    read(&mut shard, id, REQUEST);
    turn(&mut shard);
    let bytes = [masked(Opcode::Binary, true, KEY, &[7; 2_000]), text(b"bye")].concat();
    read(&mut shard, id, &bytes);
    let bytes: Vec<u8> = turn(&mut shard).0.into_iter().flat_map(|w| w.1).collect();
    assert!(bytes.ends_with(b"\x81\x03bye\x88\x02\x03\xE8"), "{bytes:?}");
}

#[test]
fn pings_are_answered_until_the_close_frame_is_out() {
    let mut shard = Shard::new(ShardId(0), &config(1), Rooms::default());
    let id = shard.accept(NOW, Admission::Normal);
    read(&mut shard, id, REQUEST);
    turn(&mut shard);
    // A message that its socket does not take for now, and the close frame behind it.
    read(&mut shard, id, &text(b"hello"));
    while let Some(output) = shard.poll_output().work() {
        if let Output::Flush(id) = output {
            shard.poll_transmit(id, &mut Chunks::new());
            shard.handle_transmitted(NOW, id, 1);
        }
    }
    shard.handle_close_all(NOW, CloseCode::GOING_AWAY);
    read(&mut shard, id, &masked(Opcode::Ping, true, KEY, b"there?"));
    shard.handle_writable(NOW, id);
    let mut bytes = turn(&mut shard)
        .0
        .into_iter()
        .flat_map(|w| w.1)
        .collect::<Vec<_>>();
    let rest = bytes.split_off(11);
    assert_eq!(bytes, b"\x0Aecho:hello", "what was under way");
    assert_eq!(rest, b"\x8A\x06there?\x88\x02\x03\xE9");
    // Peers would take it for a fault behind the close frame.
    read(&mut shard, id, &masked(Opcode::Ping, true, KEY, b"there?"));
    assert!(turn(&mut shard).0.is_empty());
}

#[test]
fn draining_names_nobody_who_has_gone() {
    let mut shard = Shard::new(ShardId(0), &config(1), Rooms::default());
    let ids = [(); 3].map(|()| shard.accept(NOW, Admission::Normal));
    for id in ids {
        read(&mut shard, id, REQUEST);
        turn(&mut shard);
    }
    shard.handle_drain(NOW);
    turn(&mut shard);
    shard.handle_disconnect(NOW, ids[1]);
    turn(&mut shard);
    shard.handle_close_all(NOW, CloseCode::GOING_AWAY);
    while let Some(output) = shard.poll_output().work() {
        let (Output::StartReading(id) | Output::StopReading(id)) = output else {
            continue;
        };
        assert!(ids.contains(&id) && id != ids[1], "{id} has gone");
    }
}

#[test]
fn what_a_connection_had_not_consumed_does_not_meet_the_next_in_its_slot() {
    let config = Config::builder()
        .queue_messages(4)
        .build()
        .expect("in range");
    let mut shard = Shard::new(ShardId(0), &config, Rooms::default());
    let ids = [(); 2].map(|()| shard.accept(NOW, Admission::Normal));
    for id in ids {
        read(&mut shard, id, REQUEST);
        read(&mut shard, id, &text(b"join:r"));
        turn(&mut shard);
    }
    // The first takes nothing more.
    read(&mut shard, ids[0], &text(b"hello"));
    while let Some(output) = shard.poll_output().work() {
        if let Output::Flush(id) = output {
            shard.poll_transmit(id, &mut Chunks::new());
            shard.handle_transmitted(NOW, id, 1);
        }
    }
    let later = NOW.after(config.write_timeout());
    let burst = text(b"msg:x").repeat(20);
    shard.read_buffer()[..burst.len()].copy_from_slice(&burst);
    shard.handle_read(later, ids[0], burst.len());
    shard.handle_timeout(later);
    let mut next = None;
    while let Some(output) = shard.poll_output().work() {
        match output {
            Output::Disconnect(id) => {
                assert_eq!(id, ids[0]);
                next = Some(shard.accept(later, Admission::Normal));
            }
            Output::Event(Event::Refused(id, error)) => panic!("{id}: {error}"),
            _ => {}
        }
    }
    assert_eq!(next.map(|next| next.slot()), Some(ids[0].slot()));
}

/// Each task ends with a word, and before that the first has the connection join.
struct InOrder;

impl Handler for InOrder {
    type State = ();
    type Task = ();
    type Outcome = &'static str;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        ctx.submit(());
        ctx.submit(());
        ctx.subscribe(message.payload);
    }

    fn on_task(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
        let TaskEnd::Done(word) = end else { return };
        if word == "one" {
            let room = ctx.channel().expect("it has joined").clone();
            ctx.unsubscribe(&room);
        }
        ctx.reply(MessageType::Text, 9, word.as_bytes());
    }
}

#[test]
fn what_an_outcome_leads_to_goes_before_the_next_outcome() {
    let mut remote = 0;
    for n in 0..20 {
        let mut shards: Vec<_> = (0..2)
            .map(|id| Shard::new(ShardId(id), &config(2), InOrder))
            .collect();
        let id = shards[0].accept(NOW, Admission::Normal);
        read(&mut shards[0], id, REQUEST);
        turn(&mut shards[0]);
        read(&mut shards[0], id, &text(format!("{n}").as_bytes()));
        let mut messages = turn(&mut shards[0]).1;
        remote += messages.len();
        for word in ["one", "two"] {
            shards[0].handle_task(NOW, id, TaskEnd::Done(word));
        }
        let mut said = Vec::new();
        for at in [1, 0, 1, 0] {
            for (_, message) in messages.drain(..) {
                shards[at].handle_message(NOW, message);
            }
            let (written, more) = turn(&mut shards[at]);
            said.extend(written.into_iter().flat_map(|w| w.1));
            messages = more;
        }
        assert_eq!(said, b"\x81\x03one\x81\x03two", "room {n}");
        assert!(shards[0].is_quiet());
    }
    assert!(remote > 0, "some homes are on the other shard");
}

/// Delivers messages until none is under way.
fn carry(shards: &mut [Shard<Rooms>]) {
    loop {
        let mut messages = Vec::new();
        for shard in &mut *shards {
            messages.extend(turn(shard).1);
        }
        if messages.is_empty() {
            return;
        }
        for (to, message) in messages {
            shards[to.index()].handle_message(NOW, message);
        }
    }
}

#[test]
fn answers_of_any_length_to_one_read_are_what_was_said_and_short_ones_close_up() {
    for (lens, most_slices) in [
        (&[1_024; 16][..], 1),
        (&[1_500, 0, 1, 125, 126, 1_023, 20], 1),
        (&[1_024, 3_000, 20, 126, 2_048, 1_024], 3),
        (&[20, 1_024, 3_000, 20], 2),
    ] {
        let mut shard = Shard::new(ShardId(0), &config(1), stentor_core::Echo);
        let id = shard.accept(NOW, Admission::Normal);
        read(&mut shard, id, REQUEST);
        turn(&mut shard);
        let said: Vec<Vec<u8>> = (0..)
            .zip(lens)
            .map(|(i, &len)| (0..len).map(|at| b'a' + (at + i) as u8 % 23).collect())
            .collect();
        let frames: Vec<u8> = said.iter().flat_map(|payload| text(payload)).collect();
        read(&mut shard, id, &frames);
        assert_eq!(shard.poll_reply(), Some(id));
        let mut chunks = Chunks::new();
        shard.poll_transmit(id, &mut chunks);
        let slices = chunks.as_slices().len();
        let answers = chunks.as_slices().concat();
        drop(chunks);
        let mut left = &answers[..];
        for payload in &said {
            let (kind, bytes, rest) = unframe(left);
            assert_eq!((kind, bytes), (0x81, &payload[..]), "{lens:?}");
            left = rest;
        }
        assert!(left.is_empty());
        assert!(slices <= most_slices, "{lens:?}: {slices} slices");
        shard.handle_transmitted(NOW, id, answers.len());
        shard.audit();
    }
}

/// The first byte of a frame of up to 64 KiB, its payload, and what follows it.
fn unframe(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    let (begin, len) = match bytes[1] {
        126 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        len => (2, usize::from(len)),
    };
    (bytes[0], &bytes[begin..begin + len], &bytes[begin + len..])
}
