//! Owns the way from flags to [`Config`] and back: which setter and getter belongs to which key,
//! and the flag's name for an error of the core. The ranges are the core's.

use core::time::Duration;

use stentor_core::{Config, ConfigBuilder, ConfigError, Unit};

use super::error::{SettingsError, Source};
use super::flag::Flag;
use super::given::RawSettings;
use super::value::Bounds;

macro_rules! limits {
    ($($kind:ident $key:ident,)*) => {
        fn set(builder: ConfigBuilder, key: &str, value: u64) -> ConfigBuilder {
            match key {
                $(stringify!($key) => builder.$key(limits!(@from $kind, value)),)*
                _ => builder,
            }
        }

        /// The value of a limit by its key in [`Config::RANGES`], durations in milliseconds.
        pub(crate) fn get(config: &Config, key: &str) -> Option<u64> {
            match key {
                $(stringify!($key) => Some(limits!(@into $kind, config.$key())),)*
                _ => None,
            }
        }
    };
    (@from number, $value:expr) => { $value as usize };
    (@from time, $value:expr) => { Duration::from_millis($value) };
    (@into number, $value:expr) => { $value as u64 };
    (@into time, $value:expr) => { $value.as_millis() as u64 };
}

limits! {
    number max_message,
    number max_empty_fragments,
    number max_head,
    number max_headers,
    number queue_messages,
    number queue_bytes,
    number starvation_after,
    time starvation_wait,
    number write_batch,
    number unsent_bytes,
    number unsent_bytes_max,
    number rooms_per_connection,
    number fan_out_slice,
    number remote_commands,
    number credit_messages,
    number credit_bytes,
    number compression_level,
    number compression_threshold,
    number compression_window,
    number compression_contexts,
    number memory_budget,
    number min_read_rate,
    number min_send_rate,
    time rate_window,
    time write_timeout,
    time pong_wait,
    time ping_interval,
    time handshake_timeout,
    time close_timeout,
    number task_credits,
    number task_attempts,
    time task_backoff,
    time task_backoff_max,
    time task_timeout,
    number dead_letters,
    number gone_connections,
}

/// The limits of the core, as given, added to what is set already.
pub(super) fn config(given: &RawSettings, builder: ConfigBuilder) -> Result<Config, SettingsError> {
    let mut builder = builder
        .seed(seed(given)?)
        .shards(shards(given)?)
        .compression(given.switch("compression")?)
        .compression_own_broadcasts(given.switch("compression-own-broadcasts")?)
        .subprotocols(given.subprotocols()?);
    for range in Config::RANGES {
        builder = set(
            builder,
            range.key,
            given.number(&range.key.replace('_', "-"))?,
        );
    }
    let ping_interval = ping_interval(given)?;
    builder
        .ping_interval(Duration::from_millis(ping_interval))
        .build()
        .map_err(|error| translate(error, given))
}

/// The ping interval, which has to leave time for the pong. When only the pong wait is given and
/// the default does not fit, it is nine tenths of the pong wait.
fn ping_interval(given: &RawSettings) -> Result<u64, SettingsError> {
    let bounds = Flag::named("ping-interval")
        .bounds()
        .expect("a numeric flag");
    let pong_wait = given.number("pong-wait")?;
    let mut ping_interval = given.number("ping-interval")?;
    if given.text("ping-interval").is_none() && ping_interval >= pong_wait {
        ping_interval = (pong_wait * 9 / 10).max(bounds.min);
    }
    if ping_interval < pong_wait {
        return Ok(ping_interval);
    }
    let told = |name, value| {
        let text = given
            .text(name)
            .map_or_else(|| bounds.show(value), Into::into);
        (text, given.source(name))
    };
    Err(SettingsError::PingTooLate {
        ping_interval: told("ping-interval", ping_interval),
        pong_wait: told("pong-wait", pong_wait),
    })
}

fn shards(given: &RawSettings) -> Result<u16, SettingsError> {
    let cores = || {
        let max = Flag::named("shards")
            .bounds()
            .map_or(1, |bounds| bounds.max);
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        cores.min(max)
    };
    Ok(given.number_given("shards")?.unwrap_or_else(cores) as u16)
}

fn seed(given: &RawSettings) -> Result<u64, SettingsError> {
    match given.number_given("seed")? {
        Some(seed) => Ok(seed),
        None => getrandom::u64().map_err(|error| SettingsError::System {
            what: "a random seed from the operating system",
            problem: error.to_string(),
        }),
    }
}

/// An error of the core under the name of the flag, in the units of whoever wrote the value.
fn translate(error: ConfigError, given: &RawSettings) -> SettingsError {
    let key = error.key.replace('_', "-");
    let bounds = Bounds {
        unit: error.unit,
        min: error.min,
        default: None,
        max: error.max,
    };
    let source = given.source(&key);
    let value = match (&source, given.text(&key)) {
        (Source::Default, _) | (_, None) => bounds.show(error.value),
        (_, Some(text)) => text.into(),
    };
    SettingsError::Value {
        key,
        source,
        value,
        allowed: bounds.allowed(),
    }
}

/// The number of a limit in the base unit of metrics, and what that unit adds to its name.
pub(crate) fn base_unit(value: u64, unit: Unit) -> (f64, &'static str) {
    match unit {
        Unit::Milliseconds => (value as f64 / 1_000.0, "_seconds"),
        _ => (value as f64, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set_and_read() {
        for range in Config::RANGES {
            let untouched = Config::default();
            assert_eq!(
                get(&untouched, range.key),
                Some(range.default),
                "{}",
                range.key
            );
            let mut builder = set(Config::builder(), "pong_wait", 86_400_000);
            let other = if range.default == range.max {
                range.min
            } else {
                range.max - u64::from(range.key == "ping_interval")
            };
            builder = set(builder, range.key, other);
            let config = builder.build().expect("either end is allowed");
            assert_ne!(
                get(&config, range.key),
                Some(range.default),
                "{} has no setter",
                range.key
            );
        }
    }
}
