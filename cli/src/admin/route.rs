//! Owns which request asks for what: paths, methods, and what is wrong with those that ask for
//! nothing there is.

use percent_encoding::percent_decode_str;
use stentor_core::proto::http::Request;
use stentor_core::{ConnId, ConnectionQuery};

use super::query;
use super::reply::{Reply, Status};

/// What a request asks for.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Connections(ConnectionQuery),
    Connection(ConnId),
    Gone(usize),
    DeadLetters(usize),
    Resubmit(u64),
    ResubmitAll,
    Discard(u64),
    Metrics,
    /// Which methods the page takes.
    Methods(&'static str),
}

/// What a request asks for, or the answer that it asks for nothing there is.
pub(super) fn call(request: &Request<'_>) -> Result<Call, Reply> {
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
        return Ok(Call::Methods(allow));
    }
    if method != "GET" {
        refuse_strangers(request)?;
    }
    let query = request.query();
    let bad = |text: String| Reply::text(Status::BadRequest, &text);
    let call = match (&segments[..], method) {
        (["connections"], "GET") => Call::Connections(query::filter(query).map_err(bad)?),
        (["gone"], "GET") => Call::Gone(query::limit(query).map_err(bad)?),
        (["dead-letters"], "GET") => Call::DeadLetters(query::limit(query).map_err(bad)?),
        (segments, method) => {
            let call = single(segments, method)?;
            query::none(query).map_err(bad)?;
            call
        }
    };
    Ok(call)
}

/// Those that take no parameters.
fn single(segments: &[&str], method: &str) -> Result<Call, Reply> {
    match (segments, method) {
        (["metrics"], "GET") => Ok(Call::Metrics),
        (["connections", id], "GET") => Ok(Call::Connection(connection(id)?)),
        (["dead-letters", "resubmit"], "POST") => Ok(Call::ResubmitAll),
        (["dead-letters", letter, "resubmit"], "POST") => Ok(Call::Resubmit(number(letter)?)),
        (["dead-letters", letter], "DELETE") if *letter != "resubmit" => {
            Ok(Call::Discard(number(letter)?))
        }
        (segments, _) => Err(methods(segments).map_or_else(no_page, Reply::bad_method)),
    }
}

/// The methods that the page at this path takes, if there is one.
fn methods(segments: &[&str]) -> Option<&'static str> {
    match segments {
        ["connections" | "gone" | "dead-letters" | "metrics"] | ["connections", _] => Some(READ),
        ["dead-letters", "resubmit"] | ["dead-letters", _, "resubmit"] => Some("POST, OPTIONS"),
        ["dead-letters", _] => Some("DELETE, OPTIONS"),
        _ => None,
    }
}

fn no_page() -> Reply {
    Reply::text(Status::NotFound, PAGES)
}

fn connection(text: &str) -> Result<ConnId, Reply> {
    text.parse().map_err(|error| {
        let text = format!("{error}; in a path, # is written %23, as in /connections/0.12%233");
        Reply::text(Status::BadRequest, &text)
    })
}

fn number(text: &str) -> Result<u64, Reply> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    number.ok_or_else(|| {
        let text = format!("{text:?} is not the number of a dead letter");
        Reply::text(Status::BadRequest, &text)
    })
}

/// Nobody is asked who he is. So a page of somebody else's, in the browser of whoever may come
/// here, must not change anything: browsers say of such requests where they come from.
fn refuse_strangers(request: &Request<'_>) -> Result<(), Reply> {
    let mut strange = ["origin", "sec-fetch-site"].into_iter();
    if strange.any(|name| request.header(name).next().is_some()) {
        return Err(Reply::text(
            Status::Forbidden,
            "pages in a browser may change nothing",
        ));
    }
    let has_content = |length: &[u8]| length.iter().any(|&b| b != b'0');
    let is_chunked = request.header("transfer-encoding").next().is_some();
    if is_chunked || request.header("content-length").any(has_content) {
        return Err(Reply::text(
            Status::HasContent,
            "these pages take no content",
        ));
    }
    Ok(())
}

const PAGES: &str = "there is /connections, /connections/ID, /gone, /dead-letters, /metrics";
const READ: &str = "GET, HEAD, OPTIONS";
const ALL: &str = "GET, HEAD, POST, DELETE, OPTIONS";
