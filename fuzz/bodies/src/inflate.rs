//! Reference decompression of what a peer has compressed, with a different library than the one
//! being fuzzed. Both must come to the same result.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY,
    TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use stentor_core::proto::ws::PeerError;

use super::block::{Block, judge};
use super::pack::TAIL;

/// The messages of one peer, decompressed one after the other.
pub(super) struct Inflation {
    takeover: bool,
    machine: Box<DecompressorOxide>,
    /// All that came out of the stream, or a ring as long as the window.
    out: Vec<u8>,
    at: usize,
    is_ring: bool,
    /// The first bits of the block under way.
    block: Vec<bool>,
}

impl Inflation {
    /// For a peer that may use the largest window.
    pub(super) fn new(takeover: bool) -> Self {
        Self {
            takeover,
            machine: Box::default(),
            out: vec![0; 1 << 10],
            at: 0,
            is_ring: false,
            block: Vec::new(),
        }
    }

    /// For a peer that must not reach back farther than its window.
    pub(super) fn within(window_bits: u8, takeover: bool) -> Self {
        Self {
            out: vec![UNSAID; 1 << window_bits],
            is_ring: true,
            ..Self::new(takeover)
        }
    }

    /// The message whose compressed form this is (RFC 7692 §7.2.2).
    pub(super) fn message(&mut self, packed: &[u8], limit: usize) -> Result<Vec<u8>, PeerError> {
        if !self.takeover {
            self.restart();
        }
        let mut message = Vec::new();
        if !self.feed(packed, limit, &mut message)? {
            self.feed(&TAIL, limit, &mut message)?;
        }
        Ok(message)
    }

    /// Says whether the input ended where a stream did.
    fn feed(
        &mut self,
        mut input: &[u8],
        limit: usize,
        message: &mut Vec<u8>,
    ) -> Result<bool, PeerError> {
        loop {
            let mut ahead = self.block.clone();
            ahead.extend(bits(input).take(HEADER_BITS.saturating_sub(ahead.len())));
            match judge(&ahead) {
                Block::Fair => {}
                Block::Endless => return Err(PeerError::BadDeflate),
                Block::Hollow => {
                    self.block = ahead;
                    return Ok(false);
                }
            }
            let flags = self.flags();
            let (status, taken, given) =
                decompress(&mut self.machine, input, &mut self.out, self.at, flags);
            input = &input[taken..];
            message.extend_from_slice(&self.out[self.at..self.at + given]);
            self.at += given;
            if self.at == self.out.len() {
                if self.is_ring {
                    self.at = 0;
                } else {
                    self.out.resize(2 * self.at, 0);
                }
            }
            if message.len() > limit {
                return Err(PeerError::MessageTooBig);
            }
            self.block = ahead;
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::BlockBoundary => {
                    let rest = self.machine.block_boundary_state();
                    let rest = rest.expect("it stands at a boundary");
                    self.block = bits(&[rest.bit_buf]).take(rest.num_bits.into()).collect();
                }
                TINFLStatus::NeedsMoreInput => {
                    assert!(input.is_empty(), "it takes what it gets");
                    return Ok(false);
                }
                TINFLStatus::Done => {
                    self.restart();
                    if input.is_empty() {
                        return Ok(true);
                    }
                }
                _ => return Err(PeerError::BadDeflate),
            }
        }
    }

    fn restart(&mut self) {
        self.machine.init();
        self.block.clear();
        self.at = 0;
        if self.is_ring {
            self.out.fill(UNSAID);
        }
    }

    const fn flags(&self) -> u32 {
        let whole = if self.is_ring {
            0
        } else {
            TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
        };
        whole | TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY
    }
}

/// The bits of these bytes in the order of DEFLATE.
fn bits(bytes: &[u8]) -> impl Iterator<Item = bool> {
    let bits = |byte: &u8| {
        let byte = *byte;
        (0..8).map(move |n| byte >> n & 1 == 1)
    };
    bytes.iter().flat_map(bits)
}

/// What stands in a ring before anything was said; no text has such a byte, so
/// one that reaches back that far is seen not to be text.
const UNSAID: u8 = 0xFF;
/// No header of a block is longer.
const HEADER_BITS: usize = 3 + 14 + 19 * 3 + (286 + 30) * 7 + 7;
