//! Conversion of a value of Centrifugo into the type and the unit that a setting of ours has.

use serde_json::Value;
use stentor_core::config::Unit;

use crate::settings::declaration::FlagKind;
use crate::settings::flag::Flag;

/// Returns a value in the type that a setting takes: Centrifugo also takes numbers and switches as texts,
/// lists as one text with spaces, and durations as nanoseconds. What has no such form
/// remains as it is.
pub(super) fn converted(flag: &Flag, value: &Value) -> Value {
    let unit = flag.bounds().map(|bounds| bounds.unit);
    let converted = match (value, flag.kind) {
        (Value::Number(nanoseconds), _) if unit == Some(Unit::Milliseconds) => {
            nanoseconds.as_u64().and_then(milliseconds).map(Value::from)
        }
        (Value::String(text), _) if unit == Some(Unit::Milliseconds) => {
            (text == "0").then(|| "0s".into())
        }
        (Value::String(text), _) if unit.is_some() => text.parse::<u64>().ok().map(Value::from),
        (Value::String(text), FlagKind::Switch) => switch(text).map(Value::Bool),
        (Value::String(text), FlagKind::Choice(..)) if flag.key == "log.level" => {
            let level = match text.as_str() {
                "none" => Some("off"),
                "fatal" => Some("error"),
                _ => None,
            };
            level.map(Value::from)
        }
        (Value::String(text), _) if flag.is_list() => {
            Some(text.split_whitespace().collect::<Vec<_>>().into())
        }
        _ => None,
    };
    converted.unwrap_or_else(|| value.clone())
}

/// Returns whether a value says nothing: Centrifugo has its default then.
pub(super) fn is_nothing(flag: &Flag, value: &Value) -> bool {
    let is_text = matches!(flag.kind, FlagKind::Text(_));
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() && !is_text && flag.word(text).is_none(),
        _ => false,
    }
}

/// Parses a switch as Go does.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Formats a duration of whole milliseconds.
fn milliseconds(nanoseconds: u64) -> Option<String> {
    let is_whole = nanoseconds.is_multiple_of(1_000_000);
    is_whole.then(|| match nanoseconds / 1_000_000 {
        0 => "0s".into(),
        n if n.is_multiple_of(1_000) => format!("{}s", n / 1_000),
        n => format!("{n}ms"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_get_the_type_and_the_unit_of_the_setting() {
        for (key, theirs, ours) in [
            ("client.ping_interval", json!("1h30m"), json!("1h30m")),
            ("client.ping_interval", json!("1.5h"), json!("1.5h")),
            (
                "client.ping_interval",
                json!(1_500_000_000_u64),
                json!("1500ms"),
            ),
            (
                "client.ping_interval",
                json!(20_000_000_000_u64),
                json!("20s"),
            ),
            ("client.expired_close_delay", json!("0"), json!("0s")),
            ("client.channel_limit", json!("200"), json!(200)),
            ("client.channel_limit", json!(200), json!(200)),
            ("client.queue_max_size", json!("65536"), json!(65_536)),
            ("client.insecure", json!("True"), json!(true)),
            ("client.insecure", json!("0"), json!(false)),
            ("log.level", json!("none"), json!("off")),
            ("log.level", json!("fatal"), json!("error")),
            ("log.level", json!("debug"), json!("debug")),
            (
                "client.allowed_origins",
                json!("https://a.example  https://b.example"),
                json!(["https://a.example", "https://b.example"]),
            ),
        ] {
            assert_eq!(converted(Flag::of(key), &theirs), ours, "{key} {theirs}");
        }
    }

    #[test]
    fn what_has_no_counterpart_remains() {
        for (key, value) in [
            ("client.ping_interval", json!(-1)),
            ("client.ping_interval", json!("-1s")),
            ("client.ping_interval", json!(1)),
            ("client.ping_interval", json!(1.5)),
            ("client.channel_limit", json!("many")),
            ("client.insecure", json!("yes")),
        ] {
            assert_eq!(converted(Flag::of(key), &value), value, "{key}");
            assert!(!is_nothing(Flag::of(key), &value), "{key}");
        }
    }

    #[test]
    fn durations_of_go_are_read() {
        let flag = Flag::of("client.expired_close_delay");
        for (theirs, milliseconds) in [
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("1m0.5s", 60_500),
            ("1h0m0s", 3_600_000),
            ("200ms", 200),
            ("5000us", 5),
            ("5000\u{b5}s", 5),
            ("0", 0),
            ("0s", 0),
        ] {
            let ours = converted(flag, &theirs.into());
            let ours = ours.as_str().expect("a text");
            assert_eq!(flag.number_of(ours), Some(milliseconds), "{theirs}");
        }
    }

    #[test]
    fn empty_values_are_the_default_unless_they_mean_something() {
        let is_nothing = |key, value| is_nothing(Flag::of(key), &value);
        assert!(is_nothing("client.ping_interval", json!("")));
        assert!(is_nothing("client.ping_interval", Value::Null));
        assert!(is_nothing("http_api.error_mode", json!("")));
        assert!(is_nothing("client.token.hmac_secret_key", json!("")));
        assert!(!is_nothing("channel.private_prefix", json!("")));
    }
}
