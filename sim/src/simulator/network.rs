//! Network conditions of a simulation: sizes, delays and fault rates.

use stentor_core::node::TurnBudget;

/// By which way bytes reach a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InputPath {
    /// `read_buffer` and `handle_read`.
    Scratch,
    /// `handle_input`.
    Buffer,
    /// Now this way, now that.
    Both,
}

/// How rough the world is.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// What everything random follows from.
    pub seed: u64,
    /// Bytes that may be under way to the server on one connection.
    pub up: usize,
    /// Bytes that may be under way to a client.
    pub down: usize,
    /// The longest way of bytes over a socket, in microseconds.
    pub latency: u64,
    /// How many bytes a millisecond go over a socket in each direction; any number with 0.
    pub bandwidth: usize,
    /// The most bytes of one read; each read takes a random number up to it,
    /// or all there is if this is not less than that.
    pub most_read: usize,
    /// How many writes in a hundred stop short though there is room.
    pub short_writes: u32,
    /// The longest way of a message, in microseconds.
    pub mail_delay: u64,
    /// The longest that a worker works, in microseconds.
    pub work_time: u64,
    /// How many in a hundred attempts at a task panic.
    pub panics: u32,
    /// How many in a hundred of the others the work calls failed; one in three of those for good.
    pub failures: u32,
    /// How many in a hundred attempts take up to three times what they may.
    pub hangs: u32,
    /// The most inputs of one turn.
    pub turn: usize,
    /// The most outputs of one turn.
    pub budget: TurnBudget,
    /// How bytes reach a shard.
    pub input_path: InputPath,
    /// Whether writes happen some time after the bytes were taken from the
    /// shard, and other things meanwhile.
    pub detached: bool,
}

impl Network {
    /// Room for everything, whole reads and writes; only the order of things is random.
    pub const fn smooth(seed: u64) -> Self {
        Self {
            seed,
            up: 1 << 30,
            down: 1 << 30,
            latency: 0,
            bandwidth: 0,
            most_read: 1 << 30,
            short_writes: 0,
            mail_delay: 50,
            work_time: 200,
            panics: 0,
            failures: 0,
            hangs: 0,
            turn: 4,
            budget: TurnBudget::ONE_THREAD,
            input_path: InputPath::Scratch,
            detached: false,
        }
    }

    /// Returns little room, reads and writes of any size, long delays.
    pub const fn rough(seed: u64) -> Self {
        Self {
            up: 4 << 10,
            down: 2 << 10,
            most_read: 600,
            short_writes: 20,
            mail_delay: 2_000,
            work_time: 5_000,
            input_path: InputPath::Both,
            ..Self::smooth(seed)
        }
    }
}
