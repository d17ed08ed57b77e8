//! Both servers in the process of a test, with applications of the tests' own.

mod hand_over;
mod hang;
mod panic;
mod poison;
mod remote;
mod retry;
