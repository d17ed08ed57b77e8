//! Comparison results: the measurements of every pass, their medians and ratios, as JSON and as
//! text.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::error::Error;
use crate::load::{IdleResult, TrafficResult};
use crate::measure::{Latency, MachineInfo, TurnHistogram};

/// The result of one run of `compare`.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) date: String,
    pub(super) commit: String,
    pub(super) machine: MachineInfo,
    /// The peers that were built for it, with their versions.
    pub(super) peers: Vec<String>,
    pub(super) passes: usize,
    pub(super) seconds: f64,
    pub(super) loads: Vec<LoadResult>,
}

/// The result of every server under one load.
#[derive(Debug, Serialize)]
pub(super) struct LoadResult {
    pub(super) group: String,
    pub(super) title: String,
    pub(super) in_plot: bool,
    /// The bare loop comes first.
    pub(super) servers: Vec<ServerResult>,
}

/// The result of one server under one load.
#[derive(Debug, Serialize)]
pub(super) struct ServerResult {
    server: String,
    /// CPU microseconds per message, or per opened connection.
    micros: Option<Median>,
    /// CPU time as a multiple of that of the bare loop.
    ratio: Option<Median>,
    /// Memory of an idle connection in a room, in bytes.
    memory_bytes: Option<Median>,
    generator_was_the_bottleneck: bool,
    passes: Passes,
}

/// The measurements of one server under one load; `None` for a pass that failed.
pub(super) type Passes = Vec<Option<Measurement>>;

/// One server under one load in one pass.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measurement {
    /// CPU microseconds of the server per message, or per opened connection.
    micros: f64,
    /// Other processes used the CPU, so the measurement is not reliable.
    is_noisy: bool,
    /// CPU that other processes and virtual machines used, in cores.
    others: f64,
    #[serde(flatten)]
    details: Details,
}

/// What else was measured, by kind of load.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Details {
    Traffic {
        messages_per_second: f64,
        latency_micros: Latency,
        generator_was_the_bottleneck: bool,
        turns: Option<TurnQuantiles>,
    },
    Idle {
        /// Memory per connection in a room, in bytes.
        in_room: f64,
        /// Memory per connection after one message, in bytes.
        after_a_message: f64,
        threads: u64,
    },
}

/// Upper bounds of turn times in microseconds; `None` above the largest bound of the histogram.
#[derive(Clone, Copy, Debug, Serialize)]
struct TurnQuantiles {
    p50: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

/// A median over passes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Median {
    value: f64,
    /// Every pass was disturbed by other processes.
    is_disturbed: bool,
}

impl Comparison {
    /// Writes the comparison as JSON.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_string(self).map_err(|error| Error::Failed(error.to_string()))?;
        let failed = Error::system(format!("{}", path.display()));
        fs::write(path, text + "\n").map_err(failed)
    }
}

impl ServerResult {
    /// Computes the medians of a server. `baseline` is `None` for the bare loop itself.
    pub(super) fn new(server: String, passes: Passes, baseline: Option<&Passes>) -> Self {
        let is_bottleneck = |measurement: &Measurement| match measurement.details {
            Details::Traffic {
                generator_was_the_bottleneck,
                ..
            } => generator_was_the_bottleneck,
            Details::Idle { .. } => false,
        };
        Self {
            server,
            micros: median(&passes, |measurement| Some(measurement.micros)),
            ratio: baseline.and_then(|baseline| ratio(&passes, baseline)),
            memory_bytes: median(&passes, |measurement| match measurement.details {
                Details::Idle { in_room, .. } => Some(in_room),
                Details::Traffic { .. } => None,
            }),
            generator_was_the_bottleneck: passes.iter().flatten().any(is_bottleneck),
            passes,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for load in &self.loads {
            writeln!(f, "{}, {}", load.group, load.title)?;
            for server in &load.servers {
                writeln!(f, "  {server}")?;
            }
        }
        Ok(())
    }
}

/// Writes CPU time, ratio and memory; `~` and `^` as docs/benchmarks.md explains them.
impl fmt::Display for ServerResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<20}", self.server)?;
        let Some(micros) = self.micros else {
            return write!(f, " failed");
        };
        write!(f, " {:8.3} us CPU", micros.value)?;
        if let Some(ratio) = self.ratio {
            write!(f, " ({:.2})", ratio.value)?;
        }
        if let Some(memory) = self.memory_bytes {
            write!(f, ", {:.0} B per connection", memory.value)?;
        }
        if micros.is_disturbed || self.ratio.is_some_and(|ratio| ratio.is_disturbed) {
            write!(f, " ~")?;
        }
        if self.generator_was_the_bottleneck {
            write!(f, " ^")?;
        }
        Ok(())
    }
}

impl From<&TurnHistogram> for TurnQuantiles {
    fn from(turns: &TurnHistogram) -> Self {
        let within = |share| Some(turns.within(share)).filter(|bound| bound.is_finite());
        Self {
            p50: within(0.5),
            p99: within(0.99),
            max: within(1.0),
        }
    }
}

impl Measurement {
    /// Returns `None` if no message arrived.
    pub(super) fn from_traffic(traffic: TrafficResult) -> Option<Self> {
        Some(Self {
            micros: traffic.server_micros_each?,
            is_noisy: traffic.usage.is_noisy(),
            others: traffic.usage.others_cpu_share + traffic.usage.stolen_cpu_share,
            details: Details::Traffic {
                messages_per_second: traffic.messages_per_second,
                latency_micros: traffic.latency_micros?,
                generator_was_the_bottleneck: traffic.generator_was_the_bottleneck,
                turns: traffic.turns.as_ref().map(TurnQuantiles::from),
            },
        })
    }

