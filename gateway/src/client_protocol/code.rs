//! Numbers and texts of the protocol: error codes of replies, unsubscribe codes, disconnect codes,
//! and what a client does on each.

/// Declares an enum of codes: each has its number, and its text on the wire.
macro_rules! codes {
    (
        $(#[$doc:meta])*
        $name:ident, $(#[$text_doc:meta])* $text:ident;
        $($(#[$code_doc:meta])* $code:ident = $number:literal, $words:literal;)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u16)]
        pub enum $name {
            $($(#[$code_doc])* $code = $number,)*
        }

        impl $name {
            /// Every code, in the order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// Returns the number on the wire.
            pub const fn number(self) -> u16 {
                self as u16
            }

            $(#[$text_doc])*
            pub const fn $text(self) -> &'static str {
                match self {
                    $(Self::$code => $words,)*
                }
            }
        }
    };
}

codes! {
    /// An error that the server answers a command with.
    ErrorCode,
    /// Returns the text on the wire.
    message;

    /// A broker, a proxy or the server itself failed.
    Internal = 100, "internal server error";
    /// Refused by an application's own handler.
    Unauthorized = 101, "unauthorized";
    /// The namespace of the channel is not configured.
    UnknownChannel = 102, "unknown channel";
    /// The permission is missing, or the subscription token is invalid.
    PermissionDenied = 103, "permission denied";
    /// The namespace of the remote procedure, or the method, is unknown.
    MethodNotFound = 104, "method not found";
    /// The connection is subscribed to the channel already.
    AlreadySubscribed = 105, "already subscribed";
    /// The connection has as many channels as it may have.
    LimitExceeded = 106, "limit exceeded";
    /// A field of the command has a value that is not allowed.
    BadRequest = 107, "bad request";
    /// The channel does not have the feature, or nothing handles the command.
    NotAvailable = 108, "not available";
    /// The token has expired; a client gets a new one and tries again.
    TokenExpired = 109, "token expired";
    /// A handler reported an expiry that has passed.
    Expired = 110, "expired";
    /// A rate limit was reached.
    TooManyRequests = 111, "too many requests";
    /// The position is of another epoch, or can no longer be recovered.
    UnrecoverablePosition = 112, "unrecoverable position";
    /// The state changed while a client read it page by page.
    ConcurrentPagination = 113, "concurrent pagination";
}

impl ErrorCode {
    /// Returns whether the same command may succeed later; a client then tries again.
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::Internal | Self::TooManyRequests | Self::ConcurrentPagination
        )
    }
}

codes! {
    /// Why the server ended a subscription.
    UnsubscribeCode,
    /// Returns the text on the wire.
    reason;

    /// The server's interface asked for it.
    Server = 2000, "server unsubscribe";
    /// The subscriber has missed a publication of a positioned channel.
    InsufficientState = 2500, "insufficient state";
    /// The subscription expired and was not refreshed.
    Expired = 2501, "subscription expired";
    /// What the client knows of the channel is no longer valid.
    StateInvalidated = 2502, "state invalidated";
}

impl UnsubscribeCode {
    /// Returns whether a client subscribes again by itself.
    pub const fn resubscribes(self) -> bool {
        resubscribes_after(self.number())
    }
}

/// Returns whether a client subscribes again by itself after an unsubscribe push with this number,
/// also one of the application's own (2100 to 2499, 2600 to 2999).
pub const fn resubscribes_after(number: u16) -> bool {
    number >= 2500
}

codes! {
    /// Why the server closed a connection; the close code of a WebSocket.
    DisconnectCode,
    /// Returns the text on the wire. Never valid JSON: an SDK would read that as the reason of an
    /// older protocol.
    reason;

    /// The client closed the connection. Never sent.
    ConnectionClosed = 3000, "connection closed";
    /// The server shuts down.
    Shutdown = 3001, "shutdown";
    /// The server failed.
    InternalError = 3004, "internal server error";
    /// The connection expired and was not refreshed.
    ConnectionExpired = 3005, "connection expired";
    /// A server-side subscription expired and was not refreshed.
    SubscriptionExpired = 3006, "subscription expired";
    /// The client reads too slowly; its queue is full.
    Slow = 3008, "slow";
    /// Writing to the client failed.
    WriteError = 3009, "write error";
    /// A server-side subscription has missed a publication of a positioned channel.
    InsufficientState = 3010, "insufficient state";
    /// The server's interface asked the client to connect again.
    ForceReconnect = 3011, "force reconnect";
    /// The client did not answer a ping.
    NoPong = 3012, "no pong";
    /// A rate limit was reached.
    TooManyRequests = 3013, "too many requests";
    /// What the client knows is no longer valid; it connects with a new token.
    StateInvalidated = 3014, "state invalidated";
    /// The connection token is invalid, or a token is another's.
    InvalidToken = 3500, "invalid token";
    /// The client violated the protocol.
    BadRequest = 3501, "bad request";
    /// The client did not connect in time.
    Stale = 3502, "stale";
    /// The server's interface asked for it.
    ForceDisconnect = 3503, "force disconnect";
    /// The user has as many connections as they may have.
    ConnectionLimit = 3504, "connection limit";
    /// The connection has as many server-side subscriptions as it may have.
    ChannelLimit = 3505, "channel limit";
    /// A payload cannot be sent with the connection's codec.
    InappropriateProtocol = 3506, "inappropriate protocol";
    /// The client may not connect.
    PermissionDenied = 3507, "permission denied";
    /// Nothing handles the message.
    NotAvailable = 3508, "not available";
    /// The client caused too many errors.
    TooManyErrors = 3509, "too many errors";
}

impl DisconnectCode {
    /// Returns whether a client connects again by itself.
    pub const fn reconnects(self) -> bool {
        reconnects_after(self.number())
    }
}

/// Returns whether a client connects again by itself after a connection that ended with this close
/// code, also one of the application's own (4000 to 4999) or of the transport.
pub const fn reconnects_after(number: u16) -> bool {
    // Clients take 1009 as a message that would be too long the next time, too.
    !matches!(number, 1009 | 3500..=3999 | 4500..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_numbers_and_texts_of_the_protocol() {
        let numbers: alloc::vec::Vec<u16> =
            ErrorCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers, (100..=113).collect::<alloc::vec::Vec<_>>());
        let temporary: alloc::vec::Vec<u16> = ErrorCode::ALL
            .iter()
            .filter(|code| code.is_temporary())
            .map(|code| code.number())
            .collect();
        assert_eq!(temporary, [100, 111, 113]);
        assert_eq!(ErrorCode::UnknownChannel.message(), "unknown channel");
        assert_eq!(
            ErrorCode::UnrecoverablePosition.message(),
            "unrecoverable position"
        );
    }

    #[test]
    fn a_client_resubscribes_from_2500_on() {
        let again = UnsubscribeCode::ALL.iter();
        let again = again.map(|code| (code.number(), code.resubscribes()));
        let again: alloc::vec::Vec<_> = again.collect();
        assert_eq!(
            again,
            [(2000, false), (2500, true), (2501, true), (2502, true)]
        );
        assert!(!resubscribes_after(2499));
    }

    #[test]
    fn a_client_reconnects_unless_the_code_is_terminal() {
        for code in DisconnectCode::ALL {
            assert_eq!(code.reconnects(), code.number() < 3500, "{code:?}");
        }
        for (number, again) in [
            (1000, true),
            (1006, true),
            (1009, false),
            (2999, true),
            (3499, true),
            (3500, false),
            (3999, false),
            (4000, true),
            (4499, true),
            (4500, false),
            (4999, false),
            (5000, true),
        ] {
            assert_eq!(reconnects_after(number), again, "{number}");
        }
    }

    #[test]
    fn reasons_fit_a_close_frame_and_are_not_json() {
        for code in DisconnectCode::ALL {
            assert!(code.reason().len() <= 123);
            assert!(serde_json::from_str::<serde_json::Value>(code.reason()).is_err());
        }
    }

    #[test]
    fn codes_are_listed_in_order_and_once() {
        assert!(ErrorCode::ALL.is_sorted_by(|a, b| a.number() < b.number()));
        assert!(UnsubscribeCode::ALL.is_sorted_by(|a, b| a.number() < b.number()));
        assert!(DisconnectCode::ALL.is_sorted_by(|a, b| a.number() < b.number()));
    }
}
