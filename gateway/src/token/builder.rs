//! New tokens, signed.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt::{self, Display, Formatter};

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::algorithm::{Algorithm, SigningKey};
use crate::client_protocol::InvalidPayload;

/// The claims of a new token. One with a channel is a subscription token, one without a connection
/// token.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TokenBuilder {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Box<RawValue>>,
    /// Claims that only some verifiers know.
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

impl TokenBuilder {
    /// Creates a token without claims: an anonymous user, without expiry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the user.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.sub = Some(user.into());
        self
    }

    /// Sets the user in another claim than `sub`, for a verifier with
    /// [`user_claim`](super::Verifier::user_claim).
    #[must_use]
    pub fn user_in(mut self, claim: &str, user: &str) -> Self {
        if claim == "sub" {
            return self.user(user);
        }
        self.others.insert(claim.into(), user.into());
        self
    }

    /// Sets the channel that the token is for.
    #[must_use]
    pub fn channel(mut self, channel: &str) -> Self {
        self.channel = Some(channel.into());
        self
    }

    /// Adds a server-side subscription.
    #[must_use]
    pub fn server_channel(mut self, channel: &str) -> Self {
        self.channels.push(channel.into());
        self
    }

    /// Sets when the token expires, in seconds of Unix time.
    #[must_use]
    pub const fn expires_at(mut self, time: u64) -> Self {
        self.exp = Some(time);
        self
    }

    /// Sets when the connection or subscription expires if that is not with the token, in seconds of
    /// Unix time; 0 is never.
    #[must_use]
    pub const fn use_expires_at(mut self, time: u64) -> Self {
        self.expire_at = Some(time);
        self
    }

    /// Sets when the token becomes valid, in seconds of Unix time.
    #[must_use]
    pub const fn valid_from(mut self, time: u64) -> Self {
        self.nbf = Some(time);
        self
    }

    /// Sets when the token is issued, in seconds of Unix time.
    #[must_use]
    pub const fn issued_at(mut self, time: u64) -> Self {
        self.iat = Some(time);
        self
    }

    /// Sets the name of the token.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.jti = Some(id.into());
        self
    }

    /// Sets the audience.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.aud = Some(audience.into());
        self
    }

    /// Sets the issuer.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.iss = Some(issuer.into());
        self
    }

    /// Sets what other clients see of the user.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn info(mut self, json: &str) -> Result<Self, InvalidPayload> {
        self.info = Some(raw(json)?);
        Ok(self)
    }

    /// Sets what only the application's own servers see.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn meta(mut self, json: &str) -> Result<Self, InvalidPayload> {
        self.meta = Some(raw(json)?);
        Ok(self)
    }

    /// Returns the token.
    ///
    /// # Errors
    /// The key is for other algorithms.
    pub fn sign(&self, key: &impl SigningKey, algorithm: Algorithm) -> Result<String, SignError> {
        let claims = serde_json::to_vec(self).map_err(|_| SignError::NotSerialized)?;
        sign_claims(&claims, key, algorithm)
    }
}

fn raw(json: &str) -> Result<Box<RawValue>, InvalidPayload> {
    RawValue::from_string(json.into()).map_err(|_| InvalidPayload)
}

/// Signs claims that are JSON already.
pub(super) fn sign_claims(
    claims: &[u8],
    key: &impl SigningKey,
    algorithm: Algorithm,
) -> Result<String, SignError> {
    let mut token = String::new();
    let header = alloc::format!(r#"{{"alg":"{}","typ":"JWT"}}"#, algorithm.name());
    BASE64URL_NOPAD.encode_append(header.as_bytes(), &mut token);
    token.push('.');
    BASE64URL_NOPAD.encode_append(claims, &mut token);
    let signature = key.sign(algorithm, token.as_bytes());
    let signature = signature.ok_or(SignError::OtherAlgorithm)?;
    token.push('.');
    BASE64URL_NOPAD.encode_append(&signature, &mut token);
    Ok(token)
}

/// A token that cannot be signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignError {
    /// The key is for other algorithms.
    OtherAlgorithm,
    /// The claims cannot be written as JSON.
    NotSerialized,
}

impl Display for SignError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherAlgorithm => "the key is for other algorithms",
            Self::NotSerialized => "the claims cannot be written as JSON",
        })
    }
}

impl Error for SignError {}
