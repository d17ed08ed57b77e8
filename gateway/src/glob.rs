//! Patterns for names: `*` is any text, `?` one character, `[a-z]` and `[!a-z]` one of these or none of
//! these, `{a,b}` one of these texts, `\` takes what follows as it is.

use alloc::string::String;

use regex::Regex;

/// A pattern.
#[derive(Debug)]
pub(crate) struct Glob(Option<Regex>);

impl Glob {
    /// Compiles a pattern, in time that is linear in the name; an empty one matches every name.
    /// Returns `None` if it is none.
    pub(crate) fn new(pattern: &str) -> Option<Self> {
        if pattern.is_empty() {
            return Some(Self(None));
        }
        Regex::new(&regex_of(pattern)?).ok().map(Some).map(Self)
    }

    /// Returns whether a name is one of those that are meant.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|regex| regex.is_match(name))
    }
}

fn regex_of(pattern: &str) -> Option<String> {
    let mut regex = String::from("(?s)^");
    let mut depth = 0_usize;
    let mut rest = pattern.chars();
    while let Some(next) = rest.next() {
        match next {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '{' => {
                depth += 1;
                regex.push_str("(?:");
            }
            ',' if depth > 0 => regex.push('|'),
            '}' if depth > 0 => {
                depth -= 1;
                regex.push(')');
            }
            '[' => {
                regex.push('[');
                let mut is_first = true;
                loop {
                    match rest.next()? {
                        ']' if !is_first => break,
                        '!' if is_first => {
                            regex.push('^');
                            continue;
                        }
                        '-' if !is_first => regex.push('-'),
                        '\\' => escape(rest.next()?, &mut regex),
                        other => escape(other, &mut regex),
                    }
                    is_first = false;
                }
                regex.push(']');
            }
            '\\' => escape(rest.next()?, &mut regex),
            other => escape(other, &mut regex),
        }
    }
    (depth == 0).then(|| regex + "$")
}

fn escape(one: char, regex: &mut String) {
    regex.push_str(&regex::escape(one.encode_utf8(&mut [0; 4])));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> Option<bool> {
        Glob::new(pattern).map(|glob| glob.matches(name))
    }

    #[test]
    fn patterns_mean_what_they_say() {
        for (pattern, name, expected) in [
            ("", "anything", true),
            ("*", "", true),
            ("chat:*", "chat:a", true),
            ("chat:*", "chats:a", false),
            ("chat", "chat:a", false),
            ("*:a", "chat:a", true),
            ("c?at", "chat", true),
            ("c?at", "cat", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a-c]x", "dx", true),
            ("{chat,news}:*", "news:1", true),
            ("{chat,news}:*", "mews:1", false),
            ("a.b", "axb", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a+(b)|c", "a+(b)|c", true),
            ("#[1]", "#1", true),
            ("*", "line\nline", true),
        ] {
            assert_eq!(matches(pattern, name), Some(expected), "{pattern} {name}");
        }
        for pattern in ["[", "[a", "{a", "a\\", "[b-a]"] {
            assert_eq!(matches(pattern, "a"), None, "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_escaped(name in any::<String>()) {
            let escaped: String = name.chars().flat_map(|one| ['\\', one]).collect();
            prop_assert_eq!(matches(&escaped, &name), Some(true));
            prop_assert_eq!(matches(&escaped, &(name.clone() + "x")), Some(name.is_empty()));
        }
    }
}
