//! Small server with its environment, and the events that the fuzz input triggers in them.

use core::time::Duration;
use std::collections::VecDeque;

use stentor_core::channels::ShardMessage;
use stentor_core::delivery::Chunks;
use stentor_core::shard::Admission;
use stentor_core::{CloseCode, Config, ConnId, Output, Shard, ShardId, Timestamp};

use super::super::InputReader;
use super::super::peer::{RawFrame, write_frame};
use super::link::PeerLink;
use super::{SessionApp, phrase};

/// Shards, peers, and what is on its way between them.
pub(super) struct SessionWorld<A: SessionApp> {
    pub(super) config: Config,
    pub(super) shards: Vec<Shard<A>>,
    pub(super) links: Vec<PeerLink>,
    /// Those that others have replaced.
    pub(super) past: Vec<PeerLink>,
    /// From each shard to each other.
    pub(super) mail: Vec<VecDeque<ShardMessage>>,
    tasks: VecDeque<(ConnId, A::Task)>,
    pub(super) now: Timestamp,
    /// Whether a connection that is not to be read is not read.
    obey: bool,
    /// Whether other things happen between taking what is to be written and writing it.
    slow: bool,
    /// Whether the server has been told to stop, or somebody to go away.
    pub(super) ending: bool,
}

impl<A: SessionApp> SessionWorld<A> {
    pub(super) fn new(config: &Config, app: A, [obey, slow]: [bool; 2]) -> Self {
        let shards = config.shards();
        Self {
            config: config.clone(),
            shards: (0..shards)
                .map(|shard| Shard::new(ShardId(shard), config, app))
                .collect(),
            links: Vec::new(),
            past: Vec::new(),
            mail: (0..shards * shards).map(|_| VecDeque::new()).collect(),
            tasks: VecDeque::new(),
            now: Timestamp::ORIGIN,
            obey,
            slow,
            ending: false,
        }
    }

    pub(super) fn run(mut self, input: &mut InputReader<'_>) {
        for shard in 0..3 {
            self.accept(shard, Admission::Normal);
        }
        let mut steps = 0;
        while !input.is_empty() && steps < MOST_STEPS {
            steps += 1;
            self.step(input);
            self.check();
        }
        self.finish();
    }

    fn step(&mut self, input: &mut InputReader<'_>) {
        self.now = self.now.after(Duration::from_micros(1));
        let op = input.byte();
        let at = usize::from(op >> 4) % PEERS;
        let link = &mut self.links[at];
        match op & 15 {
            0 => {
                let all = REQUESTS.len() + OFFERS.len();
                link.kernel.extend(request(input.below(all)));
                self.read(at, input);
            }
            kind @ 1..=3 => {
                let (text, key) = (phrase(input), input.array());
                link.say(&text, key, kind == 3, &self.config);
                self.read(at, input);
            }
            4 => {
                let first = input.byte();
                let len = input.below(130);
                let (key, payload) = (Some(input.array()), input.take(len));
                write_frame(
                    &mut link.kernel,
                    RawFrame {
                        first,
                        key,
                        payload,
                    },
                );
                self.read(at, input);
            }
            5 => {
                let len = input.below(64);
                link.kernel.extend_from_slice(input.take(len));
                self.read(at, input);
            }
            6 => link.room = usize::from(input.short()),
            7 => {
                link.room = usize::MAX;
                self.writable(at);
            }
            8 => self.go_on_writing(at),
            9 => self.drain(usize::MAX),
            10 => self.drain(input.below(8)),
            11 => {
                for way in 0..self.mail.len() {
                    let most = 1 + input.below(2);
                    self.deliver(way, most);
                }
            }
            12 => drop(self.end_task(input.byte())),
            13 => {
                self.now = self
                    .now
                    .after(Duration::from_millis(64 * u64::from(input.byte())));
                self.timeout();
            }
            14 => self.go(at, input.byte()),
            _ => self.rare(at, input.byte()),
        }
    }

