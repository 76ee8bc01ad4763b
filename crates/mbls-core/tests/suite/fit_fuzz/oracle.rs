//! The distance of parameters from the optimum of a convex objective, computed by slow code: the
//! Newton decrement, from compensated sums.

/// A sum in twice the precision of f64.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum(f64, f64);

impl Sum {
    pub(crate) fn add(&mut self, value: f64) {
        let sum = self.0 + value;
        let part = sum - self.0;
        self.1 += (self.0 - (sum - part)) + (value - part);
        self.0 = sum;
    }

    pub(crate) fn value(self) -> f64 {
        self.0 + self.1
    }
}

pub(crate) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut sum = Sum::default();
    values.for_each(|value| sum.add(value));
    sum.value()
}

/// The value of an objective, the decrease that Newton's method still predicts, and the rounding
/// errors of both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distance {
    pub(crate) value: f64,
    pub(crate) decrease: f64,
    pub(crate) rounding: f64,
}

impl Distance {
    pub(crate) fn is_optimal(&self) -> bool {
        self.decrease <= 64.0 * f64::EPSILON * self.value + self.rounding
    }
}

/// A map `W x + b` per row, or `w * x + b`, and its objective.
pub(crate) struct Softmax<'a> {
    pub(crate) classes: usize,
    pub(crate) diagonal: bool,
    pub(crate) features: &'a [f64],
    pub(crate) labels: &'a [u32],
    /// Factors of the squares of off-diagonal weights and of intercepts.
    pub(crate) penalty: (f64, f64),
}

