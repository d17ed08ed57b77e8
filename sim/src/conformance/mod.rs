//! What a Stentor server must do, as data: steps of clients and what they must
//! hear. The same script runs against the bare protocol machine, the simulator
//! and every real server, so that none of them can have an opinion of its own.

mod bare;
mod echo;
mod rooms;
mod run;

pub use bare::Bare;
pub use run::{Host, run};

use stentor_core::MessageType;
use stentor_core::testing::wire::Opcode;

/// Every case.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    echo::CASES.iter().chain(rooms::CASES)
}

/// Something that a server must do.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What it is.
    pub name: &'static str,
    /// Which application must run.
    pub application: Application,
    /// What happens, in order.
    pub steps: &'static [CaseStep],
}

/// The application that a case is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Application {
    /// [`Echo`](stentor_core::Echo).
    Echo,
    /// [`Rooms`](crate::Rooms) as it is without settings.
    Rooms,
}

/// One step of a case. Clients are numbered in the order in which they come.
#[derive(Clone, Copy, Debug)]
pub enum CaseStep {
    /// Another client comes and is upgraded.
    Open,
    /// A client sends one frame, masked.
    Frame(usize, Opcode, Fin, Data),
    /// A client sends these bytes as they are.
    Raw(usize, &'static [u8]),
    /// A client sends several text messages in one segment.
    Say(usize, &'static [&'static str]),
    /// The next thing that a client hears is this message.
    Hear(usize, MessageType, Data),
    /// The next things that a client hears are these texts, in any order.
    HearAll(usize, &'static [&'static str]),
    /// The next thing that a client hears is a pong with this payload.
    Pong(usize, Data),
    /// The next thing that a client hears is a close frame with this code, and
    /// then the end.
    Closed(usize, Option<u16>),
    /// A client shuts its side.
    Shut(usize),
    /// A client hears the end, without a close frame.
    End(usize),
}

/// Whether a frame ends its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fin {
    /// It does.
    Last,
    /// More is to come.
    More,
}

/// A payload.
#[derive(Clone, Copy, Debug)]
pub enum Data {
    /// These bytes.
    Bytes(&'static [u8]),
    /// A byte, so many times.
    Of(u8, usize),
}

impl Data {
    /// All of it.
    pub fn to_vec(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Of(byte, len) => vec![byte; len],
        }
    }
}
