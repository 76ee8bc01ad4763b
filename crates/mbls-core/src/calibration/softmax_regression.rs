//! The objective that vector scaling, matrix scaling and Dirichlet calibration minimise.

use super::basis::{Basis, Form};
use super::newton::{Evaluation, Objective};
use super::rows::{CHUNK, sums_over_rows};
use super::scores::{log_sum_exp, softmax};
use rayon::prelude::*;

/// `1/n sum_n [logsumexp(z_n) - z_n[y_n]] + penalty` with `z_n = W x_n + b`.
///
/// Its variables are those of a [`Basis`]: `U`, `[features, classes]` or in diagonal form `[classes]`, then `c`.
pub(super) struct SoftmaxRegression {
    form: Form,
    classes: usize,
    basis: Basis,
    /// In the coordinates of the basis.
    features: Vec<f64>,
    labels: Vec<u32>,
    /// Per variable.
    effects: Vec<f64>,
    penalty: Option<Penalty>,
}

/// `sum_kj weights_kj W_kj^2 + sum_k intercepts_k b_k^2`.
struct Penalty {
    weights: Vec<f64>,
    intercepts: Vec<f64>,
    /// The diagonal of its second derivatives by `U` and `c`.
    diagonal: Vec<f64>,
}

impl SoftmaxRegression {
    /// Of valid rows, at least one; in full form with the factors of the squares of off-diagonal weights and of intercepts.
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
        let basis = Basis::new(form, &features, classes);
        let features = basis.coordinates(&features);
        let of_features = basis.effects(&features);
        let outputs = if form == Form::Full { classes } else { 1 };
        let of_weights = of_features.iter().flat_map(|effect| std::iter::repeat_n(*effect, outputs));
        let effects = of_weights.chain(std::iter::repeat_n(1.0, classes)).collect();
        let penalty = (form == Form::Full && (off_diagonal > 0.0 || intercept > 0.0)).then(|| {
            let weight = |i: usize| if i.is_multiple_of(classes + 1) { 0.0 } else { off_diagonal };
            let weights: Vec<f64> = (0..classes * classes).map(weight).collect();
            let intercepts = vec![intercept; classes];
            let (mut diagonal, of_intercepts) = basis.diagonal(&weights, &intercepts);
            diagonal.extend(of_intercepts);
            diagonal.iter_mut().for_each(|d| *d *= 2.0);
            Penalty { weights, intercepts, diagonal }
        });
        Self { form, classes, basis, features, labels, effects, penalty }
    }

    /// The number of variables.
    pub(super) fn dim(&self) -> usize {
        self.effects.len()
    }

    /// `W`, `[classes, classes]` or `[classes]`, and `b` of a point.
    pub(super) fn weights(&self, variables: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (u, c) = variables.split_at(variables.len() - self.classes);
        self.basis.weights(u, c)
    }

    /// `U x + c`.
    fn logits(&self, variables: &[f64], x: &[f64], z: &mut [f64]) {
        let (u, c) = variables.split_at(variables.len() - self.classes);
        z.copy_from_slice(c);
        match self.form {
            Form::Diagonal => z.iter_mut().zip(u).zip(x).for_each(|((z, u), x)| *z += u * x),
            Form::Full => {
                for (u, x) in u.chunks_exact(self.classes).zip(x) {
                    z.iter_mut().zip(u).for_each(|(z, u)| *z += u * x);
                }
            }
        }
    }

    /// Adds `factor_k x_j` to the sum of each weight and `factor_k` to that of each intercept.
    fn add_outer(&self, factors: &[f64], x: &[f64], sums: &mut [f64]) {
        let (u, c) = sums.split_at_mut(sums.len() - self.classes);
        c.iter_mut().zip(factors).for_each(|(c, f)| *c += f);
        match self.form {
            Form::Diagonal => u.iter_mut().zip(factors).zip(x).for_each(|((u, f), x)| *u += f * x),
            Form::Full => {
                for (u, x) in u.chunks_exact_mut(self.classes).zip(x) {
                    u.iter_mut().zip(factors).for_each(|(u, f)| *u += f * x);
                }
            }
        }
    }

    /// The second derivatives of the penalty times a vector; the penalty is a quadratic form, so this is its gradient too.
    fn penalty_times(&self, penalty: &Penalty, vector: &[f64]) -> Vec<f64> {
        let (mut w, mut b) = self.weights(vector);
        w.iter_mut().zip(&penalty.weights).for_each(|(w, factor)| *w *= 2.0 * factor);
        b.iter_mut().zip(&penalty.intercepts).for_each(|(b, factor)| *b *= 2.0 * factor);
        let (mut u, c) = self.basis.transposed(&w, &b);
        u.extend(c);
        u
    }

    fn probs<'a>(&self, probs: &'a [f64], row: usize) -> &'a [f64] {
        &probs[row * self.classes..][..self.classes]
    }
}

