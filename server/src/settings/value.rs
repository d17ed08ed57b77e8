//! Values as text: counts, sizes, durations, origins, hosts, subprotocols.

use core::str::FromStr;

use bytesize::ByteSize;
use stentor_core::OverflowPolicy;
use stentor_core::config::{Network, Range, Unit};
use stentor_core::proto::http::is_token;

/// The unit and the range of a number. Durations count milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) unit: Unit,
    pub(crate) min: u64,
    /// `None` if the default depends on the machine.
    pub(crate) default: Option<u64>,
    pub(crate) max: u64,
}

impl Bounds {
    pub(crate) const fn new(unit: Unit, min: u64, default: u64, max: u64) -> Self {
        Self {
            unit,
            min,
            default: Some(default),
            max,
        }
    }

    /// Parses a number. Returns `None` if it is invalid or out of range.
    pub(crate) fn parse(&self, text: &str) -> Option<u64> {
        let text = text.trim();
        let number = match self.unit {
            Unit::Bytes => text.parse::<ByteSize>().ok()?.as_u64(),
            Unit::Milliseconds => whole_milliseconds(text)?,
            _ => text.parse().ok()?,
        };
        (self.min..=self.max).contains(&number).then_some(number)
    }

    /// Formats a number: `4MiB`, `54s`, `256`.
    pub(crate) fn show(&self, number: u64) -> String {
        let steps: &[(u64, &str)] = match self.unit {
            Unit::Milliseconds if number == 0 => return "0s".into(),
            Unit::Milliseconds if number == 60_000 => return "60s".into(), // reads better than 1m
            Unit::Milliseconds => &[(3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")],
            Unit::Bytes => &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")],
            _ => &[],
        };
        let whole = |(size, _): &&(u64, _)| number >= *size && number.is_multiple_of(*size);
        match steps.iter().find(whole) {
            Some((size, suffix)) => format!("{}{suffix}", number / size),
            None => number.to_string(),
        }
    }

    /// Returns the range in words, with the units where a bare number is not allowed.
    pub(crate) fn allowed(&self) -> String {
        let range = format!("{} to {}", self.show(self.min), self.show(self.max));
        match self.unit {
            Unit::Bytes => format!("{range}, in bytes or with KiB, MiB, GiB, k, M"),
            Unit::Milliseconds => format!("{range}, with ms, s, m or h, in whole milliseconds"),
            _ => range,
        }
    }
}

impl From<&Range> for Bounds {
    fn from(range: &Range) -> Self {
        Self::new(range.unit, range.min, range.default, range.max)
    }
}

/// Returns the overflow policy with this name.
pub(crate) fn overflow_policy(word: &str) -> OverflowPolicy {
    match word {
        "drop-new" => OverflowPolicy::DropNew,
        "drop-oldest" => OverflowPolicy::DropOldest,
        "conflate" => OverflowPolicy::Conflate,
        "disconnect" => OverflowPolicy::Disconnect,
        _ => OverflowPolicy::EvictLower,
    }
}

/// An entry of a list of allowed origins or hosts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Allowed<T> {
    Any,
    One(T),
}

/// Parses an [`Origin`](stentor_core::proto::ws::upgrade::Origin) or a
/// [`HostPattern`](stentor_core::proto::http::HostPattern), or `*`.
pub(crate) fn allowed<T: FromStr>(text: &str) -> Option<Allowed<T>> {
    match text.trim() {
        "*" => Some(Allowed::Any),
        text => text.parse().ok().map(Allowed::One),
    }
}

/// An entry of the list of trusted proxies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trusted {
    Network(Network),
    Unix,
}

impl Trusted {
    /// Returns the network, if it is one.
    pub(crate) const fn network(&self) -> Option<Network> {
        match self {
            Self::Network(network) => Some(*network),
            Self::Unix => None,
        }
    }
}

/// Parses a network of proxies, or `unix`.
pub(crate) fn trusted(text: &str) -> Option<Trusted> {
    match text.trim() {
        "unix" => Some(Trusted::Unix),
        text => text.parse().ok().map(Trusted::Network),
    }
}

