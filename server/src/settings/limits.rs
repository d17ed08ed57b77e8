//! Owns the way from flags to [`Config`] and back: which setter and getter belongs to which key,
//! and the flag's name for an error of the core. The ranges are the core's.

use core::time::Duration;

use stentor_core::{Config, ConfigBuilder, ConfigError, Unit};

use super::error::{SettingsError, Source};
use super::flag::Flag;
use super::raw::RawSettings;
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

/// Adds the limits of the core, as given, to what is set already.
pub(super) fn config(raw: &RawSettings, builder: ConfigBuilder) -> Config {
    let mut builder = builder
        .seed(seed(raw))
        .shards(shards(raw))
        .compression(raw.switch("compression.enabled"))
        .compression_own_broadcasts(raw.switch("compression.own_broadcasts"))
        .subprotocols(raw.subprotocols());
    for range in Config::RANGES {
        if let Some(flag) = Flag::of_limit(range.key)
            && flag.key != PING_INTERVAL
        {
            builder = set(builder, range.key, raw.number(flag.key));
        }
    }
    let ping_interval = ping_interval(raw);
    let built = builder
        .ping_interval(Duration::from_millis(ping_interval))
        .build();
    built.unwrap_or_else(|error| {
        // Most likely it follows from another error, which is reported already.
        if !raw.has_errors() {
            raw.report(translate(error, raw));
        }
        Config::default()
    })
}

/// Returns the ping interval, which has to leave time for the pong. If only the pong wait is given
/// and the default does not fit, it is nine tenths of the pong wait.
fn ping_interval(raw: &RawSettings) -> u64 {
    let bounds = Flag::of(PING_INTERVAL).bounds().expect("a numeric setting");
    let pong_wait = raw.number(PONG_WAIT);
    let mut ping_interval = raw.number(PING_INTERVAL);
    if raw.text(PING_INTERVAL).is_none() && ping_interval >= pong_wait {
        ping_interval = (pong_wait * 9 / 10).max(bounds.min);
    }
    if ping_interval >= pong_wait {
        let given = |key, value| {
            let text = raw.text(key).map_or_else(|| bounds.show(value), Into::into);
            (text, raw.source(key))
        };
        raw.report(SettingsError::PingTooLate {
            ping_interval: given(PING_INTERVAL, ping_interval),
            pong_wait: given(PONG_WAIT, pong_wait),
        });
    }
    ping_interval
}

const PING_INTERVAL: &str = "websocket.ping_interval";
const PONG_WAIT: &str = "websocket.pong_wait";

fn shards(raw: &RawSettings) -> u16 {
    let cores = || {
        let max = Flag::of("server.shards")
            .bounds()
            .map_or(1, |bounds| bounds.max);
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        cores.min(max)
    };
    raw.number_given("server.shards").unwrap_or_else(cores) as u16
}

fn seed(raw: &RawSettings) -> u64 {
    raw.number_given("server.seed").unwrap_or_else(|| {
        getrandom::u64().unwrap_or_else(|error| {
            raw.report(SettingsError::System {
                what: "a random seed from the operating system",
                problem: error.to_string(),
            });
            0
        })
    })
}

/// Turns an error of the core into one of the setting, in the units in which its value was given.
fn translate(error: ConfigError, raw: &RawSettings) -> SettingsError {
    let bounds = Bounds {
        unit: error.unit,
        min: error.min,
        default: None,
        max: error.max,
    };
    let flag = Flag::of_limit(error.key).unwrap_or_else(|| Flag::of("server.shards"));
    let source = raw.source(flag.key);
    let value = match (&source, raw.text(flag.key)) {
        (Source::Default, _) | (_, None) => bounds.show(error.value),
        (_, Some(text)) => text.into(),
    };
    SettingsError::Value {
        key: flag.name(),
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
