//! Keys of the API, and the three places where a request may have one.

use alloc::borrow::Cow;

use ctutils::CtEq;
use percent_encoding::percent_decode_str;
use stentor_core::HttpRequest;

use crate::settings::Secret;

/// The keys with which the API may be used: one, and while it is changed the one before.
#[derive(Clone, Debug, Default)]
pub struct ApiKeys {
    current: Option<Secret>,
    previous: Option<Secret>,
}

impl ApiKeys {
    /// Returns these keys; an empty one is none.
    pub fn new(current: Secret, previous: Secret) -> Self {
        let some = |secret: Secret| (!secret.expose().is_empty()).then_some(secret);
        Self {
            current: some(current),
            previous: some(previous),
        }
    }

    /// Returns whether there is no key, so that nobody may use the API.
    pub const fn is_empty(&self) -> bool {
        self.current.is_none() && self.previous.is_none()
    }

    /// Returns whether a request has one of the keys: in `X-API-Key`, in `Authorization`, or as
    /// `api_key` in its query. The first place where it has any counts.
    pub(super) fn allow(&self, request: &HttpRequest<'_>) -> bool {
        if self.is_empty() {
            return false;
        }
        if let Some(key) = request.header("x-api-key").next() {
            return self.has(key);
        }
        if let Some(value) = request.header("authorization").next() {
            return after_scheme(value).is_some_and(|key| self.has(key));
        }
        let query = request.query().unwrap_or_default();
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(name, _)| *name == "api_key")
            .is_some_and(|(_, value)| self.has(&Cow::from(percent_decode_str(value))))
    }

    /// Returns whether this is one of the keys. How long that takes depends on the lengths alone.
    fn has(&self, key: &[u8]) -> bool {
        let keys = [&self.current, &self.previous].into_iter().flatten();
        keys.fold(false, |found, secret| {
            found | secret.expose().as_bytes().ct_eq(key).to_bool()
        })
    }
}

/// Returns what follows the scheme `apikey` in a field `Authorization`.
fn after_scheme(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"apikey";
    let (scheme, key) = value.split_at_checked(SCHEME.len())?;
    let is_it = scheme.eq_ignore_ascii_case(SCHEME) && key.starts_with(b" ");
    is_it.then(|| key.trim_ascii())
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn keys(current: &str, previous: &str) -> ApiKeys {
        let secret = |text: &str| Secret::from(String::from(text));
        ApiKeys::new(secret(current), secret(previous))
    }

    #[test]
    fn the_key_and_the_one_before_are_taken() {
        let both = keys("new", "old");
        assert!(both.has(b"new") && both.has(b"old"));
        for other in [&b""[..], b"n", b"newold", b"new ", b"New"] {
            assert!(!both.has(other), "{other:?}");
        }
        let one = keys("new", "");
        assert!(one.has(b"new") && !one.has(b""));
        assert!(keys("", "").is_empty());
    }

    #[test]
    fn the_scheme_has_any_case() {
        assert_eq!(after_scheme(b"apikey k"), Some(&b"k"[..]));
        assert_eq!(after_scheme(b"ApiKey  k"), Some(&b"k"[..]));
        for other in [&b"apikey"[..], b"apikeyk", b"Bearer k", b"", b"k"] {
            assert_eq!(after_scheme(other), None, "{other:?}");
        }
    }
}
