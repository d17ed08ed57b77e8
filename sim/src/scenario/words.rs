//! Messages that clients and the application exchange. Each message has a number that determines
//! its payload, so a receiver can check that it is intact and look up its sender and audience.

use stentor_core::MessageType;

use super::plan::{Act, MessageOptions};

/// Where a number ends and what follows from it begins.
pub(super) const NUMBER: usize = 8;
/// What stands for no room, or no key.
pub(super) const NONE: u8 = u8::MAX;

/// Returns the payload of the message with this number.
pub(super) fn payload(n: u32, size: usize) -> Vec<u8> {
    let mut bytes = format!("{n:08x}").into_bytes();
    bytes.extend_from_slice(letters(n, size));
    bytes
}

/// Returns whether this is the payload of the message with this number.
pub(super) fn is_payload(n: u32, bytes: &[u8]) -> bool {
    number(bytes) == Some(n) && bytes[NUMBER..] == *letters(n, bytes.len())
}

fn letters(n: u32, size: usize) -> &'static [u8] {
    let from = n as usize % PERIOD;
    &LETTERS[from..from + size.saturating_sub(NUMBER)]
}

/// A text that compresses, but not to nothing.
static LETTERS: [u8; LONGEST + PERIOD] = {
    let (mut letters, mut at) = ([0; LONGEST + PERIOD], 0);
    while at < letters.len() {
        letters[at] = b'a' + (at % PERIOD / 3) as u8;
        at += 1;
    }
    letters
};
const LONGEST: usize = 1 << 14;
const PERIOD: usize = 3 * 26;

/// Returns the number of a payload, if it has one.
pub(super) fn number(payload: &[u8]) -> Option<u32> {
    let digits = core::str::from_utf8(payload.get(..NUMBER)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

/// In which kind of message it is said.
pub(super) const fn kind(n: u32) -> MessageType {
    if n.is_multiple_of(2) {
        MessageType::Text
    } else {
        MessageType::Binary
    }
}

/// Returns what a client says to the server to have it do this; `None` for what it
/// does without words.
pub(super) fn say(n: u32, act: Act) -> Option<Vec<u8>> {
    let terms = |terms: MessageOptions| {
        let MessageOptions {
            priority,
            ttl,
            key,
            overflow,
        } = terms;
        format!(
            "{priority} {ttl} {} {}",
            key.unwrap_or(NONE),
            overflow as u8
        )
    };
    let (head, size) = match act {
        Act::Join { room } => (format!("J {n} {room}"), 0),
        Act::Leave { room } => (format!("L {n} {room}"), 0),
        Act::Publish {
            room,
            terms: how,
            receipt,
            exclude,
            size,
            ..
        } => {
            let (receipt, exclude) = (u8::from(receipt), u8::from(exclude));
            let (room, how) = (room.unwrap_or(NONE), terms(how));
            (format!("P {n} {room} {receipt} {exclude} {how}"), size)
        }
        Act::Reply {
            terms: how, size, ..
        } => (format!("R {n} {}", terms(how)), size),
        Act::Task {
            line,
            delay,
            attempts,
            size,
        } => (format!("T {n} {line} {delay} {attempts}"), size),
        Act::AskToClose { code } => (format!("C {n} {code}"), 0),
        Act::Crash => (format!("X {n}"), 0),
        _ => return None,
    };
    let mut bytes = head.into_bytes();
    bytes.push(b'|');
    if size > 0 {
        bytes.extend(payload(n, size.into()));
    }
    Some(bytes)
}

/// What says that all before it has been done.
pub(super) const MARK: &[u8] = b"M 0|";

/// What a client has said: a verb, numbers, and a payload.
pub(super) struct Spoken<'a> {
    pub(super) verb: u8,
    numbers: [u32; 9],
    pub(super) payload: &'a [u8],
}

impl<'a> Spoken<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Self {
        let end = message.iter().position(|&byte| byte == b'|');
        let (head, payload) = message.split_at(end.expect("nobody says anything else"));
        let mut words = head.split(|&byte| byte == b' ');
        let verb = words.next().and_then(|verb| verb.first().copied());
        let mut numbers = [0; 9];
        for (number, word) in numbers.iter_mut().zip(words) {
            let digits = word.iter().map(|digit| u32::from(digit - b'0'));
            *number = digits.fold(0, |sum, digit| sum * 10 + digit);
        }
        Self {
            verb: verb.expect("a verb"),
            numbers,
            payload: &payload[1..],
        }
    }

    /// Returns the message's own number.
    pub(super) const fn n(&self) -> u32 {
        self.numbers[0]
    }

    /// Returns the others.
    pub(super) const fn number(&self, at: usize) -> u32 {
        self.numbers[at]
    }
}
