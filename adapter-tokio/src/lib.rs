//! Stentor on tokio (Unix): one thread, one current-thread runtime and one task per shard, which
//! drives all sockets of the shard in batches; a pool of workers; an acceptor that spreads new
//! sockets, on the thread of the shard if there is only one. Moves bytes, messages, tasks and time;
//! all protocol and policy is in `stentor-core`.
//!
//! The binary `stentor` serves the built-in applications. To define your own, implement
//! [`Handler`](stentor_core::Handler), of which there is one value per shard:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use stentor_core::{Config, Context, Decision, Handler, HttpRequest, Message};
//! use stentor_tokio::Server;
//!
//! /// Returns every message in capital letters.
//! struct Shout;
//!
//! impl Handler for Shout {
//!     type State = ();
//!     type Task = Infallible;
//!     type Outcome = Infallible;
//!
//!     fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
//!         Decision::accept(())
//!     }
//!
//!     fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
//!         ctx.reply(message.kind, 10, &message.payload.to_ascii_uppercase());
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let server = Server::builder(Config::default())
//!         .listen("127.0.0.1:0")
//!         .handler(|_shard| Shout)
//!         .bind()?;
//!     println!("listening on {:?}", server.addresses()?);
//!     // It serves until this future is over, then drains. A program would wait for a signal.
//!     let shutdown = std::future::ready(());
//!     let report = server.serve(shutdown).await?;
//!     assert_eq!(report.stats.links.held, 0);
//!     Ok(())
//! }
//! ```
//!
//! The future runs on any runtime and blocks no thread of it; the server has threads of its own. To
//! share the port of a server on hyper or axum, see [`ServerHandle::accept_upgraded`] and
//! `examples/axum.rs`.
//!
//! An application with tasks implements [`Work`] and sets it with [`ServerBuilder::work`]:
//!
//! ```
//! # use stentor_core::{Config, Context, Decision, Failure, Handler, HttpRequest, Message, MessageType, TaskEnd};
//! # use stentor_core::id::WorkerId;
//! # use stentor_tokio::{Server, Work};
//! #
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
//! # fn main() -> std::io::Result<()> {
//! let builder = Server::builder(Config::default()).listen("127.0.0.1:0");
//! let server = builder.handler(|_shard| Sorting).work(Sort).workers(2).bind()?;
//! # drop(server);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! - `deflate`: permessage-deflate (RFC 7692), which `Config::compression` switches on.
//! - `binary` (on by default): what the binary needs besides: settings, log, signals, metrics and admin
//!   pages.

mod acceptor;
mod driver;
mod links;
mod readiness;
mod server;
mod shard_handle;
mod threads;
mod workers;

pub use server::{Server, Tokio};
pub use stentor_server::{
    AcceptError, ForceShutdown, HungShards, NoTasks, ServerBuilder, ServerHandle, ServerOptions,
    ShutdownReport, UpgradeHead,
};
pub use workers::Work;

/// The program in `examples/axum.rs`, for the documentation tests.
#[cfg(doctest)]
#[doc = concat!("```no_run\n", include_str!("../examples/axum.rs"), "```")]
struct AxumExample;
