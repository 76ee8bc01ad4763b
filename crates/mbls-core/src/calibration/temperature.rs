use crate::metric::{
    Metric, NegativeLogLikelihood, Predictions, ReliabilityBins, check_logits, check_temperature, measure_logits_at,
};
use crate::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Temperature scaling: `p = softmax(l / T)` with one `T > 0` for all logits; it never changes a prediction.
///
/// ```
/// use mbls_core::calibration::TemperatureScaling;
///
/// // Margins of 4 that are right in three of four rows: softmax is calibrated where 4 / T = ln 3.
/// let logits = [4.0, 0.0, 4.0, 0.0, 4.0, 0.0, 4.0, 0.0];
/// let labels = [0, 0, 0, 1];
/// let scaling = TemperatureScaling::fit(&logits, 2, &labels)?;
/// assert!((scaling.temperature() - 4.0 / 3f64.ln()).abs() < 1e-9);
/// assert!((scaling.apply(&logits, 2, &labels)?.confidence(0) - 0.75).abs() < 1e-9);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (arXiv 1706.04599).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct TemperatureScaling {
    temperature: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    temperature: f64,
}

/// What a grid of temperatures is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GridObjective {
    /// The least negative log-likelihood.
    Nll,
    /// The least expected calibration error, in 15 bins.
    Ece,
}

/// Rows per task: sums of floats are taken per chunk, then over chunks in order, whatever the number of threads.
const CHUNK: usize = 1024;

impl TemperatureScaling {
    /// The least temperature that [`fit`](Self::fit) returns: for rows that are all predicted right the optimum is 0, which
    /// would make every later error infinitely unlikely.
    pub const MIN: f64 = 1e-2;
    /// The greatest temperature that [`fit`](Self::fit) returns: for rows predicted worse than at random the optimum is infinite.
    pub const MAX: f64 = 1e4;
    /// The number of bins of [`GridObjective::Ece`].
    pub const GRID_BINS: usize = 15;

    /// Scales by a given temperature.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where it is not finite and greater than 0.
    pub fn new(temperature: f64) -> Result<Self> {
        Ok(Self { temperature: check_temperature(temperature)? })
    }

    /// Fits the temperature of least negative log-likelihood between [`MIN`](Self::MIN) and [`MAX`](Self::MAX).
    ///
    /// With `b = 1 / T` the likelihood is convex, and the root of its derivative `mean_n E_b[l_n] - l_n[y_n]` is found by
    /// Newton steps in `log b`, bracketed and bisected where they do not converge: to 1e-13 relative, or as far as f64 tells.
    /// The likelihood of the rows it is fitted to is never worse than at `T = 1`. 1 where the temperature does not matter.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order, `labels` `[rows]`; at least one row.
    ///
    /// # Errors
    ///
    /// [`Error::NoRows`], and those of [`Predictions::from_logits`].
    pub fn fit(logits: &[f32], classes: usize, labels: &[u32]) -> Result<Self> {
        let rows = Rows::new(logits, classes, labels)?;
        let fitted = Self { temperature: rows.optimum() };
        let unscaled = Self { temperature: 1.0 };
        // Where both differ by rounding alone, the comparison decides for the one that is not worse.
        Ok(if rows.nll(fitted.temperature)? <= rows.nll(1.0)? { fitted } else { unscaled })
    }

    /// Takes the best of the published grid of temperatures.
    ///
    /// Starts at 0.1 and adds 0.1 a hundred times, accumulating its rounding; the first minimum wins.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit).
    ///
    /// # References
    ///
    /// The code of Mukhoti et al., NeurIPS 2020 (arXiv 2002.09437).
    pub fn fit_grid(logits: &[f32], classes: usize, labels: &[u32], objective: GridObjective) -> Result<Self> {
        let rows = Rows::new(logits, classes, labels)?;
        let mut temperature = 0.1;
        let mut best = (temperature, f64::INFINITY);
        for _ in 0..100 {
            let value = match objective {
                GridObjective::Nll => rows.nll(temperature)?,
                GridObjective::Ece => rows.ece(temperature)?,
            };
            if value < best.1 {
                best = (temperature, value);
            }
            temperature += 0.1;
        }
        Ok(Self { temperature: best.0 })
    }

    /// The temperature.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Scores rows by their scaled logits.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order, `labels` `[rows]`.
    ///
    /// # Errors
    ///
    /// Those of [`Predictions::from_logits`].
    pub fn apply(&self, logits: &[f32], classes: usize, labels: &[u32]) -> Result<Predictions> {
        Predictions::from_logits_at(logits, classes, labels, self.temperature)
    }
}

impl TryFrom<Saved> for TemperatureScaling {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        Self::new(saved.temperature)
    }
}

impl From<TemperatureScaling> for Saved {
    fn from(scaling: TemperatureScaling) -> Self {
        Self { temperature: scaling.temperature }
    }
}

