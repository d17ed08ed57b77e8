//! CPU usage of server, generator and other processes between two points in time.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::busy_wait::wait_time;
use super::machine_info::CpuTimes;
use super::process::MeasuredProcess;
use crate::error::Error;

/// Reads the CPU time of the server and of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuMeter {
    server: Option<MeasuredProcess>,
}

/// CPU times at one point in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    at: Instant,
    server: Option<Duration>,
    server_user: Option<Duration>,
    own: Duration,
    /// The part of `own` that was spent polling.
    wait_time: Duration,
    all: CpuTimes,
}

/// CPU usage in a time window. Shares are of one core.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct CpuUsage {
    pub(crate) seconds: f64,
    /// CPU seconds of the server, if its pid is known.
    pub(crate) server_cpu_seconds: Option<f64>,
    /// The part of them that was spent in user mode, in steps of 10 ms.
    pub(crate) server_user_seconds: Option<f64>,
    pub(crate) server_cpu_share: Option<f64>,
    /// CPU share of the generator, without polling.
    pub(crate) generator_cpu_share: f64,
    /// CPU share of all other processes and of the kernel.
    pub(crate) others_cpu_share: f64,
    /// CPU share that other virtual machines on the same hardware took.
    pub(crate) stolen_cpu_share: f64,
}

impl CpuMeter {
    pub(crate) fn new(server: Option<MeasuredProcess>) -> Self {
        Self { server }
    }

    pub(crate) fn read(&self) -> Result<Reading, Error> {
        Ok(Reading {
            at: Instant::now(),
            server: self.server.map(|server| server.cpu()).transpose()?,
            server_user: self.server.map(|server| server.user()).transpose()?,
            own: MeasuredProcess::own().cpu()?,
            wait_time: wait_time(),
            all: CpuTimes::now()?,
        })
    }

    /// Returns the usage since a reading.
    pub(crate) fn since(&self, begin: &Reading) -> Result<CpuUsage, Error> {
        Ok(usage(begin, &self.read()?))
    }
}

impl CpuUsage {
    /// Returns whether the generator used all of its core, and the server did not.
    pub(crate) fn generator_was_the_bottleneck(&self) -> bool {
        self.generator_cpu_share > SATURATED
            && self.server_cpu_share.is_none_or(|share| share < SATURATED)
    }

    /// Returns whether other processes used so much CPU that the figures are not reliable.
    pub(crate) fn is_noisy(&self) -> bool {
        self.others_cpu_share + self.stolen_cpu_share > NOISY
    }

    /// Returns CPU microseconds of the server per item.
    pub(crate) fn server_micros_each(&self, count: u64) -> Option<f64> {
        each(self.server_cpu_seconds, count)
    }

    /// Returns CPU microseconds of the server in user mode per item.
    pub(crate) fn server_user_micros_each(&self, count: u64) -> Option<f64> {
        each(self.server_user_seconds, count)
    }
}

fn each(seconds: Option<f64>, count: u64) -> Option<f64> {
    Some(seconds.filter(|_| count > 0)? * 1e6 / count as f64)
}

fn usage(begin: &Reading, end: &Reading) -> CpuUsage {
    let seconds = (end.at - begin.at).as_secs_f64();
    let share = |time: Duration| time.as_secs_f64() / seconds;
    let of = |end: Duration, begin: Duration| end.saturating_sub(begin);
    let own = of(end.own, begin.own);
    let between = |(end, begin)| of(end, begin);
    let server = end.server.zip(begin.server).map(between);
    let user = end.server_user.zip(begin.server_user).map(between);
    let known = own + server.unwrap_or_default();
    CpuUsage {
        seconds,
        server_cpu_seconds: server.map(|time| time.as_secs_f64()),
        server_user_seconds: user.map(|time| time.as_secs_f64()),
        server_cpu_share: server.map(share),
        generator_cpu_share: share(of(own, of(end.wait_time, begin.wait_time))),
        others_cpu_share: share(of(of(end.all.busy, begin.all.busy), known)),
        stolen_cpu_share: share(of(end.all.stolen, begin.all.stolen)),
    }
}

/// Share of a core that counts as all of it; context switches take the rest.
const SATURATED: f64 = 0.93;
/// Share of a core. It is above the resolution of the clock ticks, and above what the system itself
/// needs.
const NOISY: f64 = 0.08;

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the usage in one second, from milliseconds of CPU time: of the server, the
    /// generator, all processes, and other machines.
    fn second(server: Option<u64>, own: u64, busy: u64, stolen: u64) -> CpuUsage {
        second_with(server, own, 0, busy, stolen)
    }

    fn second_with(
        server: Option<u64>,
        own: u64,
        wait_time: u64,
        busy: u64,
        stolen: u64,
    ) -> CpuUsage {
        let at = Instant::now();
        let millis = Duration::from_millis;
        let begin = Reading {
            at,
            server: server.map(|_| millis(5_000)),
            server_user: server.map(|_| millis(40)),
            own: millis(700),
            wait_time: millis(300),
            all: CpuTimes {
                busy: millis(90_000),
                stolen: millis(10),
            },
        };
        let end = Reading {
            at: at + millis(1_000),
            server: server.map(|server| millis(5_000 + server)),
            server_user: server.map(|server| millis(40 + server / 3)),
            own: millis(700 + own),
            wait_time: millis(300 + wait_time),
            all: CpuTimes {
                busy: millis(90_000 + busy),
                stolen: millis(10 + stolen),
            },
        };
        usage(&begin, &end)
    }

    fn near(is: f64, wanted: f64) -> bool {
        (is - wanted).abs() < 1e-9
    }

    #[test]
    fn cpu_of_neither_server_nor_generator_is_that_of_others() {
        let usage = second(Some(600), 300, 1_000, 20);
        assert!(near(usage.others_cpu_share, 0.1), "{usage:?}");
        assert!(near(usage.stolen_cpu_share, 0.02), "{usage:?}");
        assert!(usage.is_noisy());
        assert!(!second(Some(600), 300, 920, 0).is_noisy());
        // The ticks of all processes can lag behind the clocks of single processes.
        assert!(near(second(Some(600), 300, 890, 0).others_cpu_share, 0.0));
    }

    #[test]
    fn busy_waiting_is_work_of_nobody() {
        let usage = second_with(Some(600), 990, 700, 1_590, 0);
        assert!(near(usage.generator_cpu_share, 0.29), "{usage:?}");
        assert!(near(usage.others_cpu_share, 0.0), "{usage:?}");
        assert!(!usage.generator_was_the_bottleneck());
    }

    #[test]
    fn the_generator_is_the_bottleneck_if_its_core_is_full_and_the_servers_is_not() {
        assert!(second(Some(600), 990, 1_590, 0).generator_was_the_bottleneck());
        assert!(!second(Some(990), 990, 1_980, 0).generator_was_the_bottleneck());
        assert!(!second(Some(990), 600, 1_590, 0).generator_was_the_bottleneck());
        assert!(second(None, 990, 990, 0).generator_was_the_bottleneck());
    }

    #[test]
    fn cpu_is_shared_out_among_the_messages() {
        let usage = second(Some(600), 300, 900, 0);
        assert!(near(usage.server_micros_each(300_000).expect("known"), 2.0));
        assert!(near(
            usage.server_user_micros_each(1_000).expect("known"),
            200.0
        ));
        assert_eq!(usage.server_micros_each(0), None);
        assert_eq!(second(None, 1, 1, 0).server_micros_each(10), None);
    }
}
