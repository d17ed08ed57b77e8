//! Links of a slot: to its neighbours in a bucket of the timer wheel, or to the next vacant slot.

/// A slot's links in its bucket. Entries reach less than a turn of the wheel
/// ahead, so the bucket alone tells the tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    pub(super) next: u32,
    pub(super) before: u32,
    pub(super) bucket: u32,
}

impl Links {
    pub(crate) const NONE: Self = Self {
        next: NIL,
        before: NIL,
        bucket: NIL,
    };

    /// Those of a slot that is vacant, which lead to another.
    pub(crate) const fn to_vacant(next: u32) -> Self {
        Self { next, ..Self::NONE }
    }

    /// The other that they lead to.
    pub(crate) const fn vacant(self) -> u32 {
        self.next
    }
}

/// No slot, and no bucket.
pub(super) const NIL: u32 = u32::MAX;
