//! Interpolation.

use super::Backend;
use super::backend::dispatch;
use crate::shape::{Planes, Taps, spatial};
use candle_core::{Result, Tensor};

impl Backend {
    /// Interpolates bilinearly to any size.
    ///
    /// # Shapes
    ///
    /// `x` `[N, C, H, W]`; the result `[N, C, output[0], output[1]]`.
    ///
    /// # Errors
    ///
    /// Fails if the input is empty or does not have four dimensions, or an output size is 0.
    pub fn bilinear2d(self, x: &Tensor, output: [usize; 2], align_corners: bool) -> Result<Tensor> {
        let [height, width] = spatial::<2>(x, "bilinear")?;
        let rows = Taps::linear(height, output[0], align_corners, "bilinear")?;
        let columns = Taps::linear(width, output[1], align_corners, "bilinear")?;
        let planes = Planes { rows, columns };
        dispatch!(self, resample(x, planes))
    }

    /// Interpolates to any size by the nearest neighbour.
    ///
    /// # Shapes
    ///
    /// `x` `[N, C, H, W]`; the result `[N, C, output[0], output[1]]`.
    ///
    /// # Errors
    ///
    /// Same as [`bilinear2d`](Self::bilinear2d).
    pub fn nearest2d(self, x: &Tensor, output: [usize; 2]) -> Result<Tensor> {
        let [height, width] = spatial::<2>(x, "nearest")?;
        let rows = Taps::nearest(height, output[0], "nearest")?;
        let columns = Taps::nearest(width, output[1], "nearest")?;
        let planes = Planes { rows, columns };
        dispatch!(self, resample(x, planes))
    }
}
