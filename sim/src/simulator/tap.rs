//! Independent count of the frames that a server writes: a tap on its bytes that knows only where
//! frames end.

/// Follows the bytes of one connection, and counts the data frames in them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tap {
    /// Whole data frames so far.
    pub(super) frames: u64,
    state: TapState,
}

#[derive(Clone, Copy, Debug)]
enum TapState {
    /// In the answer to the request: what came last of its end.
    Head { status: [u8; 3], at: usize, end: u8 },
    /// In a frame's header, of which so much has come.
    Header { bytes: [u8; 10], have: usize },
    /// In a payload, with so much to come.
    Payload { left: u64, is_data: bool },
    /// Nothing here is a frame.
    Page,
}

impl Default for TapState {
    fn default() -> Self {
        Self::Head {
            status: [0; 3],
            at: 0,
            end: 0,
        }
    }
}

const HEADER: TapState = TapState::Header {
    bytes: [0; 10],
    have: 0,
};

impl Tap {
    /// Takes bytes that were written; says how many data frames end in them.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> u64 {
        let before = self.frames;
        while !bytes.is_empty() {
            let n = self.step(bytes);
            bytes = &bytes[n..];
        }
        self.frames - before
    }

    fn step(&mut self, bytes: &[u8]) -> usize {
        let first = bytes[0];
        match &mut self.state {
            TapState::Head { status, at, end } => {
                if (9..12).contains(at) {
                    status[*at - 9] = first;
                }
                *at += 1;
                let wanted = if *end % 2 == 0 { b'\r' } else { b'\n' };
                *end = if first == wanted { *end + 1 } else { 0 };
                if *end == 4 {
                    self.state = if *status == *b"101" {
                        HEADER
                    } else {
                        TapState::Page
                    };
                }
                1
            }
            TapState::Header {
                bytes: header,
                have,
            } => {
                header[*have] = first;
                *have += 1;
                let (len, is_data) = (header[1] & 0x7F, header[0] & 0x0F < 8);
                let need = match len {
                    126 => 4,
                    127 => 10,
                    _ => 2,
                };
                if *have >= need {
                    let long = header[2..need].iter();
                    let long = long.fold(0, |sum, &byte| sum << 8 | u64::from(byte));
                    let left = if need == 2 { u64::from(len) } else { long };
                    self.begin(left, is_data);
                }
                1
            }
            TapState::Payload { left, is_data } => {
                let n = bytes.len().min(*left as usize);
                let (left, is_data) = (*left - n as u64, *is_data);
                self.begin(left, is_data);
                n
            }
            TapState::Page => bytes.len(),
        }
    }

    /// So much of a payload is to come.
    const fn begin(&mut self, left: u64, is_data: bool) {
        if left > 0 {
            self.state = TapState::Payload { left, is_data };
        } else {
            self.frames += is_data as u64;
            self.state = HEADER;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_data_frames_however_they_are_cut() {
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n".to_vec();
        bytes.extend([0x81, 0, 0x89, 1, 7, 0xC2, 126, 0, 200]);
        bytes.extend([0x81; 200]);
        bytes.extend([0x82, 127, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2]);
        for cut in 1..bytes.len() {
            let mut tap = Tap::default();
            let whole: u64 = bytes.chunks(cut).map(|piece| tap.take(piece)).sum();
            assert_eq!(whole, 2, "the third lacks a byte");
            assert_eq!(tap.take(&[3]), 1);
        }
    }

    #[test]
    fn a_page_has_no_frames() {
        let page = b"HTTP/1.1 200 OK\r\n\r\n\x81\x00\x81\x00";
        assert_eq!(Tap::default().take(page), 0);
    }
}
