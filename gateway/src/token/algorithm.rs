//! Names of signature algorithms, and what a key has to do for them.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt::Debug;

/// A signature algorithm (RFC 7518 §3.1, RFC 8037).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// ECDSA over P-521 with SHA-512.
    Es512,
    /// EdDSA.
    EdDsa,
}

impl Algorithm {
    /// Returns whether signatures are made with the key that verifies them.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// Every algorithm.
    pub const ALL: [Self; 10] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// Returns the value of `alg` in a header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Returns the algorithm with this name. `none` is not one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }
}

/// What the header of a token says about its signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenHeader<'a> {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The name of the key, empty if there is none.
    pub key_id: Cow<'a, str>,
}

/// What a key says about a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureCheck {
    /// It is of this key.
    Valid,
    /// It is not of this key.
    Invalid,
    /// The key is for other algorithms.
    OtherAlgorithm,
}

/// A key, or set of keys, that verifies signatures.
///
/// A key says [`OtherAlgorithm`](SignatureCheck::OtherAlgorithm) to every algorithm that it is not
/// made for: the header of a token is written by whoever has made the token.
pub trait VerificationKey: Debug + Send + Sync {
    /// Checks the signature of these bytes. A secret is compared in constant time.
    fn check(&self, header: &TokenHeader<'_>, signed: &[u8], signature: &[u8]) -> SignatureCheck;
}

/// A key that signs.
pub trait SigningKey {
    /// Returns the signature of these bytes, or `None` if the key is for other algorithms.
    fn sign(&self, algorithm: Algorithm, signed: &[u8]) -> Option<Vec<u8>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_registry() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        for name in ["none", "None", "", "hs256", "HS1", "EDDSA", "PS256"] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }
}
