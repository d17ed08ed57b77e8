//! Number of connections that the limit of open files allows.

/// Returns how many connections a process can have that may open `descriptor_limit` files. A
/// sixteenth, but at least 64 and at most 8192, is reserved for listeners, event loops, logs and
/// files of tasks.
pub(super) fn connections_for(descriptor_limit: u64) -> usize {
    let left = descriptor_limit.saturating_sub(reserve(descriptor_limit));
    usize::try_from(left.clamp(1, MAX)).unwrap_or(usize::MAX)
}

/// Returns how many files are not available to connections.
pub(super) fn reserve(descriptor_limit: u64) -> u64 {
    (descriptor_limit / 16).clamp(64, 8_192)
}

/// Raises the soft limit of open files to the hard one and returns it. On systems without such a
/// limit, returns a number that no server reaches.
///
/// # Errors
/// Returns an error of the operating system if it does not report the limit.
pub(super) fn raise() -> std::io::Result<u64> {
    #[cfg(unix)]
    {
        let (soft, _) = rlimit::Resource::NOFILE.get()?;
        // If it cannot be raised (a sandbox, a system-wide limit), the server runs with less.
        Ok(rlimit::increase_nofile_limit(u64::MAX).unwrap_or(soft))
    }
    #[cfg(not(unix))]
    Ok(MAX)
}

/// Slots are numbered with 32 bits.
const MAX: u64 = u32::MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_kept() {
        let limits = [0, 64, 65, 66, 1_024, 20_000, 1 << 20, u64::MAX];
        let most = limits.map(connections_for);
        assert_eq!(
            most,
            [
                1,
                1,
                1,
                2,
                960,
                18_750,
                (1 << 20) - 8_192,
                u32::MAX as usize
            ]
        );
    }

    #[test]
    #[cfg(unix)]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let limit = raise().expect("a limit");
        let (soft, _) = rlimit::Resource::NOFILE.get().expect("a limit");
        assert_eq!(limit, soft);
    }
}
