//! The settings of a pool.

/// The sliding window of a pool over `D` axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSize<const D: usize> {
    /// Sides of the window.
    pub kernel: [usize; D],
    /// Distances between two windows.
    pub stride: [usize; D],
    /// Entries added on either side, at most half of `kernel`.
    pub padding: [usize; D],
    /// Whether a last window may stick out of the padded input, as long as it starts inside the
    /// input or the left padding.
    pub ceil_mode: bool,
}

impl<const D: usize> PoolSize<D> {
    /// The same along every axis, without `ceil_mode`.
    pub const fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; D], stride: [stride; D], padding: [padding; D], ceil_mode: false }
    }
}
