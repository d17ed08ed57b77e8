//! Transports: the bytes of a wire go through one, whole and in parts, and a peer that breaks its
//! protocol harms nobody else.

use stentor_core::delivery::Chunks;
use stentor_core::proto::transport::{Opened, Transport, TransportError};
use stentor_core::testing::wire::Opcode;
use stentor_core::{CloseCause, Config, ConnId, Output};

use super::{Chat, Net, frame, masked, request};

/// Records of a length byte and up to 255 bytes, each changed by a key. A record of length zero is
/// a fault, which is answered with `FAULT`; one of the key alone is a greeting, answered by another.
#[derive(Debug)]
struct Xor(u8);

const FAULT: &[u8] = b"\x01\0";

impl Transport for Xor {
    fn open(
        &mut self,
        input: &mut [u8],
        plain: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<Opened, TransportError> {
        let mut done = 0;
        while let Some(&len) = input.get(done) {
            let Some(record) = input.get(done + 1..done + 1 + usize::from(len)) else {
                break;
            };
            match record {
                [] => {
                    reply.extend_from_slice(FAULT);
                    return Err(TransportError);
                }
                [key] if *key == self.0 => reply.extend([1, self.0]),
                record => plain.extend(record.iter().map(|byte| byte ^ self.0)),
            }
            done += 1 + usize::from(len);
        }
        Ok(Opened::so_far(done))
    }

    fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        for chunk in plain.chunks(255) {
            out.push(chunk.len() as u8);
            out.extend(chunk.iter().map(|byte| byte ^ self.0));
        }
    }

    fn memory(&self) -> usize {
        size_of::<Self>()
    }
}

fn seal(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Xor(KEY).seal(bytes, &mut out);
    out
}

fn open(bytes: &[u8]) -> Vec<u8> {
    let (mut plain, mut reply) = (Vec::new(), Vec::new());
    let mut bytes = bytes.to_vec();
    let done = Xor(KEY).open(&mut bytes, &mut plain, &mut reply);
    assert_eq!(done, Ok(Opened::so_far(bytes.len())), "whole records");
    plain
}

fn connect(net: &mut Net<Chat>, shard: usize, target: &str) -> ConnId {
    let id = net.accept(shard, Some(Box::new(Xor(KEY))));
    net.send(id, &seal(request(target).as_bytes()));
    let response = open(&net.take(id));
    assert!(response.starts_with(b"HTTP/1.1 "), "{response:?}");
    id
}

const KEY: u8 = 0x5A;

#[test]
fn a_conversation_is_the_same_through_a_transport_on_every_wire() {
    for shards in [1, 2] {
        let mut net = Net::new(shards, Config::builder(), || Chat);
        let last = usize::from(shards) - 1;
        let sealed = connect(&mut net, last, "/ws");
        let lines = connect(&mut net, 0, "/lines?1");
        let plain = net.connect(0, "/ws");
        net.say(plain, Opcode::Text, b"hello");
        assert_eq!(net.take(plain), frame(Opcode::Text, b"hello"));
        assert_eq!(open(&net.take(sealed)), frame(Opcode::Text, b"hello"));
        assert_eq!(open(&net.take(lines)), b"room>hello\n");
        net.send(sealed, &seal(&masked(Opcode::Text, b"?echo")));
        assert_eq!(open(&net.take(sealed)), frame(Opcode::Text, b"echo"));
    }
}

#[test]
fn any_cut_of_records_gives_the_same_conversation() {
    let said = [
        request("/ws").into_bytes(),
        masked(Opcode::Text, b"?one"),
        masked(Opcode::Ping, b"p"),
        masked(Opcode::Text, &[b'?'; 700]),
    ]
    .concat();
    let said = seal(&said);
    let whole = heard(&said, said.len(), usize::MAX);
    assert!(whole.windows(3).any(|three| three == b"one"));
    for cut in (1..40).chain([64, 255, 256, 257, 500]) {
        for takes in [usize::MAX, 1, 7, 256] {
            let mut heard = heard(&said, cut, takes);
            let mut expected = whole.clone();
            // A pong may go ahead of what waits.
            heard.sort_unstable();
            expected.sort_unstable();
            assert_eq!(heard, expected, "in pieces of {cut}, written by {takes}");
        }
    }
}

