//! Bins of equal mass for samples in any order. Samples are not sorted but counted by their leading
//! bits.

use super::adaptive_convention::AdaptiveConvention;
use super::reliability::Reliability;
use crate::metric::exact::{Cell, Sample, Tally, unit_interval_units, units_to_f64};
use rayon::prelude::*;

/// The samples whose confidence is in `(lower, upper]`.
pub(in crate::metric) struct EqualMassBin {
    pub(in crate::metric) lower: f64,
    pub(in crate::metric) upper: f64,
    pub(in crate::metric) cell: Cell,
}

/// Samples per task.
const TASK: usize = 1 << 16;

/// The number of low bits that counting ignores, of the sample's units of 2^-60.
const SHIFT: u32 = 49;

/// The number of buckets of samples with the same leading bits. The last one is for confidence 1.
const BUCKETS: usize = (1 << (60 - SHIFT)) + 1;

fn bucket(sample: Sample) -> usize {
    (sample.units() >> SHIFT) as usize
}

/// Returns the non-empty bins of the samples in ascending order of confidence. There is at least
/// one sample.
///
/// Edges and confidences are compared in units of `2^-60 / bins`, in which both are integers. In
/// the default convention the lowest confidence, which is the lower edge of the first bin, belongs
/// to that bin.
pub(in crate::metric) fn equal_mass_bins(
    samples: &[Sample],
    bins: usize,
    convention: AdaptiveConvention,
) -> Vec<EqualMassBin> {
    let edges = edges(samples, bins, convention);
    // In the default convention the first bin has no lower edge, so every sample belongs to a bin.
    let first = match convention {
        AdaptiveConvention::Definition => 1,
        AdaptiveConvention::Reference => 0,
    };
    let intervals = Intervals::new(&edges[first..], bins, samples.len());
    let add = |samples: &[Sample]| {
        let mut cells = vec![Cell::default(); bins + 2];
        for samples in samples.chunks(Tally::MOST) {
            let mut tallies = vec![Tally::default(); bins + 2];
            samples.iter().for_each(|&sample| tallies[intervals.of(sample)].add_sample(sample));
            cells.iter_mut().zip(tallies).for_each(|(cell, tally)| tally.add_to(cell));
        }
        cells
    };
    // Tasks are larger if there are many bins, so the cells need less memory than the samples.
    let tasks: Vec<Vec<Cell>> = samples.par_chunks(TASK.max(8 * bins)).map(add).collect();
    let mut cells = vec![Cell::default(); bins + 2];
    for task in tasks {
        cells.iter_mut().zip(task).for_each(|(cell, other)| cell.add_cell(&other));
    }
    let cells = cells.into_iter().skip(1 - first);
    let to_f64 = |edge: u128| units_to_f64(edge) / bins as f64;
    let intervals = edges.windows(2).map(|pair| (to_f64(pair[0]), to_f64(pair[1])));
    intervals.zip(cells).map(|((lower, upper), cell)| EqualMassBin { lower, upper, cell }).collect()
}

/// Returns the diagram of at least one sample in bins of equal mass, in the default convention.
pub(in crate::metric) fn equal_mass_reliability(samples: &[Sample], bins: usize) -> Reliability {
    let bins = equal_mass_bins(samples, bins, AdaptiveConvention::Definition);
    let (intervals, cells): (Vec<(f64, f64)>, Vec<Cell>) =
        bins.into_iter().map(|bin| ((bin.lower, bin.upper), bin.cell)).unzip();
    Reliability::of_cells(intervals, &cells)
}

/// Finds the interval between edges that contains a sample.
struct Intervals {
    /// For each edge, the largest number of units that is not above it.
    within: Vec<u64>,
    /// For each bucket, its interval if the whole bucket is in one, otherwise
    /// [`MIXED`](Self::MIXED). Empty if there are too few samples for a table to pay off.
    buckets: Vec<u32>,
}

impl Intervals {
    const MIXED: u32 = u32::MAX;

    fn new(edges: &[u128], bins: usize, samples: usize) -> Self {
        // A sample is above an edge if it is above the largest confidence that is not.
        let within = edges.iter().map(|edge| (edge / bins as u128) as u64).collect();
        let mut intervals = Self { within, buckets: Vec::new() };
        let of_bucket = |bucket: u64| {
            let ends =
                [bucket << SHIFT, ((bucket + 1) << SHIFT) - 1].map(|units| intervals.search(units));
            if ends[0] == ends[1] { ends[0] as u32 } else { Self::MIXED }
        };
        if samples > 4 * BUCKETS {
            intervals.buckets = (0..BUCKETS as u64).map(of_bucket).collect();
        }
        intervals
    }

    /// Returns the number of edges that are below a sample.
    fn of(&self, sample: Sample) -> usize {
        match self.buckets.get(bucket(sample)) {
            None | Some(&Self::MIXED) => self.search(sample.units()),
            Some(&interval) => interval as usize,
        }
    }

    fn search(&self, units: u64) -> usize {
        self.within.partition_point(|within| *within < units)
    }
}