    fn rare(&mut self, at: usize, choice: u8) {
        let now = self.now;
        let shard = at % self.shards.len();
        self.ending |= choice < 4;
        match choice {
            0 => self.shards[shard].handle_drain(now),
            1 => self.shards[shard].handle_close_all(now, CloseCode::GOING_AWAY),
            2 => self.shards[shard].handle_abort(now),
            3 => {
                if self.links[at].gone {
                    self.replace(at, Admission::Surplus);
                }
            }
            _ => {
                // What comes too late for one must not reach another.
                if self.links[at].gone {
                    let old = self.links[at].id;
                    self.replace(at, Admission::Normal);
                    let shard = &mut self.shards[old.shard().index()];
                    shard.handle_writable(now, old);
                    shard.handle_input(now, old, &mut [0; 4]);
                    shard.handle_transmitted(now, old, 0);
                    shard.handle_disconnect(now, old);
                }
            }
        }
    }

    /// The peer ends its side, or breaks off.
    fn go(&mut self, at: usize, choice: u8) {
        let (now, link) = (self.now, &mut self.links[at]);
        self.ending = true;
        let shard = &mut self.shards[link.id.shard().index()];
        if choice.is_multiple_of(2) {
            shard.handle_disconnect(now, link.id);
        } else if !link.eof && link.kernel.is_empty() {
            link.eof = true;
            shard.handle_eof(now, link.id);
        }
    }

    fn accept(&mut self, shard: usize, admission: Admission) -> usize {
        let shard = shard % self.shards.len();
        let id = self.shards[shard].accept(self.now, admission);
        self.links.push(PeerLink::new(id));
        self.links.len() - 1
    }

    fn replace(&mut self, at: usize, admission: Admission) {
        let new = self.accept(self.links[at].id.shard().index(), admission);
        assert_ne!(self.links[new].id, self.links[at].id, "a name is used once");
        self.check_link(at, false);
        self.past.push(self.links.swap_remove(at));
        assert_eq!(self.links.len(), PEERS);
    }

    /// Hands the shard what the peer has sent, in one or more pieces.
    fn read(&mut self, at: usize, input: &mut InputReader<'_>) {
        let how = input.byte();
        let most = if how < 64 {
            1 + usize::from(how)
        } else {
            usize::MAX
        };
        loop {
            self.read_piece(at, most, how & 1 == 0);
            if how & 2 == 0 {
                break;
            }
            let link = &self.links[at];
            if link.kernel.is_empty() || link.eof || (self.obey && !link.reading) {
                break;
            }
        }
    }

    pub(super) fn read_piece(&mut self, at: usize, most: usize, own_buffer: bool) {
        let link = &mut self.links[at];
        if link.eof || link.kernel.is_empty() || (self.obey && !link.reading) {
            return;
        }
        let mut bytes = link.read(most);
        let (now, id, shard) = (self.now, link.id, link.id.shard().index());
        let shard = &mut self.shards[shard];
        if own_buffer {
            shard.handle_input(now, id, &mut bytes);
        } else {
            shard.read_buffer()[..bytes.len()].copy_from_slice(&bytes);
            shard.handle_read(now, id, bytes.len());
        }
    }

    /// Ends the write that is under way; without one, the socket takes bytes again.
    fn go_on_writing(&mut self, at: usize) {
        if !self.end_write(at) {
            self.writable(at);
        }
    }

    pub(super) fn end_write(&mut self, at: usize) -> bool {
        let link = &mut self.links[at];
        let Some(n) = link.write() else {
            return false;
        };
        self.shards[link.id.shard().index()].handle_transmitted(self.now, link.id, n);
        true
    }

    pub(super) fn writable(&mut self, at: usize) {
        let link = &mut self.links[at];
        link.blocked = false;
        self.shards[link.id.shard().index()].handle_writable(self.now, link.id);
    }

