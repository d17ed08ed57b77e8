//! The page of the log level.

use std::time::Duration;

use super::reply::{AdminReply, Status};

/// Shows what is logged.
#[cfg(feature = "program")]
pub(super) fn show() -> AdminReply {
    use crate::log::level;

    let levels = level::get();
    let page = serde_json::json!({
        "level": levels.levels,
        "configured": levels.configured,
        "seconds_left": levels.rest.map(|rest| rest.as_secs_f64()),
    });
    AdminReply::json(Status::Ok, &page)
}

/// Replaces what is logged for a time. The levels are in the query or the content; without any,
/// everything up to `debug` is logged.
#[cfg(feature = "program")]
pub(super) fn set(levels: Option<String>, content: &[u8], time: Duration) -> AdminReply {
    use crate::log::level;

    let content = String::from_utf8_lossy(content);
    let given = levels.unwrap_or_else(|| content.trim().into());
    let levels = if given.is_empty() { "debug" } else { &given };
    match level::set_for(levels, time.min(level::LONGEST)) {
        Ok(()) => show(),
        Err(problem) => AdminReply::text(Status::BadRequest, &problem),
    }
}

/// Ends what is temporary.
#[cfg(feature = "program")]
pub(super) fn reset() -> AdminReply {
    crate::log::level::reset();
    show()
}

/// The log is that of the program around the server.
#[cfg(not(feature = "program"))]
pub(super) fn show() -> AdminReply {
    AdminReply::text(Status::NotFound, "the log is the application's")
}

#[cfg(not(feature = "program"))]
pub(super) fn set(_: Option<String>, _: &[u8], _: Duration) -> AdminReply {
    show()
}

#[cfg(not(feature = "program"))]
pub(super) fn reset() -> AdminReply {
    show()
}
