//! Selection between the locks of the standard library and those of loom, for the models of
//! `stentor-std`, which run this crate's code.

#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
