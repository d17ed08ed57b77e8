//! Parser of `Sec-WebSocket-Extensions` (RFC 6455 §9.1).
//!
//! Does not interpret the extensions.

use crate::proto::http::is_token_byte;

/// The error of a value that does not conform to the grammar. A server refuses the request; a
/// client fails the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// One element of the list: an extension with its parameters.
#[derive(Clone, Copy, Debug)]
pub struct Extension<'a> {
    name: &'a [u8],
    /// The text between the name and the comma, which was checked before.
    params: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Parses the elements of one field line. An element that does not conform to the grammar is an
    /// error and the last item.
    pub fn parse_list(line: &'a [u8]) -> impl Iterator<Item = Result<Self, Malformed>> + use<'a> {
        let mut rest = Some(Cursor(line));
        core::iter::from_fn(move || {
            let mut cursor = rest.take()?;
            let extension = match Self::parse(&mut cursor) {
                Ok(extension) => extension,
                Err(malformed) => return Some(Err(malformed)),
            };
            rest = extension.is_some().then_some(cursor);
            extension.map(Ok)
        })
    }

    /// Returns the name of the extension.
    pub const fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Returns the parameters in order.
    pub fn params(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut cursor = Cursor(self.params);
        core::iter::from_fn(move || cursor.param().ok().flatten())
    }

    /// Parses the next element; `None` at the end of the line.
    fn parse(cursor: &mut Cursor<'a>) -> Result<Option<Self>, Malformed> {
        //= rfc9110#section-5.6.1.2 "A recipient MUST parse and ignore a reasonable number of..."
        while cursor.take(b',') {}
        if cursor.is_empty() {
            return Ok(None);
        }
        let name = cursor.token()?;
        let params = cursor.0;
        while cursor.param()?.is_some() {}
        let params = &params[..params.len() - cursor.0.len()];
        if cursor.is_empty() || cursor.take(b',') {
            Ok(Some(Self { name, params }))
        } else {
            Err(Malformed)
        }
    }
}

/// A parameter: its name, and its value if it has one.
pub type Param<'a> = (&'a [u8], Option<ParameterValue<'a>>);

/// The value of a parameter: a token, quoted or not.
#[derive(Clone, Copy, Debug)]
pub struct ParameterValue<'a>(&'a [u8]);

impl ParameterValue<'_> {
    /// Returns the bytes of the token, without quotes and escaping backslashes.
    pub fn bytes(&self) -> impl Iterator<Item = u8> {
        // A backslash is not allowed in a token, so every one of them escapes.
        self.0.iter().copied().filter(|&byte| byte != b'\\')
    }

    /// Parses the value as a decimal number without leading zeros.
    pub fn number(&self) -> Option<u32> {
        if self.bytes().next() == Some(b'0') && self.bytes().count() > 1 {
            return None;
        }
        self.bytes().try_fold(0_u32, |number, byte| {
            let digit = char::from(byte).to_digit(10)?;
            number.checked_mul(10)?.checked_add(digit)
        })
    }
}

