//! Logistic regression of one or two features, which Platt scaling and beta calibration fit.

use super::basis::{Basis, Form};
use super::newton::{Evaluation, Objective, minimise};
use crate::Result;
use crate::simd::exp;

/// Weights of the features and the intercept, of least mean cross-entropy.
pub(super) struct Fitted {
    pub(super) weights: Vec<f64>,
    pub(super) intercept: f64,
}

/// Fits `sigmoid(w f + b)` to targets from 0 to 1, from weights of 0 and the given intercept.
///
/// # Errors
///
/// [`Error::Fit`](crate::Error::Fit) where there is no optimum.
pub(super) fn fit(what: &'static str, features: &[&[f64]], targets: &[f64], intercept: f64) -> Result<Fitted> {
    let width = features.len();
    // To at most 1, so that no square overflows, nor all of them underflow; weights take the scale back.
    let scales: Vec<f64> = features.iter().map(|feature| largest(feature)).collect();
    let of_row = |row: usize| features.iter().zip(&scales).map(move |(feature, scale)| feature[row] / scale);
    let by_row: Vec<f64> = (0..targets.len()).flat_map(of_row).collect();
    let basis = (width > 0).then(|| Basis::new(Form::Full, &by_row, width));
    let coordinates = basis.as_ref().map_or(Vec::new(), |basis| basis.coordinates(&by_row));
    let mut effects = basis.as_ref().map_or(Vec::new(), |basis| basis.effects(&coordinates));
    effects.push(1.0);
    let regression = LogisticRegression { width, coordinates, targets, effects };
    let mut start = vec![0.0; width];
    start.push(intercept);
    let found = minimise(what, &regression, start)?;
    let (u, c) = found.split_at(width);
    let (mut weights, intercepts) = basis.map_or((Vec::new(), c.to_vec()), |basis| basis.weights(u, c));
    weights.iter_mut().zip(&scales).for_each(|(weight, scale)| *weight /= scale);
    Ok(Fitted { weights, intercept: intercepts[0] })
}

/// The largest magnitude of a feature, 1 where all are 0.
fn largest(feature: &[f64]) -> f64 {
    let largest = feature.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    if largest > 0.0 { largest } else { 1.0 }
}

/// `1 / (1 + exp(-z))`, without overflow.
pub(super) fn sigmoid(z: f64) -> f64 {
    let small = exp(-z.abs());
    if z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

struct LogisticRegression<'a> {
    width: usize,
    /// The features in the coordinates of their basis, `[rows, width]`.
    coordinates: Vec<f64>,
    targets: &'a [f64],
    /// Per variable.
    effects: Vec<f64>,
}

/// The most parameters: two weights and the intercept.
const MOST: usize = 3;

impl Objective for LogisticRegression<'_> {
    type Point = [[f64; MOST]; MOST];

    fn effects(&self) -> &[f64] {
        &self.effects
    }

    fn at(&self, parameters: &[f64]) -> Evaluation<Self::Point> {
        let (dim, n) = (parameters.len(), self.targets.len() as f64);
        let (mut value, mut gradient, mut hessian) = (0.0, [0.0; MOST], [[0.0; MOST]; MOST]);
        for (row, target) in self.targets.iter().enumerate() {
            let mut x = [1.0; MOST];
            x[..self.width].copy_from_slice(&self.coordinates[row * self.width..][..self.width]);
            let z: f64 = x.iter().zip(parameters).map(|(x, p)| x * p).sum();
            let p = sigmoid(z);
            // The variance from both tails, so that it does not round to 0 before the residual does.
            let variance = p * sigmoid(-z);
            value += z.max(0.0) + libm::log1p(exp(-z.abs())) - target * z;
            for i in 0..dim {
                gradient[i] += (p - target) * x[i] / n;
                for j in 0..dim {
                    hessian[i][j] += variance * x[i] * x[j] / n;
                }
            }
        }
        Evaluation {
            value: value / n,
            gradient: gradient[..dim].to_vec(),
            diagonal: (0..dim).map(|i| hessian[i][i]).collect(),
            point: hessian,
        }
    }

    fn hessian_times(&self, hessian: &Self::Point, vector: &[f64]) -> Vec<f64> {
        let product = |row: &[f64; MOST]| row.iter().zip(vector).map(|(h, v)| h * v).sum();
        hessian[..vector.len()].iter().map(product).collect()
    }
}
