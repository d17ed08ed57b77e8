//! Patches from one payload to the next, in the format of the Fossil version control system.
//!
//! A patch is the length of what it makes and a line feed, then commands, then the checksum and `;`.
//! A command is `<n>@<offset>,` (copy from the base) or `<n>:<bytes>` (insert). Numbers are in base 64,
//! the most significant digit first. The checksum is the wrapping sum of the result as big-endian
//! words of 32 bits, with zeros behind the last.
//!
//! | file | owns |
//! |---|---|
//! | `digits` | numbers of the format, and the checksum |
//! | `encoder` | what a patch copies |
//! | `decoder` | what a patch makes |

mod decoder;
mod digits;
mod encoder;

pub use decoder::{PatchError, apply};
pub use encoder::{create, create_text};

#[cfg(test)]
mod tests;
