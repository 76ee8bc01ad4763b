//! Helpers shared by several of these tests: rows of logits for proptest, and straightforward
//! implementations of bin edges.

use proptest::prelude::*;
use std::ops::Range;

/// Rows with a label each, and a random order of the rows.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) classes: usize,
    pub(crate) rows: Vec<(Vec<f32>, u32)>,
    pub(crate) order: Vec<usize>,
}

/// Generates rows of logits that are multiples of `unit`, so ties are common.
pub(crate) fn logit_rows(
    classes: Range<usize>,
    rows: Range<usize>,
    multiples: Range<i16>,
    unit: f32,
) -> impl Strategy<Value = Rows> {
    (classes, rows).prop_flat_map(move |(classes, n)| {
        let logit = multiples.clone().prop_map(move |v| f32::from(v) * unit);
        let row = (prop::collection::vec(logit, classes), 0..classes as u32);
        let order = Just((0..n).collect::<Vec<_>>()).prop_shuffle();
        (prop::collection::vec(row, n), order).prop_map(move |(rows, order)| Rows {
            classes,
            rows,
            order,
        })
    })
}

impl Rows {
    /// Returns the scores of all rows, concatenated.
    pub(crate) fn scores(&self) -> Vec<f32> {
        self.rows.iter().flat_map(|(scores, _)| scores.iter().copied()).collect()
    }

    pub(crate) fn labels(&self) -> Vec<u32> {
        self.rows.iter().map(|(_, label)| *label).collect()
    }

    /// Returns the rows at `indices`, in that order.
    pub(crate) fn select(&self, indices: &[usize]) -> Self {
        Self { rows: indices.iter().map(|&i| self.rows[i].clone()).collect(), ..self.clone() }
    }
}

/// Computes `torch.linspace(0, 1, bins + 1)` in f32.
pub(crate) fn linspace(bins: usize) -> Vec<f64> {
    let step = 1.0 / bins as f32;
    let edge = |i: usize| {
        if i < bins.div_ceil(2) { step * i as f32 } else { (-step).mul_add((bins - i) as f32, 1.0) }
    };
    (0..=bins).map(|i| edge(i).into()).collect()
}

/// Computes edges with equally many values between them, by interpolation between neighbouring
/// values.
pub(crate) fn mass_edges(values: impl Iterator<Item = f64>, bins: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let edge = |k: usize| {
        let (index, rest) = (k * n / bins, (k * n % bins) as f64 / bins as f64);
        if index + 1 >= n {
            sorted[n - 1]
        } else {
            sorted[index] + rest * (sorted[index + 1] - sorted[index])
        }
    };
    (0..=bins).map(edge).collect()
}

/// Fails if a value differs from that of the slow implementation.
pub(crate) fn close(ours: f64, slow: f64) -> Result<(), TestCaseError> {
    prop_assert!((ours - slow).abs() < 1e-12, "{} instead of {}", ours, slow);
    Ok(())
}
