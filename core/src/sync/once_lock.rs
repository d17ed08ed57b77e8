//! Value that several shards need and one of them computes.

/// A value that the first shard that needs it computes for all. Without `std` each shard computes
/// it for itself, so the computation must give the same result each time.
#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    #[cfg(feature = "std")]
    cell: std::sync::OnceLock<T>,
    #[cfg(not(feature = "std"))]
    nothing: core::marker::PhantomData<T>,
}

impl<T: Clone> OnceLock<T> {
    pub(crate) const fn new() -> Self {
        Self {
            #[cfg(feature = "std")]
            cell: std::sync::OnceLock::new(),
            #[cfg(not(feature = "std"))]
            nothing: core::marker::PhantomData,
        }
    }

    /// Returns the value. A caller that comes while another one computes it waits, no longer than
    /// computing it would take.
    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> T {
        #[cfg(feature = "std")]
        return self.cell.get_or_init(make).clone();
        #[cfg(not(feature = "std"))]
        return make();
    }
}
