use super::top_label_samples::SortedTopLabels;
use crate::simd::exp;
use serde::{Deserialize, Serialize};

/// The treatment of confidences of 0 and 1 by the smooth calibration error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SmoothConvention {
    /// The definition: the parts of a Gaussian outside of `[0, 1]` are reflected repeatedly, so
    /// every row has the same weight. Integrals use the trapezoidal rule.
    #[default]
    #[serde(rename = "default")]
    Definition,
    /// The behaviour of the authors' package relplot 1.0.3: a row with confidence 0 or 1 has half
    /// the weight, because it is its own mirror image and counted once; the weight of a row within
    /// one grid cell of the boundary is between the two. If most rows are that confident, the value
    /// is far from the definition: 0.0707 instead of 0.0475 for a ResNet-110 on CIFAR-10. In
    /// addition, the kernel is cut off at 1/2, so errors above about 0.1 are too large.
    Reference,
}

/// The smooth calibration error and the bandwidth at which it was computed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothEce {
    /// The error.
    pub value: f64,
    /// The bandwidth of the kernel, from 1/1024 to 1; approximately equal to the error.
    pub bandwidth: f64,
    /// The convention that was used.
    pub convention: SmoothConvention,
    /// Number of rows.
    pub n: u64,
}

/// The number of bisection steps for the bandwidth in `(0, 1]`.
const STEPS: usize = 10;
/// The maximum number of steps, for errors that fall so steeply that a step in the bandwidth
/// changes the error by a multiple of the step.
const MOST_STEPS: usize = 20;
/// The maximum difference of the errors at the two ends of the last step.
const TOLERANCE: f64 = 5e-4;
/// Smaller bandwidths are accepted without computing the error.
const SMALLEST_BANDWIDTH: f64 = 1e-3;
/// Keeps the density above 0.
const DENSITY_OFFSET: f64 = 1e-4;

impl SortedTopLabels {
    /// Computes the smooth calibration error, which smooths the residuals `c_i - z_i` along the
    /// confidence with a Gaussian kernel instead of using bins.
    ///
    /// At a bandwidth `s` it is `integral |r_s(t)| dt / integral d_s(t) dt`, where `r_s` is the sum
    /// of the residuals, each spread by a Gaussian with standard deviation `s` reflected at 0 and
    /// 1, and `d_s` is the sum of the same Gaussians with weight 1. Bisection finds the bandwidth
    /// at which the error is equal to the bandwidth, so there is no parameter to choose.
    ///
    /// Confidences are placed on a grid of at least 1001 points. The grid and the ten bisection
    /// steps are those of the authors' package relplot 1.0.3, whose values
    /// [`SmoothConvention::Reference`] reproduces; the default convention takes more steps if the
    /// error falls steeply. The cost is `O(n)` and `O(1 / s^2)` per step.
    ///
    /// # References
    ///
    /// Blasiok and Nakkiran, Smooth ECE: Principled Reliability Diagrams via Kernel Smoothing, ICLR
    /// 2024 (arXiv 2309.12236), section 3.
    pub fn smooth_ece(&self, convention: SmoothConvention) -> SmoothEce {
        let error = |bandwidth| self.smooth_ece_at(bandwidth, convention);
        let suffices = |bandwidth| bandwidth < SMALLEST_BANDWIDTH || bandwidth < error(bandwidth);
        // The error falls as the bandwidth grows; the two are equal between `below` and `above`.
        let near =
            |below, above| below < SMALLEST_BANDWIDTH || error(below) - error(above) < TOLERANCE;
        let (mut above, mut below) = (1.0, 0.0);
        if !suffices(above) {
            for step in 0..MOST_STEPS {
                if step >= STEPS
                    && (convention == SmoothConvention::Reference || near(below, above))
                {
                    break;
                }
                let middle = (above + below) / 2.0;
                if suffices(middle) {
                    below = middle;
                } else {
                    above = middle;
                }
            }
        }
        SmoothEce { value: error(above), bandwidth: above, convention, n: self.n() }
    }

