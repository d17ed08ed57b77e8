//! Owns the budget of file descriptors: how many connections the limit of open files leaves room
//! for, and raising that limit as far as the operating system lets us. It opens nothing.

use crate::{Settings, SettingsError};

/// How many connections a process may have that may open `descriptor_limit` files: a sixteenth,
/// but at least 64 and at most 8192, is kept for listeners, event loops, logs and whatever a
/// task opens.
#[must_use]
pub fn connections_for(descriptor_limit: u64) -> usize {
    let left = descriptor_limit.saturating_sub(reserve(descriptor_limit));
    usize::try_from(left.clamp(1, MOST)).unwrap_or(usize::MAX)
}

/// Raises the soft limit of open files to the hard one and returns it. Where there is no such
/// limit, a number that no server reaches.
///
/// # Errors
/// What the operating system says when it does not even tell the limit.
pub fn raise() -> std::io::Result<u64> {
    #[cfg(unix)]
    {
        let (soft, _) = rlimit::Resource::NOFILE.get()?;
        // Being refused more (a sandbox, a system-wide ceiling) is no reason not to run with less.
        Ok(rlimit::increase_nofile_limit(u64::MAX).unwrap_or(soft))
    }
    #[cfg(not(unix))]
    Ok(MOST)
}

/// How many connections `settings` allow on this machine: what was asked for, or else what the
/// descriptors leave room for. Raises the soft limit first.
///
/// # Errors
/// More was asked for than the descriptors leave room for; the error names the range.
pub fn claim(settings: &Settings) -> Result<usize, SettingsError> {
    let limit = raise().map_err(|error| SettingsError::System {
        what: "the limit of open files",
        problem: error.to_string(),
    })?;
    within(settings, limit)
}

fn within(settings: &Settings, limit: u64) -> Result<usize, SettingsError> {
    let most = connections_for(limit);
    match settings.max_connections {
        Some(asked) if asked == 0 || asked > most => Err(SettingsError::Value {
            key: "max-connections".into(),
            source: settings.max_connections_source.clone(),
            value: asked.to_string(),
            allowed: format!(
                "1 to {most} ({limit} open files less a reserve of {})",
                reserve(limit)
            ),
        }),
        asked => Ok(asked.unwrap_or(most)),
    }
}

fn reserve(descriptor_limit: u64) -> u64 {
    (descriptor_limit / 16).clamp(64, 8_192)
}

/// Slots are numbered with 32 bits.
const MOST: u64 = u32::MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(max_connections: Option<usize>) -> Settings {
        let mut settings =
            Settings::parse(["stentor"], |_| None, |_| Ok(String::new())).expect("defaults");
        settings.max_connections = max_connections;
        settings.max_connections_source = crate::Source::Flag("--max-connections".into());
        settings
    }

    #[test]
    fn a_reserve_is_left() {
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
    fn what_the_descriptors_allow_is_the_default_and_the_most() {
        assert_eq!(within(&asking(None), 1_024), Ok(960));
        assert_eq!(within(&asking(Some(1)), 1_024), Ok(1));
        assert_eq!(within(&asking(Some(960)), 1_024), Ok(960));
        let text = within(&asking(Some(961)), 1_024)
            .expect_err("one too many")
            .to_string();
        let told = "--max-connections: `961` from the flag --max-connections is not allowed; \
                    it takes 1 to 960 (1024 open files less a reserve of 64)";
        assert_eq!(text, told);
    }

    #[test]
    #[cfg(unix)]
    fn the_soft_limit_goes_up_to_the_hard_one() {
        let limit = raise().expect("a limit");
        let (soft, _) = rlimit::Resource::NOFILE.get().expect("a limit");
        assert_eq!(limit, soft);
    }
}
