//! Logistic regression with one or two features, used by Platt scaling and beta calibration.

use crate::calibration::numeric::newton::{Evaluation, Objective, Step, minimise};
use crate::calibration::numeric::sums::{Sum, sum};
use crate::simd::{exp, for_each_machine, ln};

/// Groups of rows with the same features: the numbers of positive and negative rows in each,
/// possibly smoothed.
pub(in crate::calibration) struct Groups {
    pub(in crate::calibration) positives: Vec<f64>,
    pub(in crate::calibration) negatives: Vec<f64>,
}

/// Weights of the features and the intercept that minimise the mean cross-entropy.
pub(in crate::calibration) struct Fitted {
    pub(in crate::calibration) weights: Vec<f64>,
    pub(in crate::calibration) intercept: f64,
}

/// Fits `sigmoid(w f + b)` to groups of rows, starting from weights of 0 and the given intercept.
///
/// A constant feature gets the weight 0. Two features that are equal up to scale and offset, as any
/// two features of two groups are, get the minimum-norm weights.
///
/// The error states why there is no result.
pub(in crate::calibration) fn fit(
    features: &[&[f64]],
    groups: &Groups,
    intercept: f64,
) -> Result<Fitted, String> {
    let basis = Basis::new(features);
    let width = basis.coordinates.len();
    let regression = Regression { coordinates: &basis.coordinates, groups, rows: groups.rows() };
    let mut start = vec![0.0; width];
    start.push(intercept);
    let found = minimise(&regression, start)?;
    Ok(basis.fitted(&found[..width], found[width]))
}

impl Groups {
    fn rows(&self) -> f64 {
        sum(self.positives.iter().chain(&self.negatives).copied())
    }

    /// Returns the smoothed log-odds of the outcomes, the starting intercept of a fit.
    pub(in crate::calibration) fn log_odds(&self) -> f64 {
        let total = |masses: &[f64]| sum(masses.iter().copied());
        libm::log((total(&self.positives) + 1.0) / (total(&self.negatives) + 1.0))
    }

    /// Returns the mean derivatives of the loss by the weights of features, each with the size of
    /// its rounding error.
    pub(in crate::calibration) fn slopes<const N: usize>(
        &self,
        features: [&[f64]; N],
        fitted: [f64; N],
        c: f64,
    ) -> [(f64, f64); N] {
        let rows = self.rows();
        let z = |i: usize| features.iter().zip(fitted).map(|(f, w)| w * f[i]).sum::<f64>() + c;
        let tails: Vec<(f64, f64)> =
            (0..self.positives.len()).map(|i| (sigmoid(z(i)), sigmoid(-z(i)))).collect();
        features.map(|feature| {
            let unit = Unit::of(feature);
            let (mut slope, mut size) = (Sum::default(), Sum::default());
            for (i, (p, q)) in tails.iter().enumerate() {
                let f = unit.of_value(feature[i]);
                let (up, down) = (self.negatives[i] * p, self.positives[i] * q);
                slope.add(f * (up - down));
                size.add(f.abs() * (up + down) * (4.0 + z(i).abs()));
            }
            (slope.value() / rows, f64::EPSILON * size.value() / rows)
        })
    }
}

/// The scaling of a feature to `[-1, 1]`: no square overflows, not all squares underflow, and an
/// offset costs no precision.
struct Unit {
    centre: f64,
    scale: f64,
}

impl Unit {
    fn of(feature: &[f64]) -> Self {
        let least = feature.iter().copied().fold(f64::INFINITY, f64::min);
        let most = feature.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Halved before the addition, because the sum may overflow.
        Self { centre: 0.5 * most + 0.5 * least, scale: 0.5 * most - 0.5 * least }
    }

    fn of_value(&self, value: f64) -> f64 {
        if self.scale > 0.0 { (value - self.centre) / self.scale } else { 0.0 }
    }
}

/// Coordinates of the features: scaled, and the second made orthogonal to the first.
struct Basis {
    units: Vec<Unit>,
    /// The features that are not constant.
    varying: Vec<usize>,
    coordinates: Vec<Vec<f64>>,
    /// In scaled units, the second feature is `share` times the first, plus `offset`, plus `rest`
    /// times the second coordinate. `rest` is 0 if there is no second coordinate.
    share: f64,
    offset: f64,
    rest: f64,
}

