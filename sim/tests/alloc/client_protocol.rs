//! What the codecs of the client protocol and the verification of a token cost in allocations:
//! nothing, if buffers have room and payloads are flat.

use stentor_gateway::client_protocol::{
    ClientCodec, ClientInfo, CommandResult, ErrorCode, Publication, Push, PushEvent, Reply,
    ReplyBatch, encode_publication,
};
use stentor_gateway::token::{Algorithm, HmacKey, TokenBuilder, Verifier};

use crate::counting::ALLOCATIONS;

const JSON: &[u8] = br#"{"id":1,"connect":{"token":"eyJ","name":"js","version":"5"}}
{"id":2,"subscribe":{"channel":"chat:a","recover":true,"offset":4,"epoch":"hQzX"}}
{"id":3,"publish":{"channel":"chat:a","data":{"text":"hello\n","n":5}}}
{"id":4,"history":{"channel":"chat:a","limit":5,"since":{"offset":1,"epoch":"e"}}}
{}"#;

const PROTOBUF: &[u8] = b"\
    \x0F\x08\x01\x22\x0B\x0A\x03eyJ\x22\x04go!!\
    \x10\x08\x03\x3A\x0C\x0A\x04chat\x12\x04\xFF\xFE\xFD\xFC\
    \x00";

#[test]
fn commands_are_decoded_without_allocations() {
    for (codec, message, count) in [
        (ClientCodec::Json, JSON, 5),
        (ClientCodec::Protobuf, PROTOBUF, 3),
    ] {
        let before = ALLOCATIONS.get();
        let decoded = codec.decode(message).filter(Result::is_ok).count();
        assert_eq!(ALLOCATIONS.get() - before, 0);
        assert_eq!(decoded, count, "{codec:?}");
    }
}

/// serde_json keeps the brackets that are open in a list that begins empty.
#[test]
fn a_payload_with_brackets_inside_others_costs_one_allocation() {
    let message = br#"{"id":3,"publish":{"data":{"a":[{"b":[[]]},{}]}}}"#;
    let mut out = Vec::with_capacity(4_096);
    let publication = Publication {
        data: br#"{"a":[{"b":[[]]},{}]}"#,
        ..Publication::default()
    };
    let before = ALLOCATIONS.get();
    let decoded = ClientCodec::Json
        .decode(message)
        .all(|command| command.is_ok());
    let between = ALLOCATIONS.get();
    let encoded = encode_publication(ClientCodec::Json, "c", &publication, &mut out);
    assert!(between - before <= 1 && ALLOCATIONS.get() - between <= 1);
    assert!(decoded && encoded.is_ok());
}

#[test]
fn replies_are_encoded_without_allocations() {
    let publication = Publication {
        data: b"{\"text\":\n\"hello\"}",
        info: Some(ClientInfo {
            user: "\"42\"",
            client: "9aa1",
            ..ClientInfo::default()
        }),
        offset: 1_000_000,
        tags: &[("lang", "de\n")],
        ..Publication::default()
    };
    let replies = [
        Reply::Result {
            id: 1,
            result: CommandResult::Publish,
        },
        Reply::Push(Push::new("chat:a", PushEvent::Publication(publication))),
        Reply::error(7, ErrorCode::TokenExpired),
        Reply::Ping,
    ];
    for codec in [ClientCodec::Json, ClientCodec::Protobuf] {
        let mut out = Vec::with_capacity(4_096);
        let before = ALLOCATIONS.get();
        let mut batch = ReplyBatch::new(codec, &mut out);
        let all = replies.iter().try_for_each(|reply| batch.push(reply));
        let fan_out = encode_publication(codec, "chat:a", &publication, &mut out);
        assert_eq!(ALLOCATIONS.get() - before, 0);
        assert_eq!((all, fan_out), (Ok(()), Ok(())));
    }
}

#[test]
fn a_token_is_verified_without_allocations() {
    let key = HmacKey::new(b"secret").expect("a secret");
    let token = TokenBuilder::new().user("42").issued_at(1).expires_at(100);
    let token = token.info(r#"{"name":"Ann"}"#).expect("JSON");
    let token = token.sign(&key, Algorithm::Hs256).expect("an HMAC");
    let verifier = Verifier::new(key);
    let mut buffer = Vec::with_capacity(1_024);
    let before = ALLOCATIONS.get();
    let claims = verifier.verify_connection(&token, 50, &mut buffer);
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(claims.map(|claims| claims.expires_at), Ok(Some(100)));
}
