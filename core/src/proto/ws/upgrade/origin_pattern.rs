//! Patterns of origins: texts in which `*` stands for any characters.

use alloc::string::String;

/// A pattern of serialized origins, such as `http://localhost:*`. It is compared with the whole of an
/// origin that is well-formed, so that a `*` stands for no path and no user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OriginPattern(String);

impl OriginPattern {
    /// Parses `scheme://host[:port]` with at least one `*` in it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let is_scheme_byte = |b: u8| b.is_ascii_alphanumeric() || b"+-.*".contains(&b);
        let is_authority_byte = |b: u8| b.is_ascii_alphanumeric() || b"-._~[]:*".contains(&b);
        let is_valid = text.contains('*')
            && !scheme.is_empty()
            && !authority.is_empty()
            && scheme.bytes().all(is_scheme_byte)
            && authority.bytes().all(is_authority_byte);
        is_valid.then(|| Self(text.to_ascii_lowercase()))
    }

    /// Returns whether the pattern matches all of an origin.
    pub(super) fn matches(&self, origin: &[u8]) -> bool {
        let pattern = self.0.as_bytes();
        let (mut at, mut in_pattern) = (0, 0);
        // Where the last `*` is, and where what follows it was tried last.
        let mut retry = None;
        while let Some(byte) = origin.get(at) {
            match (pattern.get(in_pattern), retry) {
                (Some(b'*'), _) => {
                    retry = Some((in_pattern, at));
                    in_pattern += 1;
                }
                (Some(expected), _) if *expected == byte.to_ascii_lowercase() => {
                    at += 1;
                    in_pattern += 1;
                }
                (_, Some((star, tried))) => {
                    retry = Some((star, tried + 1));
                    at = tried + 1;
                    in_pattern = star + 1;
                }
                (_, None) => return false,
            }
        }
        pattern[in_pattern..].iter().all(|rest| *rest == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, origin, matches) in [
            ("http://localhost:*", "http://localhost:3000", true),
            ("http://localhost:*", "HTTP://LocalHost:3000", true),
            ("http://localhost:*", "http://localhost", false),
            ("http://localhost:*", "https://localhost:3000", false),
            (
                "http://localhost:*",
                "http://localhost.evil.com:3000",
                false,
            ),
            ("https://*.example", "https://a.b.example", true),
            ("https://*.Example", "https://a.example", true),
            ("https://*.example", "https://example", false),
            ("https://*.example", "https://a.example.evil.com", false),
            ("https://*.example", "https://a.example:444", false),
            ("*://a.example", "http://a.example", true),
            ("*://a*.b*.c", "x://a1.b2.b3.c", true),
            ("*://a*.b*.c", "x://a1.b2.b3.d", false),
            ("http://*", "http://a.example:1", true),
            ("http://a**b", "http://ab", true),
        ] {
            let parsed = OriginPattern::parse(pattern).expect("a pattern");
            assert_eq!(
                parsed.matches(origin.as_bytes()),
                matches,
                "{pattern} {origin}"
            );
        }
    }

    #[test]
    fn a_pattern_has_a_scheme_and_a_host_and_no_more() {
        for text in [
            "*",
            "http://a.example",
            "*.example",
            "://*",
            "http*://",
            "http://*/",
            "http://u@*",
            "http://* http://b",
            "ht tp://*",
            "http://*,b",
            "http://\u{e9}*",
        ] {
            assert_eq!(OriginPattern::parse(text), None, "{text}");
        }
    }
}
