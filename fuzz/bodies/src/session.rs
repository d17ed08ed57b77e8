//! Fuzzes whole sessions: three peers on one or two shards, their bytes, the
//! sockets' moods, letters, tasks and time interleaved as the input says.

mod law;
mod link;
mod words;
mod world;

use core::time::Duration;

use stentor_core::config::{ConfigBuilder, Page, PageId};
use stentor_core::id::WorkerId;
use stentor_core::tasks::FailureCause;
use stentor_core::testing::deflate::{DEFLATER_BYTES, INFLATER_BYTES};
use stentor_core::{Config, Echo, Handler, OverflowPolicy, TaskEnd};
use stentor_sim::{NoRoomPolicy, Rooms, command};

use super::InputReader;
use world::SessionWorld;

/// Bytes as a server's configuration, and then as what happens to it.
///
/// # Panics
/// If a message is unaccounted for, a peer is told something that is not
/// WebSocket, or that nobody has said, an echo is lost or changed, or something
/// is left once all have gone.
pub fn session(data: &[u8]) {
    let mut input = InputReader::new(data);
    let flags = input.byte();
    let shards = 1 + u16::from(flags & 1);
    let sizes = input.byte();
    let mut config = Config::builder()
        .seed(u64::from(sizes))
        .shards(shards)
        .max_message(600)
        .max_empty_fragments(4)
        .queue_messages([1, 3, 8, 256][usize::from(sizes & 3)])
        .queue_bytes([128, 300, 1_000, 1 << 20][usize::from(sizes >> 2 & 3)])
        .credit_messages([1, 2, 256][usize::from(sizes >> 4 & 3).min(2)])
        .credit_bytes([128, 1 << 20][usize::from(sizes >> 6 & 1)])
        .write_batch(1 << 10)
        .page(Page::fixed("/", "text/plain", "page"))
        .page(Page::rendered("/metrics", PageId(0)));
    if flags & 64 != 0 {
        config = with_compression(config, input.byte());
    }
    let config = config.build().expect("in range");
    let habits = [flags & 2 == 0, flags & 32 != 0];
    if flags & 4 == 0 {
        let rooms = Rooms {
            no_room: if flags & 8 == 0 {
                NoRoomPolicy::Nothing
            } else {
                NoRoomPolicy::Everyone
            },
            exclude_sender: flags & 16 != 0,
            overflow: WHEN_FULL[usize::from(flags >> 6)],
            ttl: (flags >> 6 == 1).then_some(Duration::from_millis(500)),
            ..Rooms::default()
        };
        SessionWorld::new(&config, rooms, habits).run(&mut input);
    } else {
        SessionWorld::new(&config, Echo, habits).run(&mut input);
    }
}

fn with_compression(config: ConfigBuilder, how: u8) -> ConfigBuilder {
    let choice = |bit: u8| usize::from(how >> bit & 3);
    config
        .compression(true)
        .compression_threshold([1, 16, 100, 256][choice(0)])
        .compression_window([15, 9, 10, 12][choice(2)])
        .compression_contexts([0, CONTEXTS, 2 * CONTEXTS, 1 << 30][choice(4)])
        .compression_level(if how & 128 == 0 { 1 } else { 6 })
}

/// What one connection needs that keeps both contexts.
const CONTEXTS: usize = DEFLATER_BYTES + INFLATER_BYTES;

const WHEN_FULL: [OverflowPolicy; 4] = [
    OverflowPolicy::EvictLower,
    OverflowPolicy::DropOldest,
    OverflowPolicy::Conflate,
    OverflowPolicy::Disconnect,
];

/// An application, and what a session knows of it.
trait SessionApp: Handler + Copy {
    /// Whether every message comes back.
    const ECHOES: bool;

    /// What becomes of a task.
    fn end(task: Self::Task, choice: u8) -> TaskEnd<Self>;
}

impl SessionApp for Echo {
    const ECHOES: bool = true;

    fn end(task: Self::Task, _: u8) -> TaskEnd<Self> {
        match task {}
    }
}

impl SessionApp for Rooms {
    const ECHOES: bool = false;

    fn end(task: Self::Task, choice: u8) -> TaskEnd<Self> {
        match choice % 4 {
            0 => TaskEnd::Refused(task),
            1 => TaskEnd::Failed {
                cause: FailureCause::Panicked,
                attempts: 1,
            },
            _ => TaskEnd::Done(task.run(WorkerId(choice.into()))),
        }
    }
}

/// What a client may say.
fn phrase(input: &mut InputReader<'_>) -> Vec<u8> {
    let long = [b'x'; command::MAX_ROOM_NAME + 1];
    let (verb, text): (&[u8], &[u8]) = match input.below(19) {
        0..=2 => (b"join:", &[b"abcdefgh"[input.below(8)]]),
        3 => (b"join:", &long[input.below(2)..]),
        4 => (b"join:", b""),
        5 | 6 => (b"leave:", b""),
        7..=9 => (b"msg:", b"hello"),
        10 => (b"msg:", &long[input.below(128)..]),
        11 => (b"task:", b"work"),
        12 => (b"", b"said"),
        13 => (b"", input.take(5)),
        14 => {
            let len = usize::from(input.short()) % 700;
            return vec![b'y'; len];
        }
        15 => (b"msg:", b""),
        16 => (b"msg#news?:", b""),
        verb => {
            let numbers = numbers(usize::from(input.short()) % 600);
            let verb: &[u8] = if verb == 17 { b"msg:" } else { b"" };
            return [verb, &numbers].concat();
        }
    };
    [verb, text].concat()
}

/// Text that repeats itself beyond the smallest window of compression.
fn numbers(len: usize) -> Vec<u8> {
    let numbers = (100..235).flat_map(|n: u8| format!("{n} ").into_bytes());
    numbers.cycle().take(len).collect()
}
