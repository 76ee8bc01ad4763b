use super::counts::{MAX_ROWS, add_counts};
use super::fixed_sum::{unit_interval_units, unit_interval_units_by_parts, units_to_f64};
use crate::Result;
use crate::metric::input::Predictions;
use crate::metric::saved::MetricState;
use crate::simd::for_each_machine;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The confidence and correctness of every row, in 8 bytes each, for metrics whose definition needs
/// every row.
///
/// Confidences are rounded to multiples of 2^-60. Equality ignores the order in which rows were
/// added: use [`sorted`](Self::sorted) before any computation that depends on the order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::metric) struct Samples(Vec<Sample>);

/// One row: the confidence in units of 2^-60, times two, plus one if the row is correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::metric) struct Sample(u64);

for_each_machine! {
    /// Packs the confidence, predicted class and label of each row into samples.
    fn pack(confidence: &[f64], predicted: &[u32], labels: &[u32], to: &mut [Sample]) => pack_body
}

#[inline(always)]
fn pack_body(confidence: &[f64], predicted: &[u32], labels: &[u32], to: &mut [Sample]) {
    for (((to, p), predicted), label) in to.iter_mut().zip(confidence).zip(predicted).zip(labels) {
        *to = Sample(unit_interval_units_by_parts(*p) << 1 | u64::from(predicted == label));
    }
}

pub(in crate::metric) fn samples_of(predictions: &Predictions) -> Vec<Sample> {
    let rows = predictions.all_rows();
    let mut samples = vec![Sample(0); rows.confidence.len()];
    pack(&rows.confidence, &rows.predicted, predictions.labels(), &mut samples);
    samples
}

/// The packed sample of a correct row with confidence 1.
const LARGEST: u64 = (1 << 61) | 1;

impl Sample {
    pub(in crate::metric) fn new(confidence: f64, correct: bool) -> Self {
        Self(unit_interval_units(confidence) << 1 | u64::from(correct))
    }

    /// Returns the confidence in units of 2^-60.
    pub(in crate::metric) fn units(self) -> u64 {
        self.0 >> 1
    }

    /// Returns the confidence. It is exact unless the sample was read from a saved state that no
    /// confidence produces.
    pub(in crate::metric) fn confidence(self) -> f64 {
        units_to_f64(self.units().into())
    }

    /// Returns a sample with the same confidence and the given correctness.
    pub(in crate::metric) fn with_correct(self, correct: bool) -> Self {
        Self(self.0 & !1 | u64::from(correct))
    }

    pub(in crate::metric) fn correct(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Samples {
    /// Returns the allocated memory in bytes.
    pub(in crate::metric) fn size(&self) -> usize {
        self.0.capacity() * size_of::<Sample>()
    }

    pub(in crate::metric) fn len(&self) -> usize {
        self.0.len()
    }

    pub(in crate::metric) fn extend(
        &mut self,
        samples: impl Iterator<Item = Sample>,
    ) -> Result<()> {
        add_counts(self.0.len() as u64, samples.size_hint().0 as u64)?;
        self.0.extend(samples);
        Ok(())
    }

    pub(in crate::metric) fn merge(&mut self, mut other: Self) -> Result<()> {
        add_counts(self.0.len() as u64, other.0.len() as u64)?;
        self.0.append(&mut other.0);
        Ok(())
    }

    /// Returns the rows in ascending order of confidence; among ties, incorrect rows come first.
    /// The result does not depend on the order of adding.
    pub(in crate::metric) fn sorted(&self) -> Vec<Sample> {
        let mut samples = self.0.clone();
        samples.par_sort_unstable();
        samples
    }

    /// Returns the rows in the order in which they were added.
    pub(in crate::metric) fn as_slice(&self) -> &[Sample] {
        &self.0
    }

    /// Returns an error if a sample is not the encoding of a row.
    pub(in crate::metric) fn check<S: MetricState>(&self) -> Result<()> {
        if self.0.len() as u64 > MAX_ROWS {
            return Err(S::invalid(format!("{} samples: expected at most 2^47", self.0.len())));
        }
        match self.0.iter().find(|sample| sample.0 > LARGEST) {
            None => Ok(()),
            Some(Sample(sample)) => {
                Err(S::invalid(format!("sample {sample} is above {LARGEST}, a confidence of 1")))
            }
        }
    }
}

/// Compares the rows in any order.
impl PartialEq for Samples {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.sorted() == other.sorted()
    }
}

impl Eq for Samples {}
