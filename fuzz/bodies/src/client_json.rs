//! Fuzzes the JSON codec of the client protocol against `serde_json::Value`, and against Protobuf.

use stentor_gateway::client_protocol::{ClientCodec, DecodeError, Publication, encode_publication};
use stentor_sim::client_protocol::{ProtoCommand, decode_json, is_command_of};

use crate::protocol::{decode, round_trip};

/// Any bytes as a message of a client, and as the payload of a publication.
///
/// # Panics
/// If a command is not what the JSON says, if a message is refused without a cause, or if a payload
/// does not come through.
pub fn client_json(data: &[u8]) {
    let (commands, error) = decode(ClientCodec::Json, data);
    for command in &commands {
        round_trip(command);
    }
    if let Ok(text) = core::str::from_utf8(data) {
        compare(text, &commands, error);
    }
    payload(data);
}

/// Compares with a split at newlines, and with each line as a value.
fn compare(text: &str, commands: &[ProtoCommand], error: Option<DecodeError>) {
    let values = decode_json(text);
    for (command, value) in commands.iter().zip(&values) {
        // What a value cannot hold, such as a large number, a payload can.
        if let Some(value) = value {
            assert!(is_command_of(command, value), "{command:?} {value}");
        }
    }
    let Some(error) = error else {
        assert_eq!(commands.len(), values.len());
        return;
    };
    let refused = values.get(commands.len()).expect("a line is refused");
    let requests = refused.as_ref().map(count_requests);
    match error {
        DecodeError::EmptyMessage => assert!(text.is_empty()),
        DecodeError::InvalidJson => assert_eq!(*refused, None),
        DecodeError::NoRequest => assert!(requests.is_none_or(|count| count == 0)),
        DecodeError::SeveralRequests => assert!(requests.is_none_or(|count| count > 1)),
        DecodeError::InvalidField | DecodeError::FilterTooDeep => {}
        _ => panic!("{error:?} is not an error of JSON"),
    }
}

fn count_requests(value: &serde_json::Value) -> usize {
    const NAMES: [&str; 12] = [
        "connect",
        "subscribe",
        "unsubscribe",
        "publish",
        "presence",
        "presence_stats",
        "history",
        "ping",
        "send",
        "rpc",
        "refresh",
        "sub_refresh",
    ];
    let is_there = |name: &&str| value.get(name).is_some_and(|request| !request.is_null());
    NAMES.iter().filter(|name| is_there(name)).count()
}

/// A payload is written as the value that it is, on one line; or refused if it is none.
fn payload(data: &[u8]) {
    let publication = Publication {
        data,
        ..Publication::default()
    };
    let mut out = b"before".to_vec();
    let result = encode_publication(ClientCodec::Json, "c", &publication, &mut out);
    let text = core::str::from_utf8(data).unwrap_or("\u{FFFD}");
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    assert_eq!(result.is_ok(), is_json || data.is_empty());
    let out = out.strip_prefix(b"before").expect("what was there stays");
    if result.is_err() {
        assert!(out.is_empty());
        return;
    }
    assert!(!out.iter().any(|byte| matches!(byte, b'\n' | b'\r')));
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
        let push: serde_json::Value = serde_json::from_slice(out).expect("JSON");
        assert_eq!(push["push"]["pub"]["data"], value);
    }
}
