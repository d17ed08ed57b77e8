//! Fuzzes the commands of the rooms application against a reading by the first colon.

use stentor_sim::command::{MAX_KEY, MAX_ROOM_NAME, RoomCommand, is_room_name};

/// Any bytes as a message of a client.
///
/// # Panics
/// If it is not read as what stands before its first colon says.
pub fn command(data: &[u8]) {
    let parsed = RoomCommand::parse(data);
    let colon = data.iter().position(|&byte| byte == b':');
    let (verb, text) = match colon {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (&[][..], data),
    };
    let expected = match (verb, colon) {
        (b"join", _) => RoomCommand::Join(text),
        (b"leave", _) => RoomCommand::Leave,
        ([b'm', b's', b'g', how @ ..], Some(_)) => {
            let receipt = how.last() == Some(&b'?');
            let how = &how[..how.len() - usize::from(receipt)];
            let has_key = how.first() == Some(&b'#') && (2..=MAX_KEY + 1).contains(&how.len());
            if how.is_empty() || has_key {
                let key = how.get(1..);
                RoomCommand::Publish { text, key, receipt }
            } else {
                RoomCommand::Other(data)
            }
        }
        (b"task", _) => RoomCommand::Task(text),
        _ => RoomCommand::Other(data),
    };
    assert_eq!(parsed, expected);
    let name = String::from_utf8_lossy(data);
    let fits = !data.is_empty() && data.len() <= MAX_ROOM_NAME;
    assert_eq!(is_room_name(data), fits && name.as_bytes() == data);
}
