//! Life cycle of a session's socket, as one table.

/// How far a socket has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Nobody is here.
    Free,
    /// The header of a proxy is being read, which stands in front of everything else.
    Proxy,
    /// Its request head is being read.
    Head,
    /// A page or a refusal is on its way to it, or its answer is awaited.
    Answering,
    /// Its session is open.
    Open,
    /// Its session is ending: what waits is written, nothing is taken.
    Closing,
    /// Our side is shut; the peer's is awaited, so that what we wrote last is
    /// not destroyed by a reset.
    Lingering,
    /// The socket is given up; answers of other shards may be awaited.
    Gone,
}

/// What takes a socket from one phase to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PhaseStep {
    /// A request is being answered, or its answer is awaited.
    Answer,
    /// The next request of a kept connection is read, or the first one behind the header of a proxy.
    NextRequest,
    /// A session is opened.
    Open,
    /// The session ends, or the transport has failed: the rest is written.
    End,
    /// Our side is shut.
    Shut,
    /// The socket is given up.
    Close,
}

impl Phase {
    /// Returns the phase behind a step; `None` where it cannot be taken.
    ///
    /// | | Answer | NextRequest | Open | End | Shut | Close |
    /// |---|---|---|---|---|---|---|
    /// | Free | | | | | | |
    /// | Proxy | | Head | | | | Gone |
    /// | Head | Answering | | Open | Closing | Lingering | Gone |
    /// | Answering | Answering | Head | Open | Closing | Lingering | Gone |
    /// | Open | | | | Closing | | Gone |
    /// | Closing | | | | Closing | Lingering | Gone |
    /// | Lingering | | | | Closing | Lingering | Gone |
    /// | Gone | | | | | | |
    pub(crate) const fn after(self, step: PhaseStep) -> Option<Self> {
        use PhaseStep::{Answer, Close, End, NextRequest, Open, Shut};
        let next = match (self, step) {
            (Self::Free | Self::Gone, _) => return None,
            (_, Close) => Self::Gone,
            (Self::Proxy, NextRequest) => Self::Head,
            (Self::Proxy, _) => return None,
            (_, End) => Self::Closing,
            (Self::Head | Self::Answering, Answer) => Self::Answering,
            (Self::Answering, NextRequest) => Self::Head,
            (Self::Head | Self::Answering, Open) => Self::Open,
            (Self::Head | Self::Answering | Self::Closing | Self::Lingering, Shut) => {
                Self::Lingering
            }
            _ => return None,
        };
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::Phase::{self, *};
    use super::PhaseStep;

    /// Each phase, with the one behind each step in the order of the table.
    const TABLE: [(Phase, [Option<Phase>; 6]); 8] = [
        (Free, [None; 6]),
        (Proxy, [None, Some(Head), None, None, None, Some(Gone)]),
        (
            Head,
            [
                Some(Answering),
                None,
                Some(Open),
                Some(Closing),
                Some(Lingering),
                Some(Gone),
            ],
        ),
        (
            Answering,
            [
                Some(Answering),
                Some(Head),
                Some(Open),
                Some(Closing),
                Some(Lingering),
                Some(Gone),
            ],
        ),
        (Open, [None, None, None, Some(Closing), None, Some(Gone)]),
        (
            Closing,
            [None, None, None, Some(Closing), Some(Lingering), Some(Gone)],
        ),
        (
            Lingering,
            [None, None, None, Some(Closing), Some(Lingering), Some(Gone)],
        ),
        (Gone, [None; 6]),
    ];

    #[test]
    fn every_phase_has_its_successors() {
        let steps = [
            PhaseStep::Answer,
            PhaseStep::NextRequest,
            PhaseStep::Open,
            PhaseStep::End,
            PhaseStep::Shut,
            PhaseStep::Close,
        ];
        for (from, row) in TABLE {
            for (step, next) in steps.into_iter().zip(row) {
                assert_eq!(from.after(step), next, "{from:?} {step:?}");
            }
        }
    }
}
