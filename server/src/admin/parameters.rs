//! Query parameters of the admin pages.
//!
//! | parameter | of | meaning |
//! |---|---|---|
//! | `room` | connections | members of this room only |
//! | `min-queued` | connections | at least this many queued messages |
//! | `min-bytes` | connections | at least this many queued bytes, as in `64KiB` |
//! | `min-age` | connections | oldest queued message at least this old, as in `500ms` |
//! | `sort` | connections | by `queued` (the default), `bytes` or `age`, descending |
//! | `for` | log-level | how long the levels count: `1s` to `24h`, 10 minutes by default |
//! | `level` | log-level | the levels, if they are not the content |
//! | `limit` | all lists | number of entries: 1 to 1000, 100 by default |

use std::time::Duration;

use stentor_core::config::Unit;
use stentor_core::inspect::{ConnectionQuery, SortBy};

use crate::settings::value::Bounds;

/// Parses the parameters of `/connections`, or returns what is wrong with them.
pub(super) fn connections(query: Option<&str>) -> Result<ConnectionQuery, String> {
    let names = [
        "room",
        "min-queued",
        "min-bytes",
        "min-age",
        "sort",
        "limit",
    ];
    let given = QueryParameters::read(query, &names)?;
    Ok(ConnectionQuery {
        channel: given.value("room").map(|room| room.to_owned().into()),
        min_messages: given
            .number("min-queued", Unit::Count, 0, u32::MAX)?
            .unwrap_or(0),
        min_bytes: given
            .number("min-bytes", Unit::Bytes, 0, u32::MAX)?
            .unwrap_or(0),
        min_age: given
            .number("min-age", Unit::Milliseconds, 0, DAY)?
            .map_or(Duration::ZERO, |millis| {
                Duration::from_millis(millis.into())
            }),
        order: match given.value("sort") {
            None | Some("queued") => SortBy::Messages,
            Some("bytes") => SortBy::Bytes,
            Some("age") => SortBy::Age,
            Some(other) => return Err(wrong("sort", other, "queued, bytes, age")),
        },
        most: given.limit()?,
    })
}

/// Parses the limit of a list, or returns what is wrong with it.
pub(super) fn limit(query: Option<&str>) -> Result<usize, String> {
    QueryParameters::read(query, &["limit"])?.limit()
}

/// Parses the parameters of a change of the log level: the levels, if they are there, and the time.
pub(super) fn log_level(query: Option<&str>) -> Result<(Option<String>, Duration), String> {
    let given = QueryParameters::read(query, &["for", "level"])?;
    let millis = given.number("for", Unit::Milliseconds, 1_000, DAY)?;
    let time = Duration::from_millis(millis.unwrap_or(600_000).into());
    Ok((given.value("level").map(Into::into), time))
}

/// Checks that there are no parameters.
pub(super) fn none(query: Option<&str>) -> Result<(), String> {
    QueryParameters::read(query, &[]).map(|_| ())
}

/// Names and values. Each name is known and occurs once.
struct QueryParameters(Vec<(String, String)>);

impl QueryParameters {
    fn read(query: Option<&str>, names: &[&str]) -> Result<Self, String> {
        let mut given: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !names.contains(&&*name) {
                let known = match names {
                    [] => "takes no parameters".into(),
                    names => format!("takes {}", names.join(", ")),
                };
                return Err(format!("there is no parameter {name:?}; this page {known}"));
            }
            if given.iter().any(|(other, _)| *other == name) {
                return Err(format!("{name} stands twice"));
            }
            given.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(given))
    }

    fn value(&self, name: &str) -> Option<&str> {
        let mut given = self.0.iter();
        given
            .find(|(other, _)| other == name)
            .map(|(_, value)| &**value)
    }

    fn number(&self, name: &str, unit: Unit, min: u32, max: u32) -> Result<Option<u32>, String> {
        let Some(text) = self.value(name) else {
            return Ok(None);
        };
        let bounds = Bounds::new(unit, min.into(), 0, max.into());
        let number = bounds.parse(text).map(|number| number as u32); // at most `max`
        number
            .map(Some)
            .ok_or_else(|| wrong(name, text, &bounds.allowed()))
    }

    fn limit(&self) -> Result<usize, String> {
        let most = ConnectionQuery::MOST as u32;
        let limit = self.number("limit", Unit::Count, 1, most)?;
        Ok(limit.map_or(LIMIT, |limit| limit as usize))
    }
}

fn wrong(name: &str, value: &str, allowed: &str) -> String {
    format!("{name} cannot be {value:?}; it takes {allowed}")
}

/// Default number of entries of a list.
const LIMIT: usize = 100;
/// In milliseconds.
const DAY: u32 = 86_400_000;
