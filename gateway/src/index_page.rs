//! Index page: clients of both protocols for the browser.

/// An HTML document, for [`Page::fixed`](stentor_core::config::Page::fixed), which shows every message
/// that goes over the wire. It subscribes to channels and publishes there by the first transport that
/// works: WebSocket, HTTP streaming, server-sent events, long polling. On a second tab, `#rooms`, it is
/// a client of the rooms application, at `/ws` of the same host.
pub const INDEX_PAGE: &str = include_str!("page.html");

/// The `Content-Security-Policy` of [`INDEX_PAGE`].
///
/// Allows the script and the style of the page, by their hashes, and WebSockets. `'self'` should
/// include `/ws` of the same host, but older browsers apply it to http only, hence the two schemes.
pub const INDEX_POLICY: &str = concat!(
    "default-src 'none'; connect-src 'self' ws: wss:; img-src data:; ",
    "script-src 'sha256-2MCfSU/ylSivhx/g+o47g92yEQtFhtAu8m/VgGWxw+Y='; style-src 'sha256-OLvxfqb760j1pYDy8Zyq/pHpe2nC1g6eCL7GeZAoSrY='; ",
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
);

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;

    /// Returns the text between the only start tag and the only end tag of that name.
    fn inline(tag: &str) -> &'static str {
        let (_, rest) = INDEX_PAGE
            .split_once(&format!("<{tag}>"))
            .expect("a start tag");
        let (text, rest) = rest.split_once(&format!("</{tag}>")).expect("an end tag");
        assert!(!rest.contains(&format!("<{tag}")), "one {tag} only");
        text
    }

    #[test]
    fn the_policy_names_the_script_and_style_of_the_page() {
        for tag in ["script", "style"] {
            let hash = base64(&sha256(inline(tag).as_bytes()));
            let source = format!("{tag}-src 'sha256-{hash}'");
            assert!(
                INDEX_POLICY.contains(&source),
                "the policy must say {source}"
            );
        }
    }

    #[test]
    fn the_page_is_self_contained_and_keeps_its_ids() {
        for id in [
            "state",
            "room",
            "join",
            "leave",
            "text",
            "send",
            "task",
            "log",
            "c-state",
            "c-channel",
            "c-subscribe",
            "c-text",
            "c-publish",
            "c-log",
        ] {
            assert_eq!(
                INDEX_PAGE.matches(&format!("id=\"{id}\"")).count(),
                1,
                "{id}"
            );
        }
        for forbidden in [
            "src=",
            "@import",
            "url(",
            "innerHTML",
            "style=",
            "onclick",
            "http://",
            "https://",
        ] {
            assert!(!INDEX_PAGE.contains(forbidden), "{forbidden}");
        }
        assert!(
            INDEX_PAGE.contains("lang=\"en\"")
                && INDEX_PAGE.contains("prefers-color-scheme")
                && INDEX_PAGE.is_ascii()
        );
        assert!(
            !INDEX_PAGE.contains('\r'),
            "browsers hash what they parsed, with line feeds only"
        );
    }

    #[test]
    fn sha256_of_the_standard() {
        let hex: String = sha256(b"abc")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    /// SHA-256 (FIPS 180-4), whose constants are the fractions of the square and cube roots of the
    /// first primes.
    fn sha256(message: &[u8]) -> [u8; 32] {
        let primes: Vec<u64> = (2..)
            .filter(|n| (2..*n).all(|d| n % d != 0))
            .take(64)
            .collect();
        let k: Vec<u32> = primes.iter().map(|&p| root_fraction(p, 3)).collect();
        let mut state: Vec<u32> = primes[..8].iter().map(|&p| root_fraction(p, 2)).collect();
        let mut padded = message.to_vec();
        padded.push(0x80);
        padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
        padded.extend((message.len() as u64 * 8).to_be_bytes());
        for block in padded.chunks_exact(64) {
            let mut w: Vec<u32> = block
                .chunks_exact(4)
                .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            for i in 16..64 {
                let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ (w[i - 15] >> 3);
                let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ (w[i - 2] >> 10);
                w.push(
                    w[i - 16]
                        .wrapping_add(s0)
                        .wrapping_add(w[i - 7])
                        .wrapping_add(s1),
                );
            }
            let mut v = state.clone();
            for i in 0..64 {
                let (a, e) = (v[0], v[4]);
                let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
                let choice = (e & v[5]) ^ (!e & v[6]);
                let t1 = v[7]
                    .wrapping_add(s1)
                    .wrapping_add(choice)
                    .wrapping_add(k[i])
                    .wrapping_add(w[i]);
                let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
                let majority = (a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]);
                v.rotate_right(1);
                v[4] = v[4].wrapping_add(t1);
                v[0] = t1.wrapping_add(s0).wrapping_add(majority);
            }
            for (sum, word) in state.iter_mut().zip(v) {
                *sum = sum.wrapping_add(word);
            }
        }
        let mut out = [0; 32];
        for (four, word) in out.chunks_exact_mut(4).zip(state) {
            four.copy_from_slice(&word.to_be_bytes());
        }
        out
    }

    /// Returns the first 32 bits of the fraction of a root, by bisection in integers.
    fn root_fraction(n: u64, degree: u32) -> u32 {
        let power = |x: u128| (0..degree).try_fold(1_u128, |product, _| product.checked_mul(x));
        let target = u128::from(n) << (32 * degree);
        let (mut low, mut high) = (0_u128, 1_u128 << 40);
        while high - low > 1 {
            let middle = u128::midpoint(low, high);
            if power(middle).is_some_and(|p| p <= target) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low as u32
    }

    fn base64(bytes: &[u8]) -> String {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let bits: Vec<u8> = bytes
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1))
            .collect();
        let mut out: String = bits
            .chunks(6)
            .map(|six| {
                char::from(
                    digits[(0..6).fold(0, |n, i| n << 1 | usize::from(six.get(i) == Some(&1)))],
                )
            })
            .collect();
        while !out.len().is_multiple_of(4) {
            out.push('=');
        }
        out
    }
}