    /// Computes the error at a bandwidth from about 1/1000 to 1.
    fn smooth_ece_at(&self, bandwidth: f64, convention: SmoothConvention) -> f64 {
        let points = ((10.0 / bandwidth).round_ties_even() as usize).max(200);
        let mut cells = ((20.0 / bandwidth).round_ties_even() as usize).max(2000) / 2 + 1;
        if convention == SmoothConvention::Definition {
            // An even number of cells has no middle, so relplot's kernel is off by half a cell.
            cells |= 1;
        }
        let kernel = Kernel::new(bandwidth, cells, convention);
        let smooth = |weight: fn(f64, bool) -> f64| {
            let mut grid = self.on_grid(cells, weight);
            if convention == SmoothConvention::Definition {
                // The end cells are their own mirror images.
                grid[0] *= 2.0;
                grid[cells - 1] *= 2.0;
            }
            kernel.smooth(&grid)
        };
        let residuals = smooth(|confidence, correct| confidence - f64::from(u8::from(correct)));
        let densities = smooth(|_, _| 1.0);
        // The trapezoidal rule gives the ends half the weight; relplot sums the points.
        let end_weight = match convention {
            SmoothConvention::Definition => 0.5,
            SmoothConvention::Reference => 1.0,
        };
        let (mut residual, mut density) = (0.0, 0.0);
        for i in 0..points {
            let t = i as f64 / (points - 1) as f64;
            let weight = if i == 0 || i == points - 1 { end_weight } else { 1.0 };
            residual += weight * interpolate(&residuals, t).abs();
            density += weight * (interpolate(&densities, t) + DENSITY_OFFSET);
        }
        residual / density
    }

    /// Distributes a weight per row on a grid of `cells` points from 0 to 1: each weight is split
    /// between the two points next to the row's confidence.
    fn on_grid(&self, cells: usize, weight: fn(f64, bool) -> f64) -> Vec<f64> {
        let mut grid = vec![0.0; cells];
        for (confidence, correct) in self.iter() {
            let position = confidence * (cells - 1) as f64;
            let left = (position as usize).min(cells - 2);
            let (fraction, weight) = (position - left as f64, weight(confidence, correct));
            grid[left] += (1.0 - fraction) * weight;
            grid[left + 1] += fraction * weight;
        }
        grid
    }
}

/// A Gaussian on the points of the grid of `[0, 1]`, extended beyond its ends.
struct Kernel {
    /// Values by offset in cells, starting at the offset `first`.
    values: Vec<f64>,
    /// The offset of the first value from the centre, in cells; at most 0.
    first: isize,
}

impl Kernel {
    fn new(bandwidth: f64, cells: usize, convention: SmoothConvention) -> Self {
        let value = |distance: f64| {
            exp(-distance * distance / (2.0 * bandwidth * bandwidth))
                / ((2.0 * std::f64::consts::PI).sqrt() * bandwidth)
        };
        // Beyond ten standard deviations the kernel is below 1e-21 of its maximum.
        let reach = (10.0 * bandwidth * (cells - 1) as f64).ceil() as isize;
        let (width, middle) = ((cells - 1) as f64, (cells / 2) as isize);
        let (first, last) = match convention {
            SmoothConvention::Definition => (-reach, reach),
            // relplot's kernel is as long as the grid, whose middle may be half a cell from the
            // kernel's centre.
            SmoothConvention::Reference => {
                (-reach.min(middle), reach.min(cells as isize - 1 - middle))
            }
        };
        let distance = |cell: isize| (middle + cell) as f64 / width - 0.5;
        let mut values: Vec<f64> = (first..=last).map(|cell| value(distance(cell))).collect();
        // The reflected grid is periodic, so a kernel longer than a period is folded.
        let period = 2 * (cells - 1);
        if values.len() > period {
            for cell in period..values.len() {
                values[cell % period] += values[cell];
            }
            values.truncate(period);
        }
        Self { values, first }
    }

    /// Convolves the kernel with a grid that is reflected at both ends repeatedly.
    fn smooth(&self, grid: &[f64]) -> Vec<f64> {
        let (cells, last) = (grid.len(), grid.len() as isize - 1);
        let reflected = |cell: isize| {
            let place = cell.rem_euclid(2 * last);
            grid[if place > last { 2 * last - place } else { place } as usize]
        };
        // The grid values from the one that the first kernel value multiplies for the first point
        // to the one that the last kernel value multiplies for the last point.
        let start = -self.first - self.values.len() as isize + 1;
        let around: Vec<f64> = (start..=last - self.first).map(reflected).collect();
        let mut smoothed = vec![0.0; cells];
        // The outer loop is over kernel values, so the compiler can vectorise the inner loop
        // without changing the order of additions in any sum.
        for (weight, shift) in self.values.iter().zip((0..self.values.len()).rev()) {
            let shifted = &around[shift..];
            smoothed.iter_mut().zip(shifted).for_each(|(sum, value)| *sum += weight * value);
        }
        smoothed
    }
}

/// Interpolates the values of a grid at `t` in `[0, 1]`.
fn interpolate(grid: &[f64], t: f64) -> f64 {
    let position = t * (grid.len() - 1) as f64;
    let left = (position as usize).min(grid.len() - 2);
    let fraction = position - left as f64;
    grid[left] * (1.0 - fraction) + grid[left + 1] * fraction
}
