//! Check of `server.max_connections` against the limit of open files.

use super::descriptors::{connections_for, raise, reserve};
use super::{Settings, SettingsError};

/// Returns how many connections `settings` allow on this machine: the number that was set, or as
/// many as the descriptors allow. Raises the soft limit first.
///
/// # Errors
/// Returns an error with the range if more was set than the descriptors allow.
pub(super) fn limit(settings: &Settings) -> Result<usize, SettingsError> {
    let descriptors = raise().map_err(|error| SettingsError::System {
        what: "the limit of open files",
        problem: error.to_string(),
    })?;
    within(settings, descriptors)
}

fn within(settings: &Settings, descriptors: u64) -> Result<usize, SettingsError> {
    let max = connections_for(descriptors);
    match settings.options.max_connections {
        Some(set) if set == 0 || set > max => Err(SettingsError::Value {
            key: "max-connections".into(),
            source: settings.max_connections_source.clone(),
            value: set.to_string(),
            allowed: format!(
                "1 to {max} ({descriptors} open files less a reserve of {})",
                reserve(descriptors)
            ),
        }),
        set => Ok(set.unwrap_or(max)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(max_connections: Option<usize>) -> Settings {
        let mut settings =
            Settings::parse(["stentor"], |_| None, |_| Ok(String::new())).expect("defaults");
        settings.options.max_connections = max_connections;
        settings.max_connections_source = super::super::Source::Flag("--max-connections".into());
        settings
    }

    #[test]
    fn the_descriptors_are_the_default_and_the_maximum() {
        assert_eq!(within(&with(None), 1_024), Ok(960));
        assert_eq!(within(&with(Some(1)), 1_024), Ok(1));
        assert_eq!(within(&with(Some(960)), 1_024), Ok(960));
        let error = within(&with(Some(961)), 1_024).expect_err("one too many");
        let expected = "--max-connections: `961` from the flag --max-connections is not allowed; \
                        it takes 1 to 960 (1024 open files less a reserve of 64)";
        assert_eq!(error.to_string(), expected);
    }
}
