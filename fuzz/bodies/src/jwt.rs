//! Fuzzes the verification of tokens against `serde_json::Value` and a second HMAC.

mod keys;

use serde_json::Value;
use sha2::{Digest, Sha256};
use stentor_gateway::token::{HmacKey, Subscriber, TokenError, Verifier};

const NOW: u64 = 1_700_000_000;
const SECRET: &[u8] = b"secret";
const SUBSCRIBER: Subscriber<'_> = Subscriber {
    channel: "chat",
    user: "42",
    client: "c1",
};

/// Any bytes as a token; and the header before the first newline and the claims after it as one
/// that is signed.
///
/// # Panics
/// If a token is accepted that must not be, or a valid one is read otherwise than its JSON.
pub fn jwt(data: &[u8]) {
    let key = HmacKey::new(SECRET).expect("a secret");
    let verifier = Verifier::new(key);
    let mut buffer = Vec::new();
    if let Ok(token) = core::str::from_utf8(data) {
        let result = verifier.verify_connection(token, NOW, &mut buffer);
        assert!(result.is_err() || is_signed(token), "{token}");
    }

    let end = data
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(data.len());
    let (header, claims) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let signed = format!("{}.{}", base64url(header), base64url(claims));
    let token = format!("{signed}.{}", base64url(&hmac(signed.as_bytes())));
    connection(&verifier, &token, header, claims);
    subscription(&verifier, &token, header, claims);

    public_keys(header, claims, &signed);

    // One bit of the signature is another.
    let mut signature = hmac(signed.as_bytes());
    signature[data.len() % 32] ^= 1 << (data.len() / 32 % 8);
    let token = format!("{signed}.{}", base64url(&signature));
    assert!(
        verifier
            .verify_connection(&token, NOW, &mut buffer)
            .is_err()
    );
}

/// A token that is signed with the algorithm that its header names is read as one with a secret is,
/// and refused by those who have not the key, or have it for something else.
fn public_keys(header: &[u8], claims: &[u8], signed: &str) {
    let json: Value = serde_json::from_slice(header).unwrap_or_default();
    let algorithm = text(&json, "alg");
    let Some(mut signature) = keys::KEYS.sign(algorithm, signed.as_bytes()) else {
        return;
    };
    let mut buffer = Vec::new();
    let token = format!("{signed}.{}", base64url(&signature));
    let all = Verifier::new(keys::KEYS.verifying(true));
    let public = Verifier::new(keys::KEYS.verifying(false));
    let secret = Verifier::new(HmacKey::new(SECRET).expect("a secret"));
    let found = all.verify_connection(&token, NOW, &mut buffer).map(drop);
    let same = public.verify_connection(&token, NOW, &mut buffer).map(drop);
    assert_eq!(found, same);
    assert!(
        !matches!(
            found,
            Err(TokenError::InvalidSignature | TokenError::DisabledAlgorithm)
        ),
        "{algorithm}: {found:?}"
    );
    if let Err(error) = found
        && !matches!(error, TokenError::InvalidClaims)
    {
        check_error(error, header, claims);
    }
    assert!(secret.verify_connection(&token, NOW, &mut buffer).is_err());
    let bit = claims.len() % (8 * signature.len());
    signature[bit / 8] ^= 1 << (bit % 8);
    for signature in [signature, hmac(signed.as_bytes()).to_vec(), Vec::new()] {
        let token = format!("{signed}.{}", base64url(&signature));
        assert!(all.verify_connection(&token, NOW, &mut buffer).is_err());
        assert!(public.verify_connection(&token, NOW, &mut buffer).is_err());
    }
}

fn connection(verifier: &Verifier, token: &str, header: &[u8], claims: &[u8]) {
    let mut buffer = Vec::new();
    let result = verifier.verify_connection(token, NOW, &mut buffer);
    let found = match result {
        Ok(found) => found,
        Err(error) => return check_error(error, header, claims),
    };
    check_header(header);
    let Ok(json) = serde_json::from_slice::<Value>(claims) else {
        return;
    };
    assert_eq!(found.user, text(&json, "sub"));
    assert_eq!(found.id, text(&json, "jti"));
    assert_eq!(text(&json, "channel"), "");
    check_times(&json, found.expires_at);
    match json["subs"].as_object().filter(|subs| !subs.is_empty()) {
        Some(subs) => assert!(found.subscriptions.keys().eq(subs.keys())),
        None => {
            let channels = json["channels"].as_array();
            let names: std::collections::BTreeSet<_> = channels
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            assert!(found.subscriptions.keys().eq(names));
        }
    }
    if text(&json, "b64info").is_empty() && !found.info.is_empty() {
        let info: Value = serde_json::from_slice(&found.info).expect("JSON");
        assert_eq!(info, json["info"]);
    }
}

