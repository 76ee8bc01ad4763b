//! Detection of directions which show that a softmax regression has no optimum.

use crate::calibration::linear::softmax_regression::{SEPARATES, SoftmaxRegression};
use crate::calibration::numeric::rows::CHUNK;
use crate::calibration::numeric::sums::sum;
use rayon::prelude::*;

impl SoftmaxRegression {
    /// Whether, along an unpenalised direction, the label of no row loses against another class and
    /// that of some row gains as much as in a Newton step that nothing bounds.
    pub(in crate::calibration) fn separates(&self, direction: &[f64]) -> bool {
        let (least, most) = self.gains(direction);
        most > 0.1 && least >= -SEPARATES * most && self.is_free(direction)
    }

    /// Returns the smallest and the largest gain of a row's label over another class along a
    /// direction.
    fn gains(&self, direction: &[f64]) -> (f64, f64) {
        let of_row = |n: usize| {
            let mut z = vec![0.0; self.classes];
            self.logits(direction, self.row(n), &mut z);
            let label = self.labels[n] as usize;
            let others = || (0..self.classes).filter(|&k| k != label).map(|k| z[label] - z[k]);
            (others().fold(f64::INFINITY, f64::min), others().fold(f64::NEG_INFINITY, f64::max))
        };
        let rows = (0..self.labels.len()).into_par_iter().with_min_len(CHUNK).map(of_row);
        rows.reduce(|| (f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Whether a direction has no component in the penalty, to the same precision.
    fn is_free(&self, direction: &[f64]) -> bool {
        if self.penalty.is_none() {
            return true;
        }
        let (w, b) = self.weights(direction);
        let square = |values: &mut dyn Iterator<Item = f64>| sum(values.map(|value| value * value));
        let all = square(&mut w.iter().chain(&b).copied());
        let is_penalised =
            |i: usize| self.penalty.off_diagonal > 0.0 && !i.is_multiple_of(self.classes + 1);
        let mut penalised =
            square(&mut w.iter().enumerate().filter(|(i, _)| is_penalised(*i)).map(|(_, w)| *w));
        if self.penalty.intercept > 0.0 {
            penalised += square(&mut b.iter().copied());
        }
        penalised <= SEPARATES * SEPARATES * all
    }
}
