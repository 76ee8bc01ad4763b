//! Losses that measure calibration over a batch.

pub(in crate::loss) mod mdca;
pub(in crate::loss) mod mmce;

pub use mdca::Mdca;
pub use mmce::Mmce;