impl Softmax<'_> {
    fn rows(&self) -> f64 {
        self.labels.len() as f64
    }

    fn width(&self) -> usize {
        if self.diagonal { 1 } else { self.classes }
    }

    /// The features of a row that class `k` uses.
    fn of<'x>(&self, x: &'x [f64], k: usize) -> &'x [f64] {
        if self.diagonal { &x[k..=k] } else { x }
    }

    /// Computes `W x + b` with weights `[classes, width]` followed by intercepts.
    fn logits(&self, map: &[f64], x: &[f64]) -> Vec<f64> {
        let (w, b) = map.split_at(self.classes * self.width());
        let of_class = |k: usize| {
            let products = w[k * self.width()..].iter().zip(self.of(x, k)).map(|(w, x)| w * x);
            products.sum::<f64>() + b[k]
        };
        (0..self.classes).map(of_class).collect()
    }

    fn add(&self, factors: &[f64], x: &[f64], sums: &mut [Sum]) {
        let width = self.width();
        for (k, factor) in factors.iter().enumerate() {
            for (j, x) in self.of(x, k).iter().enumerate() {
                sums[k * width + j].add(factor * x);
            }
            sums[self.classes * width + k].add(*factor);
        }
    }

    fn penalty_of(&self, at: usize) -> f64 {
        let width = self.width();
        match at < self.classes * width {
            true if self.diagonal || at / width == at % width => 0.0,
            true => self.penalty.0,
            false => self.penalty.1,
        }
    }

    /// The rows scaled to mean 0 and variance 1, in which the conjugate gradients converge; every
    /// map of one is a map of the other.
    fn scaled(&self) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let c = self.classes;
        let column = |j: usize| self.features.iter().skip(j).step_by(c).copied();
        let means: Vec<f64> = (0..c).map(|j| sum(column(j)) / self.rows()).collect();
        let deviation =
            |j: usize| (sum(column(j).map(|x| (x - means[j]).powi(2))) / self.rows()).sqrt();
        let scales: Vec<f64> = (0..c)
            .map(|j| if deviation(j) > 1e-13 * means[j].abs() { deviation(j) } else { 1.0 })
            .collect();
        let scaled = self
            .features
            .iter()
            .enumerate()
            .map(|(i, x)| (x - means[i % c]) / scales[i % c])
            .collect();
        (scaled, means, scales)
    }

    /// Returns the distance of a map `[classes, width]` and `[classes]` from the optimum.
    pub(crate) fn distance(&self, weights: &[f64], intercepts: &[f64]) -> Distance {
        let (c, width, n) = (self.classes, self.width(), self.rows());
        let map: Vec<f64> = weights.iter().chain(intercepts).copied().collect();
        let dim = map.len();
        let (scaled, means, scales) = self.scaled();
        let feature = |at: usize| if self.diagonal { at / width } else { at % width };
        // Converts a change of the map of scaled rows to one of the map of rows, and its transpose.
        let change = |v: &[f64]| -> Vec<f64> {
            let mut map: Vec<f64> = (0..c * width).map(|i| v[i] / scales[feature(i)]).collect();
            for k in 0..c {
                let offset =
                    sum((0..width).map(|j| map[k * width + j] * means[feature(k * width + j)]));
                map.push(v[c * width + k] - offset);
            }
            map
        };
        let transposed = |g: &[f64]| -> Vec<f64> {
            let of_weight = |i: usize| {
                (g[i] - g[c * width + i / width] * means[feature(i)]) / scales[feature(i)]
            };
            (0..c * width).map(of_weight).chain(g[c * width..].iter().copied()).collect()
        };

        let (mut loss, mut gradient) = (Sum::default(), vec![Sum::default(); dim]);
        let (mut sizes, mut diagonal) = (vec![Sum::default(); dim], vec![Sum::default(); dim]);
        let mut probs = Vec::with_capacity(self.features.len());
        let mut rounding = Sum::default();
        for (row, &label) in self.labels.iter().enumerate() {
            let y = label as usize;
            let z = self.logits(&map, &self.features[row * c..][..c]);
            let x = &scaled[row * c..][..c];
            let exps: Vec<f64> = z.iter().map(|l| (l - z[y]).min(700.0).exp()).collect();
            let total: f64 = exps.iter().sum();
            let others: f64 =
                exps.iter().enumerate().filter(|(k, _)| *k != y).map(|(_, e)| e).sum();
            loss.add(others.ln_1p());
            let mut p: Vec<f64> = exps.iter().map(|e| e / total).collect();
            probs.extend_from_slice(&p);
            let variance: Vec<f64> =
                (0..c).map(|k| p[k] * if k == y { others / total } else { 1.0 - p[k] }).collect();
            p[y] = -others / total;
            // The effect on the loss of rounding the logits, which is relative to their terms.
            let terms = |k: usize| {
                let products = map[k * width..][..width]
                    .iter()
                    .zip(self.of(&self.features[row * c..][..c], k));
                products.map(|(w, x)| (w * x).abs()).sum::<f64>() + map[c * width + k].abs()
            };
            rounding.add((0..c).map(|k| p[k].abs() * terms(k)).sum::<f64>());
            self.add(&p, x, &mut gradient);
            let size = |values: &[f64]| values.iter().map(|v| v.abs()).collect::<Vec<f64>>();
            self.add(&size(&p), &size(x), &mut sizes);
            let squares: Vec<f64> = x.iter().map(|x| x * x).collect();
            self.add(&variance, &squares, &mut diagonal);
        }
        let mean = |sums: &[Sum]| sums.iter().map(|sum| sum.value() / n).collect::<Vec<f64>>();
        let slope: Vec<f64> = (0..dim).map(|i| 2.0 * self.penalty_of(i) * map[i]).collect();
        let value = loss.value() / n + 0.5 * sum(slope.iter().zip(&map).map(|(s, x)| s * x));
        let mut g = mean(&gradient);
        g.iter_mut().zip(transposed(&slope)).for_each(|(g, s)| *g += s);
        let free = self.penalty == (0.0, 0.0);
        let project = |v: &mut [f64]| {
            // A constant added to all classes has no effect.
            if free && !self.diagonal {
                for j in 0..width {
                    let mean = sum((0..c).map(|k| v[k * width + j])) / c as f64;
                    (0..c).for_each(|k| v[k * width + j] -= mean);
                }
            }
            if self.penalty.1 == 0.0 && (free || self.diagonal) {
                let mean = sum(v[c * width..].iter().copied()) / c as f64;
                v[c * width..].iter_mut().for_each(|b| *b -= mean);
            }
        };
        project(&mut g);
        let curvature: Vec<f64> = {
            let slopes: Vec<f64> = (0..dim)
                .map(|i| {
                    let mut unit = vec![0.0; dim];
                    unit[i] = 1.0;
                    let change = change(&unit);
                    sum(change.iter().enumerate().map(|(i, x)| 2.0 * self.penalty_of(i) * x * x))
                })
                .collect();
            mean(&diagonal).iter().zip(slopes).map(|(d, s)| d + s).collect()
        };
        let times = |v: &[f64]| -> Vec<f64> {
            let mut sums = vec![Sum::default(); dim];
            for (row, &label) in self.labels.iter().enumerate() {
                let (p, x) = (&probs[row * c..][..c], &scaled[row * c..][..c]);
                let z = self.logits(v, x);
                let from_label: Vec<f64> = z.iter().map(|d| d - z[label as usize]).collect();
                let mean: f64 = from_label.iter().zip(p).map(|(d, p)| d * p).sum();
                let mut factors: Vec<f64> =
                    from_label.iter().zip(p).map(|(d, p)| p * (d - mean)).collect();
                let others: f64 = (0..c).filter(|&k| k != label as usize).map(|k| factors[k]).sum();
                factors[label as usize] = -others;
                self.add(&factors, x, &mut sums);
            }
            let mut product: Vec<f64> = sums.iter().map(|sum| sum.value() / n).collect();
            let penalty: Vec<f64> =
                change(v).iter().enumerate().map(|(i, x)| 2.0 * self.penalty_of(i) * x).collect();
            product.iter_mut().zip(transposed(&penalty)).for_each(|(p, s)| *p += s);
            project(&mut product);
            product
        };
        // Below this, a gradient is rounding error.
        let noise: Vec<f64> = mean(&sizes)
            .iter()
            .zip(transposed(&slope.iter().map(|s| s.abs()).collect::<Vec<f64>>()))
            .map(|(size, slope)| 8.0 * f64::EPSILON * (size + slope.abs()))
            .collect();
        let (decrease, _) = decrement(&g, &noise, &curvature, times);
        Distance {
            value,
            decrease: 0.5 * decrease,
            rounding: 4.0 * f64::EPSILON * rounding.value() / n,
        }
    }
}

