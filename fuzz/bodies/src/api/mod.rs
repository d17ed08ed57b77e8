//! Fuzzes bodies of the server API against `docs/openapi.json`: what fits the description of its method
//! is answered as described, and what does not is refused. What is published is in the history after
//! that, as it was given.

mod schema;
mod server;

use std::sync::LazyLock;

use serde_json::Value;

use schema::{Fit, Json, Schema};
use server::Server;

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../docs/openapi.json")).expect("JSON")
});

/// A byte that chooses the method, and any bytes as the body of a call.
///
/// # Panics
/// If a call is not answered as the description says, or if a payload does not come through.
pub fn api(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else {
        return;
    };
    let paths = DESCRIPTION["paths"].as_object().expect("paths");
    let (path, item) = paths
        .iter()
        .nth(usize::from(choice) % paths.len())
        .expect("a path");
    let operation = &item["post"];
    let mut server = Server::new();
    let (status, answer) = server.call(path, body);
    let Ok(text) = core::str::from_utf8(body) else {
        assert!([200, 400].contains(&status), "{path}: {status}");
        return;
    };
    let needs_body = operation["requestBody"]["required"] == true;
    let text = if text.is_empty() && !needs_body {
        "{}"
    } else {
        text
    };
    let schema = Schema::new(&DESCRIPTION, content(&operation["requestBody"]));
    match schema.fit(text) {
        Fit::Fits => assert_eq!(status, 200, "{path} {text}"),
        Fit::Differs => assert_eq!(status, 400, "{path} {text}"),
    }
    if status != 200 {
        return;
    }
    let described = content(&operation["responses"]["200"]);
    let fit = Schema::new(&DESCRIPTION, described).fit(&answer);
    assert_eq!(fit, Fit::Fits, "{path} {text}: {answer}");
    if path == "/publish" {
        payload(&mut server, text, &answer);
    }
}

fn content(of: &Value) -> &Value {
    &of["content"]["application/json"]["schema"]
}

/// Compares what was published with the history.
fn payload(server: &mut Server, params: &str, answer: &str) {
    let answer: Value = serde_json::from_str(answer).expect("JSON");
    if answer["result"]["offset"].is_null() {
        return;
    }
    let Json::Object(fields) = Json::of(params) else {
        panic!("a publication is an object: {params}");
    };
    let field = |name: &str| {
        let mut named = fields.iter().filter(|(other, _)| other == name);
        named.next().map(|(_, value)| *value)
    };
    let is_base64 = field("b64data").is_some_and(|text| !["null", "\"\""].contains(&text));
    if is_base64 {
        return;
    }
    let channel = field("channel").expect("it has been published");
    let (status, history) = server.call(
        "/history",
        format!("{{\"channel\":{channel},\"limit\":1,\"reverse\":true}}").as_bytes(),
    );
    assert_eq!(status, 200);
    let data = field("data").expect("it has been published");
    let data: String = data.chars().filter(|one| !"\r\n".contains(*one)).collect();
    let begin = format!("{{\"result\":{{\"publications\":[{{\"data\":{data},\"offset\":");
    assert!(history.starts_with(&begin), "{params}: {history}");
}
