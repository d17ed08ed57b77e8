//! Both servers in the process of a test, with applications of the tests' own.

mod hang;
mod panic;
mod poison;
mod remote;
mod retry;
