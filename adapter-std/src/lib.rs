//! Stentor on blocking threads (Unix), without an async runtime: a shard behind a lock; for each
//! connection a reader and a writer thread, with small stacks; for each shard a ticker, which
//! handles its timers and the messages of the other shards; workers; an acceptor that spreads new
//! sockets. Moves bytes, messages, tasks and time; all protocol and policy is in `stentor-core`.
//!
//! The binary `stentor-std` serves the built-in applications. To define your own, implement
//! [`Handler`](stentor_core::Handler), of which there is one value per shard, and [`Work`]:
//!
//! ```
//! use stentor_server::{Settings, log};
//! use stentor_core::{Context, Failure, Handler, HttpRequest, MessageType, Message, TaskEnd, Decision};
//! use stentor_core::id::WorkerId;
//! use stentor_std::{Server, Work};
//!
//! /// Sorts the characters of a message in a background task.
//! struct Sorting;
//!
//! impl Handler for Sorting {
//!     type State = ();
//!     type Task = String;
//!     type Outcome = String;
//!
//!     fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
//!         Decision::accept(())
//!     }
//!
//!     fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
//!         ctx.submit(String::from_utf8_lossy(message.payload).into_owned());
//!     }
//!
//!     fn on_task(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
//!         if let TaskEnd::Done(sorted) = end {
//!             ctx.reply(MessageType::Text, 10, sorted.as_bytes());
//!         }
//!     }
//! }
//!
//! struct Sort;
//!
//! impl Work<Sorting> for Sort {
//!     fn run(&self, _: WorkerId, task: &String) -> Result<String, Failure> {
//!         let mut letters: Vec<char> = task.chars().collect();
//!         letters.sort_unstable();
//!         Ok(letters.into_iter().collect())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A program would take its own: Settings::from_args("sorting").
//! let args = ["sorting", "--listen", "127.0.0.1:0"];
//! let settings = Settings::parse(args, |_| None, |path| std::fs::read_to_string(path))?;
//! let _log = log::init(&settings)?;
//! let server = Server::bind(settings)?;
//! println!("listening on {:?}", server.addresses()?);
//! // It serves until this returns, then drains.
//! let shutdown = || ();
//! let report = server.run(|_shard| Sorting, Sort, shutdown)?;
//! assert_eq!(report.stats.links.held, 0);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod acceptor;
mod buffers;
mod connection;
mod connection_threads;
mod drain;
mod free_list;
mod links;
mod locked_shard;
#[cfg(test)]
mod models;
mod primitive;
mod reach;
mod reader;
mod remote;
mod send_buffer;
mod server;
mod stream;
mod thread_limit;
mod ticker;
mod workers;
mod writer;

pub use drain::ForceShutdown;
pub use remote::ServerHandle;
pub use server::Server;
pub use stentor_server::{HungShards, ShutdownReport};
pub use workers::Work;
