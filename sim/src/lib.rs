//! Simulator of whole Stentor servers, and what tests compare servers with.
//!
//! - [`simulator`]: servers of several shards in one thread, over a simulated network and virtual
//!   time. One seed determines everything.
//! - [`scenario`]: random lives of such servers with everything that can go wrong, and what must
//!   hold all the same.
//! - [`subscribers`]: random lives of the product: channels with positions, recovery and presence, and
//!   what every client of the channel protocol must be told.
//! - [`client_protocol`]: a second implementation of the messages of the client protocol.
//! - [`conformance`]: a script of the protocol as data, which every server passes.
//! - [`queue`]: a naive send queue, and the comparison of the real one with it.

pub mod client_protocol;
pub mod conformance;
pub mod queue;
pub mod scenario;
pub mod simulator;
pub mod subscribers;

// The application that the simulated servers run, besides `Echo` and those of tests.
pub use stentor_gateway::{NoRoomPolicy, RoomOutcome, RoomTask, Rooms, command};
