//! Owns the arithmetic of a comparison: one figure a pass, medians over passes, and
//! ratios that are taken within a pass, because a machine is faster in one minute
//! than in the next.

use serde::{Deserialize, Serialize};

use crate::load::{Flow, Idled};
use crate::measure::{Latency, Turns};

/// What one contender did under one load in one pass.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Figure {
    /// CPU microseconds of the server for a message, or for opening a connection.
    pub(super) micros: f64,
    pub(super) of: Of,
    /// Others had the CPU: not to be believed.
    pub(super) is_noisy: bool,
    /// What others used, in cores.
    pub(super) others: f64,
}

/// Of what it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Of {
    Flow {
        messages_a_second: f64,
        latency_micros: Latency,
        generator_was_the_bottleneck: bool,
        turns: Option<TurnsWithin>,
    },
    Idle {
        /// Bytes of memory of a connection: in a room, and after a message.
        in_room: f64,
        after_a_message: f64,
        threads: u64,
    },
}

/// Microseconds within which so many turns of a shard were; `None` is more than
/// its histogram tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TurnsWithin {
    pub(super) half: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) all: Option<f64>,
}

impl From<&Turns> for TurnsWithin {
    fn from(turns: &Turns) -> Self {
        let within = |share| Some(turns.within(share)).filter(|bound| bound.is_finite());
        Self {
            half: within(0.5),
            p99: within(0.99),
            all: within(1.0),
        }
    }
}

impl Figure {
    /// `None` if nothing has come.
    pub(super) fn of_flow(flow: Flow) -> Option<Self> {
        Some(Self {
            micros: flow.server_micros_each?,
            is_noisy: flow.usage.is_noisy(),
            others: flow.usage.others_cpu_share + flow.usage.stolen_cpu_share,
            of: Of::Flow {
                messages_a_second: flow.messages_a_second,
                latency_micros: flow.latency_micros?,
                generator_was_the_bottleneck: flow.generator_was_the_bottleneck,
                turns: flow.turns.as_ref().map(TurnsWithin::from),
            },
        })
    }

    pub(super) fn of_idle(idled: &Idled) -> Self {
        let room = idled.in_room.as_ref().unwrap_or(&idled.open);
        Self {
            micros: idled.open.micros_each,
            is_noisy: idled.open.usage.is_noisy(),
            others: idled.open.usage.others_cpu_share + idled.open.usage.stolen_cpu_share,
            of: Of::Idle {
                in_room: room.memory_bytes_each,
                after_a_message: idled.after_a_message.memory_bytes_each,
                threads: idled.server_threads,
            },
        }
    }
}

/// The passes of one contender under one load; `None` where it failed.
pub(super) type Passes = Vec<Option<Figure>>;

/// A figure of several passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Median {
    pub(super) value: f64,
    /// None of the passes was quiet.
    pub(super) is_doubtful: bool,
}

/// The median over the quiet passes, or over all if none was.
pub(super) fn median(passes: &Passes, of: impl Fn(&Figure) -> f64) -> Option<Median> {
    let figures = || passes.iter().flatten();
    pick(figures().map(|figure| (of(figure), figure.is_noisy)))
}

/// The median of what each pass cost, as a multiple of what the limit cost in the
/// same pass.
pub(super) fn ratio(passes: &Passes, limit: &Passes) -> Option<Median> {
    let both = passes.iter().zip(limit).filter_map(|(is, limit)| {
        let (is, limit) = (is.as_ref()?, limit.as_ref()?);
        (limit.micros > 0.0).then_some((is.micros / limit.micros, is.is_noisy || limit.is_noisy))
    });
    pick(both)
}

/// Values, and whether each is noisy.
fn pick(values: impl Iterator<Item = (f64, bool)>) -> Option<Median> {
    let (mut quiet, mut noisy) = (Vec::new(), Vec::new());
    for (value, is_noisy) in values {
        if is_noisy { &mut noisy } else { &mut quiet }.push(value);
    }
    let is_doubtful = quiet.is_empty();
    let mut values = if is_doubtful { noisy } else { quiet };
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let value = match values.len() {
        0 => return None,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    };
    Some(Median { value, is_doubtful })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(figures: &[(f64, bool)]) -> Passes {
        let figure = |&(micros, is_noisy): &(f64, bool)| {
            let of = Of::Idle {
                in_room: 0.0,
                after_a_message: 0.0,
                threads: 1,
            };
            Some(Figure {
                micros,
                of,
                is_noisy,
                others: 0.0,
            })
        };
        figures.iter().map(figure).collect()
    }

    fn micros(passes: &Passes) -> Option<Median> {
        median(passes, |figure| figure.micros)
    }

    #[test]
    fn a_median_is_that_of_the_quiet_passes() {
        let of = |figures: &[(f64, bool)]| micros(&passes(figures));
        let quiet = |value| {
            Some(Median {
                value,
                is_doubtful: false,
            })
        };
        assert_eq!(of(&[(4.0, false), (9.0, false), (5.0, false)]), quiet(5.0));
        assert_eq!(of(&[(4.0, false), (6.0, false)]), quiet(5.0));
        assert_eq!(of(&[(4.0, false), (99.0, true), (6.0, false)]), quiet(5.0));
        let doubtful = Some(Median {
            value: 8.0,
            is_doubtful: true,
        });
        assert_eq!(of(&[(8.0, true)]), doubtful);
        assert_eq!(micros(&vec![None]), None);
    }

    #[test]
    fn a_ratio_is_taken_within_a_pass() {
        // The machine became twice as slow, and the ratio stays what it is.
        let limit = passes(&[(4.0, false), (8.0, false), (4.0, false)]);
        let is = passes(&[(5.0, false), (10.0, false), (5.2, false)]);
        let median = ratio(&is, &limit).expect("there are passes");
        assert!((median.value - 1.25).abs() < 1e-9 && !median.is_doubtful);
    }

    #[test]
    fn a_pass_in_which_either_failed_or_was_disturbed_gives_no_ratio() {
        let mut limit = passes(&[(4.0, true), (4.0, false), (4.0, false)]);
        let is = passes(&[(40.0, false), (6.0, false), (5.0, false)]);
        limit[2] = None;
        let median = ratio(&is, &limit).expect("one is left");
        assert!((median.value - 1.5).abs() < 1e-9);
        assert_eq!(ratio(&is, &vec![None, None, None]), None);
    }
}
