//! The settings of a pool.

/// The sliding window of a pool over `D` axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSize<const D: usize> {
    /// Sizes of the window.
    pub kernel: [usize; D],
    /// Distances between consecutive windows.
    pub stride: [usize; D],
    /// Entries added at either end, at most half of `kernel`.
    pub padding: [usize; D],
    /// Whether a last window may extend beyond the padded input, as long as it starts inside the
    /// input or the left padding.
    pub ceil_mode: bool,
}

impl<const D: usize> PoolSize<D> {
    /// Creates the same window along every axis, without `ceil_mode`.
    pub const fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; D], stride: [stride; D], padding: [padding; D], ceil_mode: false }
    }
}
