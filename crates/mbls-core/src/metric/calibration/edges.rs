use crate::{Error, Result};

/// Bins of equal width on `[0, 1]`: bin `i` is `(edge_i, edge_{i+1}]`, and 0 belongs to the first
/// bin.
///
/// The edges are those of `torch.linspace(0, 1, bins + 1)` in f32, which published results use.
/// They are not `i / bins` rounded to f32: at 15 bins, 6 of the 16 edges differ.
#[derive(Clone, Debug)]
pub(in crate::metric) struct Edges(Vec<f64>);

/// The maximum number of bins of a metric or a calibrator. It bounds the memory that reading a
/// saved state can allocate.
const MAX_BINS: usize = 1 << 16;

/// Returns `bins` if this number of bins is allowed.
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
                // From the upper end, with a fused multiply-add, as torch's kernel is compiled; f64
                // represents the product exactly.
                (1.0 - f64::from(step) * (bins - i) as f64) as f32
            }
        };
        Ok(Self((0..=bins).map(|i| f64::from(edge(i))).collect()))
    }

    /// Returns the allocated memory in bytes.
    pub(in crate::metric) fn size(&self) -> usize {
        self.0.capacity() * size_of::<f64>()
    }

    #[inline]
    pub(in crate::metric) fn bin(&self, probability: f64) -> usize {
        // Adding this constant leaves the nearest integer in the low bits of the mantissa.
        const ROUND: f64 = 4_503_599_627_370_496.0; // 2^52
        let bins = self.0.len() - 1;
        // Edges are within 1e-7 of `i / bins`, so the nearest edge is the lower or the upper edge
        // of the bin. The code has no branches, because they would often be mispredicted.
        let nearest = ((probability * bins as f64 + ROUND).to_bits() as u32 as usize).min(bins);
        nearest.saturating_sub(usize::from(probability <= self.0[nearest])).min(bins - 1)
    }

    /// Returns the lower edge of a bin.
    pub(in crate::metric) fn lower(&self, bin: usize) -> f64 {
        self.0[bin]
    }

    /// Returns the lower and upper edge of each bin.
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
