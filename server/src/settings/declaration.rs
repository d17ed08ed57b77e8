//! Declaration of a setting: its key, type, range, default and help text.

use std::time::Duration;

use stentor_core::config::{Range, Unit};

use super::Settings;
use super::value::Bounds;

/// The type of a setting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FlagKind {
    /// A limit of the core.
    Limit(&'static Range),
    /// A number of the server.
    Number {
        bounds: Bounds,
        /// Reads the number back, if the metrics show it.
        get: fn(&Settings) -> Option<u64>,
    },
    /// One of these words, and the default.
    Choice(&'static [&'static str], &'static str),
    Switch,
    Address,
    Addresses,
    Origins,
    Hosts,
    Subprotocols,
    /// Names of files.
    Paths,
    Proxies,
    /// A text, and its default.
    Text(&'static str),
    /// A text that is not shown.
    Secret,
    /// A public key as PEM.
    PublicKey,
    /// The name of a file with a secret or a key, which has the key without the ending `_file`.
    File,
    /// Any of these words; none by default.
    Words(&'static [&'static str]),
    /// An array of tables, as JSON.
    Tables,
}

/// The declaration of a setting.
#[derive(Debug)]
pub(super) struct Declaration {
    pub(super) key: &'static str,
    pub(super) short: Option<&'static str>,
    pub(super) kind: FlagKind,
    /// The help text. That of a limit is the core's.
    pub(super) about: Option<&'static str>,
    pub(super) range: Option<&'static str>,
    pub(super) default: Option<&'static str>,
}

impl Declaration {
    pub(super) const fn new(key: &'static str, kind: FlagKind, about: &'static str) -> Self {
        Self {
            key,
            short: None,
            kind,
            about: Some(about),
            range: None,
            default: None,
        }
    }

    /// Sets a second, shorter flag.
    pub(super) const fn short(self, short: &'static str) -> Self {
        Self {
            short: Some(short),
            ..self
        }
    }

    /// Sets the range in words.
    pub(super) const fn range(self, range: &'static str) -> Self {
        Self {
            range: Some(range),
            ..self
        }
    }

    /// Sets the default in words.
    pub(super) const fn default(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }
}

type Get = fn(&Settings) -> Option<u64>;

pub(super) const fn count(min: u64, default: u64, max: u64, get: Get) -> FlagKind {
    let bounds = Bounds::new(Unit::Count, min, default, max);
    FlagKind::Number { bounds, get }
}

pub(super) const fn bytes(min: u64, default: u64, max: u64, get: Get) -> FlagKind {
    let bounds = Bounds::new(Unit::Bytes, min, default, max);
    FlagKind::Number { bounds, get }
}

/// A count whose default depends on the machine.
pub(super) const fn open(min: u64, max: u64, get: Get) -> FlagKind {
    let bounds = Bounds {
        unit: Unit::Count,
        min,
        default: None,
        max,
    };
    FlagKind::Number { bounds, get }
}

pub(super) const fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
