//! Close codes (RFC 6455 §7.4).

/// A close code that may stand in a close frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The endpoint goes away: a server shuts down, a page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// The peer sent a kind of data that is not accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// The peer sent data that does not fit its kind, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// The peer broke a policy.
    pub const POLICY: Self = Self(1008);
    /// The peer sent a message that is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// The server met something it did not expect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The server restarts; come back later.
    pub const RESTART: Self = Self(1012);
    /// The server is overloaded; come back later.
    pub const TRY_LATER: Self = Self(1013);

    /// The code with this number, if a peer may send it: 1000 to 1003, 1007 to
    /// 1014 as registered, and 3000 to 4999 (§7.4.1, §7.4.2).
    /// `None` for every other number, 1005, 1006 and 1015 among them.
    //= rfc6455#section-7.4.1 "1005 is a reserved value and MUST NOT be set as a status code in..."
    //= rfc6455#section-7.4.1 "1006 is a reserved value and MUST NOT be set as a status code in..."
    //= rfc6455#section-7.4.1 "1015 is a reserved value and MUST NOT be set as a status code in..."
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0
    }
}
