//! Rules that zlib applies to the header of a DEFLATE block (RFC 1951 §3.2.7) and the reference
//! library does not.

/// What a header says of its block, as far as the two differ in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Block {
    /// Nothing in which they differ.
    Fair,
    /// It cannot end, for it has no code for that: zlib refuses it at its
    /// header, the other reads on in it for ever.
    Endless,
    /// The code of its code lengths is empty: so far the other refuses it, and
    /// zlib takes each bit for a length of zero. It will be endless.
    Hollow,
}

/// Judges a block by its first bits, as many as there are.
pub(super) fn judge(bits: &[bool]) -> Block {
    read(&mut Bits(bits)).unwrap_or(Block::Fair)
}

/// `None` where the bits end, or are wrong in the eyes of both.
fn read(bits: &mut Bits<'_>) -> Option<Block> {
    if bits.number(3)? >> 1 != 2 {
        return Some(Block::Fair);
    }
    let literals = 257 + bits.number(5)?;
    let distances = 1 + bits.number(5)?;
    let codes = 4 + bits.number(4)?;
    if literals > 286 || distances > 30 {
        return None;
    }
    let mut code = [0; 19];
    for &at in &ORDER[..codes] {
        code[at] = bits.number(3)?;
    }
    let all = literals + distances;
    if code == [0; 19] {
        return Some(if bits.0.len() < all {
            Block::Hollow
        } else {
            Block::Endless
        });
    }
    let mut lengths = Vec::new();
    while lengths.len() < all {
        let (length, times) = match bits.symbol(&code)? {
            16 => (*lengths.last()?, 3 + bits.number(2)?),
            17 => (0, 3 + bits.number(3)?),
            18 => (0, 11 + bits.number(7)?),
            length => (length, 1),
        };
        lengths.resize(lengths.len() + times, length);
    }
    let is_endless = lengths.len() == all && lengths[256] == 0;
    is_endless.then_some(Block::Endless)
}

/// What is left of the bits.
struct Bits<'a>(&'a [bool]);

impl Bits<'_> {
    fn number(&mut self, len: usize) -> Option<usize> {
        let (number, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        let bits = number.iter().rev();
        Some(bits.fold(0, |number, &bit| number << 1 | usize::from(bit)))
    }

    /// The symbol that comes next, in a code that is given by its lengths.
    fn symbol(&mut self, lengths: &[usize]) -> Option<usize> {
        let (mut code, mut first) = (0_usize, 0);
        for len in 1..=7 {
            code = code << 1 | self.number(1)?;
            let mut symbols = (0..lengths.len()).filter(|&symbol| lengths[symbol] == len);
            let count = symbols.clone().count();
            let place = code.checked_sub(first)?;
            if place < count {
                return symbols.nth(place);
            }
            first = (first + count) << 1;
        }
        None
    }
}

const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];
