//! Answers to pages of other origins (Fetch §3.2). Which origins may come, the core has checked.

use alloc::string::String;
use alloc::vec::Vec;

use stentor_core::{HttpRequest, HttpResponse};

/// Seconds for which a browser need not ask again.
const MAX_AGE: &str = "300";

/// Returns the fields that let the page read the response; none for a request of no page.
pub(super) fn fields(request: &HttpRequest<'_>) -> Vec<(String, Vec<u8>)> {
    let mut origins = request.header("origin");
    let Some(origin) = origins.next() else {
        return Vec::new();
    };
    [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", b"true"),
        ("Vary", b"Origin"),
    ]
    .map(|(name, value)| (name.into(), value.to_vec()))
    .to_vec()
}

/// Returns the answer to a browser that asks what a page may do.
pub(super) fn preflight(request: &HttpRequest<'_>, methods: &str) -> HttpResponse {
    let mut response = HttpResponse::new(204);
    for (name, value) in fields(request) {
        response = response.field(name, value);
    }
    response = response
        .field("Access-Control-Allow-Methods", methods)
        .field("Access-Control-Max-Age", MAX_AGE);
    match request.header("access-control-request-headers").next() {
        Some(asked) => response.field("Access-Control-Allow-Headers", asked),
        None => response,
    }
}
