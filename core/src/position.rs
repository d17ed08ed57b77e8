//! Position in the stream of a channel: which stream, and which publication of it.

use core::fmt;

/// Which stream of a channel a position belongs to: eight letters, chosen when the stream begins.
/// A channel begins a new one whenever it cannot say any more what came before.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; 8]);

impl Epoch {
    /// The epoch that no stream has.
    pub const UNKNOWN: Self = Self([b'_'; 8]);

    /// Returns an epoch made of chance.
    pub(crate) fn from_bits(bits: u64) -> Self {
        let mut rest = bits;
        Self([(); 8].map(|()| {
            let letter = LETTERS[(rest % LETTERS.len() as u64) as usize];
            rest /= LETTERS.len() as u64;
            letter
        }))
    }

    /// Returns the epoch with this text; [`UNKNOWN`](Self::UNKNOWN) if no epoch has that.
    pub fn from_text(text: &str) -> Self {
        match <[u8; 8]>::try_from(text.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_alphabetic) => Self(letters),
            _ => Self::UNKNOWN,
        }
    }

    /// Returns its text: eight ASCII letters.
    pub fn as_str(&self) -> &str {
        // It is made of ASCII only.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

const LETTERS: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in the stream of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Position {
    /// The stream.
    pub epoch: Epoch,
    /// The publication; the first has 1, and 0 is before it.
    pub offset: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_read_back_from_its_text_and_others_are_unknown() {
        for bits in [0, 1, 51, 52, u64::MAX, 0x1234_5678_9ABC_DEF0] {
            let epoch = Epoch::from_bits(bits);
            assert_eq!(epoch.as_str().len(), 8);
            assert_ne!(epoch, Epoch::UNKNOWN);
            assert_eq!(Epoch::from_text(epoch.as_str()), epoch);
        }
        for text in [
            "",
            "_",
            "short",
            "ninechars",
            "with spa",
            "abcdefg1",
            "________",
        ] {
            assert_eq!(Epoch::from_text(text), Epoch::UNKNOWN, "{text:?}");
        }
    }

    #[test]
    fn epochs_of_different_bits_differ() {
        let mut chance = crate::chance::Chance::new(3);
        let mut epochs: alloc::vec::Vec<_> = (0..1_000)
            .map(|_| Epoch::from_bits(chance.next()).0)
            .collect();
        epochs.sort_unstable();
        epochs.dedup();
        assert_eq!(epochs.len(), 1_000);
    }
}
