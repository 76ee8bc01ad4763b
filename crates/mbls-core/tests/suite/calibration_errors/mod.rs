//! Calibration errors in general: every norm, binning and target, errors that need every row, decompositions, resampling.

mod definitions;
mod properties;
mod published;
mod smooth;
mod state;

use mbls_core::metric::{Binning, Predictions, Target};
use proptest::prelude::*;

const BINNINGS: [Binning; 3] = [Binning::EqualWidth, Binning::EqualWidthCeil, Binning::EqualMass];
const TARGETS: [Target; 3] = [Target::TopLabel, Target::Classwise, Target::Thresholded { above: 0.125 }];

/// Rows of probabilities that are multiples of 1/64, so that ties, zeros, ones and probabilities on edges are common and plain
/// f64 arithmetic decides them exactly; a label each, and a shuffled order of the rows.
#[derive(Clone, Debug)]
struct Rows {
    classes: usize,
    rows: Vec<(Vec<f32>, u32)>,
    order: Vec<usize>,
}

impl Rows {
    fn predictions(&self, indices: &[usize]) -> Predictions<'static> {
        let probs: Vec<f32> = indices.iter().flat_map(|&i| self.rows[i].0.clone()).collect();
        let labels: Vec<u32> = indices.iter().map(|&i| self.rows[i].1).collect();
        Predictions::from_probs(&probs, self.classes, &labels).unwrap().into_owned()
    }

    fn all(&self) -> Predictions<'static> {
        self.predictions(&(0..self.rows.len()).collect::<Vec<_>>())
    }
}

fn rows() -> impl Strategy<Value = Rows> {
    (2usize..6, 1usize..50).prop_flat_map(|(classes, n)| {
        let row = (prop::collection::vec(0u8..=64, classes - 1), 0..classes as u32);
        let order = Just((0..n).collect::<Vec<_>>()).prop_shuffle();
        (prop::collection::vec(row, n), order).prop_map(move |(cuts, order)| {
            let row = |(mut cuts, label): (Vec<u8>, u32)| {
                cuts.extend([0, 64]);
                cuts.sort_unstable();
                (cuts.windows(2).map(|pair| f32::from(pair[1] - pair[0]) / 64.0).collect(), label)
            };
            Rows { classes, rows: cuts.into_iter().map(row).collect(), order }
        })
    })
}
