//! Delivery of streams beside a list of everything that was sent, under random load.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use crate::Config;
use crate::delivery::codec::{AppCodecs, Codec, CodecResult, Form, Outgoing};
use crate::delivery::frame::Chunks;
use crate::delivery::queue::{OverflowPolicy, SendOptions};
use crate::delivery::{HEADROOM, MessagePayload, MessageRef, Outbound, OutgoingReply, Part};
use crate::proto::wire::Wire;
use crate::proto::ws::deflate::Compressor;
use crate::proto::ws::header::Header;
use crate::proto::ws::opcode::MessageType;
use crate::time::Timestamp;

const CONNS: u32 = 2;

#[derive(Clone, Debug)]
enum LossStep {
    /// A publication for a connection, of a stream; with the flag, its codec cannot express it.
    Send(u32, u32, SendOptions, bool),
    /// These, while a reply of the connection stands where it was read, and then the stream goes.
    Held(u32, Vec<(u32, SendOptions)>, Option<u32>),
    /// A push.
    Push(u32),
    Offer(u32),
    /// So many 255ths of what was offered are out.
    Transmitted(u32, u8),
    Discard(u32, u32),
    Pass(u16),
    /// What has expired and would be written next is dropped.
    NextFlush,
    Shed,
}

/// A connection, and all that was sent to it.
#[derive(Default)]
struct LossPeer {
    /// What the adapter has and has not written.
    offered: Option<Vec<u8>>,
    /// The frame that is partly out: what has come of it, and its message.
    rest: Vec<u8>,
    begun: Option<u64>,
    /// Of which stream each message is that has not ended.
    open: BTreeMap<u64, u32>,
    /// Those that must not come any more.
    discarded: BTreeSet<u64>,
}

struct World {
    out: Outbound,
    peers: Vec<LossPeer>,
    now: u64,
    next: u64,
    lost: BTreeSet<(u32, u32)>,
    before: u64,
    has_replied: bool,
}

/// Adds nothing, and refuses what ends with an exclamation mark.
fn encode(_: Codec, message: &Outgoing<'_>, out: &mut Vec<u8>) -> CodecResult {
    if message.payload.ends_with(b"!") {
        return CodecResult::Refused;
    }
    out.extend_from_slice(message.payload);
    CodecResult::Encoded(message.kind)
}

impl World {
    fn new(messages: usize) -> Self {
        let config = Config::builder()
            .queue_messages(messages)
            .queue_bytes(400)
            .write_batch(1_024)
            .memory_budget(1 << 20);
        let app = AppCodecs {
            encode,
            passes: |_, _| Some(true),
        };
        let mut out = Outbound::new(&config.build().expect("in range"), app);
        for at in 0..CONNS {
            out.insert(at);
            let form = Form::new(Codec::new(at as u8), Wire::WebSocket);
            out.open(at, form, Compressor::NONE);
        }
        Self {
            out,
            peers: (0..CONNS).map(|_| LossPeer::default()).collect(),
            now: 1,
            next: 0,
            lost: BTreeSet::new(),
            before: 0,
            has_replied: false,
        }
    }

    fn send(&mut self, at: u32, stream: u32, options: SendOptions, is_refused: bool) {
        let mut payload = self.next.to_le_bytes().to_vec();
        payload.extend(is_refused.then_some(b'!'));
        self.peers[at as usize].open.insert(self.next, stream);
        self.next += 1;
        let now = Timestamp::from_micros(self.now);
        let mut meta = options.meta(|| u64::from(stream), now);
        meta.stream = Some(stream);
        let kind = MessageType::Binary;
        let payload = MessagePayload::Borrowed(&payload);
        let mut variants = self
            .out
            .variants(meta, options.overflow, None, kind, payload);
        assert!(!self.out.may_be_batched(&variants));
        self.out.send_variant(at, &mut variants);
        self.out.release_variants(variants.into_frames());
    }

    /// Replies with a message that stands in the scratch, sends behind it, and settles.
    fn hold(&mut self, at: u32, sends: &[(u32, SendOptions)], discards: Option<u32>) {
        if self.peers.iter().any(|peer| peer.offered.is_some()) {
            return;
        }
        self.has_replied = true;
        self.out.vacate_scratch();
        let mut scratch = self.out.lend_scratch();
        let place = HEADROOM + 14;
        let payload = &scratch[place..place + 2_048];
        let reply = OutgoingReply {
            kind: MessageType::Text,
            options: SendOptions::new(0),
            parts: [payload, &[]],
            message: Some(MessageRef::new(Some(place), payload)),
            waits: true,
        };
        let _ = self.out.reply(at, reply);
        for &(stream, options) in sends {
            self.send(at, stream, options, false);
        }
        if let Some(stream) = discards {
            self.discard(at, stream);
        }
        self.out.settle_replies(Part {
            bytes: &mut scratch,
            base: 0,
        });
        self.out.return_scratch(scratch);
        self.out.vacate_scratch();
    }

