//! Tokens that are verified with public keys.

pub(crate) mod vectors;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use stentor_gateway::token::{
    Algorithm, HmacKey, KeySet, SignatureCheck, TokenBuilder, TokenError, TokenHeader,
    VerificationKey, Verifier,
};
use stentor_server::{InvalidPublicKey, PublicKey, Settings, SettingsError};
use vectors::{ED, K1, P256, P384, P521, RSA, SMALL, TOKENS, VECTORS};

type Read = fn(&str) -> Result<PublicKey, InvalidPublicKey>;

const KINDS: [(&str, Read); 3] = [
    ("rsa", PublicKey::rsa),
    ("ecdsa", PublicKey::ecdsa),
    ("eddsa", PublicKey::eddsa),
];

/// Returns the one reading of a key that succeeds.
fn read(pem: &str) -> PublicKey {
    let mut keys = KINDS.iter().filter_map(|(_, read)| read(pem).ok());
    let key = keys.next().expect("a key");
    assert!(keys.next().is_none(), "a key of two kinds");
    key
}

fn verify(keys: KeySet, token: &str) -> Result<String, TokenError> {
    let mut buffer = Vec::new();
    let verifier = Verifier::new(keys);
    let claims = verifier.verify_connection(token, 0, &mut buffer)?;
    assert_eq!(&*claims.info, br#"{"name":"Ann"}"#);
    Ok(claims.user.into_owned())
}

fn algorithm_of(token: &str) -> Algorithm {
    let header = token.split('.').next().expect("a header");
    let header = BASE64URL_NOPAD.decode(header.as_bytes()).expect("base64");
    let header: serde_json::Value = serde_json::from_slice(&header).expect("JSON");
    Algorithm::from_name(header["alg"].as_str().expect("a name")).expect("an algorithm")
}

/// What the key says about the signature of a token, with one of its bits changed if there is a number.
fn check(key: &PublicKey, token: &str, algorithm: Algorithm, bit: Option<usize>) -> SignatureCheck {
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let mut signature = BASE64URL_NOPAD
        .decode(signature.as_bytes())
        .expect("base64");
    if let Some(bit) = bit {
        let len = signature.len();
        signature[bit / 8 % len] ^= 1 << (bit % 8);
    }
    let header = TokenHeader {
        algorithm,
        key_id: "".into(),
    };
    key.check(&header, signed.as_bytes(), &signature)
}

#[test]
fn the_vectors_of_the_standards_are_valid() {
    for (name, pem, token) in VECTORS {
        let (key, algorithm) = (read(pem), algorithm_of(token));
        assert_eq!(
            check(&key, token, algorithm, None),
            SignatureCheck::Valid,
            "{name}"
        );
        for bit in (0..1_056).step_by(7) {
            let changed = check(&key, token, algorithm, Some(bit));
            assert_eq!(changed, SignatureCheck::Invalid, "{name}, bit {bit}");
        }
    }
}

#[test]
fn tokens_of_other_programs_are_valid_with_their_key_only() {
    for (name, pem, token) in TOKENS {
        if *name == "PS256" {
            let result = verify(KeySet::new().public_key(read(pem)), token);
            assert_eq!(result, Err(TokenError::UnknownAlgorithm));
            continue;
        }
        let key = read(pem);
        assert_eq!(algorithm_of(token).name(), *name);
        assert_eq!(
            verify(KeySet::new().public_key(key.clone()), token),
            Ok("42".into())
        );
        for algorithm in Algorithm::ALL {
            if algorithm.name() == *name {
                continue;
            }
            let check = check(&key, token, algorithm, None);
            // One RSA key is for three algorithms.
            let is_same_key = name.starts_with("RS") && algorithm.name().starts_with("RS");
            let expected = if is_same_key {
                SignatureCheck::Invalid
            } else {
                SignatureCheck::OtherAlgorithm
            };
            assert_eq!(check, expected, "{name} {algorithm:?}");
        }
        let others = [RSA, P256, P384, P521, ED]
            .into_iter()
            .filter(|other| other != pem);
        let others = others.fold(KeySet::new(), |keys, pem| keys.public_key(read(pem)));
        let result = verify(others.clone(), token);
        assert_eq!(result, Err(TokenError::DisabledAlgorithm), "{name}");
        assert_eq!(verify(others.public_key(key), token), Ok("42".into()));
    }
}

/// Who knows a public key may have used its text, or what is in it, as a shared secret.
#[test]
fn a_public_key_is_no_shared_secret() {
    for pem in [RSA, P256, P384, P521, ED] {
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = BASE64.decode(base64.as_bytes()).expect("base64");
        for secret in [
            pem.as_bytes(),
            pem.trim().as_bytes(),
            base64.as_bytes(),
            &der,
        ] {
            let secret = HmacKey::new(secret).expect("a secret");
            for algorithm in &Algorithm::ALL[..3] {
                let token = TokenBuilder::new().user("42").sign(&secret, *algorithm);
                let token = token.expect("signed");
                let keys = KeySet::new().public_key(read(pem));
                assert_eq!(verify(keys, &token), Err(TokenError::DisabledAlgorithm));
                let other = HmacKey::new(b"secret").expect("a secret");
                let keys = KeySet::from(other).public_key(read(pem));
                assert_eq!(verify(keys, &token), Err(TokenError::InvalidSignature));
            }
        }
    }
}

#[test]
fn signatures_of_ecdsa_are_two_numbers_of_their_length() {
    for (name, pem, token) in TOKENS.iter().filter(|(name, ..)| name.starts_with("ES")) {
        let key = read(pem);
        let (signed, signature) = token.rsplit_once('.').expect("a signature");
        let signature = BASE64URL_NOPAD
            .decode(signature.as_bytes())
            .expect("base64");
        let half = signature.len() / 2;
        let (r, s) = signature.split_at(half);
        let number = |bytes: &[u8]| {
            let start = bytes.iter().take_while(|byte| **byte == 0).count();
            let mut bytes = bytes[start..].to_vec();
            if bytes[0] >= 0x80 {
                bytes.insert(0, 0);
            }
            [&[2, bytes.len() as u8], &bytes[..]].concat()
        };
        let numbers = [number(r), number(s)].concat();
        let mut der = vec![0x30];
        if numbers.len() >= 0x80 {
            der.push(0x81);
        }
        der.push(numbers.len() as u8);
        der.extend_from_slice(&numbers);
        let zeros = vec![0; 2 * half];
        let longer = [&[0], r, &[0], s].concat();
        let header = TokenHeader {
            algorithm: algorithm_of(token),
            key_id: "".into(),
        };
        for signature in [
            &der[..],
            &longer,
            &zeros,
            &signature[..2 * half - 1],
            r,
            &[],
        ] {
            let check = key.check(&header, signed.as_bytes(), signature);
            assert_eq!(check, SignatureCheck::Invalid, "{name}: {signature:?}");
        }
    }
}

#[test]
fn keys_of_another_kind_are_refused() {
    let certificate = RSA.replace("PUBLIC KEY", "CERTIFICATE");
    let cut = &RSA[..RSA.len() - 100];
    let texts = [
        SMALL,
        K1,
        &certificate,
        cut,
        "",
        "secret",
        "-----BEGIN PUBLIC KEY-----",
    ];
    for pem in texts {
        for (name, read) in KINDS {
            assert!(read(pem).is_err(), "{name}: {pem}");
        }
    }
    for pem in [RSA, P256, P384, P521, ED] {
        read(pem);
    }
}

fn parse(args: &[&str], file: &str) -> Result<Settings, SettingsError> {
    let args = ["stentor", "--config=stentor.toml"].iter().chain(args);
    Settings::parse(
        args,
        |_| None,
        |path| match path.to_str() {
            Some("stentor.toml") => Ok(file.into()),
            Some("key.pem") => Ok(P256.into()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        },
    )
}

#[test]
fn the_settings_have_the_keys() {
    for (name, pem, token) in TOKENS.iter().filter(|(name, ..)| *name != "PS256") {
        let kind = match &name[..1] {
            "R" => "rsa",
            _ if *name == "EdDSA" => "eddsa",
            _ => "ecdsa",
        };
        for section in ["token", "subscription_token"] {
            let enabled = if section == "token" {
                ""
            } else {
                "enabled = true\n"
            };
            let file =
                format!("[client.{section}]\n{enabled}{kind}_public_key = \"\"\"{pem}\"\"\"\n");
            let settings = parse(&[], &file).expect("valid settings").gateway;
            let (with, without) = match section {
                "token" => (&settings.tokens, &settings.subscription_tokens),
                _ => (&settings.subscription_tokens, &settings.tokens),
            };
            assert!(without.is_none(), "{file}");
            let verifier = with.as_ref().expect("a key");
            let mut buffer = Vec::new();
            let claims = verifier.verify_connection(token, 0, &mut buffer);
            assert_eq!(claims.expect("a valid token").user, "42");
            let hmac = HmacKey::new(pem.as_bytes()).expect("a secret");
            let forged = TokenBuilder::new().user("42").sign(&hmac, Algorithm::Hs256);
            let result = verifier.verify_connection(&forged.expect("signed"), 0, &mut buffer);
            assert_eq!(result, Err(TokenError::DisabledAlgorithm));
        }
    }
}

#[test]
fn keys_are_in_files_too() {
    let flag = ["--client.token.ecdsa-public-key-file", "key.pem"];
    let settings = parse(&flag, "").expect("valid settings");
    let (.., token) = TOKENS
        .iter()
        .find(|(name, ..)| *name == "ES256")
        .expect("a token");
    let verifier = settings.gateway.tokens.as_ref().expect("a key");
    assert!(
        verifier
            .verify_connection(token, 0, &mut Vec::new())
            .is_ok()
    );

    let problem = |file: &str| parse(&[], file).expect_err("invalid settings").to_string();
    let text = problem("client.token.rsa_public_key_file = \"key.pem\"");
    assert!(text.contains("`client.token.rsa_public_key` from the file key.pem is not an RSA key of 2048 to 8192 bits"), "{text}");
    let text = problem("client.token.eddsa_public_key = \"secret\"");
    assert!(text.contains("is not PEM with a PUBLIC KEY"), "{text}");
    let text = problem("client.subscription_token.enabled = true");
    assert!(
        text.contains("needs a key, such as `client.subscription_token.hmac_secret_key`"),
        "{text}"
    );
    let text = problem("client.subscription_token.ecdsa_public_key_file = \"key.pem\"");
    assert!(text.contains("`client.subscription_token.ecdsa_public_key` from the file key.pem needs `client.subscription_token.enabled`"), "{text}");
}
