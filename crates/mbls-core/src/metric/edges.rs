use crate::{Error, Result};

/// Equally wide bins of `[0, 1]`: bin `i` is `(edge_i, edge_{i+1}]`, and 0 belongs to the first.
///
/// The edges are those of `torch.linspace(0, 1, bins + 1)` in f32, which the published numbers were binned with: not `i / bins`
/// rounded to f32, from which 6 of 16 differ at 15 bins.
#[derive(Clone, Debug)]
pub(super) struct Edges(Vec<f64>);

/// The most bins a metric or a calibrator may have: a bound on what a saved state can make us allocate.
const MAX_BINS: usize = 1 << 16;

/// `bins`, where there may be so many.
pub(crate) fn check_bins(bins: usize) -> Result<usize> {
    if (1..=MAX_BINS).contains(&bins) {
        return Ok(bins);
    }
    Err(Error::Setting { name: "bins", value: bins.to_string(), expected: "from 1 to 65536" })
}

impl Edges {
    pub(super) fn new(bins: usize) -> Result<Self> {
        check_bins(bins)?;
        let step = (1.0 / bins as f64) as f32;
        let edge = |i: usize| {
            if i < bins.div_ceil(2) {
                step * i as f32
            } else {
                // From above, with a fused multiplication, as torch's kernel is compiled; f64 holds the product exactly.
                (1.0 - f64::from(step) * (bins - i) as f64) as f32
            }
        };
        Ok(Self((0..=bins).map(|i| f64::from(edge(i))).collect()))
    }

    /// The bin of a probability.
    #[inline]
    pub(super) fn bin(&self, probability: f64) -> usize {
        let last = self.0.len() - 2;
        // Edges lie within a rounding of `i / bins`: the guess is off by one at most. Without branches, which would be guessed wrong.
        let guess = ((probability * (last + 1) as f64) as usize).min(last);
        let below = (guess > 0) & (probability <= self.0[guess]);
        let above = (guess < last) & (probability > self.0[guess + 1]);
        guess - usize::from(below) + usize::from(above)
    }

    /// Lower and upper edge of each bin.
    pub(super) fn intervals(&self) -> impl Iterator<Item = (f64, f64)> {
        self.0.windows(2).map(|pair| (pair[0], pair[1]))
    }
}