    fn offer(&mut self, at: u32) {
        let peer = &mut self.peers[at as usize];
        if peer.offered.is_none() {
            self.out.writable(at);
            let mut chunks = Chunks::new();
            self.out.offer(at, &mut chunks);
            peer.offered = Some(chunks.as_slices().concat());
        }
    }

    fn transmit(&mut self, at: u32, part: u8) {
        let peer = &mut self.peers[at as usize];
        if let Some(bytes) = peer.offered.take() {
            let n = bytes.len() * usize::from(part) / 255;
            peer.rest.extend_from_slice(&bytes[..n]);
            let written = self.out.transmitted(at, n);
            assert_eq!(written.is_blocked, n < bytes.len());
            let done = ids(&peer.rest);
            peer.rest.drain(..done.1);
            let whole = [&peer.rest[..], &bytes[n..]].concat();
            peer.begun = first_id(&whole).filter(|_| !peer.rest.is_empty());
            for id in done.0 {
                assert!(!peer.discarded.contains(&id), "{id} was discarded");
                peer.open.remove(&id).expect("it is written once");
            }
        }
    }

    fn discard(&mut self, at: u32, stream: u32) {
        let before = self.out.drops(at).discarded;
        self.out.discard_channel(at, stream);
        let count = self.out.drops(at).discarded - before;
        let peer = &mut self.peers[at as usize];
        // What is begun or offered stays.
        let mut kept = peer.rest.clone();
        kept.extend(peer.offered.iter().flatten());
        let kept = ids(&kept).0;
        let goes = |(&id, &of): (&u64, &u32)| {
            let stays = peer.begun == Some(id) || kept.contains(&id);
            (of == stream && !stays).then_some(id)
        };
        let gone: Vec<_> = peer.open.iter().filter_map(goes).collect();
        assert!(count <= gone.len() as u64, "others were discarded");
        peer.discarded.extend(gone);
    }

    /// Whatever was lost is known at once, and nothing else.
    fn check(&mut self) {
        let d = self.out.counts().delivery;
        let losses =
            d.refused_full + d.refused_codec + d.evicted + d.expired + d.conflated + d.shed;
        let mut are_lost = false;
        while let Some(pair) = self.out.pop_lost() {
            are_lost = true;
            self.lost.insert(pair);
        }
        // A reply has no stream, and may be dropped too.
        let more = losses > self.before;
        assert!(more == are_lost || more && self.has_replied, "{d:?}");
        assert!(!self.out.has_lost());
        self.before = losses;
        assert_eq!(d.offered, d.queued + losses_at_the_door(&d));
        self.out.audit();
    }

    fn apply(&mut self, op: &LossStep) {
        match *op {
            LossStep::Send(at, stream, options, is_refused) => {
                // Only the second connection has a codec.
                self.send(at, stream, options, is_refused && at == 1);
            }
            LossStep::Held(at, ref sends, discards) => self.hold(at, sends, discards),
            LossStep::Push(at) => {
                let _ = self.out.push_ahead(at, MessageType::Text, b"push", true);
            }
            LossStep::Offer(at) => self.offer(at),
            LossStep::Transmitted(at, part) => self.transmit(at, part),
            LossStep::Discard(at, stream) => self.discard(at, stream),
            LossStep::Pass(micros) => {
                self.now += u64::from(micros);
                self.out.set_time(Timestamp::from_micros(self.now));
            }
            LossStep::NextFlush => {
                if let Some((at, _)) = self.out.next_flush() {
                    self.out.schedule(at);
                }
            }
            LossStep::Shed => {
                self.out.shed_slice(0);
                while self.out.is_shedding() {
                    self.out.shed_slice(0);
                }
            }
        }
        self.check();
    }

    /// Writes what is left; then every message has ended.
    fn finish(mut self) {
        for at in 0..CONNS {
            while !self.out.is_empty(at) || self.peers[at as usize].offered.is_some() {
                self.offer(at);
                self.check();
                self.transmit(at, 255);
                self.check();
            }
        }
        for (peer, at) in self.peers.iter().zip(0..) {
            let mut missed = BTreeMap::<_, u64>::new();
            for (id, &stream) in &peer.open {
                let is_discarded = peer.discarded.contains(id);
                *missed.entry(stream).or_default() += u64::from(!is_discarded);
            }
            // Of what was not there when the stream was discarded, nobody knows which it was.
            for (stream, count) in missed {
                let is_known = self.lost.contains(&(at, stream));
                assert!(count == 0 || is_known, "{at}: {count} of {stream}");
            }
        }
        assert_eq!(self.out.waiting_in_all(), (0, 0));
        for at in 0..CONNS {
            self.out.end(at);
            self.out.close(at);
        }
        self.out.assert_bare();
    }
}

