//! A server that compares, after each input, the memory it is charged with and what is allocated.

use std::collections::{HashSet, VecDeque};

use stentor_core::channels::ShardMessage;
use stentor_core::config::ConfigBuilder;
use stentor_core::delivery::Chunks;
use stentor_core::shard::Admission;
use stentor_core::testing::wire::Opcode;
use stentor_core::{
    Config, ConnId, Context, Decision, Handler, HttpRequest, Message, MessageType, Output,
    SendOptions, Shard, ShardId, Timestamp,
};
use stentor_sim::simulator::{REQUEST, masked};

use crate::counting::LIVE;

/// Bytes that are allocated by anybody, but not by this.
pub(crate) fn aside<R>(work: impl FnOnce() -> R) -> R {
    let before = LIVE.get();
    let result = work();
    LIVE.set(before);
    result
}

/// `+room` and `-room` make it a member or no more; `room#key:text` speaks to a room, `=text` to
/// itself; `!text` speaks to itself, and behind that, a thousand times to room `far`.
pub(crate) struct Many;

impl Handler for Many {
    type State = ();
    type Task = ();
    type Outcome = ();

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        let (verb, rest) = message.payload.split_first().expect("a verb");
        match verb {
            b'+' => ctx.subscribe(rest),
            b'-' => ctx.unsubscribe(rest),
            b'=' => ctx.reply(MessageType::Binary, 9, rest),
            b'!' => {
                for _ in 0..1_000 {
                    ctx.publish(b"far", MessageType::Binary, 9, rest);
                }
            }
            _ => {
                let text = message.payload;
                let at = |what| text.iter().position(|&byte| byte == what).expect("there");
                let (key, colon) = (at(b'#'), at(b':'));
                let digits = core::str::from_utf8(&text[key + 1..colon]).expect("a number");
                let options = match digits.parse() {
                    Ok(number) => SendOptions::new(9).key(number),
                    Err(_) => SendOptions::new(9),
                };
                ctx.publish(
                    &text[..key],
                    MessageType::Binary,
                    options,
                    &text[colon + 1..],
                );
            }
        }
    }

    fn on_subscribe_refused(&mut self, ctx: &mut Context<'_, Self>, _: &[u8]) {
        ctx.reply(MessageType::Text, 1, b"refused");
    }
}

pub(crate) struct MeteredServer {
    pub(crate) shards: Vec<Shard<Many>>,
    pub(crate) mail: VecDeque<(ShardId, ShardMessage)>,
    /// Those whose sockets take nothing.
    pub(crate) stuck: HashSet<ConnId>,
    /// Shards that are not carried their mail.
    pub(crate) deaf: bool,
    /// What was written to this one last.
    pub(crate) watched: Option<ConnId>,
    pub(crate) heard: Vec<u8>,
    pub(crate) now: Timestamp,
    pub(crate) at_first: i64,
}

impl MeteredServer {
    pub(crate) fn new(shards: u16, config: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Self {
        let builder = Config::builder().shards(shards).seed(5);
        let config = config(builder).build().expect("in range");
        let at_first = LIVE.get();
        let made = (0..shards)
            .map(|id| Shard::new(ShardId(id), &config, Many))
            .collect();
        Self {
            shards: made,
            mail: aside(|| VecDeque::with_capacity(1 << 16)),
            stuck: HashSet::new(),
            deaf: false,
            watched: None,
            heard: Vec::new(),
            now: Timestamp::from_micros(1),
            at_first,
        }
    }

    pub(crate) fn connect(&mut self, shard: usize) -> ConnId {
        let id = self.shards[shard].accept(self.now, Admission::Normal);
        self.receive(id, REQUEST);
        id
    }

    pub(crate) fn say(&mut self, id: ConnId, text: &str) {
        let bytes = aside(|| masked(Opcode::Binary, true, [1, 2, 3, 4], text.as_bytes()));
        self.receive(id, &bytes);
        aside(|| drop(bytes));
    }

    pub(crate) fn receive(&mut self, id: ConnId, bytes: &[u8]) {
        let shard = id.shard().index();
        for bytes in bytes.chunks(200 << 10) {
            let buffer = self.shards[shard].read_buffer();
            buffer[..bytes.len()].copy_from_slice(bytes);
            self.shards[shard].handle_read(self.now, id, bytes.len());
            self.turn(shard);
        }
        self.carry();
    }

    pub(crate) fn carry(&mut self) {
        while !self.deaf
            && let Some((to, message)) = self.mail.pop_front()
        {
            self.shards[to.index()].handle_message(self.now, message);
            self.turn(to.index());
        }
    }

    pub(crate) fn turn(&mut self, shard: usize) {
        while let Some(output) = self.shards[shard].poll_output().work() {
            match output {
                Output::Flush(id) => {
                    let mut chunks = Chunks::new();
                    self.shards[shard].poll_transmit(id, &mut chunks);
                    let n = if self.stuck.contains(&id) {
                        0
                    } else {
                        chunks.len()
                    };
                    if self.watched == Some(id) {
                        aside(|| self.heard = chunks.as_slices().concat());
                    }
                    drop(chunks);
                    self.shards[shard].handle_transmitted(self.now, id, n);
                }
                Output::Send(to, message) => self.mail.push_back((to, message)),
                _ => {}
            }
        }
        if let Some((at, _)) = self.shards[shard].poll_timeout()
            && at <= self.now
        {
            self.shards[shard].handle_timeout(self.now);
            self.turn(shard);
        }
    }

    pub(crate) fn stick(&mut self, id: ConnId) {
        aside(|| self.stuck.insert(id));
    }

    pub(crate) fn unstick(&mut self) {
        let stuck = aside(|| core::mem::take(&mut self.stuck));
        for &id in &stuck {
            let shard = id.shard().index();
            self.shards[shard].handle_writable(self.now, id);
            self.turn(shard);
        }
        aside(|| drop(stuck));
    }

    pub(crate) fn leave(&mut self, id: ConnId) {
        let shard = id.shard().index();
        self.shards[shard].handle_disconnect(self.now, id);
        self.turn(shard);
        self.carry();
    }

    /// Time passes, with a look at the clock each second.
    pub(crate) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = Timestamp::from_micros(self.now.as_micros() + 1_000_000);
            for shard in 0..self.shards.len() {
                self.shards[shard].handle_timeout(self.now);
                self.turn(shard);
            }
        }
    }

    /// What is charged, and what is allocated.
    pub(crate) fn memory(&self) -> (i64, i64) {
        let charged: u64 = self
            .shards
            .iter()
            .map(|shard| {
                shard.audit();
                shard.stats().links.charged_bytes
            })
            .sum();
        (charged as i64, LIVE.get() - self.at_first)
    }

    pub(crate) fn assert_charged(&self, load: &str) {
        let (charged, allocated) = self.memory();
        println!("{load}: {charged} bytes charged of {allocated}");
        let off = (charged - allocated).abs();
        assert!(
            off <= allocated / 10,
            "{load}: {charged} bytes are charged, {allocated} allocated"
        );
    }
}
