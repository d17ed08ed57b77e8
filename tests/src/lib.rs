//! What the tests of both servers share: the choice of the server, its process, its log, an allocator
//! that counts, and servers inside the process of a test.

mod adapter;
pub mod counting_allocator;
pub mod log;
pub mod process;
pub mod running;

pub use adapter::{Adapter, block_on, program};
