//! Set of the messages that peers of the rooms application may receive: what a peer has sent, with
//! or without a prefix of the server, and the server's own replies.

use std::collections::BTreeSet;

use stentor_sim::command::answer;

use super::super::peer::PeerOutput;

/// All that was said in a session.
#[derive(Debug, Default)]
pub(super) struct Words(BTreeSet<Vec<u8>>);

impl Words {
    /// Takes note of what a peer has said: the message, and what it is about.
    pub(super) fn add(&mut self, said: &[PeerOutput]) {
        for message in messages(said) {
            if let Some(colon) = message.iter().position(|&byte| byte == b':') {
                self.0.insert(message[colon + 1..].to_vec());
            }
            self.0.insert(message.to_vec());
        }
    }

    /// Checks what a peer was told.
    pub(super) fn check(&self, told: &[PeerOutput]) {
        for told in messages(told) {
            assert!(self.allow(told), "nobody said {told:x?}");
        }
    }

    fn allow(&self, told: &[u8]) -> bool {
        let behind = |prefix: &&[u8]| {
            let rest = told.strip_prefix(*prefix);
            rest.is_some_and(|rest| self.0.contains(rest))
        };
        let by_worker = told.strip_prefix(answer::PROCESSED_BY).and_then(|rest| {
            let colon = rest.iter().position(|&byte| byte == b':')?;
            Some(&rest[colon + 1..])
        });
        let numbers = told.strip_prefix(answer::SENT);
        OWN.contains(&told)
            || numbers.is_some_and(|rest| rest.iter().all(|b| b.is_ascii_digit() || *b == b','))
            || self.0.contains(told)
            || PREFIXES.iter().any(behind)
            || by_worker.is_some_and(|text| self.0.contains(text))
    }
}

fn messages(said: &[PeerOutput]) -> impl Iterator<Item = &[u8]> {
    said.iter().filter_map(|said| match said {
        PeerOutput::Message(_, bytes) => Some(&bytes[..]),
        _ => None,
    })
}

const OWN: [&[u8]; 4] = [
    answer::BAD_ROOM,
    answer::NO_ROOM,
    answer::TASK_REJECTED,
    answer::TASK_FAILED,
];
const PREFIXES: [&[u8]; 4] = [
    answer::JOINED,
    answer::LEFT,
    answer::ECHO,
    answer::ROOM_BROADCAST,
];
