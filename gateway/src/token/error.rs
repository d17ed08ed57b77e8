//! Reasons to refuse a token, and the answer to the client.

use core::error::Error;
use core::fmt::{self, Display, Formatter};

use crate::client_protocol::{DisconnectCode, ErrorCode};

/// Declares the errors: each has its label and its text.
macro_rules! token_errors {
    ($($(#[$doc:meta])* $error:ident, $label:literal, $text:literal;)*) => {
        /// A token that is refused.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum TokenError {
            $($(#[$doc])* $error,)*
        }

        impl TokenError {
            /// Every error.
            pub const ALL: &[Self] = &[$(Self::$error),*];

            /// Returns the reason in the form of a metric's label.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$error => $label,)*
                }
            }
        }

        impl Display for TokenError {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$error => $text,)*
                })
            }
        }
    };
}

token_errors! {
    /// It does not have three parts in base64url.
    Malformed, "malformed", "the token does not have three parts in base64url";
    /// Its header is not that of a signed token.
    InvalidHeader, "invalid_header", "the header is not that of a signed token";
    /// Its header demands an extension.
    CriticalHeader, "critical_header", "the header demands an extension";
    /// It has no signature, and says so.
    Unsigned, "unsigned", "the token is not signed";
    /// Its algorithm is not known.
    UnknownAlgorithm, "unknown_algorithm", "the algorithm is not known";
    /// No key is configured for its algorithm.
    DisabledAlgorithm, "disabled_algorithm", "no key is configured for the algorithm";
    /// No key made its signature.
    InvalidSignature, "invalid_signature", "the signature is not of a configured key";
    /// Its claims are not a JSON object, or one has the wrong type.
    InvalidClaims, "invalid_claims", "the claims are invalid";
    /// `exp` has passed.
    Expired, "expired", "the token has expired";
    /// `nbf` has not come.
    NotYetValid, "not_yet_valid", "the token is not valid yet";
    /// `expire_at` has passed.
    ExpiryPassed, "expiry_passed", "expire_at has passed";
    /// It is for another audience.
    WrongAudience, "wrong_audience", "the token is for another audience";
    /// It is of another issuer.
    WrongIssuer, "wrong_issuer", "the token is of another issuer";
    /// It is for a subscription, and not for a connection.
    HasChannel, "has_channel", "the token is for a subscription";
    /// It is for a connection, and not for a subscription.
    NoChannel, "no_channel", "the token is not for a subscription";
    /// It is for another channel.
    WrongChannel, "wrong_channel", "the token is for another channel";
    /// It is of another user.
    WrongUser, "wrong_user", "the token is of another user";
    /// It is of another connection.
    WrongClient, "wrong_client", "the token is of another connection";
    /// It has no user, and one is required.
    Anonymous, "anonymous", "the token has no user";
}

/// What a token is used for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TokenUse {
    /// In a `connect` command.
    Connect,
    /// In a `refresh` command.
    Refresh,
    /// In a `subscribe` command.
    Subscribe,
    /// In a `sub_refresh` command.
    SubRefresh,
}

/// Answer to a client whose token is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// The command fails, and the connection stays.
    Error(ErrorCode),
    /// The connection is closed.
    Disconnect(DisconnectCode),
}

impl TokenError {
    /// Returns the answer to the client.
    pub const fn rejection(self, token_use: TokenUse) -> Rejection {
        match (token_use, self) {
            (TokenUse::Connect | TokenUse::Subscribe, Self::Expired | Self::NotYetValid) => {
                Rejection::Error(ErrorCode::TokenExpired)
            }
            (TokenUse::Connect | TokenUse::Subscribe, Self::ExpiryPassed) => {
                Rejection::Error(ErrorCode::Expired)
            }
            (TokenUse::Refresh, Self::Expired | Self::NotYetValid | Self::ExpiryPassed) => {
                Rejection::Disconnect(DisconnectCode::ConnectionExpired)
            }
            (TokenUse::SubRefresh, Self::Expired | Self::NotYetValid | Self::ExpiryPassed) => {
                Rejection::Disconnect(DisconnectCode::SubscriptionExpired)
            }
            (TokenUse::Connect | TokenUse::Refresh, Self::Anonymous) => {
                Rejection::Disconnect(DisconnectCode::PermissionDenied)
            }
            (TokenUse::Subscribe, Self::WrongChannel | Self::WrongUser | Self::WrongClient) => {
                Rejection::Disconnect(DisconnectCode::InvalidToken)
            }
            (TokenUse::Subscribe, _) => Rejection::Error(ErrorCode::PermissionDenied),
            _ => Rejection::Disconnect(DisconnectCode::InvalidToken),
        }
    }
}

impl Error for TokenError {}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_error_has_a_label_of_its_own() {
        let labels: BTreeSet<_> = TokenError::ALL.iter().map(|error| error.label()).collect();
        assert_eq!(labels.len(), TokenError::ALL.len());
    }

    #[test]
    fn answers_are_those_of_the_protocol() {
        use DisconnectCode as D;
        use Rejection::{Disconnect, Error};
        use TokenUse::{Connect, Refresh, SubRefresh, Subscribe};
        for (error, token_use, expected) in [
            (
                TokenError::InvalidSignature,
                Connect,
                Disconnect(D::InvalidToken),
            ),
            (TokenError::HasChannel, Connect, Disconnect(D::InvalidToken)),
            (
                TokenError::WrongAudience,
                Connect,
                Disconnect(D::InvalidToken),
            ),
            (
                TokenError::Anonymous,
                Connect,
                Disconnect(D::PermissionDenied),
            ),
            (TokenError::Expired, Connect, Error(ErrorCode::TokenExpired)),
            (
                TokenError::NotYetValid,
                Connect,
                Error(ErrorCode::TokenExpired),
            ),
            (TokenError::ExpiryPassed, Connect, Error(ErrorCode::Expired)),
            (
                TokenError::InvalidSignature,
                Refresh,
                Disconnect(D::InvalidToken),
            ),
            (TokenError::WrongUser, Refresh, Disconnect(D::InvalidToken)),
            (
                TokenError::Expired,
                Refresh,
                Disconnect(D::ConnectionExpired),
            ),
            (
                TokenError::InvalidSignature,
                Subscribe,
                Error(ErrorCode::PermissionDenied),
            ),
            (
                TokenError::NoChannel,
                Subscribe,
                Error(ErrorCode::PermissionDenied),
            ),
            (
                TokenError::Expired,
                Subscribe,
                Error(ErrorCode::TokenExpired),
            ),
            (
                TokenError::WrongChannel,
                Subscribe,
                Disconnect(D::InvalidToken),
            ),
            (
                TokenError::WrongUser,
                Subscribe,
                Disconnect(D::InvalidToken),
            ),
            (
                TokenError::WrongClient,
                Subscribe,
                Disconnect(D::InvalidToken),
            ),
            (
                TokenError::Expired,
                SubRefresh,
                Disconnect(D::SubscriptionExpired),
            ),
            (
                TokenError::WrongChannel,
                SubRefresh,
                Disconnect(D::InvalidToken),
            ),
            (
                TokenError::Malformed,
                SubRefresh,
                Disconnect(D::InvalidToken),
            ),
        ] {
            assert_eq!(
                error.rejection(token_use),
                expected,
                "{error:?} {token_use:?}"
            );
        }
    }
}
