//! Features in coordinates in which a fit converges quickly.

use super::rows::sums_over_rows;
use rayon::prelude::*;

/// Which weights a linear map of features has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One per class, of its own feature.
    Diagonal,
    /// One per pair of an output and a feature.
    Full,
}

/// Coordinates `x' = L^-1 (x - mean)` of features `x`, with mean 0 and variance 1, in [`Form::Full`] without correlation: of
/// the covariance `L L^T`.
///
/// A linear map is `W x + b = U x' + c`. The logits of a network often sum to nearly the same in every row, so that their
/// covariance is almost singular; a share [`RIDGE`] of the mean squares is added to its diagonal.
pub(super) struct Basis {
    form: Form,
    mean: Vec<f64>,
    /// `L^-1`: `[features]` in diagonal form, else lower triangular `[features, features]`.
    inverse: Vec<f64>,
}

const RIDGE: f64 = 1e-12;

impl Basis {
    /// Of features `[rows, width]`.
    pub(super) fn new(form: Form, features: &[f64], width: usize) -> Self {
        let n = (features.len() / width) as f64;
        let mut mean = sums_over_rows(features, width, width, |_, x, sums| {
            sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
        });
        mean.iter_mut().for_each(|sum| *sum /= n);
        let ridge = |feature: usize, variance: f64| {
            let share = RIDGE * (variance + mean[feature] * mean[feature]);
            if share > 0.0 { share } else { 1.0 }
        };
        let inverse = match form {
            Form::Diagonal => {
                let variances = sums_over_rows(features, width, width, |_, x, sums| {
                    sums.iter_mut().zip(x).zip(&mean).for_each(|((sum, x), m)| *sum += (x - m) * (x - m));
                });
                let variance = |(feature, sum): (usize, &f64)| sum / n + ridge(feature, sum / n);
                variances.iter().enumerate().map(variance).map(|variance| variance.sqrt().recip()).collect()
            }
            Form::Full => {
                let mut covariance = sums_over_rows(features, width, width * width, |_, x, sums| {
                    for (i, row) in sums.chunks_exact_mut(width).enumerate() {
                        let factor = x[i] - mean[i];
                        row[..=i].iter_mut().zip(x).zip(&mean).for_each(|((sum, x), m)| *sum += factor * (x - m));
                    }
                });
                covariance.iter_mut().for_each(|sum| *sum /= n);
                let ridge: Vec<f64> = (0..width).map(|i| ridge(i, covariance[i * width + i])).collect();
                inverse_cholesky(covariance, &ridge)
            }
        };
        Self { form, mean, inverse }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.inverse[i * self.mean.len()..][..=i]
    }

    /// The coordinates of features `[rows, width]`.
    pub(super) fn coordinates(&self, features: &[f64]) -> Vec<f64> {
        let width = self.mean.len();
        let mut coordinates = vec![0.0; features.len()];
        coordinates.par_chunks_mut(width).zip(features.par_chunks(width)).for_each(|(to, x)| {
            let centred: Vec<f64> = x.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
            for (i, to) in to.iter_mut().enumerate() {
                *to = match self.form {
                    Form::Diagonal => self.inverse[i] * centred[i],
                    Form::Full => self.row(i).iter().zip(&centred).map(|(l, x)| l * x).sum(),
                };
            }
        });
        coordinates
    }

    /// The roots of the mean squares of coordinates `[rows, width]`: 1, or less where a feature depends on those before it.
    pub(super) fn effects(&self, coordinates: &[f64]) -> Vec<f64> {
        let width = self.mean.len();
        let squares = sums_over_rows(coordinates, width, width, |_, x, sums| {
            sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x * x);
        });
        let n = (coordinates.len() / width) as f64;
        squares.iter().map(|sum| (sum / n).sqrt()).collect()
    }

    /// `W` and `b` of `U` and `c`: of `[features, outputs]` `[outputs, features]`, in diagonal form both `[outputs]`.
    pub(super) fn weights(&self, u: &[f64], c: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (width, outputs) = (self.mean.len(), c.len());
        let mut w = vec![0.0; u.len()];
        let mut b = c.to_vec();
        match self.form {
            Form::Diagonal => {
                w.iter_mut().zip(u).zip(&self.inverse).for_each(|((w, u), l)| *w = u * l);
                b.iter_mut().zip(&w).zip(&self.mean).for_each(|((b, w), m)| *b -= w * m);
            }
            Form::Full => {
                for i in 0..width {
                    for (w, u) in w.chunks_exact_mut(width).zip(&u[i * outputs..]) {
                        w.iter_mut().zip(self.row(i)).for_each(|(w, l)| *w += u * l);
                    }
                }
                let offset = |w: &[f64]| w.iter().zip(&self.mean).map(|(w, m)| w * m).sum::<f64>();
                b.iter_mut().zip(w.chunks_exact(width)).for_each(|(b, w)| *b -= offset(w));
            }
        }
        (w, b)
    }

    /// The transpose of the map of [`weights`](Self::weights) in full form: a gradient in `W` and `b` as one in `U` and `c`.
    pub(super) fn transposed(&self, w: &[f64], b: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (width, outputs) = (self.mean.len(), b.len());
        let mut u = vec![0.0; w.len()];
        for (k, (w, b)) in w.chunks_exact(width).zip(b).enumerate() {
            let free: Vec<f64> = w.iter().zip(&self.mean).map(|(w, m)| w - b * m).collect();
            for i in 0..width {
                u[i * outputs + k] = self.row(i).iter().zip(&free).map(|(l, w)| l * w).sum();
            }
        }
        (u, b.to_vec())
    }

    /// The diagonal of `A^T D A` for the map `A` of [`weights`](Self::weights) in full form and a diagonal `D` of `W` and `b`.
    pub(super) fn diagonal(&self, w: &[f64], b: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (width, outputs) = (self.mean.len(), b.len());
        let mut u = vec![0.0; w.len()];
        for i in 0..width {
            let offset: f64 = self.row(i).iter().zip(&self.mean).map(|(l, m)| l * m).sum();
            for (k, (w, b)) in w.chunks_exact(width).zip(b).enumerate() {
                let own: f64 = self.row(i).iter().zip(w).map(|(l, w)| l * l * w).sum();
                u[i * outputs + k] = own + b * offset * offset;
            }
        }
        (u, b.to_vec())
    }
}

/// `L^-1` of `L L^T = covariance + diag(ridge)`, of which the lower triangle is given.
fn inverse_cholesky(mut l: Vec<f64>, ridge: &[f64]) -> Vec<f64> {
    let n = ridge.len();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for i in 0..n {
        let (before, row) = l.split_at_mut(i * n);
        for j in 0..i {
            let other = &before[j * n..][..=j];
            row[j] = (row[j] - dot(&row[..j], other)) / other[j];
        }
        let square = dot(&row[..i], &row[..i]);
        // Where rounding takes more than there is, the ridge is left.
        row[i] = (row[i] + ridge[i] - square).max(ridge[i]).sqrt();
    }
    let mut inverse = vec![0.0; n * n];
    for i in 0..n {
        let (before, row) = inverse.split_at_mut(i * n);
        for (j, factor) in l[i * n..][..i].iter().enumerate() {
            row[..=j].iter_mut().zip(&before[j * n..]).for_each(|(to, from)| *to -= factor * from);
        }
        row[i] = 1.0;
        row[..=i].iter_mut().for_each(|value| *value /= l[i * n + i]);
    }
    inverse
}
