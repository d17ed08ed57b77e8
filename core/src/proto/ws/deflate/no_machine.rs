//! Placeholder for compressor and decompressor without the feature `deflate`. Neither can be
//! created.

use alloc::vec::Vec;

use crate::proto::ws::peer_error::PeerError;

/// A compressor that cannot exist.
#[derive(Debug)]
pub(super) enum Deflater {}

/// A decompressor that cannot exist.
#[derive(Debug)]
pub(super) enum Inflater {}

impl Deflater {
    pub(super) const fn new(_level: u8, _window_bits: u8) -> Option<Self> {
        None
    }

    pub(super) const fn reset(&mut self) {
        match *self {}
    }

    pub(super) const fn deflate(&mut self, _parts: [&[u8]; 2], _out: &mut Vec<u8>) {
        match *self {}
    }
}

impl Inflater {
    pub(super) const fn new() -> Option<Self> {
        None
    }

    pub(super) const fn reset(&mut self) {
        match *self {}
    }

    pub(super) const fn inflate(
        &mut self,
        _input: &[u8],
        _limit: usize,
        _out: &mut Vec<u8>,
    ) -> Result<(), PeerError> {
        match *self {}
    }
}
