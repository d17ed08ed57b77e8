//! Public keys that verify tokens: RSA, ECDSA and Ed25519.

use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};

use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, VerificationAlgorithm,
};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use stentor_gateway::token::{Algorithm, SignatureCheck, TokenHeader, VerificationKey};

/// A public key, once for each algorithm that it is for.
#[derive(Clone)]
pub struct PublicKey(Vec<(Algorithm, ParsedPublicKey)>);

impl PublicKey {
    /// Reads an RSA key of 2,048 to 8,192 bits, for RS256, RS384 and RS512.
    ///
    /// # Errors
    /// It is not one.
    pub fn rsa(pem: &str) -> Result<Self, InvalidPublicKey> {
        let der = der(pem)?;
        let invalid = InvalidPublicKey("is not an RSA key of 2048 to 8192 bits");
        // Parsing for a signature does not look at the size.
        PublicEncryptingKey::from_der(&der).map_err(|_| invalid)?;
        let algorithms: [Candidate; 3] = [
            (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
            (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
            (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
        ];
        Self::of(&der, &algorithms, invalid)
    }

    /// Reads a key over P-256, P-384 or P-521, for ES256, ES384 or ES512. A signature is the two
    /// numbers side by side (RFC 7518 §3.4).
    ///
    /// # Errors
    /// It is not one.
    pub fn ecdsa(pem: &str) -> Result<Self, InvalidPublicKey> {
        let algorithms: [Candidate; 3] = [
            (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED),
            (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED),
            (Algorithm::Es512, &ECDSA_P521_SHA512_FIXED),
        ];
        let invalid = InvalidPublicKey("is not a key over P-256, P-384 or P-521");
        Self::of(&der(pem)?, &algorithms, invalid)
    }

    /// Reads an Ed25519 key, for EdDSA (RFC 8037).
    ///
    /// # Errors
    /// It is not one.
    pub fn eddsa(pem: &str) -> Result<Self, InvalidPublicKey> {
        let algorithms: [Candidate; 1] = [(Algorithm::EdDsa, &ED25519)];
        let invalid = InvalidPublicKey("is not an Ed25519 key");
        Self::of(&der(pem)?, &algorithms, invalid)
    }

    fn of(
        der: &[u8],
        candidates: &[Candidate],
        invalid: InvalidPublicKey,
    ) -> Result<Self, InvalidPublicKey> {
        let keys = candidates.iter().filter_map(|&(name, algorithm)| {
            let key = ParsedPublicKey::new(algorithm, der).ok()?;
            Some((name, key))
        });
        let keys: Vec<_> = keys.collect();
        if keys.is_empty() {
            return Err(invalid);
        }
        Ok(Self(keys))
    }
}

type Candidate = (Algorithm, &'static dyn VerificationAlgorithm);

fn der(pem: &str) -> Result<SubjectPublicKeyInfoDer<'static>, InvalidPublicKey> {
    SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| InvalidPublicKey("is not PEM with a PUBLIC KEY"))
}

impl VerificationKey for PublicKey {
    fn check(&self, header: &TokenHeader<'_>, signed: &[u8], signature: &[u8]) -> SignatureCheck {
        let key = self.0.iter().find(|(name, _)| *name == header.algorithm);
        match key.map(|(_, key)| key.verify_sig(signed, signature)) {
            Some(Ok(())) => SignatureCheck::Valid,
            Some(Err(_)) => SignatureCheck::Invalid,
            None => SignatureCheck::OtherAlgorithm,
        }
    }
}

impl Debug for PublicKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

/// A text that is no public key, or one of another kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidPublicKey(&'static str);

impl Display for InvalidPublicKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for InvalidPublicKey {}
