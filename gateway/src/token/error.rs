//! Reasons to refuse a token, and the answer to the client.

use core::error::Error;
use core::fmt::{self, Display, Formatter};

use crate::client_protocol::{DisconnectCode, ErrorCode};

/// A token that is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TokenError {
    /// It does not have three parts in base64url.
    Malformed,
    /// Its header is not that of a signed token.
    InvalidHeader,
    /// Its header demands an extension.
    CriticalHeader,
    /// It has no signature, and says so.
    Unsigned,
    /// Its algorithm is not known.
    UnknownAlgorithm,
    /// No key is configured for its algorithm.
    DisabledAlgorithm,
    /// No key made its signature.
    InvalidSignature,
    /// Its claims are not a JSON object, or one has the wrong type.
    InvalidClaims,
    /// `exp` has passed.
    Expired,
    /// `nbf` has not come.
    NotYetValid,
    /// `expire_at` has passed.
    ExpiryPassed,
    /// It is for another audience.
    WrongAudience,
    /// It is of another issuer.
    WrongIssuer,
    /// It is for a subscription, and not for a connection.
    HasChannel,
    /// It is for a connection, and not for a subscription.
    NoChannel,
    /// It is for another channel.
    WrongChannel,
    /// It is of another user.
    WrongUser,
    /// It is of another connection.
    WrongClient,
    /// It has no user, and one is required.
    Anonymous,
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
    /// Every error.
    pub const ALL: [Self; 19] = [
        Self::Malformed,
        Self::InvalidHeader,
        Self::CriticalHeader,
        Self::Unsigned,
        Self::UnknownAlgorithm,
        Self::DisabledAlgorithm,
        Self::InvalidSignature,
        Self::InvalidClaims,
        Self::Expired,
        Self::NotYetValid,
        Self::ExpiryPassed,
        Self::WrongAudience,
        Self::WrongIssuer,
        Self::HasChannel,
        Self::NoChannel,
        Self::WrongChannel,
        Self::WrongUser,
        Self::WrongClient,
        Self::Anonymous,
    ];

    /// Returns the reason in the form of a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::InvalidHeader => "invalid_header",
            Self::CriticalHeader => "critical_header",
            Self::Unsigned => "unsigned",
            Self::UnknownAlgorithm => "unknown_algorithm",
            Self::DisabledAlgorithm => "disabled_algorithm",
            Self::InvalidSignature => "invalid_signature",
            Self::InvalidClaims => "invalid_claims",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::ExpiryPassed => "expiry_passed",
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::HasChannel => "has_channel",
            Self::NoChannel => "no_channel",
            Self::WrongChannel => "wrong_channel",
            Self::WrongUser => "wrong_user",
            Self::WrongClient => "wrong_client",
            Self::Anonymous => "anonymous",
        }
    }

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

impl Display for TokenError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the token does not have three parts in base64url",
            Self::InvalidHeader => "the header is not that of a signed token",
            Self::CriticalHeader => "the header demands an extension",
            Self::Unsigned => "the token is not signed",
            Self::UnknownAlgorithm => "the algorithm is not known",
            Self::DisabledAlgorithm => "no key is configured for the algorithm",
            Self::InvalidSignature => "the signature is not of a configured key",
            Self::InvalidClaims => "the claims are invalid",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::ExpiryPassed => "expire_at has passed",
            Self::WrongAudience => "the token is for another audience",
            Self::WrongIssuer => "the token is of another issuer",
            Self::HasChannel => "the token is for a subscription",
            Self::NoChannel => "the token is not for a subscription",
            Self::WrongChannel => "the token is for another channel",
            Self::WrongUser => "the token is of another user",
            Self::WrongClient => "the token is of another connection",
            Self::Anonymous => "the token has no user",
        })
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