/// Returns the edges, one more than there are bins: the confidences at positions `k n / bins` of
/// the sorted samples, with linear interpolation. The computation is exact: in floating point the
/// position would be rounded, and the edge would differ from a confidence it should be equal to.
fn edges(samples: &[Sample], bins: usize, convention: AdaptiveConvention) -> Vec<u128> {
    let (n, bins) = (samples.len(), bins as u128);
    let position = |k: u128| ((k * n as u128 / bins) as usize, k * n as u128 % bins);
    let mut needed: Vec<usize> =
        (0..=bins).flat_map(|k| [position(k).0, position(k).0 + 1]).collect();
    needed.iter_mut().for_each(|index| *index = (*index).min(n - 1));
    needed.sort_unstable();
    needed.dedup();
    let found = order_statistics(samples, &needed);
    let confidence = |index: usize| {
        let at = needed.partition_point(|needed| *needed < index);
        u128::from(found[at].units()) * bins
    };
    let exact = |k: u128| {
        let (index, rest) = position(k);
        if index + 1 >= n {
            return confidence(n - 1);
        }
        let (low, high) = (confidence(index), confidence(index + 1));
        low + (high - low) / bins * rest
    };
    let edge = |k: u128| match convention {
        AdaptiveConvention::Definition => exact(k),
        AdaptiveConvention::Reference => {
            let rounded = (units_to_f64(exact(k)) / bins as f64) as f32;
            u128::from(unit_interval_units(rounded.into())) * bins
        }
    };
    (0..=bins).map(edge).collect()
}

/// Returns the samples that sorting would place at `indices`, which are in ascending order.
fn order_statistics(samples: &[Sample], indices: &[usize]) -> Vec<Sample> {
    let count = |samples: &[Sample]| {
        let mut counts = vec![0usize; BUCKETS];
        samples.iter().for_each(|&sample| counts[bucket(sample)] += 1);
        counts
    };
    let counts: Vec<Vec<usize>> = samples.par_chunks(TASK).map(count).collect();
    // The position of each bucket's first sample, and the buckets that are needed together with the
    // indices in them.
    let (mut first, mut rest) = (0, indices);
    let mut needed = vec![None; BUCKETS];
    let mut groups = Vec::new();
    for (bucket, needed) in needed.iter_mut().enumerate() {
        let end = first + counts.iter().map(|counts| counts[bucket]).sum::<usize>();
        let (inside, after) = rest.split_at(rest.partition_point(|index| *index < end));
        if !inside.is_empty() {
            *needed = Some(groups.len());
            groups.push((Vec::with_capacity(end - first), inside, first));
        }
        (first, rest) = (end, after);
    }
    for &sample in samples {
        if let Some(group) = needed[bucket(sample)] {
            groups[group].0.push(sample);
        }
    }
    let found = groups.into_par_iter().flat_map_iter(|(mut samples, indices, first)| {
        select(&mut samples, indices, first);
        indices.iter().map(|index| samples[index - first]).collect::<Vec<_>>()
    });
    found.collect()
}

/// Moves the samples at `indices` to their sorted positions. The indices are in ascending order and
/// counted from `offset`.
fn select(samples: &mut [Sample], indices: &[usize], offset: usize) {
    let middle = indices.len() / 2;
    let Some(&index) = indices.get(middle) else { return };
    let (left, _, right) = samples.select_nth_unstable(index - offset);
    select(left, &indices[..middle], offset);
    select(right, &indices[middle + 1..], index + 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A direct implementation of the definition: sorts the samples and represents each edge as a
    /// fraction of units.
    fn slow(
        samples: &[Sample],
        bins: usize,
        convention: AdaptiveConvention,
    ) -> Vec<(u64, u64, u128)> {
        let mut sorted: Vec<Sample> = samples.to_vec();
        sorted.sort_unstable();
        let units = |index: usize| u128::from(sorted[index.min(sorted.len() - 1)].units());
        let edge = |k: usize| {
            let (index, rest) = (k * sorted.len() / bins, k * sorted.len() % bins);
            let exact =
                units(index) * bins as u128 + (units(index + 1) - units(index)) * rest as u128;
            match convention {
                AdaptiveConvention::Definition => exact,
                AdaptiveConvention::Reference => {
                    let rounded = (units_to_f64(exact) / bins as f64) as f32;
                    u128::from(unit_interval_units(rounded.into())) * bins as u128
                }
            }
        };
        let first = convention == AdaptiveConvention::Definition;
        let bin = |k: usize| {
            let inside = |sample: &&Sample| {
                let units = u128::from(sample.units()) * bins as u128;
                (units > edge(k) || (first && k == 0)) && units <= edge(k + 1)
            };
            let inside: Vec<&Sample> = sorted.iter().filter(inside).collect();
            let correct = inside.iter().filter(|sample| sample.correct()).count();
            (
                inside.len() as u64,
                correct as u64,
                inside.iter().map(|sample| u128::from(sample.units())).sum(),
            )
        };
        (0..bins).map(bin).collect()
    }

    #[test]
    fn bins_are_those_of_sorted_samples() {
        for (n, bins) in [(1, 3), (7, 15), (400, 15), (20_000, 15), (20_000, 1), (9_000, 40)] {
            // Many of the samples are tied, in the middle and at 1.
            let confidence = |i: usize| match i % 4 {
                0 => 1.0,
                1 => 0.625,
                _ => ((i * 7919) % 10_007) as f64 / 10_007.0,
            };
            let samples: Vec<Sample> =
                (0..n).map(|i| Sample::new(confidence(i), i % 3 == 0)).collect();
            for convention in [AdaptiveConvention::Definition, AdaptiveConvention::Reference] {
                let found = equal_mass_bins(&samples, bins, convention).into_iter().map(|bin| {
                    let cell = bin.cell;
                    (cell.count, cell.positive, cell.probability.units() as u128)
                });
                assert_eq!(
                    found.collect::<Vec<_>>(),
                    slow(&samples, bins, convention),
                    "{n} samples, {bins} bins"
                );
            }
        }
    }
}
