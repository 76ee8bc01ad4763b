//! The objective that vector scaling, matrix scaling and Dirichlet calibration minimise.

use super::newton::{Evaluation, Objective};
use super::scores::{log_sum_exp, softmax};
use rayon::prelude::*;

/// Which weights a linear map of `classes` features to `classes` logits has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One per class, of its own feature.
    Diagonal,
    /// One per pair of classes.
    Full,
}

/// `1/n sum_n [logsumexp(z_n) - z_n[y_n]] + penalty`, `z_n = W x_n + b`: parameters are the weights, then the intercepts.
pub(super) struct SoftmaxRegression {
    form: Form,
    classes: usize,
    features: Vec<f64>,
    labels: Vec<u32>,
    /// Half of the second derivative of the penalty, per parameter.
    penalties: Vec<f64>,
    scales: Vec<f64>,
}

/// Rows per task. Sums are taken per chunk, then over the chunks in order, whatever the number of threads.
const CHUNK: usize = 1024;
/// Chunks whose sums are in memory at once.
const GROUP: usize = 16;

impl SoftmaxRegression {
    /// Of valid rows, at least one; `off_diagonal` and `intercept` are the factors of the squares of those parameters.
    ///
    /// Rows are sorted first: sums, and with them the fit, do not depend on their order.
    pub(super) fn new(form: Form, features: &[f64], labels: &[u32], off_diagonal: f64, intercept: f64) -> Self {
        let classes = features.len() / labels.len();
        let row = |n: usize| &features[n * classes..][..classes];
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.par_sort_unstable_by(|&a, &b| {
            let by_value = || row(a).iter().zip(row(b)).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
            labels[a].cmp(&labels[b]).then_with(|| by_value().unwrap_or(std::cmp::Ordering::Equal))
        });
        let features: Vec<f64> = order.iter().flat_map(|&n| row(n)).copied().collect();
        let labels: Vec<u32> = order.iter().map(|&n| labels[n]).collect();

        let rms = |class: usize| {
            let squares: f64 = features.iter().skip(class).step_by(classes).map(|x| x * x).sum();
            let rms = (squares / labels.len() as f64).sqrt();
            if rms > 0.0 && rms.is_finite() { rms } else { 1.0 }
        };
        let rms: Vec<f64> = (0..classes).map(rms).collect();
        let (mut scales, mut penalties) = match form {
            Form::Diagonal => (rms, vec![0.0; classes]),
            Form::Full => {
                let penalty = |i: usize| if i.is_multiple_of(classes + 1) { 0.0 } else { off_diagonal };
                (rms.repeat(classes), (0..classes * classes).map(penalty).collect())
            }
        };
        scales.extend(vec![1.0; classes]);
        penalties.extend(vec![intercept; classes]);
        Self { form, classes, features, labels, penalties, scales }
    }

    /// The parameters that multiply the features by `weight`.
    pub(super) fn diagonal(&self, weight: f64) -> Vec<f64> {
        let (weights, step) = match self.form {
            Form::Diagonal => (self.classes, 1),
            Form::Full => (self.classes * self.classes, self.classes + 1),
        };
        let mut parameters = vec![0.0; weights + self.classes];
        parameters[..weights].iter_mut().step_by(step).for_each(|w| *w = weight);
        parameters
    }

    /// The sums over rows of what `add` adds for a chunk of rows, given as features, labels and values of `of_rows`.
    fn sums(&self, len: usize, of_rows: &[f64], add: impl Fn(&[f64], &[u32], &[f64], &mut [f64]) + Sync) -> Vec<f64> {
        let numbers = CHUNK * self.classes;
        let chunks = self.labels.len().div_ceil(CHUNK);
        let part = |chunk: usize| {
            let mut sums = vec![0.0; len];
            let numbers = chunk * numbers..self.features.len().min((chunk + 1) * numbers);
            let rows = chunk * CHUNK..self.labels.len().min((chunk + 1) * CHUNK);
            add(&self.features[numbers.clone()], &self.labels[rows], &of_rows[numbers], &mut sums);
            sums
        };
        let mut total = vec![0.0; len];
        for group in (0..chunks).step_by(GROUP) {
            let parts: Vec<Vec<f64>> = (group..chunks.min(group + GROUP)).into_par_iter().map(part).collect();
            for sums in parts {
                total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
            }
        }
        total
    }

