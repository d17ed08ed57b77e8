//! Owns how many connections the memory maps of a process leave room for. A
//! thread beyond that would not merely fail to start: it can get its stack and
//! then no map for what its runtime needs besides, which ends the process.

use stentor_server::Settings;
use tracing::warn;

/// How many connections there may be: as many as the settings say, or fewer if
/// there is no room for the threads of so many, which the log then says.
pub(crate) fn limit(settings: &Settings) -> Option<usize> {
    let asked = settings.max_connections;
    let Some(maps) = most_maps() else {
        return asked;
    };
    let threads = settings.workers + usize::from(settings.config.shards());
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

/// How many connections so many maps leave room for, beside other threads and a sixteenth for
/// everything else.
fn connections_for(maps: usize, other_threads: usize) -> usize {
    let reserve = maps / 16 + other_threads * MAPS_EACH / 2 + SURPLUS * MAPS_EACH;
    (maps.saturating_sub(reserve) / MAPS_EACH).max(1)
}

/// The most memory maps that this process may have, where there is such a limit.
fn most_maps() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?;
    text.trim().parse().ok()
}

/// Two threads: each has a stack, a stack for signals, and a guard page before each. Measured,
/// too: 5,000 connections add 40,014 lines to `/proc/<pid>/maps`.
const MAPS_EACH: usize = 8;
/// Connections over the limit that are being told so have threads as well; these are a few more.
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
