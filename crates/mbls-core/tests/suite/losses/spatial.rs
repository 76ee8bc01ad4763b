//! Losses that use neighbours, compared with slow implementations, with ignored positions and in
//! one to three dimensions.

use super::{Evaluated, flat, logits, spatial};
use candle_core::{DType, Device, Tensor};
use mbls_core::Error;
use mbls_core::loss::{LogitBatch, LossSpec, NeighbourNorm};
use proptest::prelude::*;

const IGNORED: u32 = 9;
const CLASSES: usize = 3;

/// A label map of N images or volumes.
#[derive(Clone, Debug)]
struct Map {
    dims: Vec<usize>,
    labels: Vec<u32>,
}

impl Map {
    fn coordinates(&self, mut index: usize) -> Vec<usize> {
        let mut coordinates: Vec<usize> =
            self.dims.iter().rev().map(|dim| (index % dim, index /= dim).0).collect();
        coordinates.reverse();
        coordinates
    }

    fn label(&self, coordinates: &[usize]) -> u32 {
        self.labels[coordinates.iter().zip(&self.dims).fold(0, |index, (c, dim)| index * dim + c)]
    }

    /// Squared distances and labels of the window around a position; an ignored position counts as
    /// the centre.
    fn window(&self, index: usize) -> Vec<(f64, usize)> {
        let here = self.coordinates(index);
        let mut windows = vec![(0.0, vec![here[0]])];
        for (c, dim) in here.iter().zip(&self.dims).skip(1) {
            windows = windows
                .into_iter()
                .flat_map(|(square, start)| {
                    [-1isize, 0, 1].map(|step| {
                        let next = (*c as isize + step).clamp(0, *dim as isize - 1) as usize;
                        (square + (step * step) as f64, [start.clone(), vec![next]].concat())
                    })
                })
                .collect();
        }
        let own = self.label(&here);
        let label = |at: &[usize]| if self.label(at) == IGNORED { own } else { self.label(at) };
        windows.into_iter().map(|(square, at)| (square, label(&at) as usize)).collect()
    }
}

fn log_softmax(row: &[f64]) -> Vec<f64> {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|l| (l - max).exp()).sum();
    row.iter().map(|l| l - max - sum.ln()).collect()
}

fn expected(spec: &LossSpec, row: &[f64], label: usize, window: &[(f64, usize)]) -> f64 {
    let log_probs = log_softmax(row);
    match *spec {
        LossSpec::SpatialLabelSmoothing { sigma } => {
            let gaussian = |square: f64| (-square / (2.0 * sigma * sigma)).exp();
            let neighbours = window.iter().filter(|(square, _)| *square > 0.0);
            let total: f64 = neighbours.clone().map(|(square, _)| gaussian(*square)).sum();
            let smoothed: f64 =
                neighbours.map(|(square, k)| gaussian(*square) / total * log_probs[*k]).sum();
            -(log_probs[label] + smoothed) / 2.0
        }
        LossSpec::NeighbourPenalty { alpha, norm } => {
            let distance = |k: usize| {
                let share = window.iter().filter(|(_, label)| *label == k).count() as f64
                    / window.len() as f64;
                if norm == NeighbourNorm::L1 {
                    (share - row[k]).abs()
                } else {
                    (share - row[k]).powi(2)
                }
            };
            -log_probs[label] + alpha * (0..CLASSES).map(distance).sum::<f64>() / CLASSES as f64
        }
        ref other => panic!("{other:?} looks at no neighbours"),
    }
}

fn maps() -> impl Strategy<Value = Map> {
    let label = prop_oneof![0u32..CLASSES as u32, Just(IGNORED)];
    proptest::collection::vec(1usize..4, 2..5).prop_flat_map(move |dims| {
        let size = dims.iter().product::<usize>();
        (Just(dims), proptest::collection::vec(label.clone(), size))
            .prop_map(|(dims, labels)| Map { dims, labels })
    })
}

proptest! {
    #[test]
    fn spatial_losses_equal_the_slow_formulas(map in maps()) {
        prop_assume!(map.labels.iter().any(|label| *label != IGNORED));
        let shape = [&map.dims[..1], &[CLASSES], &map.dims[1..]].concat();
        let logits = logits(&shape);
        let labels = Tensor::from_slice(&map.labels, map.dims.as_slice(), &Device::Cpu).expect("shape and length agree");
        let rows = flat(&logits.flatten_from(2).and_then(|l| l.transpose(1, 2)).expect("the logits are a batch"));
        let kept: Vec<usize> = (0..map.labels.len()).filter(|&n| map.labels[n] != IGNORED).collect();
        for spec in spatial() {
            let value = |n: &usize| {
                let row = &rows[n * CLASSES..(n + 1) * CLASSES];
                expected(&spec, row, map.labels[*n] as usize, &map.window(*n))
            };
            let expected = kept.iter().map(value).sum::<f64>() / kept.len() as f64;
            let found = Evaluated::new(&spec, &logits, &labels, Some(IGNORED.into())).expect("a valid batch").total();
            prop_assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{spec:?}: {found}, expected {expected}");
        }
    }
}

#[test]
fn rows_without_neighbours_or_with_too_many_are_errors() -> mbls_core::Result<()> {
    for shape in [&[2, CLASSES][..], &[2, CLASSES, 1, 1, 1, 1]] {
        let labels = Tensor::zeros([&shape[..1], &shape[2..]].concat(), DType::U32, &Device::Cpu)?;
        let batch = LogitBatch::new(&logits(shape), &labels, None)?;
        for spec in spatial() {
            let Err(error @ Error::Shape { .. }) = spec.build()?.forward(&batch) else {
                panic!("{spec:?}")
            };
            let expected = "logits: expected [N, C, d1, ...] with one to three spatial dimensions, since the loss uses";
            assert_eq!(error.to_string(), format!("{expected} neighbours, found {shape:?}"));
        }
    }
    Ok(())
}