fn heard(said: &[u8], cut: usize, takes: usize) -> Vec<u8> {
    let mut net = Net::new(1, Config::builder(), || Chat);
    net.takes = takes;
    let id = net.accept(0, Some(Box::new(Xor(KEY))));
    for piece in said.chunks(cut) {
        net.send(id, piece);
    }
    let delivery = net.stats().delivery;
    assert_eq!((delivery.queued, delivery.waiting), (delivery.written, 0));
    open(&net.take(id))
}

#[test]
fn a_transport_speaks_before_the_wire_does() {
    let mut net = Net::new(1, Config::builder(), || Chat);
    let id = net.accept(0, Some(Box::new(Xor(KEY))));
    net.send(id, &[1]);
    assert!(net.take(id).is_empty());
    net.send(id, &[KEY]);
    assert_eq!(net.take(id), [1, KEY]);
    net.send(id, &seal(request("/ws").as_bytes()));
    assert!(open(&net.take(id)).starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn a_fault_of_the_transport_is_answered_and_ends_the_link_alone() {
    for is_open in [true, false] {
        let mut net = Net::new(1, Config::builder(), || Chat);
        let other = net.connect(0, "/ws");
        let id = match is_open {
            true => connect(&mut net, 0, "/ws"),
            false => net.accept(0, Some(Box::new(Xor(KEY)))),
        };
        net.send(id, &[0]);
        assert_eq!(net.take(id), FAULT);
        assert_eq!(net.closed, [id]);
        net.say(other, Opcode::Text, b"alone");
        assert_eq!(net.take(other), frame(Opcode::Text, b"alone"));
        let closed = net.stats().closed[CloseCause::Transport as usize];
        assert_eq!(closed, u64::from(is_open));
    }
}

#[test]
fn what_is_sealed_stays_in_order_and_what_is_urgent_comes_right_behind_it() {
    let mut net = Net::new(1, Config::builder(), || Chat);
    let slow = connect(&mut net, 0, "/ws");
    let writer = net.connect(0, "/ws");
    net.takes = 3;
    net.say(writer, Opcode::Text, b"first");
    net.takes = 0;
    let shard = &mut net.shards[0];
    assert_eq!(
        shard.stats().delivery.waiting,
        0,
        "{:?}",
        shard.stats().delivery
    );
    for n in 0..4 {
        net.say(writer, Opcode::Text, format!("idle {n}").as_bytes());
    }
    net.say(writer, Opcode::Text, b"!urgent");
    assert!(net.stats().delivery.waiting > 0);
    net.takes = usize::MAX;
    for id in [slow, writer] {
        net.shards[0].handle_writable(net.now, id);
    }
    net.settle();
    let heard = open(&net.take(slow));
    let expected = [
        frame(Opcode::Text, b"first"),
        frame(Opcode::Text, b"idle 0"),
        frame(Opcode::Text, b"urgent"),
        frame(Opcode::Text, b"idle 1"),
        frame(Opcode::Text, b"idle 2"),
        frame(Opcode::Text, b"idle 3"),
    ];
    assert_eq!(heard, expected.concat());
    let delivery = net.stats().delivery;
    assert_eq!((delivery.queued, delivery.waiting), (delivery.written, 0));
}

#[test]
fn what_is_sealed_during_a_write_is_written_next() {
    for takes_all in [true, false] {
        let mut net = Net::new(1, Config::builder(), || Chat);
        let id = connect(&mut net, 0, "/ws");
        let now = net.now;
        let shard = &mut net.shards[0];
        shard.handle_input(now, id, &mut seal(&masked(Opcode::Text, b"?one")));
        let Output::Flush(flushed) = shard.poll_output() else {
            panic!("a reply");
        };
        assert_eq!(flushed, id);
        // A thread writes a copy; meanwhile the peer is greeted.
        let mut chunks = Chunks::new();
        shard.poll_transmit(id, &mut chunks);
        let mut heard = chunks.as_slices().concat();
        drop(chunks);
        shard.handle_input(now, id, &mut [1, KEY]);
        if takes_all {
            shard.handle_transmitted(now, id, heard.len());
        } else {
            heard.truncate(1);
            shard.handle_transmitted(now, id, 1);
            net.settle();
            assert!(net.take(id).is_empty(), "the socket is full");
            net.shards[0].handle_writable(now, id);
        }
        net.settle();
        heard.extend(net.take(id));
        let (reply, greeting) = heard.split_at(heard.len() - 2);
        assert_eq!(
            (open(reply), greeting),
            (frame(Opcode::Text, b"one"), &[1, KEY][..])
        );
        let delivery = net.stats().delivery;
        assert_eq!((delivery.queued, delivery.waiting), (delivery.written, 0));
    }
}