    /// Returns the measurement of an idle load.
    pub(super) fn from_idle(result: &IdleResult) -> Self {
        let room = result.in_room.as_ref().unwrap_or(&result.open);
        Self {
            micros: result.open.micros_each,
            is_noisy: result.open.usage.is_noisy(),
            others: result.open.usage.others_cpu_share + result.open.usage.stolen_cpu_share,
            details: Details::Idle {
                in_room: room.memory_bytes_each,
                after_a_message: result.after_a_message.memory_bytes_each,
                threads: result.server_threads,
            },
        }
    }
}

/// Returns the median of a value over the undisturbed passes, or over all if there are none.
fn median(passes: &Passes, value: impl Fn(&Measurement) -> Option<f64>) -> Option<Median> {
    let measurements = passes.iter().flatten();
    median_of(measurements.filter_map(|it| Some((value(it)?, it.is_noisy))))
}

/// Returns the median of the ratios of CPU times. Each ratio is taken within a pass, because the
/// clock speed of a machine changes from pass to pass.
fn ratio(passes: &Passes, baseline: &Passes) -> Option<Median> {
    let ratios = passes
        .iter()
        .zip(baseline)
        .filter_map(|(server, baseline)| {
            let (server, baseline) = (server.as_ref()?, baseline.as_ref()?);
            let is_noisy = server.is_noisy || baseline.is_noisy;
            (baseline.micros > 0.0).then_some((server.micros / baseline.micros, is_noisy))
        });
    median_of(ratios)
}

/// Returns the median of values, each with a flag that says whether it was disturbed.
fn median_of(values: impl Iterator<Item = (f64, bool)>) -> Option<Median> {
    let (mut quiet, mut noisy) = (Vec::new(), Vec::new());
    for (value, is_noisy) in values {
        if is_noisy { &mut noisy } else { &mut quiet }.push(value);
    }
    let is_disturbed = quiet.is_empty();
    let mut values = if is_disturbed { noisy } else { quiet };
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let value = match values.len() {
        0 => return None,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    };
    Some(Median {
        value,
        is_disturbed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(measurements: &[(f64, bool)]) -> Passes {
        let measurement = |&(micros, is_noisy): &(f64, bool)| {
            let details = Details::Idle {
                in_room: 230.4,
                after_a_message: 0.0,
                threads: 1,
            };
            Some(Measurement {
                micros,
                is_noisy,
                others: 0.0,
                details,
            })
        };
        measurements.iter().map(measurement).collect()
    }

    fn micros(passes: &Passes) -> Option<Median> {
        median(passes, |measurement| Some(measurement.micros))
    }

    #[test]
    fn a_median_is_that_of_the_undisturbed_passes() {
        let of = |measurements: &[(f64, bool)]| micros(&passes(measurements));
        let median = |value, is_disturbed| {
            Some(Median {
                value,
                is_disturbed,
            })
        };
        let quiet = median(5.0, false);
        assert_eq!(of(&[(4.0, false), (9.0, false), (5.0, false)]), quiet);
        assert_eq!(of(&[(4.0, false), (6.0, false)]), quiet);
        assert_eq!(of(&[(4.0, false), (99.0, true), (6.0, false)]), quiet);
        assert_eq!(of(&[(8.0, true)]), median(8.0, true));
        assert_eq!(micros(&vec![None]), None);
    }

    #[test]
    fn a_ratio_is_taken_within_a_pass() {
        // The machine becomes half as fast in the second pass, and the ratio does not change.
        let baseline = passes(&[(4.0, false), (8.0, false), (4.0, false)]);
        let server = passes(&[(5.0, false), (10.0, false), (5.2, false)]);
        let median = ratio(&server, &baseline).expect("there are passes");
        assert!((median.value - 1.25).abs() < 1e-9 && !median.is_disturbed);
    }

    #[test]
    fn a_failed_or_disturbed_pass_of_either_server_gives_no_ratio() {
        let mut baseline = passes(&[(4.0, true), (4.0, false), (4.0, false)]);
        let server = passes(&[(40.0, false), (6.0, false), (5.0, false)]);
        baseline[2] = None;
        let median = ratio(&server, &baseline).expect("one pass is left");
        assert!((median.value - 1.5).abs() < 1e-9);
        assert_eq!(ratio(&server, &vec![None, None, None]), None);
    }

    #[test]
    fn text_and_json_have_time_ratio_and_memory() {
        let baseline = passes(&[(4.0, false)]);
        let result = ServerResult::new("stentor".into(), passes(&[(5.0, true)]), Some(&baseline));
        let text = result.to_string();
        assert!(
            text.ends_with("   5.000 us CPU (1.25), 230 B per connection ~"),
            "{text}"
        );
        let json = serde_json::to_value(&result).expect("JSON");
        assert_eq!(json["ratio"]["value"], 1.25);
        assert_eq!(json["passes"][0]["idle"]["threads"], 1);
        let failed = ServerResult::new("yawc".into(), vec![None], Some(&baseline));
        assert!(failed.to_string().ends_with(" failed"));
    }
}