impl Basis {
    fn new(features: &[&[f64]]) -> Self {
        let units: Vec<Unit> = features.iter().map(|feature| Unit::of(feature)).collect();
        let varying: Vec<usize> = (0..features.len()).filter(|&i| units[i].scale > 0.0).collect();
        let in_units =
            |&i: &usize| features[i].iter().map(|f| units[i].of_value(*f)).collect::<Vec<f64>>();
        let mut coordinates: Vec<Vec<f64>> = varying.iter().map(in_units).collect();
        let (mut share, mut offset, mut rest) = (0.0, 0.0, 0.0);
        if let [first, second] = &mut coordinates[..] {
            let dot = |a: &[f64], b: &[f64]| sum(a.iter().zip(b).map(|(a, b)| a * b));
            share = dot(first, second) / dot(first, first);
            second.iter_mut().zip(&*first).for_each(|(second, first)| *second -= share * first);
            let unit = Unit::of(second);
            // Both are in `[-1, 1]`: if the features are equal, rounding leaves no more than this.
            if unit.scale > 16.0 * f64::EPSILON {
                second.iter_mut().for_each(|value| *value = unit.of_value(*value));
                (offset, rest) = (unit.centre, unit.scale);
            } else {
                coordinates.truncate(1);
            }
        }
        Self { units, varying, coordinates, share, offset, rest }
    }

    /// Converts weights and intercept of the coordinates to those of the features.
    fn fitted(&self, u: &[f64], c: f64) -> Fitted {
        let mut weights = vec![0.0; self.units.len()];
        let mut intercept = c;
        match (&self.varying[..], u) {
            (&[first, second], &[u, v]) => {
                weights[second] = v / self.rest;
                weights[first] = u - self.share * weights[second];
                intercept -= self.offset * weights[second];
            }
            (&[first, second], &[u]) => {
                // The minimum-norm weights with this effect.
                let effects = [self.units[first].scale, self.share * self.units[second].scale];
                let square = effects[0] * effects[0] + effects[1] * effects[1];
                for (at, effect) in [first, second].into_iter().zip(effects) {
                    weights[at] = u * effect / square * self.units[at].scale;
                }
            }
            (&[only], &[u]) => weights[only] = u,
            _ => {}
        }
        for (weight, unit) in
            weights.iter_mut().zip(&self.units).filter(|(_, unit)| unit.scale > 0.0)
        {
            *weight /= unit.scale;
            intercept -= *weight * unit.centre;
        }
        Fitted { weights, intercept }
    }
}

/// `1 / (1 + exp(-z))`, without overflow.
pub(in crate::calibration) fn sigmoid(z: f64) -> f64 {
    let small = exp(-z.abs());
    if z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// `ln (1 + x)` for `x >= 0`, to full relative precision.
#[inline(always)]
pub(in crate::calibration) fn ln_1p(x: f64) -> f64 {
    let sum = 1.0 + x;
    // The rounding error of the sum.
    let lost = if x <= 1.0 { x - (sum - 1.0) } else { 1.0 - (sum - x) };
    ln(sum) + lost / sum
}

for_each_machine! {
    /// Computes the probabilities of both outcomes at log-odds `z`, each to full relative
    /// precision, and replaces `z` by the loss of the likelier outcome, `ln (1 + exp(-|z|))`.
    fn tails(z: &mut [f64], p: &mut [f64], q: &mut [f64]) => tails_body
}

#[inline(always)]
fn tails_body(z: &mut [f64], p: &mut [f64], q: &mut [f64]) {
    for ((z, p), q) in z.iter_mut().zip(p).zip(q) {
        let small = exp(-z.abs());
        let (large, small_share) = (1.0 / (1.0 + small), small / (1.0 + small));
        *p = if *z >= 0.0 { large } else { small_share };
        *q = if *z >= 0.0 { small_share } else { large };
        *z = ln_1p(small);
    }
}

struct Regression<'a> {
    coordinates: &'a [Vec<f64>],
    groups: &'a Groups,
    rows: f64,
}

