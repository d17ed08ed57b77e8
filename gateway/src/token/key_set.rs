//! The keys of a verifier: a shared secret, and public keys of other algorithms.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::algorithm::{SignatureCheck, TokenHeader, VerificationKey};
use super::hmac_key::HmacKey;

/// Keys of which each is for algorithms of its own. An algorithm without a key is off.
///
/// A public key is never asked about an algorithm of shared secrets, so that what is public is no
/// secret by mistake.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    secret: Option<HmacKey>,
    public: Vec<Arc<dyn VerificationKey>>,
}

impl KeySet {
    /// Creates a set without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the secret of HS256, HS384 and HS512.
    #[must_use]
    pub fn secret(mut self, key: HmacKey) -> Self {
        self.secret = Some(key);
        self
    }

    /// Adds a public key.
    #[must_use]
    pub fn public_key(mut self, key: impl VerificationKey + 'static) -> Self {
        self.public.push(Arc::new(key));
        self
    }

    /// Returns whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.secret.is_none() && self.public.is_empty()
    }
}

impl From<HmacKey> for KeySet {
    fn from(key: HmacKey) -> Self {
        Self::new().secret(key)
    }
}

impl VerificationKey for KeySet {
    fn check(&self, header: &TokenHeader<'_>, signed: &[u8], signature: &[u8]) -> SignatureCheck {
        if header.algorithm.is_symmetric() {
            return self
                .secret
                .as_ref()
                .map_or(SignatureCheck::OtherAlgorithm, |key| {
                    key.check(header, signed, signature)
                });
        }
        let mut result = SignatureCheck::OtherAlgorithm;
        for key in &self.public {
            match key.check(header, signed, signature) {
                SignatureCheck::Valid => return SignatureCheck::Valid,
                SignatureCheck::Invalid => result = SignatureCheck::Invalid,
                SignatureCheck::OtherAlgorithm => {}
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Algorithm;

    /// Says that every signature is its own.
    #[derive(Debug)]
    struct Credulous;

    impl VerificationKey for Credulous {
        fn check(&self, _: &TokenHeader<'_>, _: &[u8], _: &[u8]) -> SignatureCheck {
            SignatureCheck::Valid
        }
    }

    #[test]
    fn a_public_key_is_not_asked_about_shared_secrets() {
        let secret = || HmacKey::new(b"secret").expect("a secret");
        for algorithm in Algorithm::ALL {
            let check = |keys: KeySet| {
                let header = TokenHeader {
                    algorithm,
                    key_id: "".into(),
                };
                keys.check(&header, b"signed", b"signature")
            };
            let is_symmetric = algorithm.name().starts_with("HS");
            assert_eq!(algorithm.is_symmetric(), is_symmetric);
            let (public, both, one) = if is_symmetric {
                (
                    SignatureCheck::OtherAlgorithm,
                    SignatureCheck::Invalid,
                    SignatureCheck::Invalid,
                )
            } else {
                (
                    SignatureCheck::Valid,
                    SignatureCheck::Valid,
                    SignatureCheck::OtherAlgorithm,
                )
            };
            assert_eq!(check(KeySet::new().public_key(Credulous)), public);
            assert_eq!(check(KeySet::from(secret()).public_key(Credulous)), both);
            assert_eq!(check(KeySet::from(secret())), one);
            assert_eq!(check(KeySet::new()), SignatureCheck::OtherAlgorithm);
        }
        assert!(KeySet::new().is_empty() && !KeySet::from(secret()).is_empty());
    }
}
