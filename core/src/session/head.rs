//! Progress in parsing a request head that arrives in pieces.

/// How much of a request head that comes in pieces has been parsed. A head is parsed from
/// its start each time, so not with each piece: what all this takes is bounded by a multiple
/// of its length, however small the pieces are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadProgress {
    /// Bytes that were there the last time.
    seen: u32,
    /// Bytes parsed, those of every time.
    parsed: u32,
    /// Pieces with ends of lines for which it was.
    lines: u16,
}

impl HeadProgress {
    pub(crate) const NONE: Self = Self {
        seen: 0,
        parsed: 0,
        lines: 0,
    };

    /// Whether what has come by now may be all, or enough to be worth it.
    pub(crate) fn is_worth_parsing(&mut self, input: &[u8], max_head: usize) -> bool {
        let len = input.len() as u32;
        let piece = input.get(self.seen as usize..).unwrap_or_default();
        self.seen = len;
        let ends_line = self.lines < MOST_LINES && piece.contains(&b'\n');
        self.lines += u16::from(ends_line);
        let is_worth = ends_line
            || input.len() > max_head
            || u64::from(self.parsed) < u64::from(len) * PARSED_PER_BYTE;
        if is_worth {
            self.parsed = self.parsed.saturating_add(len);
        }
        is_worth
    }
}

/// Pieces with an end of a line that are parsed whatever was before: more than a request may
/// have lines.
const MOST_LINES: u16 = 256;
/// How many bytes of a head may be parsed for each byte of it that has come, beside that.
const PARSED_PER_BYTE: u64 = 16;

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    const MAX_HEAD: usize = 64 << 10;

    /// How many bytes are parsed of a head that comes in pieces of this length, and whether
    /// all of it is once it is there.
    fn parsed(head: &[u8], piece: usize) -> (usize, bool) {
        let mut progress = HeadProgress::NONE;
        let (mut parsed, mut whole) = (0, false);
        for end in (piece..head.len()).step_by(piece).chain([head.len()]) {
            whole = progress.is_worth_parsing(&head[..end], MAX_HEAD);
            parsed += if whole { end } else { 0 };
        }
        (parsed, whole)
    }

    #[test]
    fn a_head_in_the_smallest_pieces_is_parsed_in_linear_time() {
        let line = vec![b'a'; MAX_HEAD - 4];
        let long: Vec<u8> = [&line[..], b"\r\n\r\n"].concat();
        for piece in [1, 2, 3, 100, 1_000] {
            let (parsed, whole) = parsed(&long, piece);
            assert!(whole, "{piece}: it is there");
            assert!(parsed <= 20 * MAX_HEAD, "{piece}: {parsed}");
        }
        // As many lines as fit: each piece ends one.
        let lines = b"a:\n".repeat(MAX_HEAD / 3);
        let (parsed, _) = parsed(&lines, 3);
        assert!(parsed <= 20 * MAX_HEAD, "{parsed}");
    }

    #[test]
    fn every_line_of_a_request_is_looked_at_when_it_ends() {
        let head = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
        for piece in 1..head.len() {
            assert!(parsed(head, piece).1, "{piece}");
        }
        let mut progress = HeadProgress::NONE;
        let lines = b"a:b\r\n".repeat(200);
        for end in 1..=lines.len() {
            let looks = progress.is_worth_parsing(&lines[..end], MAX_HEAD);
            assert!(looks || lines[end - 1] != b'\n', "{end}");
        }
    }
}
