//! Stentor on tokio (Unix): one thread, one current-thread runtime and one task
//! per shard, which drives all sockets of the shard in batches; a pool of
//! workers; an acceptor that spreads new sockets. Moves bytes, letters, tasks
//! and time; whatever is protocol or policy is in `stentor-core`.

mod acceptor;
mod clock;
mod door;
mod drain;
mod driver;
mod links;
mod readiness;
mod scrape;
mod server;
mod workers;

pub use server::{Report, Server};
pub use workers::Work;