    pub(super) fn deliver(&mut self, way: usize, most: usize) -> bool {
        let letters: Vec<ShardMessage> = {
            let mail = &mut self.mail[way];
            mail.drain(..most.min(mail.len())).collect()
        };
        let to = way % self.shards.len();
        let some = !letters.is_empty();
        for letter in letters {
            self.shards[to].handle_message(self.now, letter);
        }
        some
    }

    pub(super) fn end_task(&mut self, choice: u8) -> bool {
        let Some((id, task)) = self.tasks.pop_front() else {
            return false;
        };
        self.shards[id.shard().index()].handle_task(self.now, id, A::end(task, choice));
        true
    }

    pub(super) fn timeout(&mut self) {
        for shard in &mut self.shards {
            shard.handle_timeout(self.now);
            let next = shard.poll_timeout();
            assert!(
                next.is_none_or(|(at, _)| at > self.now),
                "{next:?} at {:?}",
                self.now
            );
        }
    }

    /// Does up to `most` of what each shard asks for.
    pub(super) fn drain(&mut self, most: usize) {
        for from in 0..self.shards.len() {
            for _ in 0..most {
                let Some(output) = self.shards[from].poll_output().work() else {
                    break;
                };
                self.carry_out(from, output);
                self.check();
            }
        }
    }

    fn carry_out(&mut self, from: usize, output: Output<A>) {
        match output {
            Output::Flush(id) => {
                let link = link(&mut self.links, id);
                let shard = &mut self.shards[from];
                let mut chunks = Chunks::new();
                shard.poll_transmit(id, &mut chunks);
                assert!(!chunks.is_empty(), "a write of nothing");
                assert!(chunks.as_slices().len() <= Chunks::MAX);
                link.offer(chunks.as_slices());
                drop(chunks);
                if !self.slow
                    && let Some(n) = link.write()
                {
                    shard.handle_transmitted(self.now, id, n);
                }
            }
            Output::StopReading(id) => link(&mut self.links, id).set_reading(false),
            Output::StartReading(id) => link(&mut self.links, id).set_reading(true),
            Output::Send(to, letter) => {
                assert_ne!(to.index(), from, "a letter to itself");
                self.mail[from * self.shards.len() + to.index()].push_back(letter);
            }
            Output::Submit(id, task, _) => self.tasks.push_back((id, task)),
            Output::Page { id, page: _ } => {
                let shard = &mut self.shards[from];
                shard.handle_answer(self.now, id, 200, "text/plain", b"page");
            }
            Output::LimitUnsent { .. } => {}
            Output::Shut(id) => link(&mut self.links, id).shut(),
            Output::Disconnect(id) => link(&mut self.links, id).gone = true,
            Output::Event(_) => {}
            Output::Timeout(_) | Output::Abort => panic!("no work"),
        }
    }
}

fn link(links: &mut [PeerLink], id: ConnId) -> &mut PeerLink {
    let link = links.iter_mut().find(|link| link.id == id && !link.gone);
    link.expect("a connection that is named is there")
}

fn request(choice: usize) -> Vec<u8> {
    if let Some(request) = REQUESTS.get(choice) {
        return request.as_bytes().to_vec();
    }
    let offer = OFFERS[choice - REQUESTS.len()];
    let head = UPGRADE.trim_end();
    format!("{head}\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n").into_bytes()
}

pub(super) const PEERS: usize = 3;
const MOST_STEPS: usize = 400;
const REQUESTS: [&str; 8] = [
    UPGRADE,
    UPGRADE,
    UPGRADE,
    UPGRADE,
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "HEAD /metrics HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /ws HTTP/1.1\r\nHost: h\r\n\r\n",
];
const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const OFFERS: [&str; 6] = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10",
    "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_no_context_takeover",
    "other, permessage-deflate; client_no_context_takeover; server_max_window_bits=12",
];
