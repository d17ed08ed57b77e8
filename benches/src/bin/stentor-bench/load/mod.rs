//! Loads: what is sent on the connections, and what has to come back; one load per file.

mod arguments;
mod broadcast;
mod connect;
mod echo;
mod fan_out;
mod gateway;
mod hold;
mod idle;
mod laggards;
mod message_counter;
mod mixed;
mod request;
mod tasks;
mod timed_run;
mod unresponsive;
mod urgent;

pub(crate) use arguments::{LoadTarget, Timing, at_least_one};
pub(crate) use connect::{Connect, ConnectResult};
pub(crate) use echo::EchoLoad;
pub(crate) use fan_out::FanOut;
pub(crate) use gateway::{Gateway, GatewayResult};
pub(crate) use hold::{CLOSED, Hold, OPEN};
pub(crate) use idle::{Idle, IdleResult};
pub(crate) use laggards::{Laggards, LaggardsResult};
pub(crate) use mixed::{Mixed, PriorityResult};
pub(crate) use tasks::TaskLoad;
pub(crate) use timed_run::TrafficResult;
pub(crate) use unresponsive::listen;
pub(crate) use urgent::Urgent;
