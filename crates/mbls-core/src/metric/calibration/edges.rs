use crate::{Error, Result};

/// Equally wide bins of `[0, 1]`: bin `i` is `(edge_i, edge_{i+1}]`, and 0 belongs to the first.
///
/// The edges are those of `torch.linspace(0, 1, bins + 1)` in f32, which the published numbers were
/// binned with: not `i / bins` rounded to f32, from which 6 of 16 differ at 15 bins.
#[derive(Clone, Debug)]
pub(in crate::metric) struct Edges(Vec<f64>);

/// The most bins a metric or a calibrator may have: a bound on what a saved state can make us
/// allocate.
const MAX_BINS: usize = 1 << 16;

/// `bins`, where there may be so many.
pub(crate) fn check_bins(bins: usize) -> Result<usize> {
    if (1..=MAX_BINS).contains(&bins) {
        return Ok(bins);
    }
    Err(Error::Setting { name: "bins", value: bins.to_string(), expected: "from 1 to 65536" })
}

impl Edges {
    pub(in crate::metric) fn new(bins: usize) -> Result<Self> {
        check_bins(bins)?;
        let step = (1.0 / bins as f64) as f32;
        let edge = |i: usize| {
            if i < bins.div_ceil(2) {
                step * i as f32
            } else {
                // From above, with a fused multiplication, as torch's kernel is compiled; f64 holds
                // the product exactly.
                (1.0 - f64::from(step) * (bins - i) as f64) as f32
            }
        };
        Ok(Self((0..=bins).map(|i| f64::from(edge(i))).collect()))
    }

    /// Bytes that are allocated.
    pub(in crate::metric) fn size(&self) -> usize {
        self.0.capacity() * size_of::<f64>()
    }

    #[inline]
    pub(in crate::metric) fn bin(&self, probability: f64) -> usize {
        // Adding it leaves the nearest integer in the low bits of the mantissa.
        const ROUND: f64 = 4_503_599_627_370_496.0; // 2^52
        let bins = self.0.len() - 1;
        // Edges lie within 1e-7 of `i / bins`: the nearest is the lower edge of the bin or the
        // upper one. Without branches, which would be guessed wrong.
        let nearest = ((probability * bins as f64 + ROUND).to_bits() as u32 as usize).min(bins);
        nearest.saturating_sub(usize::from(probability <= self.0[nearest])).min(bins - 1)
    }

    /// The lower edge of a bin.
    pub(in crate::metric) fn lower(&self, bin: usize) -> f64 {
        self.0[bin]
    }

    /// Lower and upper edge of each bin.
    pub(in crate::metric) fn intervals(&self) -> impl Iterator<Item = (f64, f64)> {
        self.0.windows(2).map(|pair| (pair[0], pair[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::Edges;

    #[test]
    fn bins_are_those_of_a_search() {
        for bins in [1, 2, 3, 7, 15, 16, 100, 1023, 65_535, 65_536] {
            let edges = Edges::new(bins).unwrap();
            let middles = edges.0.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0);
            let around = edges.0.iter().flat_map(|&edge| [edge.next_down(), edge, edge.next_up()]);
            let odd = (0..=10_007).map(|i| f64::from(i) / 10_007.0);
            for p in middles
                .chain(around)
                .chain(odd)
                .chain([f64::MIN_POSITIVE])
                .filter(|p| (0.0..=1.0).contains(p))
            {
                let expected = edges.0[1..].partition_point(|upper| *upper < p);
                assert_eq!(edges.bin(p), expected, "{p} in {bins} bins");
            }
        }
    }
}
