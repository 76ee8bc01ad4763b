//! Bins of equally many samples, of samples in any order: no more of them is sorted than the edges need.

use super::AdaptiveConvention;
use super::cell::Cell;
use super::fixed_sum::{unit_interval_units, units_to_f64};
use super::reliability::Reliability;
use super::samples::Sample;
use rayon::prelude::*;

/// The samples whose confidence is in `(lower, upper]`.
pub(super) struct EqualMassBin {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) cell: Cell,
}

/// Samples a task.
const TASK: usize = 1 << 15;

/// The bins of samples, at least one, by rising confidence; the samples change their order.
///
/// Edges and confidences are compared in units of `2^-60 / bins`, in which both are integers. By the default convention the
/// lowest confidence, which is the lower edge of the first bin, is in it.
pub(super) fn equal_mass_bins(
    samples: &mut [Sample],
    bins: usize,
    convention: AdaptiveConvention,
) -> Vec<EqualMassBin> {
    let edges = edges(samples, bins, convention);
    // A sample is above an edge where it is above the last confidence that is not.
    let last_within: Vec<u64> = edges.iter().map(|edge| (edge / bins as u128) as u64).collect();
    let (lowest, upper) = match convention {
        AdaptiveConvention::Default => (None, &last_within[1..]),
        AdaptiveConvention::Reference => (Some(last_within[0]), &last_within[1..]),
    };
    let add = |samples: &[Sample]| {
        let mut cells = vec![Cell::default(); bins];
        for &sample in samples {
            let bin = upper.partition_point(|last| *last < sample.units());
            if let Some(cell) = cells.get_mut(bin)
                && lowest.is_none_or(|lowest| sample.units() > lowest)
            {
                cell.add_sample(sample);
            }
        }
        cells
    };
    let merge = |mut cells: Vec<Cell>, others: Vec<Cell>| {
        cells.iter_mut().zip(&others).for_each(|(cell, other)| cell.add_cell(other));
        cells
    };
    let cells = samples.par_chunks(TASK).map(add).reduce(|| vec![Cell::default(); bins], merge);
    let to_f64 = |edge: u128| units_to_f64(edge) / bins as f64;
    let intervals = edges.windows(2).map(|pair| (to_f64(pair[0]), to_f64(pair[1])));
    intervals.zip(cells).map(|((lower, upper), cell)| EqualMassBin { lower, upper, cell }).collect()
}

/// The diagram of samples, at least one, in bins of equal mass by the default convention.
pub(super) fn equal_mass_reliability(samples: &mut [Sample], bins: usize) -> Reliability {
    let bins = equal_mass_bins(samples, bins, AdaptiveConvention::Default);
    let (intervals, cells): (Vec<(f64, f64)>, Vec<Cell>) =
        bins.into_iter().map(|bin| ((bin.lower, bin.upper), bin.cell)).unzip();
    Reliability::of_cells(intervals, &cells)
}

/// The edges, one more than bins: the confidences at positions `k n / bins` of the sorted samples, between two of them by linear
/// interpolation. Exactly: in floats the position itself would be rounded, and the edge would miss the confidence it should be
/// equal to.
fn edges(samples: &mut [Sample], bins: usize, convention: AdaptiveConvention) -> Vec<u128> {
    let (n, bins) = (samples.len(), bins as u128);
    let position = |k: u128| ((k * n as u128 / bins) as usize, k * n as u128 % bins);
    let mut needed: Vec<usize> = (0..=bins).flat_map(|k| [position(k).0, position(k).0 + 1]).collect();
    needed.iter_mut().for_each(|index| *index = (*index).min(n - 1));
    needed.sort_unstable();
    needed.dedup();
    select(samples, &needed, 0);
    let confidence = |index: usize| u128::from(samples[index].units()) * bins;
    let exact = |k: u128| {
        let (index, rest) = position(k);
        if index + 1 >= n {
            return confidence(n - 1);
        }
        let (low, high) = (confidence(index), confidence(index + 1));
        low + (high - low) / bins * rest
    };
    let edge = |k: u128| match convention {
        AdaptiveConvention::Default => exact(k),
        AdaptiveConvention::Reference => {
            let rounded = (units_to_f64(exact(k)) / bins as f64) as f32;
            u128::from(unit_interval_units(rounded.into())) * bins
        }
    };
    (0..=bins).map(edge).collect()
}

/// Puts the samples at `indices`, rising and counted from `offset`, where sorting would.
fn select(samples: &mut [Sample], indices: &[usize], offset: usize) {
    let middle = indices.len() / 2;
    let Some(&index) = indices.get(middle) else { return };
    let length = samples.len();
    let (left, _, right) = samples.select_nth_unstable(index - offset);
    let mut left = || select(left, &indices[..middle], offset);
    let mut right = || select(right, &indices[middle + 1..], index + 1);
    if length > TASK {
        rayon::join(left, right);
    } else {
        left();
        right();
    }
}