/// The rest of a line.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn is_empty(&mut self) -> bool {
        self.0 = self.0.trim_ascii_start();
        self.0.is_empty()
    }

    fn take(&mut self, byte: u8) -> bool {
        self.0 = self.0.trim_ascii_start();
        let Some(rest) = self.0.strip_prefix(&[byte]) else {
            return false;
        };
        self.0 = rest;
        true
    }

    fn token(&mut self) -> Result<&'a [u8], Malformed> {
        self.0 = self.0.trim_ascii_start();
        let len = self
            .0
            .iter()
            .take_while(|&&byte| is_token_byte(byte))
            .count();
        let (token, rest) = self.0.split_at(len);
        self.0 = rest;
        if token.is_empty() {
            Err(Malformed)
        } else {
            Ok(token)
        }
    }

    fn param(&mut self) -> Result<Option<Param<'a>>, Malformed> {
        if !self.take(b';') {
            return Ok(None);
        }
        let name = self.token()?;
        let value = if !self.take(b'=') {
            None
        } else if self.take(b'"') {
            Some(self.quoted()?)
        } else {
            Some(ParameterValue(self.token()?))
        };
        Ok(Some((name, value)))
    }

    //= rfc6455#section-9.1 ";When using the quoted-string syntax variant, the value ;after..."
    //= rfc6455#section-4.3 "; When using the quoted-string syntax variant, the value ; after..."
    fn quoted(&mut self) -> Result<ParameterValue<'a>, Malformed> {
        let mut at = 0;
        while let Some(&byte) = self.0.get(at) {
            match byte {
                b'"' if at > 0 => {
                    let value = ParameterValue(&self.0[..at]);
                    self.0 = &self.0[at + 1..];
                    return Ok(value);
                }
                b'\\' if self.0.get(at + 1).copied().is_some_and(is_token_byte) => at += 2,
                byte if is_token_byte(byte) => at += 1,
                _ => break,
            }
        }
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;

    /// Returns the parsed list in a simple text form.
    fn read(line: &str) -> Result<String, Malformed> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("tokens are ASCII");
        let elements: Result<Vec<_>, _> = Extension::parse_list(line.as_bytes()).collect();
        let elements = elements?.into_iter().map(|extension| {
            let params = extension.params().map(|(name, value)| match value {
                None => format!(" {}", text(name)),
                Some(value) => {
                    let value: Vec<u8> = value.bytes().collect();
                    format!(" {}={}", text(name), text(&value))
                }
            });
            text(extension.name()) + &params.collect::<String>()
        });
        Ok(elements.collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn lists_with_parameters_are_parsed() {
        for (line, expected) in [
            ("", ""),
            (" ", ""),
            (",, ,", ""),
            ("foo", "foo"),
            ("foo, bar; baz=2", "foo|bar baz=2"),
            ("foo; bar; baz=2 , ,qux;x", "foo bar baz=2|qux x"),
            (
                "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
                "permessage-deflate client_max_window_bits server_max_window_bits=10",
            ),
            ("a;b=\"c\"", "a b=c"),
            ("a;b = \"\\1\\0\" ;d", "a b=10 d"),
            ("a;b;b;b=1", "a b b b=1"),
        ] {
            assert_eq!(read(line), Ok(expected.into()), "{line}");
        }
    }

    #[test]
    fn malformed_lists_are_errors() {
        for line in [
            ";",
            "a;",
            "a;;b",
            "a b",
            "a;b=",
            "a;b c",
            "a=b",
            "a;b=\"",
            "a;b=\"\"",
            "a;b=\"c d\"",
            "a;b=\"c,d\"",
            "a;b=\"c\\",
            "a;b=\"c\\\"\"",
            "a;b=c\"d\"",
            "a;=b",
            "\u{e9}",
            "a, b;",
            "a;b=\"c\"d",
            "a\0",
        ] {
            assert_eq!(read(line), Err(Malformed), "{line}");
        }
        let mut elements = Extension::parse_list(b"ok, ;, ok");
        assert!(elements.next().is_some_and(|first| first.is_ok()));
        assert!(elements.next().is_some_and(|second| second.is_err()));
        assert!(elements.next().is_none(), "nothing is read behind a fault");
    }

    #[test]
    fn numbers_have_no_leading_zeros() {
        for (value, expected) in [
            ("8", Some(8)),
            ("15", Some(15)),
            ("0", Some(0)),
            ("08", None),
            ("1x", None),
            ("-1", None),
            ("99999999999", None),
            ("\"1\\5\"", Some(15)),
        ] {
            let line = format!("a;b={value}");
            let extension = Extension::parse_list(line.as_bytes()).next();
            let extension = extension.expect("an element").expect("well-formed");
            let (_, value) = extension.params().next().expect("a parameter");
            assert_eq!(value.expect("a value").number(), expected, "{line}");
        }
    }
}
