//! Owns the value that several shards need and one of them makes.

/// A value that whoever needs it first makes for all. Without `std` everyone
/// makes it for itself, so making it must give the same each time.
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

    /// The value. Who comes while another makes it waits, no longer than it
    /// would take to make it.
    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> T {
        #[cfg(feature = "std")]
        return self.cell.get_or_init(make).clone();
        #[cfg(not(feature = "std"))]
        return make();
    }
}
