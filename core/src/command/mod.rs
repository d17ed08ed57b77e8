//! What a client of the [`Rooms`](crate::Rooms) application says and is told:
//! the text before the first colon, and what follows it. Knows bytes only, not
//! who sent them.

use core::str;

/// What a client asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// `join:ROOM`
    Join(&'a [u8]),
    /// `leave:` and whatever follows
    Leave,
    /// `msg:TEXT`, `msg#KEY:TEXT`, and either with a `?` before the colon
    Publish {
        /// What is said.
        text: &'a [u8],
        /// What it is news of.
        key: Option<&'a [u8]>,
        /// Whether the sender wants to know what became of it.
        receipt: bool,
    },
    /// `task:TEXT`
    Task(&'a [u8]),
    /// Anything else
    Other(&'a [u8]),
}

impl<'a> Command<'a> {
    /// What `message` asks for. Every message asks for something.
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

    /// A `msg` with something between it and the colon.
    fn publish_with(message: &'a [u8]) -> Option<Self> {
        let rest = message.strip_prefix(b"msg")?;
        let most = rest.len().min(MAX_KEY + 3);
        let colon = rest[..most].iter().position(|&byte| byte == b':')?;
        let (how, text) = (&rest[..colon], &rest[colon + 1..]);
        let (how, receipt) = match how.strip_suffix(b"?") {
            Some(how) => (how, true),
            None => (how, false),
        };
        let key = match how {
            [] => None,
            [b'#', key @ ..] if (1..=MAX_KEY).contains(&key.len()) => Some(key),
            _ => return None,
        };
        Some(Self::Publish { text, key, receipt })
    }
}

/// The longest key of a message, in bytes.
pub const MAX_KEY: usize = 64;

/// Whether a room may have this name: 1 to [`MAX_ROOM_NAME`] bytes of UTF-8.
pub fn is_room_name(name: &[u8]) -> bool {
    (1..=MAX_ROOM_NAME).contains(&name.len()) && str::from_utf8(name).is_ok()
}

/// The longest name a room may have, in bytes.
pub const MAX_ROOM_NAME: usize = 128;

/// What a client is told; a colon is followed by what it is told about.
pub mod answer {
    /// It is in the room.
    pub const JOINED: &[u8] = b"joined:";
    /// It has left the room.
    pub const LEFT: &[u8] = b"left:";
    /// It wanted to leave, and is in no room.
    pub const NO_ROOM: &[u8] = b"error:no_room";
    /// A room cannot have this name.
    pub const BAD_ROOM: &[u8] = b"error:bad_room";
    /// What became of a message: members, queued, refused, evicted, conflated,
    /// expired follow, separated by commas.
    pub const SENT: &[u8] = b"sent:";
    /// No command; here it is again.
    pub const ECHO: &[u8] = b"echo:";
    /// The worker queue is full.
    pub const TASK_REJECTED: &[u8] = b"task_rejected";
    /// The worker failed.
    pub const TASK_FAILED: &[u8] = b"task_failed";
    /// A worker is done; its number and a colon follow.
    pub const PROCESSED_BY: &[u8] = b"processed_by_";
    /// A worker is done with a task of a member of the room.
    pub const ROOM_BROADCAST: &[u8] = b"room_broadcast:";
}

/// How urgent each answer is; the smaller the more.
pub mod priority {
    /// Errors and rejections.
    pub const ERROR: u8 = 1;
    /// The outcome of a task, or of a message.
    pub const OUTCOME: u8 = 5;
    /// A message to a room.
    pub const PUBLICATION: u8 = 10;
    /// What a room is told of a task.
    pub const ROOM_OUTCOME: u8 = 20;
    /// A change of room.
    pub const MEMBERSHIP: u8 = 50;
    /// Everything else.
    pub const ECHO: u8 = 100;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_by_their_prefix() {
        assert_eq!(Command::parse(b"join:a:b"), Command::Join(b"a:b"));
        assert_eq!(Command::parse(b"join:"), Command::Join(b""));
        assert_eq!(Command::parse(b"leave:whatever"), Command::Leave);
        let publish = |text, key, receipt| Command::Publish { text, key, receipt };
        assert_eq!(Command::parse(b"msg:"), publish(b"", None, false));
        assert_eq!(Command::parse(b"msg:?:a"), publish(b"?:a", None, false));
        assert_eq!(Command::parse(b"msg?:a:b"), publish(b"a:b", None, true));
        assert_eq!(Command::parse(b"msg#k:a"), publish(b"a", Some(b"k"), false));
        assert_eq!(Command::parse(b"msg#k?:"), publish(b"", Some(b"k"), true));
        let with_key = |n| [b"msg#", &[b'k'; MAX_KEY + 1][..n], b"?:x"].concat();
        let key = &[b'k'; MAX_KEY][..];
        let longest = with_key(MAX_KEY);
        assert_eq!(Command::parse(&longest), publish(b"x", Some(key), true));
        let longer = with_key(MAX_KEY + 1);
        assert_eq!(Command::parse(&longer), Command::Other(&longer));
        assert_eq!(Command::parse(b"task:\xFF"), Command::Task(b"\xFF"));
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
            assert_eq!(Command::parse(other), Command::Other(other));
        }
    }

    #[test]
    fn room_names_have_edges() {
        assert!(!is_room_name(b""));
        assert!(is_room_name(b"a"));
        assert!(is_room_name(&[b'a'; MAX_ROOM_NAME]));
        assert!(!is_room_name(&[b'a'; MAX_ROOM_NAME + 1]));
        assert!(is_room_name("Zürich".as_bytes()));
        assert!(!is_room_name(b"\xFF"));
    }
}
