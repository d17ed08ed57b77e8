//! Conversion of the settings into the [`Config`] of the core, and of its errors.

use core::time::Duration;

use stentor_core::Config;
use stentor_core::config::{ConfigBuilder, ConfigError};

use super::error::{SettingsError, Source};
use super::flag::Flag;
use super::machine::{self, MEMORY_BUDGET};
use super::raw::RawSettings;
use super::value::Bounds;

/// Adds the limits of the core to a builder and builds it. A connection may be in `channels` channels
/// at least.
pub(super) fn config(raw: &RawSettings, builder: ConfigBuilder, channels: u64) -> Config {
    let mut builder = builder
        .seed(seed(raw))
        .shards(shards(raw))
        .compression(raw.switch("compression.enabled"))
        .limits_loopback(raw.switch("limits.loopback"))
        .closes_excess(raw.choice("limits.excess") == "close")
        .subprotocols(raw.subprotocols());
    for range in Config::RANGES {
        match range.setting {
            PING_INTERVAL => {}
            MEMORY_BUDGET => builder = builder.limit(range, memory_budget(raw, range.max)),
            MAX_CHANNELS => builder = builder.limit(range, raw.number(MAX_CHANNELS).max(channels)),
            setting => builder = builder.limit(range, raw.number(setting)),
        }
    }
    let ping_interval = ping_interval(raw);
    let built = builder
        .ping_interval(Duration::from_millis(ping_interval))
        .build();
    built.unwrap_or_else(|error| {
        // It probably follows from an error that is reported already.
        if !raw.has_errors() {
            raw.report(translate(error, raw));
        }
        Config::default()
    })
}

/// Returns the memory budget: what is given, or a share of the memory that the process may take.
fn memory_budget(raw: &RawSettings, most: u64) -> u64 {
    let share = || {
        raw.memory
            .map(|memory| machine::budget(memory, shards(raw), most))
    };
    raw.number_given(MEMORY_BUDGET).or_else(share).unwrap_or(0)
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
const MAX_CHANNELS: &str = "rooms.max_per_connection";
const PONG_WAIT: &str = "websocket.pong_wait";

fn shards(raw: &RawSettings) -> u16 {
    let cores = || {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        cores.min(Config::SHARDS.max)
    };
    raw.number_given(Config::SHARDS.setting)
        .unwrap_or_else(cores) as u16
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

/// Converts an error of the core into one of the setting, in the units in which its value was given.
fn translate(error: ConfigError, raw: &RawSettings) -> SettingsError {
    let bounds = Bounds {
        unit: error.unit,
        min: error.min,
        default: None,
        max: error.max,
    };
    let flag = Flag::of_limit(error.key).expect("a limit of the core");
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
