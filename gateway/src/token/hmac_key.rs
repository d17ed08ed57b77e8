//! Shared secrets: HS256, HS384 and HS512 (RFC 7518 §3.2).

use alloc::vec::Vec;
use core::fmt::{self, Debug, Formatter};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};

use super::algorithm::{Algorithm, SignatureCheck, SigningKey, TokenHeader, VerificationKey};

/// A secret that signs and verifies. Its `Debug` does not show it.
#[derive(Clone)]
pub struct HmacKey {
    // With the key absorbed, which is half the work of a short token.
    hs256: Hmac<Sha256>,
    hs384: Hmac<Sha384>,
    hs512: Hmac<Sha512>,
}

impl HmacKey {
    /// Creates a key, or returns `None` if the secret is empty. RFC 7518 wants at least 32 bytes;
    /// shorter ones are guessed sooner.
    pub fn new(secret: &[u8]) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        Some(Self {
            hs256: Hmac::new_from_slice(secret).ok()?,
            hs384: Hmac::new_from_slice(secret).ok()?,
            hs512: Hmac::new_from_slice(secret).ok()?,
        })
    }
}

impl VerificationKey for HmacKey {
    fn check(&self, header: &TokenHeader<'_>, signed: &[u8], signature: &[u8]) -> SignatureCheck {
        match header.algorithm {
            Algorithm::Hs256 => check(&self.hs256, signed, signature),
            Algorithm::Hs384 => check(&self.hs384, signed, signature),
            Algorithm::Hs512 => check(&self.hs512, signed, signature),
            _ => SignatureCheck::OtherAlgorithm,
        }
    }
}

/// `verify_slice` compares in constant time, and all of the signature.
fn check(mac: &(impl Mac + Clone), signed: &[u8], signature: &[u8]) -> SignatureCheck {
    match mac.clone().chain_update(signed).verify_slice(signature) {
        Ok(()) => SignatureCheck::Valid,
        Err(_) => SignatureCheck::Invalid,
    }
}

impl SigningKey for HmacKey {
    fn sign(&self, algorithm: Algorithm, signed: &[u8]) -> Option<Vec<u8>> {
        match algorithm {
            Algorithm::Hs256 => Some(sign(&self.hs256, signed)),
            Algorithm::Hs384 => Some(sign(&self.hs384, signed)),
            Algorithm::Hs512 => Some(sign(&self.hs512, signed)),
            _ => None,
        }
    }
}

fn sign(mac: &(impl Mac + Clone), signed: &[u8]) -> Vec<u8> {
    mac.clone()
        .chain_update(signed)
        .finalize()
        .into_bytes()
        .to_vec()
}

impl Debug for HmacKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey")
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    /// Test case 2 of RFC 4231.
    #[test]
    fn signatures_are_those_of_rfc_4231() {
        let key = HmacKey::new(b"Jefe").expect("a secret");
        let data = b"what do ya want for nothing?";
        let hex = data_encoding::HEXLOWER;
        for (algorithm, expected) in [
            (
                Algorithm::Hs256,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                Algorithm::Hs384,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                Algorithm::Hs512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            let signature = key.sign(algorithm, data).expect("an HMAC");
            assert_eq!(hex.encode(&signature), expected);
            let header = TokenHeader {
                algorithm,
                key_id: "".into(),
            };
            assert_eq!(key.check(&header, data, &signature), SignatureCheck::Valid);
            let end = signature.len() - 1;
            assert_eq!(
                key.check(&header, data, &signature[..end]),
                SignatureCheck::Invalid
            );
            assert_eq!(key.check(&header, data, b""), SignatureCheck::Invalid);
            assert_eq!(
                key.check(&header, &data[1..], &signature),
                SignatureCheck::Invalid
            );
        }
    }

    #[test]
    fn other_algorithms_are_not_for_a_secret() {
        let key = HmacKey::new(b"secret").expect("a secret");
        for algorithm in &Algorithm::ALL[3..] {
            assert_eq!(key.sign(*algorithm, b""), None);
            let header = TokenHeader {
                algorithm: *algorithm,
                key_id: "".into(),
            };
            assert_eq!(key.check(&header, b"", b""), SignatureCheck::OtherAlgorithm);
        }
        assert!(HmacKey::new(b"").is_none());
        assert_eq!(format!("{key:?}"), "HmacKey");
    }
}
