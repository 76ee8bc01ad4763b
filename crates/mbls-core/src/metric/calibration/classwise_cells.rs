//! Adds the probabilities of all classes to their bins. Most of them belong to the first bin.

use super::edges::Edges;
use crate::metric::exact::{Cell, unit_interval_units, unit_interval_units_by_parts};
use crate::metric::input::{GROUP, Predictions};
use crate::simd::for_each_machine;

/// Adds rows to cells `[classes, bins]`. The caller has checked that the number of rows fits.
pub(in crate::metric) fn add(cells: &mut [Cell], edges: &Edges, input: &Predictions) {
    let classes = input.classes();
    let mut adder = Adder::new(cells, edges, classes);
    let in_groups = input.for_each_group(|first, count, columns| {
        let labels = &input.labels()[first..first + count];
        if count == GROUP {
            adder.add_group(columns, labels);
        } else {
            let mut row = vec![0.0; classes];
            for (lane, &label) in labels.iter().enumerate() {
                row.iter_mut().zip(columns).for_each(|(p, column)| *p = column[lane]);
                adder.add_row(&row, label);
            }
        }
    });
    if !in_groups {
        for (row, &label) in input.labels().iter().enumerate() {
            adder.add_row(input.probs(row), label);
        }
    }
    adder.flush();
}

/// The number of lanes of the vectorised sums.
const LANES: usize = 8;

/// Adds the probabilities in the first bin of their class with vector instructions, and the others
/// one by one.
struct Adder<'a> {
    cells: &'a mut [Cell],
    edges: &'a Edges,
    bins: usize,
    /// The upper edge of the first bin.
    edge: f64,
    /// The number of rows that fit in a lane of the sums.
    capacity: usize,
    /// An upper bound on the rows in each lane since the last flush, and the rows of all lanes.
    taken: usize,
    rows: u64,
    /// Sums of probabilities in the first bin, in units of 2^-60: per class for single rows, and
    /// per class and lane for groups.
    row_sums: Vec<u64>,
    group_sums: Vec<[u64; GROUP]>,
    /// The number of probabilities in other bins since the last flush, per class.
    others: Vec<u64>,
    /// Probabilities above the first bin: class and probability for single rows; for groups, a bit
    /// mask of lanes per class.
    above: Vec<(u32, f64)>,
    lanes_above: Vec<[u8; 8]>,
}

impl<'a> Adder<'a> {
    fn new(cells: &'a mut [Cell], edges: &'a Edges, classes: usize) -> Self {
        let (_, edge) = edges.intervals().next().unwrap_or((0.0, 1.0));
        Self {
            bins: cells.len() / classes,
            cells,
            edges,
            edge,
            // This many probabilities of the first bin cannot overflow a 64-bit sum.
            capacity: (u64::MAX / unit_interval_units(edge).max(1)).min(1 << 20) as usize,
            taken: 0,
            rows: 0,
            row_sums: vec![0; classes],
            group_sums: vec![[0; GROUP]; classes],
            others: vec![0; classes],
            above: Vec::new(),
            lanes_above: vec![[0; 8]; classes.div_ceil(8)],
        }
    }

    fn add_row(&mut self, probs: &[f64], label: u32) {
        let mut above = std::mem::take(&mut self.above);
        add_row(probs, self.edge, &mut self.row_sums, &mut above);
        above.drain(..).for_each(|(class, p)| self.add_other(class as usize, p));
        self.above = above;
        self.add_label(label, probs[label as usize]);
        self.count(1);
    }

    /// Adds the rows of a full group, given as columns.
    fn add_group(&mut self, columns: &[[f64; GROUP]], labels: &[u32]) {
        add_columns(columns, self.edge, &mut self.group_sums, self.lanes_above.as_flattened_mut());
        // Process eight classes at once: a branch per class would often be mispredicted.
        for (word, columns) in columns.chunks(8).enumerate() {
            let mut lanes = u64::from_le_bytes(self.lanes_above[word]);
            while lanes != 0 {
                let bit = lanes.trailing_zeros() as usize;
                self.add_other(word * 8 + bit / GROUP, columns[bit / GROUP][bit % GROUP]);
                lanes &= lanes - 1;
            }
        }
        for (lane, &label) in labels.iter().enumerate() {
            self.add_label(label, columns[label as usize][lane]);
        }
        self.count(GROUP as u64);
    }

    /// Adds a probability above the first bin.
    fn add_other(&mut self, class: usize, probability: f64) {
        self.others[class] += 1;
        self.cells[class * self.bins + self.edges.bin(probability)].add(probability, false);
    }

    fn add_label(&mut self, label: u32, probability: f64) {
        self.cells[label as usize * self.bins + self.edges.bin(probability)].positive += 1;
    }

    fn count(&mut self, rows: u64) {
        self.rows += rows;
        self.taken += 1;
        if self.taken == self.capacity {
            self.flush();
        }
    }