/// The validated rows that a temperature is fitted to.
struct Rows<'a> {
    logits: &'a [f32],
    classes: usize,
    labels: &'a [u32],
}

impl<'a> Rows<'a> {
    fn new(logits: &'a [f32], classes: usize, labels: &'a [u32]) -> Result<Self> {
        check_logits(logits, classes, labels)?;
        if labels.is_empty() {
            return Err(Error::NoRows { what: "temperature scaling" });
        }
        Ok(Self { logits, classes, labels })
    }

    fn chunks(&self) -> impl IndexedParallelIterator<Item = (&'a [f32], &'a [u32])> {
        self.logits.par_chunks(CHUNK * self.classes).zip(self.labels.par_chunks(CHUNK))
    }

    /// A metric of the scaled rows.
    fn measure<M>(&self, temperature: f64, empty: M) -> Result<Option<M::Value>>
    where
        M: for<'b> Metric<Input<'b> = &'b Predictions> + Sync,
    {
        Ok(measure_logits_at(&empty, self.logits, self.classes, self.labels, temperature)?.value())
    }

    fn nll(&self, temperature: f64) -> Result<f64> {
        // There are rows, so there is a value.
        Ok(self.measure(temperature, NegativeLogLikelihood::new())?.unwrap_or(f64::INFINITY))
    }

    fn ece(&self, temperature: f64) -> Result<f64> {
        let bins = self.measure(temperature, ReliabilityBins::new(TemperatureScaling::GRID_BINS)?)?;
        Ok(bins.map_or(f64::INFINITY, |reliability| reliability.ece()))
    }

    /// First and second derivative of the mean negative log-likelihood in `log b`, the second without the term that vanishes
    /// at the optimum: `b (E_b[l] - l_y)` and `b^2 Var_b[l]`.
    fn derivatives(&self, log_b: f64) -> (f64, f64) {
        let b = log_b.exp();
        let chunk = |(logits, labels): (&[f32], &[u32])| {
            let rows = logits.chunks_exact(self.classes).zip(labels);
            rows.map(|(row, &label)| row_derivatives(row, label, b)).fold((0.0, 0.0), add)
        };
        let (first, second) = self.chunks().map(chunk).collect::<Vec<_>>().into_iter().fold((0.0, 0.0), add);
        let n = self.labels.len() as f64;
        (first / n, second / n)
    }

    /// The temperature at which the derivative changes its sign, or the end of the range that it points to.
    fn optimum(&self) -> f64 {
        let start = self.derivatives(0.0);
        if start.0 == 0.0 {
            return 1.0;
        }
        // The derivative rises with b: negative at `low`, positive at `high`.
        let (mut low, mut high) = (-TemperatureScaling::MAX.ln(), -TemperatureScaling::MIN.ln());
        if start.0 > 0.0 {
            if self.derivatives(low).0 >= 0.0 {
                return TemperatureScaling::MAX;
            }
            high = 0.0;
        } else {
            if self.derivatives(high).0 <= 0.0 {
                return TemperatureScaling::MIN;
            }
            low = 0.0;
        }
        (-self.root(low, high, start)).exp().clamp(TemperatureScaling::MIN, TemperatureScaling::MAX)
    }

    /// The root of the derivative in `log b` between `low` and `high`, from 0, where the derivatives are given.
    fn root(&self, mut low: f64, mut high: f64, start: (f64, f64)) -> f64 {
        const TOLERANCE: f64 = 1e-13;
        let (mut at, (mut first, mut second)) = (0.0, start);
        let mut last_step = high - low;
        loop {
            let newton = at - first / second;
            // A Newton step must stay inside and halve the step before it, or the bracket is halved: so it ends.
            let inside = newton > low && newton < high && (newton - at).abs() < 0.5 * last_step;
            let next = if inside { newton } else { 0.5 * (low + high) };
            last_step = (next - at).abs();
            if last_step < TOLERANCE || next <= low || next >= high {
                return next;
            }
            at = next;
            (first, second) = self.derivatives(at);
            if first == 0.0 {
                return at;
            }
            *(if first > 0.0 { &mut high } else { &mut low }) = at;
        }
    }
}

fn row_derivatives(row: &[f32], label: u32, b: f64) -> (f64, f64) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shifted = |logit: f32| f64::from(logit) - f64::from(max);
    let (mut sum, mut mean, mut square) = (0.0, 0.0, 0.0);
    for &logit in row {
        let z = shifted(logit) * b;
        let weight = z.exp();
        sum += weight;
        mean += weight * z;
        square += weight * z * z;
    }
    let mean = mean / sum;
    (mean - shifted(row[label as usize]) * b, (square / sum - mean * mean).max(0.0))
}

fn add(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 + b.0, a.1 + b.1)
}
