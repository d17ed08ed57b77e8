//! Generator of streams of frames: each frame is well-formed by itself, its payload is really
//! compressed, and then it may be damaged.

use stentor_core::testing::conn::{MessageLimits, Role};

use super::InputReader;
use super::pack::{Packer, TAIL};
use super::peer::{RawFrame, write_frame};

/// Who reads a stream, and what was agreed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamSetup {
    pub(super) role: Role,
    pub(super) limits: MessageLimits,
    /// Whether the peer keeps a context; `None` if it must not compress.
    pub(super) takeover: Option<bool>,
}

/// Bytes as frames.
pub(super) fn frames(input: &mut InputReader<'_>, setup: &StreamSetup) -> Vec<u8> {
    let mut out = Vec::new();
    let mut packer = None;
    let style = setup.takeover.map_or(0, |_| input.byte());
    while !input.is_empty() {
        let key = match setup.role {
            Role::Server => Some([input.byte(), 0, 0x55, 0xFF]),
            Role::Client => None,
        };
        let first = input.byte();
        if let Some(takeover) = setup.takeover
            && matches!(first & 0x7F, 0x41 | 0x42)
        {
            let packer = Packer::of(&mut packer, style);
            write_packed(&mut out, input, first, key, packer, takeover);
            continue;
        }
        let len = match input.byte() {
            len @ 0..250 => usize::from(len),
            len => usize::from(len - 249) * 300,
        };
        let payload = input.take(len);
        write_frame(
            &mut out,
            RawFrame {
                first,
                key,
                payload,
            },
        );
    }
    out
}

/// A compressed message in one frame or more; without FIN, its beginning.
fn write_packed(
    out: &mut Vec<u8>,
    input: &mut InputReader<'_>,
    first: u8,
    key: Option<[u8; 4]>,
    packer: &mut Packer,
    takeover: bool,
) {
    let (how, len) = (input.byte(), input.byte());
    // Sometimes not what was agreed on.
    let takeover = takeover != (how & 3 == 3);
    let words = input.take(len.into());
    let mut packed = packer.pack(&words.repeat(1 + input.below(8)), takeover);
    match how >> 2 & 7 {
        0 => {
            let bit = usize::from(input.short()) % (8 * packed.len());
            packed[bit / 8] ^= 1 << (bit % 8);
        }
        1 => packed.truncate(usize::from(input.short()) % (packed.len() + 1)),
        2 => {
            let len = input.below(16);
            packed.extend_from_slice(input.take(len));
        }
        3 => packed.extend_from_slice(&TAIL),
        4 => packed[0] |= 1, // the last block of its stream
        _ => {}
    }
    let pieces = packed.len() / usize::from(1 + (how >> 5)) + 1;
    let mut pieces = packed.chunks(pieces).peekable();
    let mut opcode = first & 0x7F;
    loop {
        let payload = pieces.next().unwrap_or_default();
        let fin = if pieces.peek().is_none() {
            first & 0x80
        } else {
            0
        };
        write_frame(
            out,
            RawFrame {
                first: fin | opcode,
                key,
                payload,
            },
        );
        opcode = 0;
        if pieces.peek().is_none() {
            return;
        }
    }
}
