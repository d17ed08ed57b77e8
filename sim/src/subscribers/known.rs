//! What the server does not keep to yet. Plans avoid it unless they are strict.

/// What is avoided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Something of a channel may come after the reply to its end, and what waited of a channel that
    /// was left without a position after the connection has come back.
    pub(super) ends_are_late: bool,
    /// What was offered to the adapter may come after the push that a subscription has ended.
    pub(super) pushes_overtake: bool,
}

impl Known {
    /// Returns what is avoided, or nothing.
    pub(super) const fn new(is_strict: bool) -> Self {
        let is_known = !is_strict;
        Self {
            ends_are_late: is_known,
            pushes_overtake: is_known,
        }
    }
}
