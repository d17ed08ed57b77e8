//! JSON Web Tokens: vectors of RFC 7515, every reason to refuse one, and claims.

use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use stentor_gateway::token::{
    Algorithm, ConnectionClaims, HmacKey, Overrides, SigningKey, Subscriber, SubscriptionClaims,
    TokenBuilder, TokenError, Verifier,
};

const NOW: u64 = 1_700_000_000;

fn key(secret: &str) -> HmacKey {
    HmacKey::new(secret.as_bytes()).expect("a secret")
}

/// A token of any header and claims, signed with HS256.
fn signed(header: &str, claims: &str, secret: &str) -> String {
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = key(secret).sign(Algorithm::Hs256, signed.as_bytes());
    let signature = BASE64URL_NOPAD.encode(&signature.expect("an HMAC"));
    format!("{signed}.{signature}")
}

fn with_claims(claims: &str) -> String {
    signed(r#"{"alg":"HS256"}"#, claims, "secret")
}

/// What `check` finds in the claims of a connection token.
fn connection<T>(
    verifier: &Verifier,
    token: &str,
    check: impl FnOnce(ConnectionClaims<'_>) -> T,
) -> Result<T, TokenError> {
    let mut buffer = b"before".to_vec();
    verifier
        .verify_connection(token, NOW, &mut buffer)
        .map(check)
}

fn refused(token: &str) -> Option<TokenError> {
    connection(&Verifier::new(key("secret")), token, |_| ()).err()
}

const SUBSCRIBER: Subscriber<'_> = Subscriber {
    channel: "chat",
    user: "42",
    client: "c1",
};

fn subscription<T>(
    claims: &str,
    check: impl FnOnce(SubscriptionClaims<'_>) -> T,
) -> Result<T, TokenError> {
    let mut buffer = Vec::new();
    Verifier::new(key("secret"))
        .verify_subscription(&with_claims(claims), NOW, SUBSCRIBER, &mut buffer)
        .map(check)
}

mod rfc_7515_a_1 {
    use super::*;

    const TOKEN: &str = concat!(
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.",
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.",
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    );
    const KEY: &[u8] =
        b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    const EXPIRY: u64 = 1_300_819_380;

    fn verifier() -> Verifier {
        let secret = BASE64URL_NOPAD.decode(KEY).expect("base64url");
        Verifier::new(HmacKey::new(&secret).expect("a secret")).issuer("joe")
    }

    fn verify(token: &str, now: u64) -> Result<(), TokenError> {
        verifier()
            .verify_connection(token, now, &mut Vec::new())
            .map(drop)
    }

    #[test]
    fn is_accepted_until_it_expires() {
        assert_eq!(verify(TOKEN, EXPIRY - 1), Ok(()));
        assert_eq!(verify(TOKEN, EXPIRY), Err(TokenError::Expired));
        assert_eq!(verify(TOKEN, u64::MAX), Err(TokenError::Expired));
    }

    #[test]
    fn is_refused_with_any_other_character() {
        for at in 0..TOKEN.len() {
            for replacement in ["A", "B", "-", "."] {
                let mut token = TOKEN.to_owned();
                token.replace_range(at..=at, replacement);
                assert_eq!(verify(&token, 0).is_ok(), token == TOKEN, "{token}");
            }
            assert!(verify(&TOKEN[..at], 0).is_err());
        }
        // The last character stands for four bits and two that have to be 0.
        let token = format!("{}l", &TOKEN[..TOKEN.len() - 1]);
        assert_eq!(verify(&token, 0), Err(TokenError::Malformed));
    }

    #[test]
    fn is_refused_with_another_key() {
        assert_eq!(refused(TOKEN), Some(TokenError::InvalidSignature));
    }
}

#[test]
fn tokens_have_three_parts_in_base64url() {
    for token in [
        "", ".", "..", "a", "a.b", "a.b.c.d", "=.=.=", "ä.ö.ü", "e30", "e30.e30",
    ] {
        let error = refused(token);
        assert!(
            matches!(
                error,
                Some(TokenError::Malformed | TokenError::InvalidHeader)
            ),
            "{token}: {error:?}"
        );
    }
    let token = with_claims("{}");
    assert_eq!(refused(&token), None);
    assert_eq!(refused(&format!("{token}=")), Some(TokenError::Malformed));
    assert_eq!(refused(&format!("{token}.")), Some(TokenError::Malformed));
    assert_eq!(refused(&format!(" {token}")), Some(TokenError::Malformed));
}

#[test]
fn the_header_is_checked_first() {
    for (header, error) in [
        ("", TokenError::InvalidHeader),
        ("{}", TokenError::InvalidHeader),
        ("[\"HS256\"]", TokenError::InvalidHeader),
        (r#"{"alg":5}"#, TokenError::InvalidHeader),
        (r#"{"alg":"HS256","alg":"none"}"#, TokenError::InvalidHeader),
        (r#"{"alg":"HS256"} {}"#, TokenError::InvalidHeader),
        (r#"{"alg":"none"}"#, TokenError::Unsigned),
        (r#"{"alg":"NoNe"}"#, TokenError::Unsigned),
        (r#"{"alg":""}"#, TokenError::UnknownAlgorithm),
        (r#"{"alg":"HS1"}"#, TokenError::UnknownAlgorithm),
        (r#"{"alg":"hs256"}"#, TokenError::UnknownAlgorithm),
        (r#"{"alg":"RS256"}"#, TokenError::DisabledAlgorithm),
        (r#"{"alg":"ES256"}"#, TokenError::DisabledAlgorithm),
        (r#"{"alg":"EdDSA"}"#, TokenError::DisabledAlgorithm),
        // Signed with HS256, whatever the header says.
        (r#"{"alg":"HS512"}"#, TokenError::InvalidSignature),
        (
            r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
            TokenError::CriticalHeader,
        ),
    ] {
        assert_eq!(
            refused(&signed(header, "{}", "secret")),
            Some(error),
            "{header}"
        );
    }
    let unsigned = format!(
        "{}.{}.",
        BASE64URL_NOPAD.encode(br#"{"alg":"none"}"#),
        BASE64URL_NOPAD.encode(b"{}")
    );
    assert_eq!(refused(&unsigned), Some(TokenError::Unsigned));
    let fine = signed(
        r#"{"typ":"JWT","kid":"k1","alg":"HS256","x":[]}"#,
        "{}",
        "secret",
    );
    assert_eq!(refused(&fine), None);
}

#[test]
fn a_wrong_signature_hides_what_else_is_wrong() {
    for claims in ["{}", r#"{"exp":1}"#, "no JSON", r#"{"channel":"c"}"#] {
        let token = signed(r#"{"alg":"HS256"}"#, claims, "other");
        assert_eq!(
            refused(&token),
            Some(TokenError::InvalidSignature),
            "{claims}"
        );
    }
}

#[test]
fn claims_have_their_types() {
    for claims in [
        "",
        "null",
        "[]",
        r#"["42"]"#,
        r#"{"sub":42}"#,
        r#"{"sub":"a","sub":"b"}"#,
        r#"{"exp":"1800000000"}"#,
        r#"{"exp":true}"#,
        r#"{"aud":5}"#,
        r#"{"channels":"a"}"#,
        r#"{"b64info":"!"}"#,
        r#"{"subs":{"a":{"b64data":"="}}}"#,
        r#"{"subs":{"a":5}}"#,
        r#"{"subs":[]}"#,
        r#"{"info":}"#,
    ] {
        let error = refused(&with_claims(claims));
        assert_eq!(error, Some(TokenError::InvalidClaims), "{claims}");
    }
    assert_eq!(refused(&with_claims(r#"{"iat":1700000000}"#)), None);
}

#[test]
fn times_are_compared_as_rfc_7519_says() {
    for (claims, error) in [
        (r#"{"exp":1700000001}"#, None),
        (r#"{"exp":1700000000}"#, Some(TokenError::Expired)),
        (r#"{"exp":1700000001.5}"#, None),
        (r#"{"exp":1700000000.5}"#, Some(TokenError::Expired)),
        (r#"{"exp":1e30}"#, None),
        (r#"{"exp":18446744073709551615}"#, None),
        (r#"{"exp":0}"#, Some(TokenError::Expired)),
        (r#"{"exp":-1}"#, Some(TokenError::Expired)),
        (r#"{"exp":null}"#, None),
        (r#"{"nbf":1700000000}"#, None),
        (r#"{"nbf":1700000001}"#, Some(TokenError::NotYetValid)),
        (r#"{"expire_at":1700000001}"#, None),
        (
            r#"{"expire_at":1700000000}"#,
            Some(TokenError::ExpiryPassed),
        ),
        (r#"{"expire_at":0}"#, None),
        (r#"{"exp":1,"expire_at":0}"#, Some(TokenError::Expired)),
    ] {
        assert_eq!(refused(&with_claims(claims)), error, "{claims}");
    }
}

#[test]
fn expire_at_overrides_when_the_connection_expires() {
    let verifier = Verifier::new(key("secret"));
    for (claims, expiry) in [
        ("{}", None),
        (r#"{"exp":1800000000}"#, Some(1_800_000_000)),
        (
            r#"{"exp":1800000000,"expire_at":1900000000}"#,
            Some(1_900_000_000),
        ),
        (r#"{"exp":1800000000,"expire_at":0}"#, None),
    ] {
        let found = connection(&verifier, &with_claims(claims), |claims| claims.expires_at);
        assert_eq!(found, Ok(expiry), "{claims}");
    }
}

#[test]
fn connection_claims_are_read() {
    let claims = r#"{"sub":"42","iat":1600000000,"jti":"t1","info":{"name": "Ann"},"meta":[1],"channels":["a","b\u0041"]}"#;
    let verifier = Verifier::new(key("secret"));
    connection(&verifier, &with_claims(claims), |claims| {
        assert_eq!(claims.user, "42");
        assert_eq!(claims.issued_at, Some(1_600_000_000));
        assert_eq!(claims.id, "t1");
        assert_eq!(*claims.info, *br#"{"name": "Ann"}"#);
        assert_eq!(claims.meta, b"[1]");
        assert_eq!(claims.subscriptions.keys().collect::<Vec<_>>(), ["a", "bA"]);
    })
    .expect("a valid token");
    let claims = r#"{"info":1,"b64info":"Ym9vbQ==","channels":["x"],"subs":{"a":{"info":2,"b64data":"/w==","override":{"presence":{"value":true},"force_recovery":{"value":false},"join_leave":{}}}}}"#;
    connection(&verifier, &with_claims(claims), |claims| {
        assert_eq!(claims.user, "");
        assert_eq!(*claims.info, *b"boom");
        assert_eq!(claims.subscriptions.len(), 1);
        let subscription = &claims.subscriptions["a"];
        assert_eq!(
            (&*subscription.info, &*subscription.data),
            (&b"2"[..], &b"\xFF"[..])
        );
        let overrides = Overrides {
            presence: Some(true),
            force_recovery: Some(false),
            join_leave: Some(false),
            ..Overrides::default()
        };
        assert_eq!(subscription.overrides, overrides);
    })
    .expect("a valid token");
}

#[test]
fn a_subscription_token_does_not_connect() {
    let token = with_claims(r#"{"sub":"42","channel":"chat"}"#);
    assert_eq!(refused(&token), Some(TokenError::HasChannel));
}

#[test]
fn subscription_tokens_are_for_one_channel_user_and_connection() {
    for (claims, error) in [
        (r#"{"sub":"42","channel":"chat"}"#, None),
        (r#"{"sub":"42","channel":"chat","client":"c1"}"#, None),
        (r#"{"sub":"42"}"#, Some(TokenError::NoChannel)),
        (
            r#"{"sub":"42","channel":"chats"}"#,
            Some(TokenError::WrongChannel),
        ),
        (
            r#"{"sub":"43","channel":"chat"}"#,
            Some(TokenError::WrongUser),
        ),
        (r#"{"channel":"chat"}"#, Some(TokenError::WrongUser)),
        (
            r#"{"sub":"42","channel":"chat","client":"c2"}"#,
            Some(TokenError::WrongClient),
        ),
        (
            r#"{"sub":"42","channel":"chat","exp":1}"#,
            Some(TokenError::Expired),
        ),
        (
            r#"{"sub":"42","channel":"chat","expire_at":1}"#,
            Some(TokenError::ExpiryPassed),
        ),
    ] {
        assert_eq!(subscription(claims, |_| ()).err(), error, "{claims}");
    }
    let claims = r#"{"sub":"42","channel":"chat","info":{"a":1},"b64data":"/w==","exp":1800000000,"override":{"force_positioning":{"value":true}}}"#;
    subscription(claims, |claims| {
        assert_eq!(
            (&*claims.info, &*claims.data),
            (&br#"{"a":1}"#[..], &b"\xFF"[..])
        );
        assert_eq!(claims.expires_at, Some(1_800_000_000));
        assert_eq!(claims.overrides.force_positioning, Some(true));
    })
    .expect("a valid token");
}

#[test]
fn the_previous_key_is_good_until_its_time() {
    let old = signed(r#"{"alg":"HS256"}"#, "{}", "old");
    let new = signed(r#"{"alg":"HS256"}"#, "{}", "new");
    let verifier = |until| Verifier::new(key("new")).previous_key(key("old"), until);
    for (until, old_error) in [(NOW + 1, None), (NOW, Some(TokenError::InvalidSignature))] {
        assert_eq!(connection(&verifier(until), &new, |_| ()).err(), None);
        assert_eq!(connection(&verifier(until), &old, |_| ()).err(), old_error);
    }
    let other = signed(r#"{"alg":"HS256"}"#, "{}", "other");
    let error = connection(&verifier(NOW + 1), &other, |_| ()).err();
    assert_eq!(error, Some(TokenError::InvalidSignature));
    let other = signed(r#"{"alg":"RS256"}"#, "{}", "old");
    let error = connection(&verifier(NOW + 1), &other, |_| ()).err();
    assert_eq!(error, Some(TokenError::DisabledAlgorithm));
}

#[test]
fn audience_and_issuer_are_compared_if_configured() {
    let new = || Verifier::new(key("secret"));
    let audience = || new().audience("chat");
    let pattern = || new().audience_pattern("^chat-[0-9]+$").expect("a pattern");
    let issuer = || new().issuer_pattern("^https://").expect("a pattern");
    for (verifier, claims, error) in [
        (new(), r#"{"aud":"x","iss":"y"}"#, None),
        (audience(), r#"{"aud":"chat"}"#, None),
        (audience(), r#"{"aud":["x","chat"]}"#, None),
        (
            audience(),
            r#"{"aud":["x"]}"#,
            Some(TokenError::WrongAudience),
        ),
        (audience(), r#"{"aud":[]}"#, Some(TokenError::WrongAudience)),
        (audience(), "{}", Some(TokenError::WrongAudience)),
        (pattern(), r#"{"aud":["x","chat-7"]}"#, None),
        (
            pattern(),
            r#"{"aud":"chat-"}"#,
            Some(TokenError::WrongAudience),
        ),
        (issuer(), r#"{"iss":"https://a"}"#, None),
        (
            issuer(),
            r#"{"iss":"http://a"}"#,
            Some(TokenError::WrongIssuer),
        ),
        (issuer(), "{}", Some(TokenError::WrongIssuer)),
    ] {
        assert_eq!(
            connection(&verifier, &with_claims(claims), |_| ()).err(),
            error,
            "{claims}"
        );
    }
    assert!(new().audience_pattern("(").is_err());
}

#[test]
fn the_user_may_be_another_claim_and_may_be_required() {
    let verifier = Verifier::new(key("secret"))
        .user_claim("uid")
        .require_user();
    let user = |claims: &str| {
        connection(&verifier, &with_claims(claims), |claims| {
            claims.user.into_owned()
        })
    };
    assert_eq!(user(r#"{"sub":"1","uid":"\u0032"}"#), Ok("2".to_owned()));
    assert_eq!(user(r#"{"sub":"1"}"#), Err(TokenError::Anonymous));
    assert_eq!(
        user(r#"{"sub":"1","uid":2}"#),
        Err(TokenError::InvalidClaims)
    );
}

proptest! {
    #[test]
    fn what_is_signed_is_read_again(
        user: String,
        channels in prop::collection::btree_set(any::<String>(), 0..4),
        secret in "[ -~]{1,200}",
        life in prop::option::of(1..1000u64),
        algorithm in 0..3usize,
    ) {
        let algorithm = Algorithm::ALL[algorithm];
        let mut token = TokenBuilder::new().user(&user).issued_at(NOW);
        for channel in &channels {
            token = token.server_channel(channel);
        }
        if let Some(life) = life {
            token = token.expires_at(NOW + life);
        }
        let token = token.info(r#"{"a" : 1}"#).expect("JSON");
        let token = token.sign(&key(&secret), algorithm).expect("an HMAC");
        connection(&Verifier::new(key(&secret)), &token, |claims| {
            assert_eq!(claims.user, user);
            assert_eq!(claims.expires_at, life.map(|life| NOW + life));
            assert_eq!(*claims.info, *br#"{"a" : 1}"#);
            assert!(claims.subscriptions.keys().eq(channels.iter()));
        }).expect("a valid token");
        let other = Verifier::new(key(&format!("{secret}x")));
        prop_assert_eq!(connection(&other, &token, |_| ()), Err(TokenError::InvalidSignature));
    }

    #[test]
    fn no_text_makes_a_verifier_panic(token in ".{0,40}", parts in prop::array::uniform3("[-_A-Za-z0-9]{0,20}")) {
        prop_assert!(refused(&token).is_some());
        prop_assert!(refused(&parts.join(".")).is_some());
    }
}
