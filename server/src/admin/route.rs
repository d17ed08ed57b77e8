//! Routes of the admin pages: paths, methods, and the responses to requests without a page.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use stentor_core::ConnId;
use stentor_core::inspect::ConnectionQuery;
use stentor_core::proto::http::Request;

use super::parameters;
use super::reply::{AdminReply, Status};

/// A page, with its parameters.
#[derive(Clone, Debug)]
pub(super) enum Route {
    Connections(ConnectionQuery),
    Connection(ConnId),
    Closed(usize),
    DeadLetters(usize),
    Resubmit(u64),
    ResubmitAll,
    Discard(u64),
    Metrics,
    Alive,
    Ready,
    LogLevel,
    /// The levels, if the query has them, and for how long.
    SetLogLevel(Option<String>, Duration),
    ResetLogLevel,
    Reload,
    /// The methods of a page.
    Methods(&'static str),
}

/// Returns the route of a request, or the response to one without a page.
pub(super) fn route(request: &Request<'_>) -> Result<Route, AdminReply> {
    let decode = |segment| percent_decode_str(segment).decode_utf8_lossy();
    let segments: Vec<_> = request.path().split('/').skip(1).map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
    let method = match request.method() {
        "HEAD" => "GET",
        other => other,
    };
    if method == "OPTIONS" {
        let of_any = (request.path() == "*").then_some(ALL);
        let allow = of_any.or_else(|| methods(&segments)).ok_or_else(no_page)?;
        return Ok(Route::Methods(allow));
    }
    if method != "GET" {
        refuse_browsers(request)?;
    }
    let query = request.query();
    let bad = |text: String| AdminReply::text(Status::BadRequest, &text);
    let route = match (&segments[..], method) {
        (["connections"], "GET") => {
            Route::Connections(parameters::connections(query).map_err(bad)?)
        }
        (["gone"], "GET") => Route::Closed(parameters::limit(query).map_err(bad)?),
        (["log-level"], "PUT") => {
            let (levels, time) = parameters::log_level(query).map_err(bad)?;
            Route::SetLogLevel(levels, time)
        }
        (["dead-letters"], "GET") => Route::DeadLetters(parameters::limit(query).map_err(bad)?),
        (segments, method) => {
            let route = single(segments, method)?;
            parameters::none(query).map_err(bad)?;
            route
        }
    };
    Ok(route)
}

/// Returns the routes without parameters.
fn single(segments: &[&str], method: &str) -> Result<Route, AdminReply> {
    match (segments, method) {
        (["metrics"], "GET") => Ok(Route::Metrics),
        (["healthz"], "GET") => Ok(Route::Alive),
        (["readyz"], "GET") => Ok(Route::Ready),
        (["log-level"], "GET") => Ok(Route::LogLevel),
        (["log-level"], "DELETE") => Ok(Route::ResetLogLevel),
        (["reload"], "POST") => Ok(Route::Reload),
        (["connections", id], "GET") => Ok(Route::Connection(connection(id)?)),
        (["dead-letters", "resubmit"], "POST") => Ok(Route::ResubmitAll),
        (["dead-letters", letter, "resubmit"], "POST") => Ok(Route::Resubmit(number(letter)?)),
        (["dead-letters", letter], "DELETE") if *letter != "resubmit" => {
            Ok(Route::Discard(number(letter)?))
        }
        (segments, _) => Err(methods(segments).map_or_else(no_page, AdminReply::bad_method)),
    }
}

/// Returns the methods of the page at this path, if there is one.
fn methods(segments: &[&str]) -> Option<&'static str> {
    match segments {
        ["connections" | "gone" | "dead-letters" | "metrics" | "healthz" | "readyz"]
        | ["connections", _] => Some(READ),
        ["log-level"] => Some("GET, HEAD, PUT, DELETE, OPTIONS"),
        ["reload"] | ["dead-letters", "resubmit"] | ["dead-letters", _, "resubmit"] => {
            Some("POST, OPTIONS")
        }
        ["dead-letters", _] => Some("DELETE, OPTIONS"),
        _ => None,
    }
}

fn no_page() -> AdminReply {
    AdminReply::text(Status::NotFound, PAGES)
}

fn connection(text: &str) -> Result<ConnId, AdminReply> {
    text.parse().map_err(|error| {
        let text = format!("{error}; in a path, # is written %23, as in /connections/0.12%233");
        AdminReply::text(Status::BadRequest, &text)
    })
}

fn number(text: &str) -> Result<u64, AdminReply> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    number.ok_or_else(|| {
        let text = format!("{text:?} is not the number of a dead letter");
        AdminReply::text(Status::BadRequest, &text)
    })
}

/// Refuses requests of browsers that would change something.
///
/// The pages are unauthenticated, so a foreign page in the browser of an operator must not change
/// anything. Browsers state the origin of such requests.
fn refuse_browsers(request: &Request<'_>) -> Result<(), AdminReply> {
    let mut headers = ["origin", "sec-fetch-site"].into_iter();
    if headers.any(|name| request.header(name).next().is_some()) {
        return Err(AdminReply::text(
            Status::Forbidden,
            "pages in a browser may change nothing",
        ));
    }
    Ok(())
}

const PAGES: &str = "there is /connections, /connections/ID, /gone, /dead-letters, /metrics, /healthz, /readyz, /log-level, /reload";
const READ: &str = "GET, HEAD, OPTIONS";
const ALL: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";
