//! Stentor on tokio (Unix): one thread, one current-thread runtime and one task per shard, which
//! drives all sockets of the shard in batches; a pool of workers; an acceptor that spreads new
//! sockets, on the thread of the shard if there is only one. Moves bytes, messages, tasks and time;
//! all protocol and policy is in `stentor-core`.
//!
//! The binary `stentor` serves the built-in applications. To define your own, implement
//! [`Handler`](stentor_core::Handler), of which there is one value per shard, and [`Work`]:
//!
//! ```
//! use stentor_server::{Settings, log};
//! use stentor_core::{Context, Failure, Handler, HttpRequest, MessageType, Message, TaskEnd, Decision};
//! use stentor_core::id::WorkerId;
//! use stentor_tokio::{Server, Work};
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
//!     async fn run(&self, _: WorkerId, task: &String) -> Result<String, Failure> {
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
//! // It serves until this future is over, then drains.
//! let shutdown = std::future::ready(());
//! let report = server.run(|_shard| Sorting, Sort, shutdown)?;
//! assert_eq!(report.stats.links.held, 0);
//! # Ok(())
//! # }
//! ```

mod acceptor;
mod drain;
mod driver;
mod links;
mod reach;
mod readiness;
mod remote;
mod server;
mod shard_handle;
mod workers;

pub use drain::ForceShutdown;
pub use remote::ServerHandle;
pub use server::Server;
pub use stentor_server::{HungShards, ShutdownReport};
pub use workers::Work;
