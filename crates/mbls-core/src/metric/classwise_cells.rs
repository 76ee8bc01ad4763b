//! Adds the probabilities of all classes to their bins, most of which are in the first.

use super::Predictions;
use super::cell::Cell;
use super::edges::Edges;
use super::fixed_sum::unit_interval_units;
use crate::simd::for_each_machine;

const LANES: usize = 8;

/// Adds rows to cells `[classes, bins]`; the caller has checked that their number fits.
pub(super) fn add(cells: &mut [Cell], edges: &Edges, input: &Predictions) {
    let bins = cells.len() / input.classes();
    let (_, low) = edges.intervals().next().unwrap_or((0.0, 1.0));
    // So many of the first bin's probabilities cannot overflow a sum of 64 bits.
    let group = (u64::MAX / unit_interval_units(low).max(1)).min(1 << 20) as usize;
    let mut first = FirstBins { edge: low, sums: vec![0; input.classes()], others: Vec::new() };
    let mut rows = 0..input.rows();
    while !rows.is_empty() {
        let count = group.min(rows.len());
        for row in rows.by_ref().take(count) {
            first.add(input.probs(row));
            let label = input.label(row) as usize;
            cells[label * bins + edges.bin(input.probs(row)[label])].positive += 1;
        }
        for (cell, sum) in cells.iter_mut().step_by(bins).zip(&mut first.sums) {
            cell.count += count as u64;
            cell.probability.add_units(std::mem::take(sum));
        }
        for (class, probability) in first.others.drain(..) {
            let class = &mut cells[class as usize * bins..][..bins];
            class[0].count -= 1;
            class[edges.bin(probability)].add_units(unit_interval_units(probability), false);
        }
    }
}

/// Sums of the probabilities that lie in the first bin of their class, and the others.
struct FirstBins {
    edge: f64,
    /// Per class, in units of 2^-60.
    sums: Vec<u64>,
    /// Class and probability.
    others: Vec<(u32, f64)>,
}

impl FirstBins {
    fn add(&mut self, probs: &[f64]) {
        add_row(probs, self);
    }
}

for_each_machine! {
    fn add_row(probs: &[f64], first: &mut FirstBins) => add_row_body
}

#[inline(always)]
fn add_row_body(probs: &[f64], first: &mut FirstBins) {
    let (chunks, tail) = probs.as_chunks::<LANES>();
    let (sums, last_sums) = first.sums.as_chunks_mut::<LANES>();
    for (index, (chunk, sums)) in chunks.iter().zip(sums).enumerate() {
        let mut all_low = true;
        for lane in 0..LANES {
            let low = chunk[lane] <= first.edge;
            sums[lane] = sums[lane].wrapping_add(if low { unit_interval_units(chunk[lane]) } else { 0 });
            all_low &= low;
        }
        if !all_low {
            let others = chunk.iter().enumerate().filter(|(_, p)| **p > first.edge);
            first.others.extend(others.map(|(lane, &p)| ((index * LANES + lane) as u32, p)));
        }
    }
    for (lane, (&p, sum)) in tail.iter().zip(last_sums).enumerate() {
        if p <= first.edge {
            *sum = sum.wrapping_add(unit_interval_units(p));
        } else {
            first.others.push(((chunks.len() * LANES + lane) as u32, p));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probability by probability.
    fn slow(cells: &mut [Cell], edges: &Edges, input: &Predictions) {
        let bins = cells.len() / input.classes();
        for row in 0..input.rows() {
            for (class, &p) in input.probs(row).iter().enumerate() {
                cells[class * bins + edges.bin(p)].add_units(unit_interval_units(p), class as u32 == input.label(row));
            }
        }
    }

    #[test]
    fn equals_adding_one_by_one() {
        for (classes, bins) in [(2, 1), (3, 2), (10, 15), (21, 15), (21, 1000), (65, 4)] {
            let rows = 300;
            let logits: Vec<f32> = (0..rows * classes).map(|i| ((i * 7919) % 1009) as f32 / 60.0).collect();
            let labels: Vec<u32> = (0..rows).map(|row| (row * 31 % classes) as u32).collect();
            let input = Predictions::from_logits(&logits, classes, &labels).unwrap();
            let edges = Edges::new(bins).unwrap();
            let (mut found, mut expected) =
                (vec![Cell::default(); classes * bins], vec![Cell::default(); classes * bins]);
            add(&mut found, &edges, &input);
            slow(&mut expected, &edges, &input);
            assert_eq!(found, expected, "{classes} classes, {bins} bins");
        }
    }
}