/// Computes `g^T H^+ g` by conjugate gradients, and the step.
fn decrement(
    g: &[f64],
    noise: &[f64],
    curvature: &[f64],
    times: impl Fn(&[f64]) -> Vec<f64>,
) -> (f64, Vec<f64>) {
    let dim = g.len();
    let most = curvature.iter().copied().fold(0.0, f64::max);
    let scale = |i: usize| curvature[i].max(1e-14 * most).max(f64::MIN_POSITIVE);
    let precondition = |r: &[f64]| -> Vec<f64> { (0..dim).map(|i| r[i] / scale(i)).collect() };
    let dot = |a: &[f64], b: &[f64]| sum(a.iter().zip(b).map(|(a, b)| a * b));
    let enough = (0..dim).map(|i| noise[i] * noise[i] / scale(i)).sum::<f64>();
    let mut residual: Vec<f64> = g.iter().map(|g| -g).collect();
    let mut direction = precondition(&residual);
    let mut square = dot(&residual, &direction);
    let (mut total, mut step) = (0.0, vec![0.0; dim]);
    let first = square;
    for _ in 0..(3 * dim + 50).min(400) {
        if square <= enough || square <= 1e-4 * first {
            break;
        }
        let product = times(&direction);
        let curvature = dot(&direction, &product);
        if curvature <= 0.0 {
            break;
        }
        let length = square / curvature;
        total += length * square;
        (0..dim).for_each(|i| {
            step[i] += length * direction[i];
            residual[i] -= length * product[i];
        });
        let next = precondition(&residual);
        let next_square = dot(&residual, &next);
        let turn = next_square / square;
        (0..dim).for_each(|i| direction[i] = next[i] + turn * direction[i]);
        square = next_square;
    }
    (total, step)
}

