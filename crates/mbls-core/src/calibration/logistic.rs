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
    // To -1..1, so that no square overflows, nor all of them underflow, and an offset takes no digits.
    let units: Vec<Unit> = features.iter().map(|feature| Unit::of(feature)).collect();
    let of_row = |row: usize| features.iter().zip(&units).map(move |(feature, unit)| unit.of_value(feature[row]));
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
    let mut intercept = intercepts[0];
    for (weight, unit) in weights.iter_mut().zip(&units) {
        *weight /= unit.scale;
        intercept -= *weight * unit.centre;
    }
    Ok(Fitted { weights, intercept })
}

/// The unit in which a feature lies between -1 and 1.
struct Unit {
    centre: f64,
    scale: f64,
}

impl Unit {
    fn of(feature: &[f64]) -> Self {
        let least = feature.iter().copied().fold(f64::INFINITY, f64::min);
        let most = feature.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Halved before they are added: their sum may overflow.
        let half_range = 0.5 * most - 0.5 * least;
        Self { centre: 0.5 * most + 0.5 * least, scale: if half_range > 0.0 { half_range } else { 1.0 } }
    }

    fn of_value(&self, value: f64) -> f64 {
        (value - self.centre) / self.scale
    }
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