    /// Adds `factor_k x_j` to the sum of each weight and `factor_k` to that of each intercept.
    fn add_outer(&self, factors: &[f64], x: &[f64], sums: &mut [f64]) {
        let (weights, intercepts) = sums.split_at_mut(self.scales.len() - self.classes);
        match self.form {
            Form::Diagonal => weights.iter_mut().zip(factors).zip(x).for_each(|((w, f), x)| *w += f * x),
            Form::Full => {
                for (row, f) in weights.chunks_exact_mut(self.classes).zip(factors) {
                    row.iter_mut().zip(x).for_each(|(w, x)| *w += f * x);
                }
            }
        }
        intercepts.iter_mut().zip(factors).for_each(|(b, f)| *b += f);
    }
}

/// Writes `W x + b` to `z`; the weights' number tells their form.
pub(super) fn affine(weights: &[f64], intercepts: &[f64], x: &[f64], z: &mut [f64]) {
    if weights.len() == x.len() {
        z.iter_mut().zip(weights.iter().zip(x)).for_each(|(z, (w, x))| *z = w * x);
    } else {
        let products = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum();
        z.iter_mut().zip(weights.chunks_exact(x.len())).for_each(|(z, row)| *z = products(row));
    }
    z.iter_mut().zip(intercepts).for_each(|(z, b)| *z += b);
}

impl Objective for SoftmaxRegression {
    /// The probabilities of all rows.
    type Point = Vec<f64>;

    fn scales(&self) -> &[f64] {
        &self.scales
    }

    fn at(&self, parameters: &[f64]) -> Evaluation<Vec<f64>> {
        let (classes, n) = (self.classes, self.labels.len() as f64);
        let (weights, intercepts) = parameters.split_at(parameters.len() - classes);
        let mut probs = vec![0.0; self.features.len()];
        let mut losses = vec![0.0; self.labels.len()];
        let rows =
            probs.par_chunks_mut(classes).zip(&mut losses).zip(self.features.par_chunks(classes)).zip(&self.labels);
        rows.with_min_len(CHUNK).for_each(|(((z, loss), x), &label)| {
            affine(weights, intercepts, x, z);
            *loss = log_sum_exp(z) - z[label as usize];
            softmax(z);
        });

        let dim = parameters.len();
        let sums = self.sums(2 * dim, &probs, |features, labels, probs, sums| {
            let (gradient, diagonal) = sums.split_at_mut(dim);
            let (mut residual, mut variance) = (vec![0.0; classes], vec![0.0; classes]);
            let mut squares = vec![0.0; classes];
            for ((x, p), &label) in features.chunks_exact(classes).zip(probs.chunks_exact(classes)).zip(labels) {
                residual.copy_from_slice(p);
                residual[label as usize] -= 1.0;
                variance.iter_mut().zip(p).for_each(|(v, p)| *v = p * (1.0 - p));
                squares.iter_mut().zip(x).for_each(|(s, x)| *s = x * x);
                self.add_outer(&residual, x, gradient);
                self.add_outer(&variance, &squares, diagonal);
            }
        });
        let (gradient, diagonal) = sums.split_at(dim);
        let penalty: f64 = self.penalties.iter().zip(parameters).map(|(c, x)| c * x * x).sum();
        let with_slope = gradient.iter().zip(&self.penalties).zip(parameters).map(|((g, c), x)| g / n + 2.0 * c * x);
        Evaluation {
            value: losses.iter().sum::<f64>() / n + penalty,
            gradient: with_slope.collect(),
            diagonal: diagonal.iter().zip(&self.penalties).map(|(d, c)| d / n + 2.0 * c).collect(),
            point: probs,
        }
    }

    fn hessian_times(&self, probs: &Vec<f64>, vector: &[f64]) -> Vec<f64> {
        let (classes, n) = (self.classes, self.labels.len() as f64);
        let (weights, intercepts) = vector.split_at(vector.len() - classes);
        let sums = self.sums(vector.len(), probs, |features, _, probs, sums| {
            let mut change = vec![0.0; classes];
            for (x, p) in features.chunks_exact(classes).zip(probs.chunks_exact(classes)) {
                affine(weights, intercepts, x, &mut change);
                let mean: f64 = change.iter().zip(p).map(|(c, p)| c * p).sum();
                change.iter_mut().zip(p).for_each(|(c, p)| *c = p * (*c - mean));
                self.add_outer(&change, x, sums);
            }
        });
        let curvature = sums.iter().zip(&self.penalties).zip(vector);
        curvature.map(|((sum, c), v)| sum / n + 2.0 * c * v).collect()
    }
}
