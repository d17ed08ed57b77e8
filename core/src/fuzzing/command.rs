//! Fuzzes the commands of the rooms application against a reading by the first colon.

use crate::command::{Command, MAX_ROOM_NAME, is_room_name};

/// Any bytes as a message of a client.
///
/// # Panics
/// If it is not read as what stands before its first colon says.
pub fn command(data: &[u8]) {
    let parsed = Command::parse(data);
    let colon = data.iter().position(|&byte| byte == b':');
    let (verb, text) = match colon {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (&[][..], data),
    };
    let expected = match (verb, colon) {
        (b"join", _) => Command::Join(text),
        (b"leave", _) => Command::Leave,
        (b"msg", _) => Command::Publish(text),
        (b"task", _) => Command::Task(text),
        _ => Command::Other(data),
    };
    assert_eq!(parsed, expected);
    let name = alloc::string::String::from_utf8_lossy(data);
    let fits = !data.is_empty() && data.len() <= MAX_ROOM_NAME;
    assert_eq!(is_room_name(data), fits && name.as_bytes() == data);
}