impl Objective for SoftmaxRegression {
    /// The probabilities of all rows.
    type Point = Vec<f64>;

    fn effects(&self) -> &[f64] {
        &self.effects
    }

    fn at(&self, variables: &[f64]) -> Evaluation<Vec<f64>> {
        let (classes, dim, n) = (self.classes, variables.len(), self.labels.len() as f64);
        let mut probs = vec![0.0; self.features.len()];
        let mut losses = vec![0.0; self.labels.len()];
        let rows =
            probs.par_chunks_mut(classes).zip(&mut losses).zip(self.features.par_chunks(classes)).zip(&self.labels);
        rows.with_min_len(CHUNK).for_each(|(((z, loss), x), &label)| {
            self.logits(variables, x, z);
            *loss = log_sum_exp(z) - z[label as usize];
            softmax(z);
        });
        let mut sums = sums_over_rows(&self.features, classes, 2 * dim, |row, x, sums| {
            let p = self.probs(&probs, row);
            let (gradient, diagonal) = sums.split_at_mut(dim);
            let mut residual = p.to_vec();
            residual[self.labels[row] as usize] -= 1.0;
            self.add_outer(&residual, x, gradient);
            let variance: Vec<f64> = p.iter().map(|p| p * (1.0 - p)).collect();
            let squares: Vec<f64> = x.iter().map(|x| x * x).collect();
            self.add_outer(&variance, &squares, diagonal);
        });
        sums.iter_mut().for_each(|sum| *sum /= n);
        let mut diagonal = sums.split_off(dim);
        let mut gradient = sums;
        let mut value = losses.iter().sum::<f64>() / n;
        if let Some(penalty) = &self.penalty {
            let slope = self.penalty_times(penalty, variables);
            value += 0.5 * slope.iter().zip(variables).map(|(s, x)| s * x).sum::<f64>();
            gradient.iter_mut().zip(slope).for_each(|(g, s)| *g += s);
            diagonal.iter_mut().zip(&penalty.diagonal).for_each(|(d, p)| *d += p);
        }
        Evaluation { value, gradient, diagonal, point: probs }
    }

    fn hessian_times(&self, probs: &Vec<f64>, vector: &[f64]) -> Vec<f64> {
        let n = self.labels.len() as f64;
        let mut product = sums_over_rows(&self.features, self.classes, vector.len(), |row, x, sums| {
            let p = self.probs(probs, row);
            let mut change = vec![0.0; self.classes];
            self.logits(vector, x, &mut change);
            let mean: f64 = change.iter().zip(p).map(|(c, p)| c * p).sum();
            change.iter_mut().zip(p).for_each(|(c, p)| *c = p * (*c - mean));
            self.add_outer(&change, x, sums);
        });
        product.iter_mut().for_each(|sum| *sum /= n);
        if let Some(penalty) = &self.penalty {
            product.iter_mut().zip(self.penalty_times(penalty, vector)).for_each(|(p, s)| *p += s);
        }
        product
    }
}