fn losses_at_the_door(d: &crate::stats::Delivery) -> u64 {
    d.refused_full + d.refused_codec + d.refused_closing
}

/// Returns the numbers of the messages in a row of frames, and the bytes of all complete ones.
fn ids(bytes: &[u8]) -> (Vec<u64>, usize) {
    let (mut ids, mut at) = (Vec::new(), 0);
    while let Ok(Some((header, len))) = Header::parse(&bytes[at..]) {
        let end = at + len + header.payload_len as usize;
        let Some(payload) = bytes.get(at + len..end) else {
            break;
        };
        if let Ok(id) = <[u8; 8]>::try_from(payload) {
            ids.push(u64::from_le_bytes(id));
        }
        at = end;
    }
    (ids, at)
}

/// Returns the number of the first message, if it has one.
fn first_id(bytes: &[u8]) -> Option<u64> {
    let (_, len) = Header::parse(bytes).ok()??;
    let payload = <[u8; 8]>::try_from(bytes.get(len..len + 8)?);
    (bytes[1] == 8).then_some(u64::from_le_bytes(payload.ok()?))
}

fn options() -> impl Strategy<Value = SendOptions> {
    use OverflowPolicy::{Conflate, DropNew, DropOldest, EvictLower};
    let overflow = prop::sample::select(&[EvictLower, DropNew, DropOldest, Conflate][..]);
    let ttl = prop::option::weighted(0.3, 0..100_u64);
    let key = prop::option::weighted(0.3, 0..2_u64);
    (0..3_u8, ttl, key, overflow).prop_map(|(priority, ttl, key, overflow)| {
        let mut options = SendOptions::new(priority).overflow(overflow);
        options.ttl = ttl.map(Duration::from_micros);
        options.key = key;
        options
    })
}

fn op() -> impl Strategy<Value = LossStep> {
    let at = || 0..CONNS;
    let stream = || 0..2_u32;
    let sends = prop::collection::vec((stream(), options()), 0..4);
    prop_oneof![
        10 => (at(), stream(), options(), prop::bool::weighted(0.1))
            .prop_map(|(at, stream, options, is_refused)| LossStep::Send(at, stream, options, is_refused)),
        1 => (at(), sends, prop::option::of(stream()))
            .prop_map(|(at, sends, discards)| LossStep::Held(at, sends, discards)),
        1 => at().prop_map(LossStep::Push),
        3 => at().prop_map(LossStep::Offer),
        3 => (at(), prop_oneof![Just(255), any::<u8>()])
            .prop_map(|(at, part)| LossStep::Transmitted(at, part)),
        2 => (at(), stream()).prop_map(|(at, stream)| LossStep::Discard(at, stream)),
        2 => (0..60_u16).prop_map(LossStep::Pass),
        1 => Just(LossStep::NextFlush),
        1 => Just(LossStep::Shed),
    ]
}

proptest! {
    #[test]
    fn what_is_lost_of_a_stream_is_known_and_what_is_discarded_does_not_come(
        messages in 4..12_usize,
        ops in prop::collection::vec(op(), 1..120),
    ) {
        let mut world = World::new(messages);
        for op in &ops {
            world.apply(op);
        }
        world.finish();
    }
}

#[test]
fn a_connection_that_ends_misses_nothing() {
    let mut world = World::new(4);
    for _ in 0..6 {
        world.send(0, 7, SendOptions::new(5), false);
    }
    assert!(world.out.has_lost());
    world.out.end(0);
    assert!(!world.out.has_lost(), "it has ended");
    world.send(0, 7, SendOptions::new(5), false);
    world.out.close(0);
    assert_eq!(world.out.pop_lost(), None);
}

#[test]
fn a_pair_is_returned_once_however_much_is_missed() {
    let mut world = World::new(4);
    for stream in [3, 1] {
        for _ in 0..6 {
            world.send(1, stream, SendOptions::new(5), true);
        }
    }
    let all: Vec<_> = core::iter::from_fn(|| world.out.pop_lost()).collect();
    assert_eq!(all, vec![(1, 1), (1, 3)]);
}
