//! The server API over HTTP: what a backend may ask and do, with a key.
//!
//! | file | owns |
//! |---|---|
//! | `keys` | the keys, and where a request has one |
//! | `method` | the methods and their names |
//! | `params` | the parameters of each method |
//! | `whole` | whole numbers |
//! | `body` | commands of a request: one, a batch, or the old form with a line for each |
//! | `answer` | results and errors as JSON, and the response |
//! | `running` | what is kept of a request, and how a command ends |
//! | `call` | a request from its commands to its response |
//! | `publish` | publications to one channel or many |
//! | `exclusion` | publications that leave a client out |
//! | `query` | presence and history |
//! | `nodes` | channels and nodes |
//! | `clients` | what is asked about clients and done to them |

mod answer;
mod body;
mod call;
mod clients;
mod exclusion;
mod keys;
mod method;
mod nodes;
mod params;
mod publish;
mod query;
mod running;
mod whole;

pub use keys::ApiKeys;
pub use method::ApiMethod;
pub(crate) use running::{ApiCall, ApiRun};

use stentor_core::{HttpRequest, HttpResponse};

/// The path of the old form; the methods are below it.
const PATH: &str = "/api";

/// Settings of the API: the section `http_api` of the configuration.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// `key` and `previous_key`: who may use it. Without a key, nobody may.
    pub keys: ApiKeys,
    /// `error_mode`: whether errors are statuses of HTTP even if a request does not ask for that.
    pub transport_errors: bool,
    /// Whether it is only served to internal requests, since there is a listener for these.
    pub is_internal: bool,
    /// `max_answer`: bytes of an answer from which on no further command of a request is carried out.
    pub max_answer: usize,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            keys: ApiKeys::default(),
            transport_errors: false,
            is_internal: false,
            max_answer: 16 << 20,
        }
    }
}

/// What a request for a path of the API gets.
#[derive(Debug)]
pub(crate) enum ApiVerdict {
    /// It is held, and its commands are carried out.
    Held,
    /// It is answered with this.
    Refused(HttpResponse),
    /// It has no key, or another one.
    Unauthorized(HttpResponse),
}

/// Decides on a request, if it is for the API.
pub(crate) fn admit(settings: &ApiSettings, request: &HttpRequest<'_>) -> Option<ApiVerdict> {
    let rest = request.path().strip_prefix(PATH)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    if settings.is_internal && !request.is_internal() {
        return None;
    }
    Some(if !settings.keys.allow(request) {
        let mut response = HttpResponse::new(401).field("WWW-Authenticate", "apikey");
        if settings.keys.is_empty() {
            response = text(response, "The API has no key. Set http_api.key.\n");
        }
        ApiVerdict::Unauthorized(response)
    } else if target(request.path()).is_none() {
        ApiVerdict::Refused(text(HttpResponse::new(404), "no such method\n"))
    } else if request.method() != "POST" {
        ApiVerdict::Refused(HttpResponse::new(405).field("Allow", "POST"))
    } else {
        ApiVerdict::Held
    })
}

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ApiTarget {
    Method(ApiMethod),
    /// Several commands in one object.
    Batch,
    /// A line for each command.
    Lines,
}

fn target(path: &str) -> Option<ApiTarget> {
    match path.strip_prefix(PATH)? {
        "" | "/" => Some(ApiTarget::Lines),
        "/batch" => Some(ApiTarget::Batch),
        method => ApiMethod::from_name(method.strip_prefix('/')?).map(ApiTarget::Method),
    }
}

fn text(response: HttpResponse, text: &'static str) -> HttpResponse {
    response.body("text/plain; charset=utf-8", text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_path() {
        for &method in ApiMethod::ALL {
            let path = alloc::format!("/api/{}", method.name());
            assert_eq!(target(&path), Some(ApiTarget::Method(method)));
        }
        assert_eq!(target("/api/batch"), Some(ApiTarget::Batch));
        assert_eq!(target("/api"), Some(ApiTarget::Lines));
        assert_eq!(target("/api/"), Some(ApiTarget::Lines));
        for path in [
            "/api/none",
            "/api/publish/",
            "/api//publish",
            "/api/Publish",
        ] {
            assert_eq!(target(path), None, "{path}");
        }
    }
}
