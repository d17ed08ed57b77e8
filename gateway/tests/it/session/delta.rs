//! Patches from one publication to the next.

use serde_json::{Value, json};
use stentor_core::ConnId;
use stentor_gateway::fossil;
use stentor_gateway::namespaces::{ChannelOptions, DeltaType};

use super::server::Server;
use super::{insecure, recoverable};

fn with_delta() -> ChannelOptions {
    ChannelOptions {
        allowed_delta_types: vec![DeltaType::Fossil],
        delta_publish: true,
        ..recoverable(10)
    }
}

fn server() -> Server {
    Server::new(insecure(with_delta()))
}

fn subscribe(server: &mut Server, id: ConnId, more: &str) -> Value {
    let text = format!(r#"{{"id":9,"subscribe":{{"channel":"c"{more}}}}}"#);
    server.ask(id, &text)[0]["subscribe"].clone()
}

const DELTA: &str = r#","delta":"fossil""#;

/// A payload that is like the others but for a number, with characters of several bytes.
fn payload(number: u32) -> String {
    format!("{{\"number\":{number},\"text\":\"Съешь же ещё этих мягких французских булок\"}}")
}

fn publish(server: &mut Server, id: ConnId, payload: &str) {
    server.send(
        id,
        &format!(r#"{{"id":5,"publish":{{"channel":"c","data":{payload}}}}}"#),
    );
}

/// A receiver as an SDK is: its payload is the base of the next.
#[derive(Default)]
struct Receiver {
    base: Option<String>,
    patches: usize,
}

impl Receiver {
    fn take(&mut self, publication: &Value) -> String {
        let data = publication["data"].as_str().expect("a string");
        let text = match publication["delta"].as_bool() {
            None => data.to_owned(),
            Some(_) => {
                self.patches += 1;
                let base = self.base.as_deref().expect("a base").as_bytes();
                let made = fossil::apply(base, data.as_bytes(), 1 << 20);
                String::from_utf8(made.expect("a patch")).expect("UTF-8")
            }
        };
        self.base = Some(text.clone());
        text
    }

    /// Takes all that has come, in order.
    fn take_pushes(&mut self, server: &mut Server, id: ConnId) -> Vec<String> {
        let texts = server.texts(id);
        let lines = texts.iter().flat_map(|text| text.lines());
        let replies = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let pushes = replies.filter(|reply| reply["push"]["pub"].is_object());
        pushes
            .map(|reply| self.take(&reply["push"]["pub"]))
            .collect()
    }
}

#[test]
fn the_first_is_whole_and_the_others_are_patches() {
    let mut server = server();
    let (one, _) = server.connected();
    let (other, _) = server.connected();
    assert_eq!(subscribe(&mut server, one, DELTA)["delta"], true);
    assert_eq!(subscribe(&mut server, other, "")["delta"], Value::Null);
    let mut receiver = Receiver::default();
    for number in 0..5 {
        publish(&mut server, other, &payload(number));
        assert_eq!(receiver.take_pushes(&mut server, one), [payload(number)]);
        assert_eq!(receiver.patches, number as usize);
        let texts = server.texts(other).join("\n");
        assert!(texts.contains(&payload(number)), "{texts}");
    }
    // What no patch makes shorter is whole, and a base again.
    for text in ["5", "6", "{}"] {
        publish(&mut server, other, text);
        assert_eq!(receiver.take_pushes(&mut server, one), [text]);
    }
    assert_eq!(receiver.patches, 4);
}

#[test]
fn who_has_no_base_gets_no_patch() {
    let mut server = server();
    let (one, _) = server.connected();
    let (publisher, _) = server.connected();
    subscribe(&mut server, one, DELTA);
    let mut first = Receiver::default();
    publish(&mut server, publisher, &payload(1));
    publish(&mut server, publisher, &payload(2));
    first.take_pushes(&mut server, one);
    assert_eq!(first.patches, 1);

    let (new, _) = server.connected();
    let result = subscribe(&mut server, new, DELTA);
    assert_eq!(result["publications"], Value::Null);
    let mut second = Receiver::default();
    publish(&mut server, publisher, &payload(3));
    assert_eq!(second.take_pushes(&mut server, new), [payload(3)]);
    assert_eq!(first.take_pushes(&mut server, one), [payload(3)]);
    assert_eq!((first.patches, second.patches), (1, 0));
    publish(&mut server, publisher, &payload(4));
    assert_eq!(second.take_pushes(&mut server, new), [payload(4)]);
    assert_eq!(first.take_pushes(&mut server, one), [payload(4)]);
    assert_eq!((first.patches, second.patches), (2, 1));
}

#[test]
fn what_is_recovered_is_a_chain() {
    let mut server = server();
    let (publisher, _) = server.connected();
    let (one, _) = server.connected();
    subscribe(&mut server, publisher, "");
    for number in 1..=4 {
        publish(&mut server, publisher, &payload(number));
    }
    let result = subscribe(
        &mut server,
        one,
        &format!(r#"{DELTA},"recover":true,"offset":1"#),
    );
    assert_eq!(result["recovered"], true);
    let mut receiver = Receiver::default();
    let recovered = result["publications"].as_array().expect("publications");
    let texts: Vec<_> = recovered.iter().map(|each| receiver.take(each)).collect();
    assert_eq!(texts, [2, 3, 4].map(payload));
    assert_eq!(receiver.patches, 2);
    // The next is a patch of the last of them.
    publish(&mut server, publisher, &payload(5));
    assert_eq!(receiver.take_pushes(&mut server, one), [payload(5)]);
    assert_eq!(receiver.patches, 3);

    // After a recovery of nothing, it is whole.
    let (two, _) = server.connected();
    let result = subscribe(
        &mut server,
        two,
        &format!(r#"{DELTA},"recover":true,"offset":5"#),
    );
    assert_eq!(result["recovered"], true);
    let mut second = Receiver::default();
    publish(&mut server, publisher, &payload(6));
    assert_eq!(second.take_pushes(&mut server, two), [payload(6)]);
    publish(&mut server, publisher, &payload(7));
    assert_eq!(second.take_pushes(&mut server, two), [payload(7)]);
    assert_eq!(receiver.take_pushes(&mut server, one), [6, 7].map(payload));
    assert_eq!((receiver.patches, second.patches), (4, 1));
}

#[test]
fn a_connection_has_patches_of_one_channel_and_none_of_another() {
    let mut server = server();
    let (one, _) = server.connected();
    subscribe(&mut server, one, DELTA);
    let text = r#"{"id":2,"subscribe":{"channel":"d"}}"#;
    server.ask(one, text);
    for number in 1..=2 {
        publish(&mut server, one, &payload(number));
    }
    server.texts(one);
    for number in 1..=2 {
        let text = format!(r#"{{"id":3,"publish":{{"channel":"d","data":{number}}}}}"#);
        server.send(one, &text);
        assert!(
            server
                .texts(one)
                .join("\n")
                .contains(&format!("\"data\":{number}"))
        );
    }
    // After leaving, it gets the same channel as others do.
    server.ask(one, r#"{"id":4,"unsubscribe":{"channel":"c"}}"#);
    assert_eq!(subscribe(&mut server, one, "")["delta"], Value::Null);
    publish(&mut server, one, &payload(3));
    let texts = server.texts(one).join("\n");
    assert!(
        texts.contains(&format!("\"data\":{}", payload(3))),
        "{texts}"
    );
}

#[test]
fn without_history_or_permission_it_is_declined() {
    let options = with_delta();
    for options in [
        ChannelOptions {
            allowed_delta_types: Vec::new(),
            ..options.clone()
        },
        ChannelOptions {
            force_recovery: false,
            ..options.clone()
        },
        ChannelOptions {
            allowed_delta_types: vec![DeltaType::Fossil],
            ..ChannelOptions::default()
        },
    ] {
        let mut server = Server::new(insecure(options));
        let (one, _) = server.connected();
        assert_eq!(subscribe(&mut server, one, DELTA)["delta"], Value::Null);
        publish(&mut server, one, "{}");
        let texts = server.texts(one).join("\n");
        assert!(texts.contains("\"data\":{}"), "{texts}");
    }
    // Without `delta_publish` there are strings, and no patches.
    let mut server = Server::new(insecure(ChannelOptions {
        delta_publish: false,
        ..options
    }));
    let (one, _) = server.connected();
    assert_eq!(subscribe(&mut server, one, DELTA)["delta"], json!(true));
    let mut receiver = Receiver::default();
    for number in 1..=3 {
        publish(&mut server, one, &payload(number));
        assert_eq!(receiver.take_pushes(&mut server, one), [payload(number)]);
    }
    assert_eq!(receiver.patches, 0);
}
