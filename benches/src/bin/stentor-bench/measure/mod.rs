//! Measurements: time, CPU, memory and metrics of server, generator and machine.

mod busy_wait;
mod cpu_usage;
mod latency;
mod machine_info;
mod metrics_page;
mod process;
mod turn_histogram;

pub(crate) use busy_wait::{add_wait_time, enable_busy_wait, is_busy_wait};
pub(crate) use cpu_usage::{CpuMeter, CpuUsage};
pub(crate) use latency::{Latency, LatencyHistogram};
pub(crate) use machine_info::{MachineInfo, command_output, pin};
pub(crate) use metrics_page::MetricsPage;
pub(crate) use process::MeasuredProcess;
pub(crate) use turn_histogram::TurnHistogram;
