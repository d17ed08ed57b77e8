//! What the targets of both codecs of the client protocol share.

use prost::Message;
use stentor_gateway::client_protocol::{ClientCodec, DecodeError};
use stentor_sim::client_protocol::ProtoCommand;

/// The commands of a message before the first error, and the error.
pub(super) fn decode(
    codec: ClientCodec,
    message: &[u8],
) -> (Vec<ProtoCommand>, Option<DecodeError>) {
    let mut commands = Vec::new();
    let mut decoder = codec.decode(message);
    for command in decoder.by_ref() {
        match command {
            Ok(command) => commands.push(ProtoCommand::from(&command)),
            Err(error) => {
                assert!(decoder.next().is_none(), "an error is the last");
                return (commands, Some(error));
            }
        }
    }
    assert!(!commands.is_empty(), "a message has a command");
    (commands, None)
}

/// Encodes a command in both codecs, and expects it back.
pub(super) fn round_trip(command: &ProtoCommand) {
    let message = command.encode_length_delimited_to_vec();
    let (again, error) = decode(ClientCodec::Protobuf, &message);
    assert_eq!(
        (again.as_slice(), error),
        (core::slice::from_ref(command), None)
    );

    // Not if a payload of Protobuf is not JSON, or not one that a value can hold.
    if let Some(json) = command.to_json() {
        let text = json.to_string();
        let (again, error) = decode(ClientCodec::Json, text.as_bytes());
        assert_eq!((again.len(), error), (1, None), "{text}");
        // Payloads are written in another form, and long numbers lose digits when they are read.
        let expected = serde_json::from_str(&text).ok();
        assert_eq!(again[0].to_json(), expected);
    }
}
