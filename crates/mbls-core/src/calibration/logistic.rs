//! Logistic regression of one or two features, which Platt scaling and beta calibration fit.

use super::newton::{Evaluation, Objective, minimise};
use crate::Result;

/// Weights of the features and the intercept, of least mean cross-entropy.
pub(super) struct Fitted {
    pub(super) weights: Vec<f64>,
    pub(super) intercept: f64,
    pub(super) loss: f64,
}

/// Fits `sigmoid(w f + b)` to targets from 0 to 1, from weights of 0 and the given intercept.
///
/// # Errors
///
/// [`Error::Fit`](crate::Error::Fit) where there is no optimum.
pub(super) fn fit(what: &'static str, features: &[&[f64]], targets: &[f64], intercept: f64) -> Result<Fitted> {
    let rms = |feature: &&[f64]| {
        let rms = (feature.iter().map(|f| f * f).sum::<f64>() / targets.len() as f64).sqrt();
        if rms > 0.0 && rms.is_finite() { rms } else { 1.0 }
    };
    let scales = features.iter().map(rms).chain([1.0]).collect();
    let regression = LogisticRegression { features, targets, scales };
    let mut start = vec![0.0; features.len()];
    start.push(intercept);
    let mut weights = minimise(what, &regression, start)?;
    let loss = regression.at(&weights).value;
    let intercept = weights.remove(features.len());
    Ok(Fitted { weights, intercept, loss })
}

/// `1 / (1 + exp(-z))`, without overflow.
pub(super) fn sigmoid(z: f64) -> f64 {
    let small = (-z.abs()).exp();
    if z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

struct LogisticRegression<'a> {
    features: &'a [&'a [f64]],
    targets: &'a [f64],
    scales: Vec<f64>,
}

/// The most parameters: two weights and the intercept.
const MOST: usize = 3;

impl Objective for LogisticRegression<'_> {
    type Point = [[f64; MOST]; MOST];

    fn scales(&self) -> &[f64] {
        &self.scales
    }

    fn at(&self, parameters: &[f64]) -> Evaluation<Self::Point> {
        let (dim, n) = (parameters.len(), self.targets.len() as f64);
        let (mut value, mut gradient, mut hessian) = (0.0, [0.0; MOST], [[0.0; MOST]; MOST]);
        for (row, target) in self.targets.iter().enumerate() {
            let mut x = [1.0; MOST];
            x.iter_mut().zip(self.features).for_each(|(x, feature)| *x = feature[row]);
            let z: f64 = x.iter().zip(parameters).map(|(x, p)| x * p).sum();
            let p = sigmoid(z);
            // The variance from both tails, so that it does not round to 0 before the residual does.
            let variance = p * sigmoid(-z);
            value += z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z;
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