/// Parses the mode of a file: three octal digits.
pub(crate) fn mode(text: &str) -> Option<u32> {
    let text = text.trim();
    let is_octal = text.len() == 3 && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    u32::from_str_radix(text, 8).ok().filter(|_| is_octal)
}

/// Parses the name of a subprotocol (RFC 6455 §4.1).
pub(crate) fn subprotocol(text: &str) -> Option<String> {
    let text = text.trim();
    is_token(text).then(|| text.into())
}

fn whole_milliseconds(text: &str) -> Option<u64> {
    let duration = humantime::parse_duration(text).ok()?;
    if !duration.subsec_nanos().is_multiple_of(1_000_000) {
        return None;
    }
    u64::try_from(duration.as_millis()).ok()
}

pub(crate) const ORIGINS: &str = "scheme://host or scheme://host:port without a path, null or file:// for files, or * for any; a * \
     in one stands for any characters";
pub(crate) const HOSTS: &str = "host, host:port, *.host for names below it, or * for any";
pub(crate) const PROXIES: &str =
    "an address, a network like 10.0.0.0/8 or 2001:db8::/32, or unix for peers on unix sockets";
pub(crate) const SUBPROTOCOLS: &str = "a name without spaces and separators, like chat.v2";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formatted_number_parses_to_itself() {
        for unit in [Unit::Bytes, Unit::Milliseconds, Unit::Count] {
            let bounds = Bounds::new(unit, 0, 0, u64::MAX);
            for n in [
                0,
                1,
                999,
                1_000,
                1_024,
                54_000,
                60_000,
                120_000,
                90_000,
                3_600_000,
                86_400_000,
                1 << 20,
            ] {
                assert_eq!(bounds.parse(&bounds.show(n)), Some(n), "{}", bounds.show(n));
            }
        }
    }

    #[test]
    fn numbers_have_the_largest_unit_that_fits() {
        let time = Bounds::new(Unit::Milliseconds, 0, 0, u64::MAX);
        let shown = [
            0, 10, 54_000, 60_000, 90_000, 120_000, 3_600_000, 86_400_000,
        ]
        .map(|n| time.show(n));
        assert_eq!(
            shown,
            ["0s", "10ms", "54s", "60s", "90s", "2m", "1h", "24h"]
        );
        let size = Bounds::new(Unit::Bytes, 0, 0, u64::MAX);
        assert_eq!(
            [0, 128, 8 << 10, 1 << 30].map(|n| size.show(n)),
            ["0", "128", "8KiB", "1GiB"]
        );
    }

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        let size = Bounds::new(Unit::Bytes, 0, 0, u64::MAX);
        let read = ["7", "2k", "2KiB", "3M", "3MiB", "1GiB", "1.5KiB", " 1 KiB "]
            .map(|text| size.parse(text));
        let meant = [7, 2_000, 2_048, 3_000_000, 3 << 20, 1 << 30, 1_536, 1_024].map(Some);
        assert_eq!(read, meant);
        assert_eq!(
            ["", "-1", "1 elephant", "MiB", "0x10"].map(|text| size.parse(text)),
            [None; 5]
        );
    }

    #[test]
    fn durations_need_a_unit_and_whole_milliseconds() {
        let time = Bounds::new(Unit::Milliseconds, 0, 0, u64::MAX);
        assert_eq!(
            ["1h 30m", "250ms", "0s"].map(|text| time.parse(text)),
            [5_400_000, 250, 0].map(Some)
        );
        assert_eq!(
            ["10", "1us", "1500us", "", "-1s", "soon"].map(|text| time.parse(text)),
            [None; 6]
        );
    }

    #[test]
    fn a_star_allows_everything() {
        assert_eq!(allowed::<u8>(" * "), Some(Allowed::Any));
        assert_eq!(allowed::<u8>(" 7 "), Some(Allowed::One(7)));
        assert_eq!(allowed::<u8>("**"), None);
    }
}
