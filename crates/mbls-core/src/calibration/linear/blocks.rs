//! The blocks of a Hessian that belong to one class each, the preconditioner of conjugate
//! gradients.

use crate::parallel::map;

/// The Cholesky factor of a positive semidefinite matrix `L L^T`, for its linearly independent rows
/// and columns.
struct Factor {
    /// The rows and columns in elimination order.
    order: Vec<usize>,
    /// Lower triangular; row `i` has `i + 1` numbers, and rows are stored one after the other.
    lower: Vec<f64>,
}

impl Factor {
    /// Factorises a matrix `[size, size]`. `magnitudes` are the sums of the magnitudes of the terms
    /// of its diagonal; pivots that could result from rounding alone are left out.
    fn new(matrix: &[f64], magnitudes: &[f64]) -> Self {
        let size = magnitudes.len();
        let least = |i: usize| (size as f64 + 16.0) * f64::EPSILON * magnitudes[i];
        let mut rests: Vec<f64> = (0..size).map(|i| matrix[i * size + i]).collect();
        // Per index, the known part of its row of L.
        let mut rows: Vec<Vec<f64>> = vec![Vec::new(); size];
        let mut left: Vec<usize> = (0..size).collect();
        let (mut order, mut lower) = (Vec::new(), Vec::new());
        let share = |i: usize, rests: &[f64]| {
            if magnitudes[i] > 0.0 { rests[i] / magnitudes[i] } else { 0.0 }
        };
        while let Some(at) = (0..left.len()).max_by(|&a, &b| {
            share(left[a], &rests).total_cmp(&share(left[b], &rests)).then(left[b].cmp(&left[a]))
        }) {
            let pivot = left.swap_remove(at);
            if rests[pivot].is_nan() || rests[pivot] <= least(pivot) {
                break;
            }
            let root = rests[pivot].sqrt();
            let own = std::mem::take(&mut rows[pivot]);
            for &i in &left {
                let product: f64 = rows[i].iter().zip(&own).map(|(a, b)| a * b).sum();
                let value = (matrix[i * size + pivot] - product) / root;
                rests[i] -= value * value;
                rows[i].push(value);
            }
            lower.extend(own);
            lower.push(root);
            order.push(pivot);
        }
        Self { order, lower }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.lower[i * (i + 1) / 2..][..=i]
    }

    /// Solves `L L^T x = b`; entries of rows that were left out are 0.
    fn solve(&self, b: &[f64]) -> Vec<f64> {
        let n = self.order.len();
        let mut y: Vec<f64> = self.order.iter().map(|&i| b[i]).collect();
        for i in 0..n {
            let row = self.row(i);
            let product: f64 = row[..i].iter().zip(&y).map(|(l, y)| l * y).sum();
            y[i] = (y[i] - product) / row[i];
        }
        for i in (0..n).rev() {
            let row = self.row(i);
            y[i] /= row[i];
            let value = y[i];
            y[..i].iter_mut().zip(row).for_each(|(y, l)| *y -= l * value);
        }
        let mut x = vec![0.0; b.len()];
        self.order.iter().zip(y).for_each(|(&i, y)| x[i] = y);
        x
    }
}

/// One factor per class of the variables `[size, classes]`.
pub(in crate::calibration) struct Blocks {
    classes: usize,
    factors: Vec<Factor>,
}

impl Blocks {
    /// Factorises one matrix `[size, size]` per class. `block` returns the matrix and the
    /// magnitudes of the terms of its diagonal.
    pub(in crate::calibration) fn new(
        classes: usize,
        block: impl Fn(usize) -> (Vec<f64>, Vec<f64>) + Sync,
    ) -> Self {
        let factor = |class: usize| {
            let (matrix, magnitudes) = block(class);
            Factor::new(&matrix, &magnitudes)
        };
        Self { classes, factors: map(classes, &factor) }
    }

    pub(in crate::calibration) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let solutions = map(self.factors.len(), &|k| {
            let own: Vec<f64> = b.iter().skip(k).step_by(self.classes).copied().collect();
            self.factors[k].solve(&own)
        });
        let mut x = vec![0.0; b.len()];
        for (k, solution) in solutions.into_iter().enumerate() {
            x.iter_mut()
                .skip(k)
                .step_by(self.classes)
                .zip(solution)
                .for_each(|(x, value)| *x = value);
        }
        x
    }
}