/// Values per group.
struct Point {
    /// The derivative of the loss by the log-odds.
    residuals: Vec<f64>,
    variances: Vec<f64>,
}

impl Objective for Regression<'_> {
    type Point = Point;

    fn at(&self, x: &[f64]) -> Evaluation<Point> {
        let (weights, c) = x.split_at(self.coordinates.len());
        let c = c[0];
        let Groups { positives, negatives } = self.groups;
        let n = positives.len();
        let mut odds = vec![c; n];
        for (weight, f) in weights.iter().zip(self.coordinates) {
            odds.iter_mut().zip(f).for_each(|(z, f)| *z += weight * f);
        }
        let (mut losses, mut p, mut q) = (odds.clone(), vec![0.0; n], vec![0.0; n]);
        tails(&mut losses, &mut p, &mut q);
        // Coordinates are at most 1, so this bounds the terms of the log-odds.
        let terms = weights.iter().map(|w| w.abs()).sum::<f64>() + c.abs();
        let (mut value, mut rounding) = (Sum::default(), 0.0);
        let mut point = Point { residuals: p, variances: q };
        for i in 0..n {
            let (p, q) = (point.residuals[i], point.variances[i]);
            let (up, down) = (negatives[i] * p, positives[i] * q);
            // All terms are positive, so the sum has the relative precision of its terms.
            let against = if odds[i] >= 0.0 { negatives[i] } else { positives[i] };
            let loss = (positives[i] + negatives[i]) * losses[i] + against * odds[i].abs();
            value.add(loss);
            rounding += 4.0 * loss + (up - down).abs() * terms;
            point.residuals[i] = up - down;
            point.variances[i] = (positives[i] + negatives[i]) * p * q;
        }
        Evaluation {
            value: value.value() / self.rows,
            rounding: f64::EPSILON * rounding / self.rows,
            point,
        }
    }

    /// The exact Newton step, in coordinates centred on the mean of the rows that are not yet
    /// decided. There intercept, first and second weight are decoupled, however large the log-odds
    /// are.
    fn step(&self, here: &Evaluation<Point>, _: f64) -> Step {
        let Point { residuals, variances } = &here.point;
        let total = sum(variances.iter().copied());
        let slope = sum(residuals.iter().copied());
        let (mut decrement, intercept) = (slope * slope / total, -slope / total);
        let weighted = |a: &[f64], b: &[f64]| sum((0..a.len()).map(|i| variances[i] * a[i] * b[i]));
        let mean = |f: &[f64]| sum(variances.iter().zip(f).map(|(v, f)| v * f)) / total;
        let means: Vec<f64> = self.coordinates.iter().map(|f| mean(f)).collect();
        let mut direction: Vec<f64> = Vec::with_capacity(means.len() + 1);
        let mut first: Option<(Vec<f64>, f64)> = None;
        for (coordinate, mean) in self.coordinates.iter().zip(&means) {
            let mut f: Vec<f64> = coordinate.iter().map(|f| f - mean).collect();
            let share = match &first {
                Some((first, curvature)) if *curvature > 0.0 => weighted(first, &f) / curvature,
                _ => 0.0,
            };
            if let Some((first, _)) = &first {
                f.iter_mut().zip(first).for_each(|(f, first)| *f -= share * first);
            }
            let curvature = weighted(&f, &f);
            let slope = sum(residuals.iter().zip(&f).map(|(r, f)| r * f));
            // All rows with any influence have the same score, so this weight has no effect.
            let change = if slope == 0.0 { 0.0 } else { -slope / curvature };
            decrement -= slope * change;
            direction.iter_mut().for_each(|first| *first -= share * change);
            direction.push(change);
            first.get_or_insert((f, curvature));
        }
        let offset: f64 = direction.iter().zip(&means).map(|(d, mean)| d * mean).sum();
        direction.push(intercept - offset);
        Step { direction, decrement: decrement / self.rows }
    }

    /// Separability is decided before the fit.
    fn recession(&self, _: &Evaluation<Point>, _: &Step) -> Option<String> {
        None
    }
}
