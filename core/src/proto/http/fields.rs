//! Header fields of a request or a response head (RFC 9110 §5): storage and lookup.
//!
//! Does not interpret the values.

use core::mem::MaybeUninit;

/// The limits of a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadLimits {
    /// Bytes of the whole head.
    pub bytes: usize,
    /// Field lines; a limit above 128 counts as 128.
    pub fields: usize,
}

impl HeadLimits {
    /// 8 KiB and 64 field lines.
    pub const DEFAULT: Self = Self {
        bytes: 8 << 10,
        fields: 64,
    };
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The size of the storage, which is on the stack of the caller.
pub(crate) const MAX_HEADERS: usize = 128;

/// Storage for the header fields of one head, on the stack of the caller.
#[derive(Debug)]
pub struct Fields<'a>([MaybeUninit<httparse::Header<'a>>; MAX_HEADERS]);

impl<'a> Fields<'a> {
    /// Returns empty storage.
    pub const fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; MAX_HEADERS])
    }

    /// Returns storage for at most `max` field lines.
    pub(crate) fn storage(&mut self, max: usize) -> &mut [MaybeUninit<httparse::Header<'a>>] {
        &mut self.0[..max.min(MAX_HEADERS)]
    }
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// The field lines of one head, in the order sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines<'a>(pub(crate) &'a [httparse::Header<'a>]);

impl<'a> Lines<'a> {
    /// Returns the name and the value of each field line, without surrounding whitespace.
    pub(crate) fn all(self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let pair = |field: &httparse::Header<'a>| (field.name, field.value.trim_ascii());
        self.0.iter().map(pair)
    }

    /// Returns the value of each field line of that name, in the order sent, without surrounding
    /// whitespace. Names are case-insensitive.
    pub(crate) fn named<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let named = self
            .0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value.trim_ascii())
    }

    /// Returns the non-empty elements of a comma-separated list that may span several field lines
    /// (RFC 9110 §5.6.1).
    pub(crate) fn list<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let elements = self
            .named(name)
            .flat_map(|value| value.split(|&b| b == b','));
        elements
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }

    /// Returns the value of a field that may occur only once; `None` if it is absent or repeated.
    pub(crate) fn only(self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.named(name);
        values.next().filter(|_| values.next().is_none())
    }
}

/// Returns the position of the first line feed without a preceding carriage return.
//= rfc9112#section-2.2 "Although the line terminator for the start-line and fields is the..."
// Neither role accepts one: two parsers of one head must not see two heads.
pub(crate) fn bare_lf(bytes: &[u8]) -> Option<usize> {
    let mut before = 0;
    bytes
        .iter()
        .position(|&byte| core::mem::replace(&mut before, byte) != b'\r' && byte == b'\n')
}
