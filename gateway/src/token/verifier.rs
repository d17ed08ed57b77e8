//! Verification of tokens: the order of the checks, key rotation, audience and issuer.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt::{self, Display, Formatter};

use data_encoding::BASE64URL_NOPAD;
use regex::Regex;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::algorithm::{Algorithm, SignatureCheck, TokenHeader, VerificationKey};
use super::claims::{Claims, ConnectionClaims, SubscriptionClaims, text_claim};
use super::error::TokenError;
use super::key_set::KeySet;
use crate::client_protocol::json::field;

/// Verifies tokens with one set of keys, or during a rotation with two.
#[derive(Debug)]
pub struct Verifier {
    keys: KeySet,
    /// The keys before, and until when they are good.
    previous: Option<(KeySet, u64)>,
    audience: Option<Matcher>,
    issuer: Option<Matcher>,
    user_claim: Option<Box<str>>,
    requires_user: bool,
}

/// What an audience or issuer has to be.
#[derive(Debug)]
enum Matcher {
    Text(Box<str>),
    Pattern(Regex),
}

impl Matcher {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Text(expected) => **expected == *text,
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

/// A regular expression that cannot be compiled.
#[derive(Clone, PartialEq, Debug)]
pub struct InvalidPattern(regex::Error);

impl Display for InvalidPattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "invalid regular expression: {}", self.0)
    }
}

impl Error for InvalidPattern {}

/// The connection that a subscription token has to be for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subscriber<'a> {
    /// The channel of the command.
    pub channel: &'a str,
    /// The user of the connection, empty if anonymous.
    pub user: &'a str,
    /// The id of the connection.
    pub client: &'a str,
}

impl Verifier {
    /// Creates a verifier that takes tokens of any audience and issuer.
    pub fn new(keys: impl Into<KeySet>) -> Self {
        Self {
            keys: keys.into(),
            previous: None,
            audience: None,
            issuer: None,
            user_claim: None,
            requires_user: false,
        }
    }

    /// Also takes signatures of other keys, before this time in seconds of Unix time.
    #[must_use]
    pub fn previous_key(mut self, keys: impl Into<KeySet>, valid_until: u64) -> Self {
        self.previous = Some((keys.into(), valid_until));
        self
    }

