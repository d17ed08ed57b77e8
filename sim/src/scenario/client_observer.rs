//! Checks of what one client receives, at once: that it is whole, was sent, and is in order.

use std::collections::HashMap;

use stentor_core::ConnId;

use super::application_log::{ApplicationLog, OrderedStream, What};
use super::words;
use crate::simulator::Incoming;

/// What the client of one connection has received.
#[derive(Debug)]
pub(super) struct ClientObserver {
    pub(super) id: ConnId,
    /// Data messages heard.
    pub(super) messages: u64,
    /// What was heard last in each stream; of replies, in those of their own.
    last: HashMap<(bool, OrderedStream), u32>,
    last_in_line: Option<u32>,
    /// The payloads of the pings it has sent, so many of them answered or passed over.
    pub(super) pings: u32,
    pongs: u32,
    pub(super) close_code: Option<Option<u16>>,
    /// Whether it has shut its side within a frame.
    pub(super) is_cut_short: bool,
}

impl ClientObserver {
    pub(super) fn new(id: ConnId) -> Self {
        Self {
            id,
            messages: 0,
            last: HashMap::new(),
            last_in_line: None,
            pings: 0,
            pongs: 0,
            close_code: None,
            is_cut_short: false,
        }
    }

    /// Takes what the client has heard. Publications go to `heard`.
    pub(super) fn take(
        &mut self,
        all: Vec<Incoming>,
        log: &mut ApplicationLog,
        heard: &mut Vec<(ConnId, u32)>,
    ) {
        for one in all {
            match one {
                Incoming::Message(kind, payload) => {
                    let n = self.take_message(&payload, log, heard);
                    assert_eq!(kind, words::kind(n), "{n}: its kind");
                }
                Incoming::Pong(payload) => self.take_pong(&payload),
                Incoming::Close(code) => self.close_code = Some(code),
                Incoming::Head(_) | Incoming::Ping(_) | Incoming::Eof => {}
            }
        }
    }

    fn take_message(
        &mut self,
        payload: &[u8],
        log: &mut ApplicationLog,
        heard: &mut Vec<(ConnId, u32)>,
    ) -> u32 {
        let id = self.id;
        self.messages += 1;
        let n = words::number(payload);
        let n = n.unwrap_or_else(|| panic!("{id} hears something that nobody says"));
        let said = log.said.get(&n).copied();
        let said = said.unwrap_or_else(|| panic!("{id} hears {n}, which was not said"));
        let is_whole = payload.len() == said.size as usize && words::is_payload(n, payload);
        assert!(is_whole, "{id} hears {n} changed");
        match said.what {
            What::Publication { stream, .. } => {
                heard.push((id, n));
                if let Some(before) = self.last.insert((false, stream), n) {
                    assert_ne!(before, n, "{id} hears {n} twice");
                    log.order.push((before, n));
                }
            }
            What::Reply { stream } => {
                assert_eq!(said.by, id, "{n}: the reply goes to another");
                let before = self.last.insert((true, stream), n);
                assert!(
                    before.is_none_or(|before| before < n),
                    "{id} hears the reply {n} after {before:?}"
                );
            }
            What::Task { in_line, end } => {
                assert_eq!(said.by, id, "{n}: the task was another's");
                assert!(end.is_some(), "{n}: has not ended");
                if in_line {
                    let before = self.last_in_line.replace(n);
                    assert!(
                        before.is_none_or(|before| before < n),
                        "{id} hears of the task {n} after {before:?}"
                    );
                }
            }
        }
        n
    }

    /// Pongs come in the order of the pings, whose numbers they carry.
    fn take_pong(&mut self, payload: &[u8]) {
        let id = self.id;
        let n = payload.try_into().map(u32::from_be_bytes);
        let n = n.unwrap_or_else(|_| panic!("{id} hears a pong to nothing"));
        assert!(
            n < self.pings && (self.pongs == 0 || n >= self.pongs),
            "{id} hears pong {n} of {}, after {}",
            self.pings,
            self.pongs
        );
        self.pongs = n + 1;
    }
}