/// Returns the distance of `sigmoid(w f + c)`, with one or two features per row, from the optimum
/// for targets from 0 to 1. `free` says which weights may change, and in which direction: 0 for
/// both, 1 for upwards.
pub(crate) fn logistic(
    features: &[Vec<f64>],
    targets: &[f64],
    weights: &[f64],
    c: f64,
    bounded: bool,
) -> Distance {
    let n = targets.len() as f64;
    let z = |row: usize| features.iter().zip(weights).map(|(f, w)| f[row] * w).sum::<f64>() + c;
    let softplus = |z: f64| z.max(0.0) + (-z.abs()).exp().ln_1p();
    let sigmoid =
        |z: f64| if z >= 0.0 { 1.0 / (1.0 + (-z).exp()) } else { z.exp() / (1.0 + z.exp()) };
    let rows = 0..targets.len();
    let value = sum(rows
        .clone()
        .map(|i| targets[i] * softplus(-z(i)) + (1.0 - targets[i]) * softplus(z(i))))
        / n;
    let residual: Vec<f64> = rows
        .clone()
        .map(|i| (1.0 - targets[i]) * sigmoid(z(i)) - targets[i] * sigmoid(-z(i)))
        .collect();
    let variance: Vec<f64> = rows.clone().map(|i| sigmoid(z(i)) * sigmoid(-z(i))).collect();
    let total = sum(variance.iter().copied());
    let terms = |i: usize| {
        features.iter().zip(weights).map(|(f, w)| (f[i] * w).abs()).sum::<f64>() + c.abs()
    };
    let rounding = 4.0 * f64::EPSILON * sum(rows.clone().map(|i| residual[i].abs() * terms(i))) / n;
    // Relative to the mean of the rows that matter, where the intercept is decoupled from the
    // weights.
    let centred: Vec<Vec<f64>> = features
        .iter()
        .map(|f| {
            let mean = sum(rows.clone().map(|i| variance[i] * f[i])) / total;
            f.iter().map(|f| f - mean).collect()
        })
        .collect();
    let slope = |f: &[f64]| sum(rows.clone().map(|i| residual[i] * f[i])) / n;
    let size = |f: &[f64]| {
        8.0 * f64::EPSILON * sum(rows.clone().map(|i| residual[i].abs() * f[i].abs())) / n
    };
    let g0 = sum(residual.iter().copied()) / n;
    let mut decrease = if total > 0.0 { g0 * g0 / (total / n) } else { 0.0 };
    // The weights, each without its component along earlier ones; at a bound only a decrease in the
    // upward direction counts.
    let mut before: Vec<Vec<f64>> = Vec::new();
    let free = |i: usize| !bounded || weights[i] > 0.0 || slope(&centred[i]) < 0.0;
    for i in (0..features.len()).filter(|&i| free(i)) {
        let mut f = centred[i].clone();
        for other in &before {
            let square = sum(rows.clone().map(|i| variance[i] * other[i] * other[i]));
            let share = sum(rows.clone().map(|i| variance[i] * other[i] * f[i])) / square;
            (0..f.len()).for_each(|i| f[i] -= share * other[i]);
        }
        let curvature = |f: &[f64]| sum(rows.clone().map(|i| variance[i] * f[i] * f[i])) / n;
        let (own, left) = (curvature(&centred[i]), curvature(&f));
        let magnitude = features[i].iter().fold(0f64, |a, b| a.max(b.abs()));
        // A feature that is constant or equal to another, up to rounding, has no separate weight.
        if left <= 1e-24 * own || left * n <= total * (64.0 * f64::EPSILON * magnitude).powi(2) {
            continue;
        }
        let slope = slope(&f);
        if slope.abs() > size(&f) {
            decrease += slope * slope / left;
        }
        before.push(f);
    }
    Distance { value, decrease: 0.5 * decrease, rounding }
}
