//! Commands in Protobuf: transcripts in bytes, and what is refused. That every field has its number
//! is tested with a second implementation, in `sim`.

use stentor_gateway::client_protocol::{
    ClientCodec, Command, CommandRequest, ConnectRequest, DecodeError, MAX_FILTER_DEPTH,
    PublishRequest, SendRequest, SubscribeRequest,
};

fn decode(message: &[u8]) -> Result<Vec<Command<'_>>, DecodeError> {
    ClientCodec::Protobuf.decode(message).collect()
}

/// A field with a length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    delimit(&mut field, bytes);
    field
}

fn delimit(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut len = bytes.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(bytes);
}

fn message(command: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    delimit(&mut out, command);
    out
}

#[test]
fn several_commands_stand_one_behind_the_other() {
    let connect = [&b"\x08\x01"[..], &field(4, &field(4, b"python"))].concat();
    let publish = [
        &b"\x08\x02"[..],
        &field(7, &[field(1, b"c"), field(2, b"bo\nom")].concat()),
    ]
    .concat();
    let bytes = [message(&connect), message(&publish), message(b"")].concat();
    let commands = [
        Command {
            id: 1,
            request: CommandRequest::Connect(ConnectRequest {
                name: "python".into(),
                ..ConnectRequest::default()
            }),
        },
        Command {
            id: 2,
            request: CommandRequest::Publish(PublishRequest {
                channel: "c".into(),
                data: b"bo\nom",
                ..PublishRequest::default()
            }),
        },
        Command {
            id: 0,
            request: CommandRequest::Pong,
        },
    ];
    assert_eq!(decode(&bytes).as_deref(), Ok(&commands[..]));
}

#[test]
fn fields_that_come_twice_are_merged() {
    let subscribe = [
        field(5, &field(1, b"a")),
        field(5, &[&field(1, b"b")[..], b"\x18\x01"].concat()),
    ]
    .concat();
    let bytes = message(&[&b"\x08\x01"[..], &subscribe].concat());
    let merged = SubscribeRequest {
        channel: "b".into(),
        recover: true,
        ..SubscribeRequest::default()
    };
    let commands = decode(&bytes).expect("a command");
    assert_eq!(commands[0].request, CommandRequest::Subscribe(merged));
}

#[test]
fn a_command_without_an_id_is_a_pong_unless_it_is_send() {
    assert_eq!(
        decode(b"\x00").expect("a pong")[0].request,
        CommandRequest::Pong
    );
    let connect = message(&field(4, b""));
    assert_eq!(
        decode(&connect).expect("a pong")[0].request,
        CommandRequest::Pong
    );
    let send = message(&[field(12, &field(1, b"x")), field(4, b"")].concat());
    assert_eq!(
        decode(&send).expect("a message")[0].request,
        CommandRequest::Send(SendRequest { data: b"x" })
    );
}

#[test]
fn unknown_fields_are_skipped() {
    // Numbers 2, 3 and 200, of several wire types.
    let command = [
        &b"\x10\x05\x1D\x00\x00\x00\x00\xC0\x0C\x01\x08\x09"[..],
        &field(11, b"\x09\x00\x00\x00\x00\x00\x00\x00\x00"),
    ]
    .concat();
    let bytes = message(&command);
    let commands = decode(&bytes).expect("a command");
    assert_eq!(
        (commands[0].id, &commands[0].request),
        (9, &CommandRequest::Ping)
    );
}

#[test]
fn malformed_messages_are_refused() {
    for (bytes, error) in [
        (&b""[..], DecodeError::EmptyMessage),
        (b"\x01", DecodeError::Truncated),
        (b"\x80", DecodeError::Truncated),
        (
            b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01",
            DecodeError::Truncated,
        ),
        (
            b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02",
            DecodeError::InvalidVarint,
        ),
        (b"\x02\x08\x01", DecodeError::NoRequest),
        // Known fields with wire types of others: the id as text, a request as integer.
        (b"\x03\x0A\x01x", DecodeError::WrongWireType),
        (b"\x02\x20\x01", DecodeError::WrongWireType),
        (b"\x05\x0D\x00\x00\x00\x00", DecodeError::WrongWireType),
        (b"\x02\x00\x00", DecodeError::InvalidTag),
        (b"\x01\x0F", DecodeError::InvalidTag),
        // A request that is longer than the command.
        (b"\x02\x22\x01", DecodeError::Truncated),
        // A name that is not UTF-8.
        (b"\x05\x22\x03\x22\x01\xFF", DecodeError::InvalidUtf8),
        (
            b"\x06\x08\x01\x22\x00\x2A\x00",
            DecodeError::SeveralRequests,
        ),
    ] {
        assert_eq!(decode(bytes), Err(error), "{bytes:?}");
    }
    let mut commands = ClientCodec::Protobuf.decode(b"\x00\x01");
    assert!(matches!(commands.next(), Some(Ok(_))));
    assert_eq!(commands.next(), Some(Err(DecodeError::Truncated)));
    assert_eq!(commands.next(), None);
}

#[test]
fn filters_have_a_bounded_depth() {
    let subscribe = |depth: usize| {
        let leaf = field(3, b"ex");
        let filter = (1..depth).fold(leaf, |inner, _| field(6, &inner));
        message(&[&b"\x08\x01"[..], &field(5, &field(13, &filter))].concat())
    };
    assert!(decode(&subscribe(MAX_FILTER_DEPTH)).is_ok());
    for depth in [MAX_FILTER_DEPTH + 1, 5_000] {
        assert_eq!(decode(&subscribe(depth)), Err(DecodeError::FilterTooDeep));
    }
}
