//! Close codes (RFC 6455 §7.4).

/// A close code that may be sent in a close frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose of the connection has been fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The endpoint goes away: a server shuts down, or a page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer violated the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// The peer sent a type of data that is not accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// The peer sent data that is invalid for its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// The peer violated a policy.
    pub const POLICY: Self = Self(1008);
    /// The peer sent a message that is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// The server encountered an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The server restarts; the client may reconnect.
    pub const RESTART: Self = Self(1012);
    /// The server is overloaded; the client may try again later.
    pub const TRY_LATER: Self = Self(1013);

    /// Returns the code with this number if a peer may send it: 1000 to 1003, 1007 to 1014 as
    /// registered, and 3000 to 4999 (§7.4.1, §7.4.2). Others, such as 1005, 1006 and 1015, are
    /// reserved.
    //= rfc6455#section-7.4.1 "1005 is a reserved value and MUST NOT be set as a status code in..."
    //= rfc6455#section-7.4.1 "1006 is a reserved value and MUST NOT be set as a status code in..."
    //= rfc6455#section-7.4.1 "1015 is a reserved value and MUST NOT be set as a status code in..."
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// Returns the number on the wire.
    pub const fn get(self) -> u16 {
        self.0
    }
}
