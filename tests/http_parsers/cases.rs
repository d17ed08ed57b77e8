//! The cases of `requests.txt` and the differences of `differences.txt`.

/// A sequence of bytes that is sent to a server.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The number of whole requests, if there are any, and how the rest ends: nothing, a status,
    /// `incomplete`.
    pub(crate) outcome: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// A case in which another parser differs.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) case: &'static str,
    pub(crate) parser: &'static str,
    /// What it says, as [`Case::outcome`], with `refused` for a status; with `other` after it if the
    /// requests are as many and not the same.
    pub(crate) theirs: &'static str,
    /// The section that we follow, and why.
    pub(crate) reason: &'static str,
}

/// Reads the cases.
pub(crate) fn cases() -> Vec<Case> {
    lines(include_str!("requests.txt"))
        .map(|line| {
            let [name, outcome, bytes] = columns(line);
            Case {
                name,
                outcome,
                bytes: unescape(bytes),
            }
        })
        .collect()
}

/// Reads the differences.
pub(crate) fn differences() -> Vec<Difference> {
    lines(include_str!("differences.txt"))
        .map(|line| {
            let [case, parser, theirs, reason] = columns(line);
            Difference {
                case,
                parser,
                theirs,
                reason,
            }
        })
        .collect()
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Divides a line at ` | `; the last column may have more of them.
fn columns<const N: usize>(line: &'static str) -> [&'static str; N] {
    let mut parts = line.splitn(N, '|');
    std::array::from_fn(|at| {
        let part = parts.next().unwrap_or_else(|| panic!("too few: {line}"));
        let part = part.strip_prefix(' ').unwrap_or(part);
        match at + 1 < N {
            true => part.trim(),
            false => part,
        }
    })
}

/// Replaces `\r`, `\xNN` and the like, and `{TEXT*N}`.
fn unescape(text: &str) -> Vec<u8> {
    let repeated = text
        .split_once('{')
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        .and_then(|(before, (inside, after))| {
            let (text, times) = inside.rsplit_once('*')?;
            Some((before, text, times.parse().ok()?, after))
        });
    if let Some((before, text, times, after)) = repeated {
        let text = unescape(text).repeat(times);
        return [unescape(before), text, unescape(after)].concat();
    }
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let (byte, len) = match rest.as_bytes()[at + 1] {
            b'r' => (b'\r', 2),
            b'n' => (b'\n', 2),
            b't' => (b'\t', 2),
            b'0' => (0, 2),
            b'\\' => (b'\\', 2),
            b'x' => {
                let digits = &rest[at + 2..at + 4];
                (u8::from_str_radix(digits, 16).expect("two digits"), 4)
            }
            other => panic!("no escape: {}", char::from(other)),
        };
        bytes.push(byte);
        rest = &rest[at + len..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

#[test]
fn escapes_are_read() {
    assert_eq!(unescape(r"a\r\n\t\0\\\x7f|"), b"a\r\n\t\0\\\x7f|");
    assert_eq!(unescape(r"a{b\n*3}c{d}"), b"ab\nb\nb\nc{d}");
}
