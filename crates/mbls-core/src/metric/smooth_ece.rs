use super::SortedTopLabels;
use serde::{Deserialize, Serialize};

/// Smooth calibration error, with the bandwidth at which it was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothEce {
    /// The error.
    pub value: f64,
    /// The bandwidth of the kernel, from 1/1024 to 1; about the error itself.
    pub bandwidth: f64,
    /// Number of rows.
    pub n: u64,
}

/// Steps of bisection for the bandwidth, from `(0, 1]`.
const STEPS: usize = 10;
/// Bandwidths below are taken without a look at the error.
const SMALLEST_BANDWIDTH: f64 = 1e-3;
/// What keeps a density from being 0.
const DENSITY_OFFSET: f64 = 1e-4;

impl SortedTopLabels {
    /// The smooth calibration error: of residuals `c_i - z_i` that a Gaussian kernel smooths along the confidence, instead of
    /// bins.
    ///
    /// At a bandwidth `s` it is `integral |r_s(t)| dt / integral d_s(t) dt`, where `r_s` is the sum of the residuals, each
    /// spread by a Gaussian of deviation `s` reflected at 0 and 1, and `d_s` the sum of as many Gaussians of weight 1. The
    /// bandwidth is the one that the error at it does not exceed, by ten steps of bisection: the error has no setting.
    ///
    /// Grids and steps are those of the authors' package relplot 1.0.3, whose values this gives. Takes `O(n)` and
    /// `O(1 / s^2)` per step.
    ///
    /// # References
    ///
    /// Blasiok and Nakkiran, Smooth ECE: Principled Reliability Diagrams via Kernel Smoothing, ICLR 2024 (arXiv 2309.12236),
    /// section 3.
    pub fn smooth_ece(&self) -> SmoothEce {
        let suffices = |bandwidth| bandwidth < SMALLEST_BANDWIDTH || bandwidth < self.smooth_ece_at(bandwidth);
        let (mut above, mut below) = (1.0, 0.0);
        if !suffices(above) {
            for _ in 0..STEPS {
                let middle = (above + below) / 2.0;
                if suffices(middle) {
                    below = middle;
                } else {
                    above = middle;
                }
            }
        }
        SmoothEce { value: self.smooth_ece_at(above), bandwidth: above, n: self.n() }
    }

    /// The error at a bandwidth from about 1/1000 to 1.
    fn smooth_ece_at(&self, bandwidth: f64) -> f64 {
        let points = ((10.0 / bandwidth).round_ties_even() as usize).max(200);
        let cells = ((20.0 / bandwidth).round_ties_even() as usize).max(2000) / 2 + 1;
        let kernel = Kernel::new(bandwidth, cells);
        let residual = |confidence: f64, correct| confidence - f64::from(u8::from(correct));
        let residuals = kernel.smooth(&self.on_grid(cells, residual));
        let densities = kernel.smooth(&self.on_grid(cells, |_, _| 1.0));
        let at = |i: usize| i as f64 / (points - 1) as f64;
        let residual: f64 = (0..points).map(|i| interpolate(&residuals, at(i)).abs()).sum();
        let density: f64 = (0..points).map(|i| interpolate(&densities, at(i)) + DENSITY_OFFSET).sum();
        residual / density
    }

    /// What every row weighs, on a grid of `cells` points from 0 to 1: split between the two points next to its confidence.
    fn on_grid(&self, cells: usize, weight: impl Fn(f64, bool) -> f64) -> Vec<f64> {
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

/// A Gaussian on a grid of [0, 1], centred at 1/2.
struct Kernel {
    values: Vec<f64>,
    /// The values that are not as good as 0.
    support: std::ops::Range<usize>,
}

impl Kernel {
    fn new(bandwidth: f64, cells: usize) -> Self {
        let value = |i: usize| {
            let t = i as f64 / (cells - 1) as f64 - 0.5;
            (-t * t / (2.0 * bandwidth * bandwidth)).exp() / ((2.0 * std::f64::consts::PI).sqrt() * bandwidth)
        };
        // Beyond ten deviations the kernel is below 1e-21 of its height.
        let reach = (10.0 * bandwidth * (cells - 1) as f64).ceil() as usize;
        let middle = cells / 2;
        let support = middle.saturating_sub(reach)..(middle + reach + 1).min(cells);
        Self { values: (0..cells).map(value).collect(), support }
    }

    /// The convolution with a grid of as many values, reflected at both ends.
    fn smooth(&self, grid: &[f64]) -> Vec<f64> {
        let last = grid.len() - 1;
        let mut reflected: Vec<f64> = grid[1..].iter().rev().copied().collect();
        reflected.extend_from_slice(grid);
        reflected.extend(grid[..last].iter().rev());
        // An even number of cells has no middle: relplot takes the upper of the two, which shifts by half a cell.
        let middle = grid.len() / 2;
        let at = |k: usize| -> f64 {
            let start = last + k + middle;
            self.support.clone().map(|i| self.values[i] * reflected[start - i]).sum()
        };
        (0..grid.len()).map(at).collect()
    }
}

/// The value at `t` of `[0, 1]` between the points of a grid.
fn interpolate(grid: &[f64], t: f64) -> f64 {
    let position = t * (grid.len() - 1) as f64;
    let left = (position as usize).min(grid.len() - 2);
    let fraction = position - left as f64;
    grid[left] * (1.0 - fraction) + grid[left + 1] * fraction
}
