//! Error of a limit outside its range.

use core::fmt;

/// A limit outside its range. The key is the name of the limit in
/// [`ConfigBuilder`](crate::config::ConfigBuilder).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConfigError {
    /// The name of the limit.
    pub key: &'static str,
    /// The unit of the numbers.
    pub unit: Unit,
    /// The given value.
    pub value: u64,
    /// The smallest value allowed.
    pub min: u64,
    /// The largest value allowed.
    pub max: u64,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.unit.suffix();
        let Self {
            key,
            value,
            min,
            max,
            ..
        } = self;
        write!(
            f,
            "{key}: {value}{unit} is outside {min}{unit} to {max}{unit}"
        )
    }
}

impl core::error::Error for ConfigError {}

/// The unit of a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// A number of items.
    Count,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// Returns the text after a number of this unit.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Bytes => " bytes",
            Self::Count => "",
            Self::Milliseconds => " ms",
        }
    }
}

/// Returns whether a limit is in its range.
///
/// # Errors
/// If it is not.
pub(super) fn within(
    key: &'static str,
    unit: Unit,
    value: u64,
    min: u64,
    max: u64,
) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(ConfigError {
            key,
            unit,
            value,
            min,
            max,
        })
    }
}
