//! Commands of clients of the rooms application, and the texts and priorities of its answers.
//!
//! A command is the text before the first colon; its argument follows.

use core::str;

/// A message of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoomCommand<'a> {
    /// `join:ROOM`
    Join(&'a [u8]),
    /// `leave:`, with any text behind it
    Leave,
    /// `msg:TEXT`, `msg#KEY:TEXT`, and either with a `?` before the colon
    Publish {
        /// The text of the message.
        text: &'a [u8],
        /// The key for conflation.
        key: Option<&'a [u8]>,
        /// Whether the sender gets a delivery report.
        receipt: bool,
    },
    /// `task:TEXT`
    Task(&'a [u8]),
    /// Anything else
    Other(&'a [u8]),
}

impl<'a> RoomCommand<'a> {
    /// Parses a message. Every message is a command, if only [`Other`](Self::Other).
    #[inline]
    pub fn parse(message: &'a [u8]) -> Self {
        if let Some(text) = message.strip_prefix(b"msg:") {
            Self::Publish {
                text,
                key: None,
                receipt: false,
            }
        } else if let Some(text) = message.strip_prefix(b"task:") {
            Self::Task(text)
        } else if let Some(room) = message.strip_prefix(b"join:") {
            Self::Join(room)
        } else if message.starts_with(b"leave:") {
            Self::Leave
        } else {
            Self::publish_with(message).unwrap_or(Self::Other(message))
        }
    }

    /// Parses a `msg` with a key or a `?` before the colon.
    fn publish_with(message: &'a [u8]) -> Option<Self> {
        let rest = message.strip_prefix(b"msg")?;
        let end = rest.len().min(MAX_KEY + 3);
        let colon = rest[..end].iter().position(|&byte| byte == b':')?;
        let (options, text) = (&rest[..colon], &rest[colon + 1..]);
        let (options, receipt) = match options.strip_suffix(b"?") {
            Some(options) => (options, true),
            None => (options, false),
        };
        let key = match options {
            [] => None,
            [b'#', key @ ..] if (1..=MAX_KEY).contains(&key.len()) => Some(key),
            _ => return None,
        };
        Some(Self::Publish { text, key, receipt })
    }
}

/// Maximum length of a key in bytes.
pub const MAX_KEY: usize = 64;

/// Returns whether a room can have this name: 1 to [`MAX_ROOM_NAME`] bytes of UTF-8.
pub fn is_room_name(name: &[u8]) -> bool {
    (1..=MAX_ROOM_NAME).contains(&name.len()) && str::from_utf8(name).is_ok()
}

/// Maximum length of the name of a room in bytes.
pub const MAX_ROOM_NAME: usize = 128;

/// Texts of the answers. An argument follows those that end in a colon.
pub mod answer {
    /// The connection is in the room.
    pub const JOINED: &[u8] = b"joined:";
    /// The connection has left the room.
    pub const LEFT: &[u8] = b"left:";
    /// The connection is in no room.
    pub const NO_ROOM: &[u8] = b"error:no_room";
    /// The name of the room is invalid.
    pub const BAD_ROOM: &[u8] = b"error:bad_room";
    /// The delivery report: members, queued, refused, evicted, conflated and expired follow, separated
    /// by commas.
    pub const SENT: &[u8] = b"sent:";
    /// The message was not a command; it follows.
    pub const ECHO: &[u8] = b"echo:";
    /// The task queue is full.
    pub const TASK_REJECTED: &[u8] = b"task_rejected";
    /// All attempts at the task failed.
    pub const TASK_FAILED: &[u8] = b"task_failed";
    /// A worker finished a task; its number, a colon and the text follow.
    pub const PROCESSED_BY: &[u8] = b"processed_by_";
    /// A worker finished a task of a member of the room; the text follows.
    pub const ROOM_BROADCAST: &[u8] = b"room_broadcast:";
}

/// Priorities of the answers, smaller ones first.
pub mod priority {
    /// Errors and rejections.
    pub const ERROR: u8 = 1;
    /// The result of a task, and delivery reports.
    pub const OUTCOME: u8 = 5;
    /// A message to a room.
    pub const PUBLICATION: u8 = 10;
    /// The result of a task, to the room.
    pub const ROOM_OUTCOME: u8 = 20;
    /// Joins and leaves.
    pub const MEMBERSHIP: u8 = 50;
    /// Echoes.
    pub const ECHO: u8 = 100;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_recognized_by_their_prefix() {
        assert_eq!(RoomCommand::parse(b"join:a:b"), RoomCommand::Join(b"a:b"));
        assert_eq!(RoomCommand::parse(b"join:"), RoomCommand::Join(b""));
        assert_eq!(RoomCommand::parse(b"leave:whatever"), RoomCommand::Leave);
        let publish = |text, key, receipt| RoomCommand::Publish { text, key, receipt };
        assert_eq!(RoomCommand::parse(b"msg:"), publish(b"", None, false));
        assert_eq!(RoomCommand::parse(b"msg:?:a"), publish(b"?:a", None, false));
        assert_eq!(RoomCommand::parse(b"msg?:a:b"), publish(b"a:b", None, true));
        assert_eq!(
            RoomCommand::parse(b"msg#k:a"),
            publish(b"a", Some(b"k"), false)
        );
        assert_eq!(
            RoomCommand::parse(b"msg#k?:"),
            publish(b"", Some(b"k"), true)
        );
        let with_key = |n| [b"msg#", &[b'k'; MAX_KEY + 1][..n], b"?:x"].concat();
        let key = &[b'k'; MAX_KEY][..];
        let longest = with_key(MAX_KEY);
        assert_eq!(RoomCommand::parse(&longest), publish(b"x", Some(key), true));
        let longer = with_key(MAX_KEY + 1);
        assert_eq!(RoomCommand::parse(&longer), RoomCommand::Other(&longer));
        assert_eq!(RoomCommand::parse(b"task:\xFF"), RoomCommand::Task(b"\xFF"));
        for other in [
            &b""[..],
            b"join",
            b"leave",
            b"JOIN:a",
            b" msg:x",
            b"msg",
            b"msg?",
            b"msg#:x",
            b"msg#?:x",
            b"msgs:x",
        ] {
            assert_eq!(RoomCommand::parse(other), RoomCommand::Other(other));
        }
    }

    #[test]
    fn room_names_have_1_to_128_bytes_of_utf8() {
        assert!(!is_room_name(b""));
        assert!(is_room_name(b"a"));
        assert!(is_room_name(&[b'a'; MAX_ROOM_NAME]));
        assert!(!is_room_name(&[b'a'; MAX_ROOM_NAME + 1]));
        assert!(is_room_name("Zürich".as_bytes()));
        assert!(!is_room_name(b"\xFF"));
    }
}