    /// Adds the sums to the cells.
    fn flush(&mut self) {
        let sums = self.row_sums.iter_mut().zip(&mut self.group_sums).zip(&mut self.others);
        for (cell, ((row, group), others)) in self.cells.iter_mut().step_by(self.bins).zip(sums) {
            cell.count += self.rows - std::mem::take(others);
            cell.probability.add_units(std::mem::take(row));
            std::mem::take(group).into_iter().for_each(|sum| cell.probability.add_units(sum));
        }
        (self.taken, self.rows) = (0, 0);
    }
}

for_each_machine! {
    fn add_columns(columns: &[[f64; GROUP]], edge: f64, sums: &mut [[u64; GROUP]], lanes_above: &mut [u8])
        => add_columns_body
}

#[inline(always)]
fn add_columns_body(
    columns: &[[f64; GROUP]],
    edge: f64,
    sums: &mut [[u64; GROUP]],
    lanes_above: &mut [u8],
) {
    for ((column, sums), lanes_above) in columns.iter().zip(sums).zip(lanes_above) {
        let (column, mut new) = (*column, *sums);
        let mut above = 0;
        for lane in 0..GROUP {
            let (units, low) = low_units(column[lane], edge);
            new[lane] = new[lane].wrapping_add(units);
            above |= !low & (1 << lane);
        }
        (*sums, *lanes_above) = (new, above as u8);
    }
}

for_each_machine! {
    fn add_row(probs: &[f64], edge: f64, sums: &mut [u64], others: &mut Vec<(u32, f64)>) => add_row_body
}

#[inline(always)]
fn add_row_body(probs: &[f64], edge: f64, sums: &mut [u64], others: &mut Vec<(u32, f64)>) {
    let (chunks, tail) = probs.as_chunks::<LANES>();
    let (sums, last_sums) = sums.as_chunks_mut::<LANES>();
    for (index, (chunk, sums)) in chunks.iter().zip(sums).enumerate() {
        let mut above = 0;
        for lane in 0..LANES {
            let (units, low) = low_units(chunk[lane], edge);
            sums[lane] = sums[lane].wrapping_add(units);
            above |= !low;
        }
        if above != 0 {
            let above = chunk.iter().enumerate().filter(|(_, p)| **p > edge);
            others.extend(above.map(|(lane, &p)| ((index * LANES + lane) as u32, p)));
        }
    }
    for (lane, (&p, sum)) in tail.iter().zip(last_sums).enumerate() {
        *sum = sum.wrapping_add(low_units(p, edge).0);
        if p > edge {
            others.push(((chunks.len() * LANES + lane) as u32, p));
        }
    }
}

/// Returns [`unit_interval_units`] of a probability up to an edge, or 0 above it, and a mask with
/// all bits set for a probability up to the edge.
#[inline(always)]
fn low_units(probability: f64, edge: f64) -> (u64, u64) {
    let within = if probability <= edge { u64::MAX } else { 0 };
    (unit_interval_units_by_parts(probability) & within, within)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds the probabilities one by one.
    fn slow(cells: &mut [Cell], edges: &Edges, input: &Predictions) {
        let bins = cells.len() / input.classes();
        for row in 0..input.rows() {
            for (class, &p) in input.probs(row).iter().enumerate() {
                cells[class * bins + edges.bin(p)]
                    .add_units(unit_interval_units(p), class as u32 == input.label(row));
            }
        }
    }

    #[test]
    fn equals_adding_one_by_one() {
        for (classes, bins) in [(2, 1), (3, 2), (10, 15), (21, 15), (21, 1000), (64, 1), (65, 4)] {
            let rows = 300;
            let logits: Vec<f32> =
                (0..rows * classes).map(|i| ((i * 7919) % 1009) as f32 / 60.0).collect();
            let labels: Vec<u32> = (0..rows).map(|row| (row * 31 % classes) as u32).collect();
            let of_logits = Predictions::from_logits(&logits, classes, &labels).unwrap();
            let of_probs =
                Predictions::from_probs(of_logits.all_probs(), classes, &labels).unwrap();
            let edges = Edges::new(bins).unwrap();
            for input in [of_logits, of_probs] {
                let (mut found, mut expected) =
                    (vec![Cell::default(); classes * bins], vec![Cell::default(); classes * bins]);
                add(&mut found, &edges, &input);
                slow(&mut expected, &edges, &input);
                assert_eq!(found, expected, "{classes} classes, {bins} bins");
            }
        }
    }

    #[test]
    fn units_in_two_steps_are_those_in_one() {
        let mut p = 1.0f64;
        while p > 1e-25 {
            for p in [
                p,
                p * 0.5f64.next_up(),
                (p * 2f64.powi(60)).floor() * 2f64.powi(-60) + 2f64.powi(-61),
            ] {
                if p <= 1.0 {
                    assert_eq!(low_units(p, 1.0), (unit_interval_units(p), u64::MAX), "{p}");
                    assert_eq!(low_units(p, p.next_down()), (0, 0));
                }
            }
            p *= 0.999_3;
        }
        assert_eq!(low_units(0.0, 0.5), (0, u64::MAX));
    }
}
