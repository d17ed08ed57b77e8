//! Fuzzes the Protobuf codec of the client protocol against prost, and against JSON.

use stentor_gateway::client_protocol::{ClientCodec, DecodeError};
use stentor_sim::client_protocol::{Choices, decode_protobuf};

use crate::protocol::{decode, round_trip};

/// Any bytes as a message of a client, and as the choices that make a command.
///
/// # Panics
/// If the commands are not those that prost reads, or a command does not come back.
pub fn client_protobuf(data: &[u8]) {
    let (commands, error) = decode(ClientCodec::Protobuf, data);
    let expected = decode_protobuf(data);
    for (index, command) in commands.iter().enumerate() {
        assert_eq!(expected.get(index), Some(&Some(command.clone())));
        round_trip(command);
    }
    match error {
        None => assert_eq!(commands.len(), expected.len()),
        // prost skips deeper groups; no client sends any.
        Some(DecodeError::InvalidTag) if has_groups(data) => {}
        Some(error) => assert_eq!(expected.get(commands.len()), Some(&None), "{error:?}"),
    }
    round_trip(&Choices::new(data).command());
}

/// Whether enough groups begin here to be too deep.
fn has_groups(data: &[u8]) -> bool {
    data.iter().filter(|&&byte| byte & 7 == 3).count() >= 16
}
