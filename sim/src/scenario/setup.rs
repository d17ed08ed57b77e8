//! Settings of one run: those of the server, and those of the simulated network.

use core::time::Duration;

use stentor_core::Config;
use stentor_core::config::{Page, PageId};
use stentor_core::node::TurnBudget;

use crate::simulator::{InputPath, Network, ReadPattern, Rng};

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ScenarioSetup {
    /// Everything that the core has a limit for.
    pub config: Config,
    /// The world outside.
    pub network: Network,
    /// Whether answers wait for room instead of being refused.
    pub waits: bool,
    /// How many rooms there are.
    pub rooms: u8,
    /// Workers, and tasks that may wait for them.
    pub workers: (u16, usize),
    /// How many connections there may be, visitors apart.
    pub max_connections: Option<usize>,
    /// How it ends.
    pub ending: Ending,
}

/// How a life ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Everyone reads until nothing waits any more, then closes.
    Rest,
    /// Everyone reads until nothing waits any more, then the server shuts down.
    RestAndDrain,
    /// The server shuts down in the midst of it, with so many milliseconds for it.
    Drain(u64),
    /// It is aborted in the midst of it, and gives its tasks back.
    Abort,
}

impl ScenarioSetup {
    pub(super) fn random(seed: u64, shards: u16, clients: usize, rng: &mut Rng) -> Self {
        let contexts = *pick(rng, &[0, 2 << 20, 8 << 20]);
        // Where there is a budget, it is so small that data is shed at times, and large enough
        // that clients who are refused for want of it do not keep a life from its messages.
        let memory = *pick(rng, &[0, 0, 0, (1 << 20) + clients * (9 << 10)]);
        let budget = memory.min(1) * usize::from(shards) * (memory + contexts);
        let ping = 150 + rng.up_to(600);
        // From a source of its own, so that what a seed stands for stays.
        let slice = *pick(&mut Rng::new(seed ^ 0x0051_1CE5), &[1, 2, 3, 7, 1_024]);
        // Likewise.
        let budgets = [
            TurnBudget::ONE_THREAD,
            TurnBudget::LOCKED,
            TurnBudget::new(1, 1),
            TurnBudget::new(20, 3),
        ];
        let of_turn = *pick(&mut Rng::new(seed ^ 0x000B_0D6E), &budgets);
        let config = Config::builder()
            .seed(seed)
            .shards(shards)
            .page(Page::fixed("/healthz", "text/plain", "ok\n"))
            .page(Page::rendered("/metrics", PageId(0)))
            .queue_messages(*pick(rng, &[2, 8, 32, 64, 256]))
            .queue_bytes(*pick(rng, &[300, 4_000, 64_000, 1 << 20]))
            .starvation_after(*pick(rng, &[0, 0, 1, 8]))
            .starvation_wait(millis(1 + rng.up_to(20)))
            .fan_out_slice(slice)
            .credit_messages(*pick(rng, &[1, 4, 64, 256]))
            .credit_bytes(*pick(rng, &[200, 8_000, 1 << 20]))
            .write_batch(*pick(rng, &[1 << 10, 16 << 10, 64 << 10]))
            .max_message(MAX_MESSAGE)
            .max_empty_fragments(4)
            .compression(rng.percent(50))
            .compression_level(1 + rng.below(3))
            .compression_threshold(*pick(rng, &[1, 64, 256]))
            .compression_window(9 + rng.below(7))
            .compression_contexts(contexts)
            .write_timeout(millis(60 + rng.up_to(400)))
            .ping_interval(millis(ping))
            .pong_wait(millis(ping + 30 + rng.up_to(300)))
            .handshake_timeout(millis(40 + rng.up_to(200)))
            .close_timeout(millis(30 + rng.up_to(200)))
            .memory_budget(budget)
            .task_credits(*pick(rng, &[0, 0, 1, 8]))
            .task_attempts(1 + rng.below(4))
            .task_backoff(millis(1 + rng.up_to(20)))
            .task_backoff_max(millis(40))
            .task_timeout(millis(10 + rng.up_to(20)))
            .dead_letters(*pick(rng, &[0, 3, 1_000]))
            .build()
            .expect("in range");
        let network = Network {
            up: *pick(rng, &[300, 4_000, 1 << 20]),
            down: *pick(rng, &[500, 4_000, 64_000]),
            latency: *pick(rng, &[0, 300, 3_000]),
            bandwidth: *pick(rng, &[0, 0, 500, 5_000]),
            most_read: *pick(rng, &[50, 600, 1 << 20]),
            short_writes: *pick(rng, &[0, 5, 20]),
            mail_delay: *pick(rng, &[10, 300, 2_000]),
            work_time: *pick(rng, &[100, 1_000, 8_000]),
            panics: rng.up_to(20) as u32,
            failures: rng.up_to(20) as u32,
            hangs: rng.up_to(15) as u32,
            turn: 1 + rng.below(8),
            budget: of_turn,
            input_path: *pick(
                rng,
                &[InputPath::Scratch, InputPath::Buffer, InputPath::Both],
            ),
            detached: rng.percent(30),
            ..Network::smooth(seed)
        };
        let limit = Some((clients * 9 / 10).max(2));
        let max_connections = *pick(&mut Rng::new(seed ^ 0x0001_1317), &[None, None, limit]);
        let ending = match rng.below(10) {
            0..=3 => Ending::Rest,
            4..=6 => Ending::RestAndDrain,
            7 | 8 => Ending::Drain(*pick(rng, &[5, 100, 2_000])),
            _ => Ending::Abort,
        };
        Self {
            config,
            network,
            waits: rng.percent(25),
            rooms: (clients / pick(rng, &[4, 10, 25])).clamp(2, 60) as u8,
            workers: (1 + rng.below(6) as u16, 2 + rng.below(60)),
            max_connections,
            ending,
        }
    }
}

/// Returns how a client reads that does not keep up.
pub(super) fn slow(rng: &mut Rng) -> ReadPattern {
    match rng.below(3) {
        0 => ReadPattern::Stuck,
        1 => ReadPattern::Slow {
            bytes: 40,
            every: 800,
        },
        _ => ReadPattern::Slow {
            bytes: 3_000,
            every: 20_000,
        },
    }
}

pub(super) fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.below(from.len())]
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The longest message a client may send.
pub(super) const MAX_MESSAGE: usize = 16_000;
