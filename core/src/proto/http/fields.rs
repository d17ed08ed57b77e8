//! Owns the header fields of a head (RFC 9110 §5), be it a request's or a
//! response's: room for them, and how they are looked up. What they mean is for
//! whoever asks.

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

/// Parsed headers are on the stack, so their number has a fixed maximum.
pub(crate) const MAX_HEADERS: usize = 128;

/// Room for the header fields of one head. It lies on the caller's stack and is
/// worth nothing after the call.
#[derive(Debug)]
pub struct Fields<'a>([MaybeUninit<httparse::Header<'a>>; MAX_HEADERS]);

impl<'a> Fields<'a> {
    /// Room that holds nothing yet.
    pub const fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; MAX_HEADERS])
    }

    /// Room for so many at most.
    pub(crate) fn room(&mut self, most: usize) -> &mut [MaybeUninit<httparse::Header<'a>>] {
        &mut self.0[..most.min(MAX_HEADERS)]
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
    /// The value of each field line of that name, in the order sent, without
    /// the whitespace around it. Names match without regard to case.
    pub(crate) fn named<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let named = self
            .0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value.trim_ascii())
    }

    /// The elements of a comma-separated list that may be spread over several
    /// field lines, the empty ones left out (RFC 9110 §5.6.1).
    pub(crate) fn list<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let elements = self
            .named(name)
            .flat_map(|value| value.split(|&b| b == b','));
        elements
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }

    /// The value of a field that may stand once only; `None` if it does not.
    pub(crate) fn only(self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.named(name);
        values.next().filter(|_| values.next().is_none())
    }
}

/// Where the first line feed without a carriage return before it stands.
//= rfc9112#section-2.2 "Although the line terminator for the start-line and fields is the..."
// Neither role does: two readers of one head must not see two heads.
pub(crate) fn bare_lf(bytes: &[u8]) -> Option<usize> {
    let mut before = 0;
    bytes
        .iter()
        .position(|&byte| core::mem::replace(&mut before, byte) != b'\r' && byte == b'\n')
}
