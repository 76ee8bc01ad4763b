use super::TemperatureScaling;
use crate::metric::{FixedSum, Metric, Predictions, ReliabilityBins, Score, check_classes};
use crate::simd::{exp, ln};
use crate::{Error, Result};
use rayon::prelude::*;

/// The validated rows that a temperature is fitted to.
///
/// Logits are `[images, classes, positions]`; rows of logits have one position each. They are read a chunk of rows at a time,
/// which bounds the memory of a pass by `threads x CHUNK x classes` numbers however the rows lie.
pub(super) struct Rows<'a, T> {
    logits: &'a [T],
    classes: usize,
    positions: usize,
    labels: &'a [u32],
    ignore: Option<u32>,
    /// The number of rows that are not ignored.
    counted: u64,
}

/// Rows per task. Sums are exact, so the number changes no result.
const CHUNK: usize = 1024;

impl<'a, T: Score> Rows<'a, T> {
    pub(super) fn new(
        logits: &'a [T],
        [images, classes, positions]: [usize; 3],
        labels: &'a [u32],
        ignore: Option<u32>,
    ) -> Result<Self> {
        check_classes(classes)?;
        let rows = images.checked_mul(positions);
        if rows != Some(labels.len()) || labels.len().checked_mul(classes) != Some(logits.len()) {
            let expected = format!("{images} x {classes} x {positions} logits and {images} x {positions} labels");
            let found = format!("{} logits and {} labels", logits.len(), labels.len());
            return Err(Error::Shape { what: "temperature scaling", expected, found });
        }
        let mut rows = Self { logits, classes, positions, labels, ignore, counted: 0 };
        for row in 0..labels.len() {
            rows.counted += u64::from(rows.check_row(row)?);
        }
        if rows.counted == 0 {
            return Err(Error::NoRows { what: "temperature scaling" });
        }
        Ok(rows)
    }

    /// Whether a row counts, an error where it counts and is not valid.
    fn check_row(&self, row: usize) -> Result<bool> {
        let label = self.labels[row];
        if Some(label) == self.ignore {
            return Ok(false);
        }
        if label as usize >= self.classes {
            return Err(Error::Label { label: label.into(), row, classes: self.classes });
        }
        match self.row(row).enumerate().find(|(_, logit)| !logit.is_finite()) {
            None => Ok(true),
            Some((class, value)) => Err(Error::Value { what: "logit", value, row, class, expected: "a finite number" }),
        }
    }

    fn row(&self, row: usize) -> impl Iterator<Item = f64> {
        let first = row / self.positions * self.classes * self.positions + row % self.positions;
        self.logits[first..].iter().step_by(self.positions).take(self.classes).map(|&logit| logit.into())
    }

    /// The rows that count, a chunk at a time: their logits `[rows, classes]` and labels.
    fn chunks(&self) -> impl ParallelIterator<Item = (Vec<f64>, Vec<u32>)> {
        (0..self.labels.len().div_ceil(CHUNK)).into_par_iter().map(|chunk| {
            let rows = chunk * CHUNK..self.labels.len().min((chunk + 1) * CHUNK);
            let counted = || rows.clone().filter(|&row| Some(self.labels[row]) != self.ignore);
            let mut logits = Vec::with_capacity(rows.len() * self.classes);
            counted().for_each(|row| logits.extend(self.row(row)));
            (logits, counted().map(|row| self.labels[row]).collect())
        })
    }

    /// The means over rows of some quantities: they have the same bits for any order of the rows.
    fn means<const N: usize>(&self, of_row: impl Fn(&[f64], u32) -> [f64; N] + Sync) -> Result<[f64; N]> {
        let sums = self.chunks().map(|(logits, labels)| {
            let mut sums = [FixedSum::default(); N];
            for (row, label) in logits.chunks_exact(self.classes).zip(labels) {
                for (sum, value) in sums.iter_mut().zip(of_row(row, label)) {
                    sum.add(value)?;
                }
            }
            Ok::<_, Error>(sums)
        });
        let merge = |mut a: [FixedSum; N], b: [FixedSum; N]| {
            a.iter_mut().zip(b).try_for_each(|(a, b)| a.merge(b))?;
            Ok(a)
        };
        let sums = sums.try_reduce(|| [FixedSum::default(); N], merge)?;
        Ok(sums.map(|sum| sum.mean(self.counted)))
    }

    /// The mean negative log-likelihood.
    pub(super) fn nll(&self, temperature: f64) -> Result<f64> {
        let of_row = |row: &[f64], label: u32| {
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let exponent = |logit: f64| (logit - max) / temperature;
            let sum: f64 = row.iter().map(|&logit| exp(exponent(logit))).sum();
            [ln(sum) - exponent(row[label as usize])]
        };
        Ok(self.means(of_row)?[0])
    }

    /// The expected calibration error of [`TemperatureScaling::GRID_BINS`] bins.
    pub(super) fn ece(&self, temperature: f64) -> Result<f64> {
        let empty = ReliabilityBins::new(TemperatureScaling::GRID_BINS)?;
        let bins = self.chunks().map(|(logits, labels)| {
            let mut bins = empty.clone();
            bins.update(&Predictions::from_logits_at(&logits, self.classes, &labels, temperature)?)?;
            Ok(bins)
        });
        let merge = |mut a: ReliabilityBins, b: ReliabilityBins| a.merge(b).map(|()| a);
        // There are rows, so there is a value.
        Ok(bins.try_reduce(|| empty.clone(), merge)?.value().map_or(f64::INFINITY, |reliability| reliability.ece()))
    }

    /// First and second derivative of the mean negative log-likelihood in `log b`, `b = 1 / T`, the second without the term
    /// that vanishes at the optimum: `b (E_b[l] - l_y)` and `b^2 Var_b[l]`.
    pub(super) fn derivatives(&self, log_b: f64) -> Result<[f64; 2]> {
        let b = libm::exp(log_b);
        self.means(|row, label| row_derivatives(row, label, b))
    }
}

fn row_derivatives(row: &[f64], label: u32, b: f64) -> [f64; 2] {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut mean, mut square) = (0.0, 0.0, 0.0);
    for logit in row {
        let z = (logit - max) * b;
        let weight = exp(z);
        sum += weight;
        mean += weight * z;
        square += weight * z * z;
    }
    let mean = mean / sum;
    // The second only guides the steps: bounded, so that its sum is in the range of fixed point wherever the first's is.
    [mean - (row[label as usize] - max) * b, (square / sum - mean * mean).clamp(0.0, 1e18)]
}
