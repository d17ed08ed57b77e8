//! Key pairs that the body signs tokens with, one for each algorithm of public keys.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaKeyPair,
};
use stentor_gateway::token::{HmacKey, KeySet};
use stentor_server::PublicKey;

use super::SECRET;

/// The key pairs. What is signed with them is compared with nothing, so they need not be the same in
/// every run.
pub(super) struct KeyPairs {
    rsa: RsaKeyPair,
    ecdsa: [EcdsaKeyPair; 3],
    eddsa: Ed25519KeyPair,
}

pub(super) static KEYS: LazyLock<KeyPairs> = LazyLock::new(|| {
    let ecdsa: [&EcdsaSigningAlgorithm; 3] = [
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &ECDSA_P384_SHA384_FIXED_SIGNING,
        &ECDSA_P521_SHA512_FIXED_SIGNING,
    ];
    KeyPairs {
        rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
        ecdsa: ecdsa.map(|algorithm| EcdsaKeyPair::generate(algorithm).expect("a key")),
        eddsa: Ed25519KeyPair::generate().expect("a key"),
    }
});

impl KeyPairs {
    /// Returns the keys of a verifier, with a secret if told so.
    pub(super) fn verifying(&self, has_secret: bool) -> KeySet {
        let mut keys = KeySet::new();
        if has_secret {
            keys = keys.secret(HmacKey::new(SECRET).expect("a secret"));
        }
        let rsa = PublicKey::rsa(&pem(self.rsa.public_key())).expect("a key");
        let eddsa = PublicKey::eddsa(&pem(self.eddsa.public_key())).expect("a key");
        keys = keys.public_key(rsa).public_key(eddsa);
        for pair in &self.ecdsa {
            let key = PublicKey::ecdsa(&pem(pair.public_key())).expect("a key");
            keys = keys.public_key(key);
        }
        keys
    }

    /// Signs with the algorithm of this name, if it is one of public keys.
    pub(super) fn sign(&self, algorithm: &str, signed: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        let padding = match algorithm {
            "RS256" => Some(&RSA_PKCS1_SHA256),
            "RS384" => Some(&RSA_PKCS1_SHA384),
            "RS512" => Some(&RSA_PKCS1_SHA512),
            _ => None,
        };
        if let Some(padding) = padding {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            let result = self.rsa.sign(padding, &random, signed, &mut signature);
            return result.is_ok().then_some(signature);
        }
        let pair = match algorithm {
            "ES256" => &self.ecdsa[0],
            "ES384" => &self.ecdsa[1],
            "ES512" => &self.ecdsa[2],
            "EdDSA" => return Some(self.eddsa.sign(signed).as_ref().to_vec()),
            _ => return None,
        };
        let signature = pair.sign(&random, signed).expect("signed");
        Some(signature.as_ref().to_vec())
    }
}

fn pem(key: &impl AsDer<PublicKeyX509Der<'static>>) -> String {
    let der = key.as_der().expect("a key as DER");
    let mut base64 = super::base64url(der.as_ref())
        .replace('-', "+")
        .replace('_', "/");
    while !base64.len().is_multiple_of(4) {
        base64.push('=');
    }
    format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")
}
