//! Commands that the second implementation has encoded, in both codecs.

use proptest::prelude::*;
use prost::Message;
use stentor_gateway::client_protocol::{ClientCodec, DecodeError};
use stentor_sim::client_protocol::{Choices, ProtoCommand, is_command_of};

fn decode(codec: ClientCodec, message: &[u8]) -> Result<Vec<ProtoCommand>, DecodeError> {
    let commands = codec.decode(message);
    commands
        .map(|command| command.map(|command| ProtoCommand::from(&command)))
        .collect()
}

/// Texts and payloads that came as JSON are those of the Protobuf message, but for whitespace.
fn with_trimmed_payloads(mut command: ProtoCommand) -> ProtoCommand {
    fn trim(data: &mut Vec<u8>) {
        *data = data.trim_ascii().to_vec();
    }
    if let Some(connect) = &mut command.connect {
        trim(&mut connect.data);
        connect
            .subs
            .values_mut()
            .for_each(|sub| trim(&mut sub.data));
    }
    if let Some(subscribe) = &mut command.subscribe {
        trim(&mut subscribe.data);
    }
    if let Some(publish) = &mut command.publish {
        trim(&mut publish.data);
    }
    if let Some(send) = &mut command.send {
        trim(&mut send.data);
    }
    if let Some(rpc) = &mut command.rpc {
        trim(&mut rpc.data);
    }
    command
}

/// A command whose payloads are as `serde_json` writes them.
fn with_plain_payloads(command: &ProtoCommand) -> ProtoCommand {
    let mut command = with_trimmed_payloads(command.clone());
    let plain = |data: &mut Vec<u8>| {
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(data) {
            *data = value.to_string().into_bytes();
        }
    };
    if let Some(connect) = &mut command.connect {
        plain(&mut connect.data);
        connect
            .subs
            .values_mut()
            .for_each(|sub| plain(&mut sub.data));
    }
    command
        .subscribe
        .iter_mut()
        .for_each(|sub| plain(&mut sub.data));
    command
        .publish
        .iter_mut()
        .for_each(|publish| plain(&mut publish.data));
    command
        .send
        .iter_mut()
        .for_each(|send| plain(&mut send.data));
    command.rpc.iter_mut().for_each(|rpc| plain(&mut rpc.data));
    command
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn protobuf_is_decoded_as_prost_encodes_it(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut choices = Choices::new(&bytes);
        let commands: Vec<_> = (0..3).map(|_| choices.command()).collect();
        let mut message = Vec::new();
        for command in &commands {
            command.encode_length_delimited(&mut message).expect("a vector grows");
        }
        prop_assert_eq!(decode(ClientCodec::Protobuf, &message), Ok(commands));
        // Cut short, it is refused or has fewer commands.
        for end in 0..message.len() {
            let cut = decode(ClientCodec::Protobuf, &message[..end]);
            prop_assert!(cut.map_or(true, |commands| commands.len() < 3));
        }
    }

    #[test]
    fn json_is_decoded_as_the_same_command(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut choices = Choices::new(&bytes);
        let commands: Vec<_> = (0..3).map(|_| with_plain_payloads(&choices.command())).collect();
        let values: Vec<_> = commands.iter().map(|command| command.to_json().expect("JSON")).collect();
        let lines: Vec<_> = values.iter().map(ToString::to_string).collect();
        let message = lines.join("\n");
        prop_assert_eq!(decode(ClientCodec::Json, message.as_bytes()), Ok(commands.clone()));
        for (command, value) in commands.iter().zip(&values) {
            prop_assert!(is_command_of(command, value), "{:?} {}", command, value);
        }
        // A newline ends a command, and what ends nowhere else is refused.
        for end in (0..message.len()).filter(|&end| message.is_char_boundary(end)) {
            let cut = decode(ClientCodec::Json, &message.as_bytes()[..end]);
            let ends = message[..end].ends_with('\n') || message[end..].starts_with('\n');
            prop_assert_eq!(cut.is_ok(), ends, "{}", &message[..end]);
        }
    }
}
