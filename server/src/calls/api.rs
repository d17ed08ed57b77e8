//! One call of the server API over a blocking socket.

use std::io::{Read as _, Write as _};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::CallError;
use super::url::ServerUrl;

/// The most bytes of an answer.
const MAX_ANSWER: u64 = 256 << 20;

/// Calls a method, and returns its result.
///
/// # Errors
/// Returns the error that the server answers, or why there is no answer.
pub(super) fn call(
    server: &ServerUrl,
    key: &str,
    method: &str,
    params: &str,
) -> Result<String, CallError> {
    if !key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(CallError::new("a key with other characters than ASCII"));
    }
    let (host, prefix) = server.parts();
    // In HTTP/1.0 the answer has no chunks, and ends with the connection.
    let request = format!(
        "POST {prefix}/api/{method} HTTP/1.0\r\nHost: {host}\r\nX-API-Key: {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{params}",
        params.len()
    );
    let mut stream = server.connect()?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    read(&answer)
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Value>,
}

/// Returns the result in an answer, as it is.
fn read(answer: &[u8]) -> Result<String, CallError> {
    let no_answer = || CallError::new("the answer is none of HTTP");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = answer.split_at(end.ok_or_else(no_answer)?);
    let body = &body[4..];
    let status = head
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| str::from_utf8(rest.get(2..5)?).ok());
    match status.ok_or_else(no_answer)? {
        "200" => {}
        "401" => {
            return Err(CallError::new(
                "the server does not take the key (401): see --key and its setting http_api.key",
            ));
        }
        status => {
            let reason = String::from_utf8_lossy(body);
            let reason = reason.trim();
            return Err(CallError::new(format!(
                "the server answers {status} {reason}"
            )));
        }
    }
    let Answer {
        result,
        error: reason,
    } = serde_json::from_slice(body)
        .map_err(|_| CallError::new("the answer is no JSON: is that the API of a server?"))?;
    match result {
        Some(result) => Ok(result.get().into()),
        None => Err(error(&reason.unwrap_or_default())),
    }
}

/// Returns an error of the protocol.
pub(super) fn error(error: &Value) -> CallError {
    let message = error["message"].as_str().unwrap_or_default();
    CallError::new(format!("{message} ({})", error["code"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_result_or_a_reason() {
        let read = |text: &str| read(text.as_bytes()).map_err(|error| error.to_string());
        let ok = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
        assert_eq!(
            read(&format!("{ok}{{\"result\":{{\"offset\":1.0}}}}")),
            Ok(r#"{"offset":1.0}"#.into())
        );
        for (answer, reason) in [
            (
                format!("{ok}{{\"error\":{{\"code\":102,\"message\":\"unknown channel\"}}}}"),
                "unknown channel (102)",
            ),
            (format!("{ok}<html>"), "the answer is no JSON"),
            ("HTTP/1.1 401 x\r\n\r\n".into(), "does not take the key"),
            (
                "HTTP/1.1 400 x\r\n\r\nbecause\n".into(),
                "answers 400 because",
            ),
            (String::new(), "none of HTTP"),
            ("SSH-2.0-x\r\n\r\n\r\n".into(), "none of HTTP"),
        ] {
            let error = read(&answer).expect_err(&answer);
            assert!(error.contains(reason), "{error}");
        }
    }
}
