//! Whether a shard takes traffic.

/// Whether a shard takes traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// It does.
    Ready,
    /// The server is about to end.
    Leaving,
    /// There is no memory for one more connection.
    ShortOfMemory,
}

impl Readiness {
    /// Returns the status of a page that says this.
    pub const fn status(self) -> u16 {
        match self {
            Self::Ready => 200,
            Self::Leaving | Self::ShortOfMemory => 503,
        }
    }

    /// Returns one line of text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ready => "ready\n",
            Self::Leaving => "about to end\n",
            Self::ShortOfMemory => "short of memory\n",
        }
    }
}
