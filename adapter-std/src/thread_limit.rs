//! Connection limit that follows from the number of memory maps of a process. Exceeding it does not
//! merely make a thread fail to start: a thread can get its stack but no further map that its
//! runtime needs, which ends the process.

use stentor_core::Config;
use stentor_server::ServerOptions;
use tracing::warn;

/// Returns the connection limit: that of the options, or a lower one if there are too few memory
/// maps for the threads of that many connections, which is then logged.
pub(crate) fn limit(config: &Config, options: &ServerOptions) -> Option<usize> {
    let asked = options.max_connections;
    let Some(maps) = most_maps() else {
        return asked;
    };
    let threads = options.workers + usize::from(config.shards());
    let limit = connections_for(maps, threads);
    let Some(asked) = asked else {
        return Some(limit);
    };
    if limit < asked {
        warn!(
            asked,
            limit,
            maps,
            "fewer connections than asked for: each takes {MAPS_EACH} memory maps (vm.max_map_count)"
        );
    }
    Some(limit.min(asked))
}

/// Returns the number of connections for which this number of maps suffices, beside other threads
/// and a sixteenth for everything else.
fn connections_for(maps: usize, other_threads: usize) -> usize {
    let reserve = maps / 16 + other_threads * MAPS_EACH / 2 + SURPLUS * MAPS_EACH;
    (maps.saturating_sub(reserve) / MAPS_EACH).max(1)
}

/// Returns the maximum number of memory maps of this process, if there is such a limit.
fn most_maps() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?;
    text.trim().parse().ok()
}

/// Memory maps of a connection. It has two threads: each has a stack, a signal stack, and a guard
/// page before each. Also measured: 5,000 connections add 40,014 lines to `/proc/<pid>/maps`.
const MAPS_EACH: usize = 8;
/// Allowance for connections over the limit, which have threads as well while they are being
/// rejected.
const SURPLUS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_its_maps() {
        for (maps, threads) in [(65_530, 10), (65_530, 2_048), (262_144, 10), (1 << 30, 10)] {
            let connections = connections_for(maps, threads);
            assert!((connections + SURPLUS) * MAPS_EACH + threads * 4 < maps);
            assert!(
                connections > maps / MAPS_EACH * 3 / 4,
                "{connections} of {maps}"
            );
        }
        assert_eq!(connections_for(0, 10), 1);
        assert_eq!(connections_for(65_530, 10), 7_610);
    }
}