fn subscription(verifier: &Verifier, token: &str, header: &[u8], claims: &[u8]) {
    let mut buffer = Vec::new();
    let result = verifier.verify_subscription(token, NOW, SUBSCRIBER, &mut buffer);
    let found = match result {
        Ok(found) => found,
        Err(error) => return check_error(error, header, claims),
    };
    check_header(header);
    let Ok(json) = serde_json::from_slice::<Value>(claims) else {
        return;
    };
    assert_eq!(text(&json, "channel"), SUBSCRIBER.channel);
    assert_eq!(text(&json, "sub"), SUBSCRIBER.user);
    assert!(["", SUBSCRIBER.client].contains(&text(&json, "client")));
    check_times(&json, found.expires_at);
}

/// The header of an accepted token names the algorithm, and demands nothing.
fn check_header(header: &[u8]) {
    if let Ok(json) = serde_json::from_slice::<Value>(header) {
        assert_eq!(text(&json, "alg"), "HS256");
        assert!(json["crit"].is_null());
    }
}

/// An accepted token is valid now, and the connection expires when it says.
fn check_times(json: &Value, expires_at: Option<u64>) {
    assert!(seconds(json, "exp").is_none_or(|time| time > NOW as i64));
    assert!(seconds(json, "nbf").is_none_or(|time| time <= NOW as i64));
    let expected = match seconds(json, "expire_at") {
        Some(0) => None,
        Some(time) => Some(time),
        None => seconds(json, "exp"),
    };
    assert_eq!(expires_at, expected.map(|time| time as u64));
    assert!(expires_at.is_none_or(|time| time > NOW));
}

/// Each reason is one that the JSON has. What is there twice, or cannot be held by a value, is not
/// looked at.
fn check_error(error: TokenError, header: &[u8], claims: &[u8]) {
    let header = serde_json::from_slice::<Value>(header).ok();
    let claims = serde_json::from_slice::<Value>(claims).ok();
    let of_header = |check: fn(&Value, &str) -> bool| {
        assert!(
            header
                .as_ref()
                .is_none_or(|json| check(json, text(json, "alg"))),
            "{error:?} {header:?}"
        );
    };
    let of_claims = |check: fn(&Value) -> bool| {
        assert!(claims.as_ref().is_none_or(check), "{error:?} {claims:?}");
    };
    match error {
        TokenError::InvalidHeader | TokenError::InvalidClaims => {}
        TokenError::CriticalHeader => of_header(|json, _| !json["crit"].is_null()),
        TokenError::Unsigned => of_header(|_, alg| alg.eq_ignore_ascii_case("none")),
        TokenError::UnknownAlgorithm => of_header(|_, alg| !ALGORITHMS.contains(&alg)),
        TokenError::DisabledAlgorithm => {
            of_header(|_, alg| ALGORITHMS.contains(&alg) && !alg.starts_with("HS"));
        }
        // The body signs with HS256, whatever the header says.
        TokenError::InvalidSignature => of_header(|_, alg| ["HS384", "HS512"].contains(&alg)),
        TokenError::Expired => {
            of_claims(|json| seconds(json, "exp").is_some_and(|time| time <= NOW as i64));
        }
        TokenError::NotYetValid => {
            of_claims(|json| seconds(json, "nbf").is_some_and(|time| time > NOW as i64));
        }
        TokenError::ExpiryPassed => {
            of_claims(|json| seconds(json, "expire_at").is_some_and(|time| time <= NOW as i64));
        }
        TokenError::HasChannel => of_claims(|json| !text(json, "channel").is_empty()),
        TokenError::NoChannel => of_claims(|json| text(json, "channel").is_empty()),
        TokenError::WrongChannel => of_claims(|json| text(json, "channel") != SUBSCRIBER.channel),
        TokenError::WrongUser => of_claims(|json| text(json, "sub") != SUBSCRIBER.user),
        TokenError::WrongClient => of_claims(|json| text(json, "client") != SUBSCRIBER.client),
        TokenError::Malformed
        | TokenError::WrongAudience
        | TokenError::WrongIssuer
        | TokenError::Anonymous => panic!("{error:?} without a cause"),
    }
}

const ALGORITHMS: [&str; 10] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA",
];

fn text<'j>(json: &'j Value, name: &str) -> &'j str {
    json[name].as_str().unwrap_or_default()
}

fn seconds(json: &Value, name: &str) -> Option<i64> {
    let number = json[name].as_number()?;
    let whole = number.as_i64().or(number.as_u64().map(|_| i64::MAX));
    whole.or(number.as_f64().map(|seconds| seconds as i64))
}

/// Whether the last part is the signature of the others.
fn is_signed(token: &str) -> bool {
    let parts = token.rsplit_once('.');
    parts.is_some_and(|(signed, signature)| base64url(&hmac(signed.as_bytes())) == signature)
}

/// HMAC with SHA-256, as RFC 2104 writes it.
fn hmac(message: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block
            .iter_mut()
            .zip(SECRET)
            .for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha256::new().chain_update(pad(0x5C)).chain_update(inner);
    outer.finalize().into()
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0, |bits, &byte| bits << 8 | u32::from(byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}
