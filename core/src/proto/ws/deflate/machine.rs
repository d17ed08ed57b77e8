//! DEFLATE of whole messages with `flate2` (RFC 7692 §7.2).

use alloc::vec::Vec;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::proto::ws::peer_error::PeerError;

/// A compressor with its context.
#[derive(Debug)]
pub(super) struct Deflater(Compress);

/// A decompressor with its context.
#[derive(Debug)]
pub(super) struct Inflater(Decompress);

/// The end of a flushed message, which is not sent.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

impl Deflater {
    pub(super) fn new(level: u8, window_bits: u8) -> Option<Self> {
        let level = Compression::new(level.into());
        Some(Self(Compress::new_with_window_bits(
            level,
            false,
            window_bits,
        )))
    }

    /// Discards the context.
    pub(super) fn reset(&mut self) {
        self.0.reset();
    }

    /// Compresses a message in these parts and appends it to `out`.
    //= rfc7692#section-7.2.1 "An endpoint uses the following algorithm to compress a message."
    pub(super) fn deflate(&mut self, parts: [&[u8]; 2], out: &mut Vec<u8>) {
        //= rfc7692#section-7.2.1 "Compress all the octets of the payload of the message using..."
        let len = parts[0].len() + parts[1].len();
        if len == 0 {
            // The library does not flush twice without input in between; this is its first output.
            out.push(0);
            return;
        }
        // Space for the whole output if compression halves it, which is usual.
        out.reserve(len / 2 + 64);
        if !parts[0].is_empty() && !parts[1].is_empty() {
            self.feed(parts[0], FlushCompress::None, out);
        }
        let last = if parts[1].is_empty() {
            parts[0]
        } else {
            parts[1]
        };
        //= rfc7692#section-7.2.1 "If the resulting data does not end with an empty DEFLATE..."
        //= rfc7692#section-7.2.1 "When any DEFLATE block with the "BFINAL" bit set to 1 doesn't..."
        // With this flush, the data always ends with an empty block, and no block is final.
        self.feed(last, FlushCompress::Sync, out);
        debug_assert!(out.ends_with(&TAIL), "a flush ends with an empty block");
        //= rfc7692#section-7.2.1 "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail..."
        //= rfc7692#section-7.2.1 "Note that for non-final fragments, the removal of 0x00 0x00..."
        // This is the end of a message: no message is compressed in pieces.
        out.truncate(out.len() - TAIL.len());
    }

    fn feed(&mut self, mut input: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        loop {
            let before = self.0.total_in();
            // Compression fails only after the end of the stream, which is never requested.
            let _ = self.0.compress_vec(input, out, flush);
            input = &input[(self.0.total_in() - before) as usize..];
            if input.is_empty() && out.len() < out.capacity() {
                return;
            }
            out.reserve(out.capacity().max(64));
        }
    }
}

impl Inflater {
    /// Returns a decompressor with the largest window, independent of the peer's.
    //= rfc7692#section-7.2.2 "Otherwise, the client MUST use a 32,768-byte LZ77 sliding window..."
    //= rfc7692#section-7.2.2 "Otherwise, the server MUST use a 32,768-byte LZ77 sliding window..."
    pub(super) fn new() -> Option<Self> {
        Some(Self(Decompress::new(false)))
    }

    /// Discards the context.
    pub(super) fn reset(&mut self) {
        self.0.reset(false);
    }

    /// Decompresses a message and appends it to `out`. Allocates no more than `limit` requires,
    /// whatever the input announces.
    //= rfc7692#section-7.2.2 "An endpoint uses the following algorithm to decompress a message."
    pub(super) fn inflate(
        &mut self,
        input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), PeerError> {
        if !self.feed(input, limit, out)? {
            //= rfc7692#section-7.2.2 "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of..."
            self.feed(&TAIL, limit, out)?;
        }
        Ok(())
    }

    /// Decompresses a part. Returns whether the input ended at the end of a stream.
    //= rfc7692#section-7.2.2 "Decompress the resulting data using DEFLATE."
    fn feed(
        &mut self,
        mut input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, PeerError> {
        loop {
            if out.len() == out.capacity() {
                // One byte more than allowed, to detect an excess.
                let max = limit.saturating_add(1) - out.len();
                out.reserve_exact((out.len() + input.len()).max(MIN_OUTPUT).min(max));
            }
            let (taken, given) = (self.0.total_in(), out.len());
            let status = self.0.decompress_vec(input, out, FlushDecompress::Sync);
            let taken = (self.0.total_in() - taken) as usize;
            input = &input[taken..];
            // Before the status: whether a later error is detected depends on the free space.
            if out.len() > limit {
                return Err(PeerError::MessageTooBig);
            }
            let status = status.map_err(|_| PeerError::BadDeflate)?;
            let has_ended = status == Status::StreamEnd;
            if has_ended {
                //= rfc7692#section-7.2.3.4 "On platforms on which the flush method using an..."
                // The rest is a new stream; a context ends with its stream.
                self.reset();
            }
            if input.is_empty() && (has_ended || out.len() < out.capacity()) {
                return Ok(has_ended);
            }
            if taken == 0 && out.len() == given && out.len() < out.capacity() {
                return Err(PeerError::BadDeflate);
            }
        }
    }
}

/// The minimum size in bytes of an output allocation; it doubles from there.
const MIN_OUTPUT: usize = 1 << 10;