    /// Takes only tokens for this audience.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(Matcher::Text(audience.into()));
        self
    }

    /// Takes only tokens for an audience that the pattern is found in.
    ///
    /// # Errors
    /// The pattern is not a regular expression.
    pub fn audience_pattern(mut self, pattern: &str) -> Result<Self, InvalidPattern> {
        self.audience = Some(Matcher::Pattern(
            Regex::new(pattern).map_err(InvalidPattern)?,
        ));
        Ok(self)
    }

    /// Takes only tokens of this issuer.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuer = Some(Matcher::Text(issuer.into()));
        self
    }

    /// Takes only tokens of an issuer that the pattern is found in.
    ///
    /// # Errors
    /// The pattern is not a regular expression.
    pub fn issuer_pattern(mut self, pattern: &str) -> Result<Self, InvalidPattern> {
        self.issuer = Some(Matcher::Pattern(
            Regex::new(pattern).map_err(InvalidPattern)?,
        ));
        Ok(self)
    }

    /// Reads the user from this claim and not from `sub`.
    #[must_use]
    pub fn user_claim(mut self, name: &str) -> Self {
        self.user_claim = Some(name.into());
        self
    }

    /// Refuses connection tokens without a user.
    #[must_use]
    pub const fn require_user(mut self) -> Self {
        self.requires_user = true;
        self
    }

    /// Verifies a connection token at `now`, in seconds of Unix time. `buffer` is overwritten; the
    /// claims borrow from it.
    ///
    /// # Errors
    /// The token is refused; see [`TokenError`].
    pub fn verify_connection<'b>(
        &self,
        token: &str,
        now: u64,
        buffer: &'b mut Vec<u8>,
    ) -> Result<ConnectionClaims<'b>, TokenError> {
        let claims = self.verify(token, now, buffer)?;
        if !claims.channel.is_empty() {
            return Err(TokenError::HasChannel);
        }
        if self.requires_user && claims.sub.is_empty() {
            return Err(TokenError::Anonymous);
        }
        check_expiry(&claims, now)?;
        claims.into_connection()
    }

    /// Verifies a subscription token at `now`, in seconds of Unix time. `buffer` is overwritten; the
    /// claims borrow from it.
    ///
    /// # Errors
    /// The token is refused; see [`TokenError`].
    pub fn verify_subscription<'b>(
        &self,
        token: &str,
        now: u64,
        subscriber: Subscriber<'_>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<SubscriptionClaims<'b>, TokenError> {
        let claims = self.verify(token, now, buffer)?;
        if claims.channel.is_empty() {
            return Err(TokenError::NoChannel);
        }
        if claims.channel != subscriber.channel {
            return Err(TokenError::WrongChannel);
        }
        if claims.sub != subscriber.user {
            return Err(TokenError::WrongUser);
        }
        if !claims.client.is_empty() && claims.client != subscriber.client {
            return Err(TokenError::WrongClient);
        }
        check_expiry(&claims, now)?;
        claims.into_subscription()
    }

    /// Checks everything that both kinds of tokens have in common.
    fn verify<'b>(
        &self,
        token: &str,
        now: u64,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Claims<'b>, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        if claims.contains('.') {
            return Err(TokenError::Malformed);
        }

        decode_part(header, buffer)?;
        let header = parse_header(buffer)?;
        // The key needs the header after the buffer has the signature.
        let header = TokenHeader {
            algorithm: header.algorithm,
            key_id: Cow::<str>::Owned(header.key_id.into_owned()),
        };
        decode_part(signature, buffer)?;
        self.check_signature(&header, signed.as_bytes(), buffer, now)?;

        decode_part(claims, buffer)?;
        let mut claims = Claims::parse(buffer)?;
        if let Some(name) = &self.user_claim {
            claims.sub = text_claim(buffer, name)?;
        }
        // Exclusive at one end and inclusive at the other (RFC 7519 §4.1.4, §4.1.5).
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if claims.exp.is_some_and(|expiry| expiry <= now) {
            return Err(TokenError::Expired);
        }
        if claims.nbf.is_some_and(|start| start > now) {
            return Err(TokenError::NotYetValid);
        }
        if let Some(audience) = &self.audience
            && !claims.aud.any(|text| audience.matches(text))
        {
            return Err(TokenError::WrongAudience);
        }
        if let Some(issuer) = &self.issuer
            && !issuer.matches(&claims.iss)
        {
            return Err(TokenError::WrongIssuer);
        }
        Ok(claims)
    }

    fn check_signature(
        &self,
        header: &TokenHeader<'_>,
        signed: &[u8],
        signature: &[u8],
        now: u64,
    ) -> Result<(), TokenError> {
        let check = self.keys.check(header, signed, signature);
        let previous = match &self.previous {
            Some((key, valid_until)) if check != SignatureCheck::Valid && now < *valid_until => {
                key.check(header, signed, signature)
            }
            _ => SignatureCheck::OtherAlgorithm,
        };
        match (check, previous) {
            (SignatureCheck::Valid, _) | (_, SignatureCheck::Valid) => Ok(()),
            (SignatureCheck::OtherAlgorithm, SignatureCheck::OtherAlgorithm) => {
                Err(TokenError::DisabledAlgorithm)
            }
            _ => Err(TokenError::InvalidSignature),
        }
    }
}

fn check_expiry(claims: &Claims<'_>, now: u64) -> Result<(), TokenError> {
    if claims.expires_at().is_some_and(|expiry| expiry <= now) {
        return Err(TokenError::ExpiryPassed);
    }
    Ok(())
}

/// Decodes base64url without padding into the buffer. Bits that are left over have to be 0, so that
/// a signature has one form only.
fn decode_part(part: &str, buffer: &mut Vec<u8>) -> Result<(), TokenError> {
    let malformed = TokenError::Malformed;
    let len = BASE64URL_NOPAD
        .decode_len(part.len())
        .map_err(|_| malformed)?;
    buffer.clear();
    buffer.resize(len, 0);
    let decoded = BASE64URL_NOPAD.decode_mut(part.as_bytes(), buffer);
    decoded.map(|_| ()).map_err(|_| malformed)
}

#[derive(Deserialize)]
struct RawHeader<'a> {
    #[serde(borrow)]
    alg: field::Text<'a>,
    #[serde(borrow, default, deserialize_with = "field::text")]
    kid: Cow<'a, str>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

fn parse_header(json: &[u8]) -> Result<TokenHeader<'_>, TokenError> {
    let header: field::Object<RawHeader<'_>> =
        serde_json::from_slice(json).map_err(|_| TokenError::InvalidHeader)?;
    let RawHeader { alg, kid, crit } = header.0;
    // Extensions that must be understood; none is (RFC 7515 §4.1.11).
    if crit.is_some() {
        return Err(TokenError::CriticalHeader);
    }
    if alg.0.eq_ignore_ascii_case("none") {
        return Err(TokenError::Unsigned);
    }
    let algorithm = Algorithm::from_name(&alg.0).ok_or(TokenError::UnknownAlgorithm)?;
    Ok(TokenHeader {
        algorithm,
        key_id: kid,
    })
}
