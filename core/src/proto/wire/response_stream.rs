//! Receiving half of the wires whose messages are the content of one response: a client that has
//! sent its request has nothing more to send.

use crate::proto::ws::{CloseState, PeerError, Step};

/// The receiving end. What comes behind the request is ignored up to a few bytes, such as the line
/// end that some clients append to content (RFC 9112 §2.2); more is a fault.
#[derive(Debug, Default)]
pub(crate) struct ResponseStream {
    state: CloseState,
    surplus: u8,
}

/// The most bytes behind a request that are ignored.
const MAX_SURPLUS: usize = 16;

impl ResponseStream {
    pub(crate) const fn state(&self) -> CloseState {
        self.state
    }

    /// Handles that the last message was queued. Nothing of the peer answers it: the connection is
    /// shut behind it.
    pub(crate) const fn handle_close_sent(&mut self) {
        self.state = CloseState::Failed;
    }

    pub(crate) const fn handle_failure(&mut self) {
        self.state = CloseState::Failed;
    }

    pub(crate) fn poll_event(&mut self, input: &[u8]) -> Result<Step, PeerError> {
        let surplus = usize::from(self.surplus) + input.len();
        if surplus > MAX_SURPLUS {
            self.handle_failure();
            return Err(PeerError::UnexpectedInput);
        }
        self.surplus = surplus as u8;
        Ok(Step::more(input.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bytes_are_ignored_and_more_are_a_fault_however_they_are_cut() {
        for cut in 1..=MAX_SURPLUS {
            let mut stream = ResponseStream::default();
            for piece in [b'\n'; MAX_SURPLUS].chunks(cut) {
                let step = stream.poll_event(piece).expect("few bytes");
                assert!(step.event.is_none() && step.consumed == piece.len());
            }
            assert_eq!(stream.state(), CloseState::Open);
            let fault = stream.poll_event(b"x").err();
            assert_eq!(fault, Some(PeerError::UnexpectedInput));
            assert_eq!(stream.state(), CloseState::Failed);
        }
    }
}
