//! Owns what is measured: windows of time, and what server, generator and
//! machine did in them.

mod awake;
mod latency;
mod machine;
mod page;
mod process;
mod turns;
mod window;

pub(crate) use awake::{has_waited, is_awake, stay_awake};
pub(crate) use latency::{Latencies, Latency};
pub(crate) use machine::{Identity, pin, said};
pub(crate) use page::Page;
pub(crate) use process::Process;
pub(crate) use turns::Turns;
pub(crate) use window::{Gauge, Usage};
