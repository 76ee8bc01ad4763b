use super::top_label_samples::SortedTopLabels;
use crate::simd::exp;
use serde::{Deserialize, Serialize};

/// How the smooth calibration error treats confidences of 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SmoothConvention {
    /// As defined: the part of a Gaussian beyond 0 or 1 is reflected, as often as it takes, so that
    /// every row weighs the same. Integrals are those of the trapezoidal rule.
    #[default]
    #[serde(rename = "default")]
    Definition,
    /// As the authors' package relplot 1.0.3 computes it: a row of confidence 0 or 1 weighs half,
    /// as it is its own mirror image and counted once, and one within a cell of the grid in
    /// between. Where most rows are that confident, the value is far from the definition:
    /// 0.0707 instead of 0.0475 for a ResNet-110 on CIFAR-10. Nor does its kernel reach further
    /// than 1/2: errors above 0.1 or so come out too large.
    Reference,
}

/// Smooth calibration error, with the bandwidth at which it was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothEce {
    /// The error.
    pub value: f64,
    /// The bandwidth of the kernel, from 1/1024 to 1; about the error itself.
    pub bandwidth: f64,
    /// The implementation whose value this is.
    pub convention: SmoothConvention,
    /// Number of rows.
    pub n: u64,
}

/// Steps of bisection for the bandwidth, from `(0, 1]`.
const STEPS: usize = 10;
/// The most steps where the error falls so steeply with the bandwidth that a step is a multiple of
/// it in the error.
const MOST_STEPS: usize = 20;
/// By how much the errors at the ends of the last step may differ.
const TOLERANCE: f64 = 5e-4;
/// Bandwidths below are taken without a look at the error.
const SMALLEST_BANDWIDTH: f64 = 1e-3;
/// What keeps a density from being 0.
const DENSITY_OFFSET: f64 = 1e-4;

impl SortedTopLabels {
    /// The smooth calibration error: of residuals `c_i - z_i` that a Gaussian kernel smooths along
    /// the confidence, instead of bins.
    ///
    /// At a bandwidth `s` it is `integral |r_s(t)| dt / integral d_s(t) dt`, where `r_s` is the sum
    /// of the residuals, each spread by a Gaussian of deviation `s` reflected at 0 and 1, and
    /// `d_s` the sum of as many Gaussians of weight 1. The bandwidth is the one that the error
    /// at it does not exceed, by bisection: the error has no setting.
    ///
    /// Confidences are put on a grid of at least 1001 points. Grid and ten steps of bisection are
    /// those of the authors' package relplot 1.0.3, whose values
    /// [`SmoothConvention::Reference`] gives; by default there are more where the error falls
    /// steeply. Takes `O(n)` and `O(1 / s^2)` per step.
    ///
    /// # References
    ///
    /// Blasiok and Nakkiran, Smooth ECE: Principled Reliability Diagrams via Kernel Smoothing, ICLR
    /// 2024 (arXiv 2309.12236), section 3.
    pub fn smooth_ece(&self, convention: SmoothConvention) -> SmoothEce {
        let error = |bandwidth| self.smooth_ece_at(bandwidth, convention);
        let suffices = |bandwidth| bandwidth < SMALLEST_BANDWIDTH || bandwidth < error(bandwidth);
        // The error falls as the bandwidth grows, and equals it between the two.
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

    /// The error at a bandwidth from about 1/1000 to 1.
    fn smooth_ece_at(&self, bandwidth: f64, convention: SmoothConvention) -> f64 {
        let points = ((10.0 / bandwidth).round_ties_even() as usize).max(200);
        let mut cells = ((20.0 / bandwidth).round_ties_even() as usize).max(2000) / 2 + 1;
        if convention == SmoothConvention::Definition {
            // An even number of cells has no middle, and relplot's kernel is off by half a cell.
            cells |= 1;
        }
        let kernel = Kernel::new(bandwidth, cells, convention);
        let smooth = |weight: fn(f64, bool) -> f64| {
            let mut grid = self.on_grid(cells, weight);
            if convention == SmoothConvention::Definition {
                // The mirror image of the end cells are they themselves.
                grid[0] *= 2.0;
                grid[cells - 1] *= 2.0;
            }
            kernel.smooth(&grid)
        };
        let residuals = smooth(|confidence, correct| confidence - f64::from(u8::from(correct)));
        let densities = smooth(|_, _| 1.0);
        // The trapezoidal rule weighs the ends half; relplot sums the points.
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

    /// What every row weighs, on a grid of `cells` points from 0 to 1: split between the two points
    /// next to its confidence.
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

/// A Gaussian on the points of a grid of [0, 1] and beyond.
struct Kernel {
    /// By the distance in cells, from that of `first` on.
    values: Vec<f64>,
    /// Cells from the centre, the negative ones before it.
    first: isize,
}

impl Kernel {
    fn new(bandwidth: f64, cells: usize, convention: SmoothConvention) -> Self {
        let value = |distance: f64| {
            exp(-distance * distance / (2.0 * bandwidth * bandwidth))
                / ((2.0 * std::f64::consts::PI).sqrt() * bandwidth)
        };
        // Beyond ten deviations the kernel is below 1e-21 of its height.
        let reach = (10.0 * bandwidth * (cells - 1) as f64).ceil() as isize;
        let (width, middle) = ((cells - 1) as f64, (cells / 2) as isize);
        let (first, last) = match convention {
            SmoothConvention::Definition => (-reach, reach),
            // relplot's kernel is as long as the grid, whose middle may be half a cell from the
            // kernel's.
            SmoothConvention::Reference => {
                (-reach.min(middle), reach.min(cells as isize - 1 - middle))
            }
        };
        let distance = |cell: isize| (middle + cell) as f64 / width - 0.5;
        let mut values: Vec<f64> = (first..=last).map(|cell| value(distance(cell))).collect();
        // The reflected grid repeats: a kernel that is longer than a period is folded into one.
        let period = 2 * (cells - 1);
        if values.len() > period {
            for cell in period..values.len() {
                values[cell % period] += values[cell];
            }
            values.truncate(period);
        }
        Self { values, first }
    }

    /// The convolution with a grid that is reflected at both ends, again and again.
    fn smooth(&self, grid: &[f64]) -> Vec<f64> {
        let (cells, last) = (grid.len(), grid.len() as isize - 1);
        let reflected = |cell: isize| {
            let place = cell.rem_euclid(2 * last);
            grid[if place > last { 2 * last - place } else { place } as usize]
        };
        // What the first kernel value is multiplied with for the first point, to what the last is
        // for the last.
        let start = -self.first - self.values.len() as isize + 1;
        let around: Vec<f64> = (start..=last - self.first).map(reflected).collect();
        let mut smoothed = vec![0.0; cells];
        // One kernel value at a time over all the grid: the compiler makes vectors of it, and no
        // sum changes its order.
        for (weight, shift) in self.values.iter().zip((0..self.values.len()).rev()) {
            let shifted = &around[shift..];
            smoothed.iter_mut().zip(shifted).for_each(|(sum, value)| *sum += weight * value);
        }
        smoothed
    }
}

/// The value at `t` of `[0, 1]` between the points of a grid.
fn interpolate(grid: &[f64], t: f64) -> f64 {
    let position = t * (grid.len() - 1) as f64;
    let left = (position as usize).min(grid.len() - 2);
    let fraction = position - left as f64;
    grid[left] * (1.0 - fraction) + grid[left + 1] * fraction
}
