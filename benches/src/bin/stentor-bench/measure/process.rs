//! Process: its CPU time, memory and number of threads.

use std::fs;
use std::io;
use std::time::Duration;

use nix::time::ClockId;
use nix::unistd::Pid;

use crate::error::Error;

/// A process that is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MeasuredProcess {
    pid: u32,
    clock: ClockId,
}

impl MeasuredProcess {
    pub(crate) fn new(pid: u32) -> Result<Self, Error> {
        let failed = |errno: nix::Error| Error::system(format!("process {pid}"))(errno.into());
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid as i32)).map_err(failed)?;
        let process = Self { pid, clock };
        // The clock id is also computed for pids that do not exist.
        process.threads()?;
        Ok(process)
    }

    /// Returns this process.
    pub(crate) fn own() -> Self {
        Self {
            pid: std::process::id(),
            clock: ClockId::CLOCK_PROCESS_CPUTIME_ID,
        }
    }

    /// Returns the CPU time of all threads, also of those that have ended.
    pub(crate) fn cpu(&self) -> Result<Duration, Error> {
        let failed =
            |errno: nix::Error| Error::system(format!("process {}", self.pid))(errno.into());
        Ok(self.clock.now().map_err(failed)?.into())
    }

    /// Returns the part of it that was spent in user mode, in steps of 10 ms.
    pub(crate) fn user(&self) -> Result<Duration, Error> {
        let path = format!("/proc/{}/stat", self.pid);
        let stat = fs::read_to_string(&path).map_err(Error::system(&path))?;
        let ticks = user_ticks(&stat)
            .ok_or_else(|| Error::system(path)(io::Error::other("no user time")))?;
        Ok(TICK * ticks)
    }

    /// Returns the resident memory in bytes.
    pub(crate) fn memory(&self) -> Result<u64, Error> {
        Ok(self.status("VmRSS:")? << 10)
    }

    pub(crate) fn threads(&self) -> Result<u64, Error> {
        self.status("Threads:")
    }

    fn status(&self, key: &str) -> Result<u64, Error> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).map_err(Error::system(&path))?;
        field(&status, key)
            .ok_or_else(|| Error::system(path)(io::Error::other(format!("no {key}"))))
    }
}

fn field(status: &str, key: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Returns the field `utime` of proc_pid_stat(5). The second field is the name of the program,
/// which may contain spaces and parentheses.
fn user_ticks(stat: &str) -> Option<u32> {
    let (_, from_third) = stat.rsplit_once(") ")?;
    from_third.split(' ').nth(14 - 3)?.parse().ok()
}

/// The unit of `utime`; `USER_HZ` is 100 on all platforms but Alpha.
const TICK: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_by_key() {
        let status = "Name:\tx\nVmHWM:\t    900 kB\nVmRSS:\t    840 kB\nThreads:\t3\n";
        assert_eq!(field(status, "VmRSS:"), Some(840));
        assert_eq!(field(status, "Threads:"), Some(3));
        assert_eq!(field(status, "VmSwap:"), None);
        assert_eq!(field("VmRSS:\tmany\n", "VmRSS:"), None);
    }

    #[test]
    fn user_time_is_found_behind_any_name() {
        let stat = "17 (a) b (c)) S 1 17 17 0 -1 4194304 90 0 0 0 321 45 0 0 20 0 4 0 9 1 2";
        assert_eq!(user_ticks(stat), Some(321));
        assert_eq!(user_ticks("17 (a)"), None);
    }

    #[test]
    fn work_is_seen_on_the_clock_of_the_process() {
        let own = MeasuredProcess::new(std::process::id()).expect("it runs");
        let before = own.cpu().expect("a clock");
        let mut sum = 0_u64;
        while own.cpu().expect("a clock") < before + Duration::from_millis(2) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(own.cpu().expect("a clock") <= MeasuredProcess::own().cpu().expect("a clock"));
        assert!(own.user().expect("its times") <= own.cpu().expect("a clock") + 2 * TICK);
        assert!(own.memory().expect("its status") > 1 << 16);
        assert!(own.threads().expect("its status") >= 1);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(MeasuredProcess::new(u32::MAX >> 1).is_err());
    }
}
