use super::AdaptiveConvention;
use super::cell::Cell;
use super::fixed_sum::{unit_interval_units, units_to_f64};
use super::reliability::Reliability;
use super::samples::Sample;

/// Sorted samples, at least one, in bins of equally many.
///
/// Edges and confidences are compared in units of `2^-60 / bins`, in which both are integers.
pub(super) struct EqualMassBins<'a> {
    samples: &'a [Sample],
    bins: u128,
    convention: AdaptiveConvention,
}

/// One bin: the samples whose confidence is in `(lower, upper]`.
pub(super) struct EqualMassBin<'a> {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) samples: &'a [Sample],
}

impl<'a> EqualMassBins<'a> {
    pub(super) fn new(samples: &'a [Sample], bins: usize, convention: AdaptiveConvention) -> Self {
        Self { samples, bins: bins as u128, convention }
    }

    /// The bins, by rising confidence.
    pub(super) fn iter(&self) -> impl Iterator<Item = EqualMassBin<'a>> {
        let mut lower = self.edge(0);
        let mut start = match self.convention {
            AdaptiveConvention::Default => 0,
            AdaptiveConvention::Reference => self.first_above(lower),
        };
        (1..=self.bins).map(move |k| {
            let upper = self.edge(k);
            // Edges never fall: a bin that ends where it starts is empty.
            let end = self.first_above(upper).max(start);
            let bin = EqualMassBin {
                lower: self.to_f64(lower),
                upper: self.to_f64(upper),
                samples: &self.samples[start..end],
            };
            (lower, start) = (upper, end);
            bin
        })
    }

    /// The diagram of these bins; the lowest confidence is the lower edge of the first, and in it by the default convention.
    pub(super) fn reliability(&self) -> Reliability {
        let of_bin = |bin: EqualMassBin<'_>| {
            let mut cell = Cell::default();
            bin.samples.iter().for_each(|&sample| cell.add_sample(sample));
            ((bin.lower, bin.upper), cell)
        };
        let (intervals, cells): (Vec<(f64, f64)>, Vec<Cell>) = self.iter().map(of_bin).unzip();
        Reliability::of_cells(intervals, &cells)
    }

    fn edge(&self, k: u128) -> u128 {
        match self.convention {
            AdaptiveConvention::Default => self.exact_edge(k),
            AdaptiveConvention::Reference => {
                let rounded = self.to_f64(self.exact_edge(k)) as f32;
                u128::from(unit_interval_units(rounded.into())) * self.bins
            }
        }
    }

    /// The confidence at position `k n / bins`, exactly: in floats the position itself would be rounded, and the edge would
    /// miss the confidence it should be equal to.
    fn exact_edge(&self, k: u128) -> u128 {
        let n = self.samples.len();
        let position = k * n as u128;
        let (index, rest) = ((position / self.bins) as usize, position % self.bins);
        if index + 1 >= n {
            return self.confidence(n - 1);
        }
        let (low, high) = (self.confidence(index), self.confidence(index + 1));
        low + (high - low) / self.bins * rest
    }

    fn confidence(&self, index: usize) -> u128 {
        u128::from(self.samples[index].units()) * self.bins
    }

    fn to_f64(&self, edge: u128) -> f64 {
        units_to_f64(edge) / self.bins as f64
    }

    /// The first sample whose confidence is above an edge.
    fn first_above(&self, edge: u128) -> usize {
        self.samples.partition_point(|sample| u128::from(sample.units()) * self.bins <= edge)
    }
}
