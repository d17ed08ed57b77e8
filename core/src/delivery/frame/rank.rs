//! Order in which kinds of frames leave a connection.

/// Where a frame stands among those that wait for one connection: control
/// frames first, then pushes, then data by priority, then whatever must come behind all data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Rank(u16);

impl Rank {
    /// The answer to a request: whatever follows would make no sense before it.
    pub(crate) const HEAD: Self = Self(0);
    pub(crate) const PING: Self = Self(1);
    pub(crate) const PONG: Self = Self(2);
    /// A push of the application: one lane ahead of all data.
    pub(crate) const PUSH: Self = Self(3);
    /// A close frame, behind all data.
    pub(crate) const LAST: Self = Self(FIRST_DATA + 256);

    /// Returns the rank of data of this priority; the smaller the more urgent.
    pub(crate) const fn data(priority: u8) -> Self {
        Self(FIRST_DATA + priority as u16)
    }

    /// Returns the rank right behind this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Returns the priority of data; none for what is not data.
    pub(crate) const fn priority(self) -> Option<u8> {
        if self.is_data() {
            Some((self.0 - FIRST_DATA) as u8)
        } else {
            None
        }
    }

    pub(crate) const fn is_data(self) -> bool {
        FIRST_DATA <= self.0 && self.0 < Self::LAST.0
    }
}

const FIRST_DATA: u16 = Rank::PUSH.0 + 1;
