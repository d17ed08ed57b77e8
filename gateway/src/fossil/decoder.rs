//! What a patch makes of a base.

use alloc::vec::Vec;
use core::error::Error;
use core::fmt::{self, Display, Formatter};

use super::digits;

/// A patch that cannot be applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatchError {
    /// It is not of the format.
    Malformed,
    /// It makes more than is allowed.
    TooLong,
    /// It copies what the base does not have.
    OutsideOfBase,
    /// It makes another length than it says.
    WrongLength,
    /// It makes something else of this base than it was made for.
    WrongChecksum,
}

impl Display for PatchError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the patch is malformed",
            Self::TooLong => "the result of the patch is too long",
            Self::OutsideOfBase => "the patch copies what the base does not have",
            Self::WrongLength => "the result of the patch has another length than it says",
            Self::WrongChecksum => "the result of the patch has another checksum than it says",
        })
    }
}

impl Error for PatchError {}

/// Returns what a patch makes of a base, at most `most` bytes.
///
/// # Errors
/// The patch is not one for this base.
pub fn apply(base: &[u8], patch: &[u8], most: usize) -> Result<Vec<u8>, PatchError> {
    let mut rest = patch;
    let len = number(&mut rest)? as usize;
    expect(&mut rest, b'\n')?;
    if len > most {
        return Err(PatchError::TooLong);
    }
    // Memory grows with what is made, not with what is said.
    let mut result = Vec::new();
    loop {
        let count = number(&mut rest)?;
        let (&command, after) = rest.split_first().ok_or(PatchError::Malformed)?;
        rest = after;
        let piece = match command {
            b'@' => {
                let offset = number(&mut rest)? as usize;
                expect(&mut rest, b',')?;
                let piece = base
                    .get(offset..)
                    .and_then(|from| from.get(..count as usize));
                piece.ok_or(PatchError::OutsideOfBase)?
            }
            b':' => {
                let pieces = rest.split_at_checked(count as usize);
                let (piece, after) = pieces.ok_or(PatchError::Malformed)?;
                rest = after;
                piece
            }
            b';' if !rest.is_empty() => return Err(PatchError::Malformed),
            b';' if result.len() != len => return Err(PatchError::WrongLength),
            b';' if digits::checksum(&result) != count => return Err(PatchError::WrongChecksum),
            b';' => return Ok(result),
            _ => return Err(PatchError::Malformed),
        };
        if piece.len() > len - result.len() {
            return Err(PatchError::WrongLength);
        }
        result.extend_from_slice(piece);
    }
}

fn number(rest: &mut &[u8]) -> Result<u32, PatchError> {
    let before = rest.len();
    let number = digits::read(rest).ok_or(PatchError::Malformed)?;
    (rest.len() < before)
        .then_some(number)
        .ok_or(PatchError::Malformed)
}

fn expect(rest: &mut &[u8], byte: u8) -> Result<(), PatchError> {
    let (first, after) = rest.split_first().ok_or(PatchError::Malformed)?;
    *rest = after;
    (*first == byte).then_some(()).ok_or(PatchError::Malformed)
}
