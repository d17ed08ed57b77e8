//! Machine: its description, the CPU time of all processes, and pinning to a core.

use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;

use crate::error::Error;

/// CPU time of all processes since the machine started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CpuTimes {
    /// Time in user mode and in the kernel.
    pub(super) busy: Duration,
    /// Time that other virtual machines on the same hardware took.
    pub(super) stolen: Duration,
}

impl CpuTimes {
    pub(super) fn now() -> Result<Self, Error> {
        let stat = fs::read_to_string("/proc/stat").map_err(Error::system("/proc/stat"))?;
        Self::parse(&stat).ok_or_else(|| Error::Failed("/proc/stat has no cpu line".into()))
    }

    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line
            .split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        let &[
            user,
            nice,
            system,
            _idle,
            _waiting,
            irq,
            softirq,
            stolen,
            ..,
        ] = ticks.as_slice()
        else {
            return None;
        };
        let time = |ticks: u64| Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND);
        Some(Self {
            busy: time(user + nice + system + irq + softirq),
            stolen: time(stolen),
        })
    }
}

/// A description of the machine, for results.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MachineInfo {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
}

impl MachineInfo {
    pub(crate) fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let line = |text: String, key: &str| {
            let rest = text.lines().find_map(|line| line.strip_prefix(key))?.trim();
            Some(rest.trim_start_matches(':').trim().to_owned())
        };
        let unknown = || "unknown".to_owned();
        let cpus = read("/proc/cpuinfo");
        let processor = |line: &&str| line.starts_with("processor");
        let kib = line(read("/proc/meminfo"), "MemTotal:").unwrap_or_default();
        let kib = kib.split_whitespace().next().and_then(|n| n.parse().ok());
        Self {
            cpu: line(cpus.clone(), "model name").unwrap_or_else(unknown),
            cores: cpus.lines().filter(processor).count(),
            memory_gib: kib.unwrap_or(0.0_f64) / f64::from(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: command_output("rustc", &["--version"]).unwrap_or_else(unknown),
        }
    }
}

/// Returns what a program prints, or `None` if it fails.
pub(crate) fn command_output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Pins this thread, and all that it starts later, to one core.
pub(crate) fn pin(core: usize) -> Result<(), Error> {
    let failed = |errno: nix::Error| Error::system(format!("core {core}"))(errno.into());
    let mut set = CpuSet::new();
    set.set(core).map_err(failed)?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(failed)
}

/// The unit of `/proc/stat`; `USER_HZ` is 100 on all platforms but Alpha.
const TICKS_PER_SECOND: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_stat_is_added_up() {
        let stat = "cpu  100 20 30 4000 500 6 7 80 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        let times = CpuTimes::parse(stat).expect("valid");
        assert_eq!(times.busy, Duration::from_millis(1_630));
        assert_eq!(times.stolen, Duration::from_millis(800));
        assert_eq!(CpuTimes::parse("cpu 1 2 3\n"), None);
        assert_eq!(CpuTimes::parse("intr 1 2 3 4 5 6 7 8\n"), None);
    }
}
