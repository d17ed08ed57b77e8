//! Error of an invalid configuration.

use core::fmt;

/// A limit outside its range. The key is the limit's name in
/// [`ConfigBuilder`](crate::ConfigBuilder).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConfigError {
    /// Which limit.
    pub key: &'static str,
    /// What the numbers count.
    pub unit: Unit,
    /// The value that was given.
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

/// What a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// What stands behind a number of this unit.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Bytes => " bytes",
            Self::Count => "",
            Self::Milliseconds => " ms",
        }
    }
}
