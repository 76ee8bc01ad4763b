//! General calibration errors: every norm, binning and target, errors that need every row,
//! decompositions, resampling.

mod definitions;
mod properties;
mod published;
mod smooth;
mod state;

use crate::support::Rows;
use mbls_core::metric::{Binning, Predictions, Target};
use proptest::prelude::*;

const BINNINGS: [Binning; 3] = [Binning::EqualWidth, Binning::EqualWidthCeil, Binning::EqualMass];
const TARGETS: [Target; 3] =
    [Target::TopLabel, Target::Classwise, Target::Thresholded { above: 0.125 }];

fn predictions(rows: &Rows) -> Predictions<'static> {
    Predictions::from_probs(&rows.scores(), rows.classes, &rows.labels()).unwrap().into_owned()
}

/// Generates rows of probabilities that are multiples of 1/64, so ties, zeros, ones and
/// probabilities on edges are common, and plain f64 arithmetic is exact for them.
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
