use super::TemperatureScaling;
use crate::metric::{
    FixedSum, Metric, Predictions, ReliabilityBins, ScoreType, check_classes, check_row,
};
use crate::parallel::map;
use crate::simd::{exp, ln};
use crate::{Error, Result};

/// The validated rows that a temperature is fitted to.
///
/// Logits are `[images, classes, positions]`; plain rows have one position each. They are read in
/// chunks of rows, which bounds the memory of a pass by `threads x CHUNK x classes` numbers for any
/// layout.
pub(super) struct Rows<'a, T> {
    logits: &'a [T],
    classes: usize,
    positions: usize,
    labels: &'a [u32],
    ignore: Option<u32>,
    /// The number of rows that are not ignored.
    counted: u64,
    /// Of those, the rows whose label is a masked class, infinitely unlikely at every temperature.
    masked_labels: u64,
    /// The factor of the logits, a power of two: 1 unless they are so large or small that their
    /// products overflow or underflow.
    unit: f64,
}

/// The largest magnitude of logits is not rescaled between these powers of two.
const ORDINARY: i32 = 500;

/// Rows per task. Sums are exact, so the number changes no result.
const CHUNK: usize = 1024;

impl<'a, T: ScoreType> Rows<'a, T> {
    pub(super) fn new(
        logits: &'a [T],
        [images, classes, positions]: [usize; 3],
        labels: &'a [u32],
        ignore: Option<u32>,
    ) -> Result<Self> {
        check_classes(classes)?;
        let rows = images.checked_mul(positions);
        if rows != Some(labels.len()) || labels.len().checked_mul(classes) != Some(logits.len()) {
            let expected = format!(
                "{images} x {classes} x {positions} logits and {images} x {positions} labels"
            );
            let found = format!("{} logits and {} labels", logits.len(), labels.len());
            return Err(Error::Shape { what: "temperature scaling", expected, found });
        }
        let mut rows = Self {
            logits,
            classes,
            positions,
            labels,
            ignore,
            counted: 0,
            masked_labels: 0,
            unit: 1.0,
        };
        let mut largest = 0.0;
        for (row, label) in labels.iter().enumerate() {
            if Some(*label) != ignore {
                rows.check_row(row, &mut largest)?;
            }
        }
        if rows.counted == 0 {
            return Err(Error::NoRows { what: "temperature scaling" });
        }
        let power = libm::ilogb(largest);
        if largest > 0.0 && power.abs() > ORDINARY {
            // Within the exponents of normal numbers.
            rows.unit = 2f64.powi(-power.clamp(-1000, 1000));
        }
        Ok(rows)
    }

    /// Counts a row; an error if it is invalid.
    fn check_row(&mut self, row: usize, largest: &mut f64) -> Result<()> {
        let label = self.labels[row];
        if label as usize >= self.classes {
            return Err(Error::Label { label: label.into(), row, classes: self.classes });
        }
        check_row(row, self.row(row))?;
        let mut at_label = 0.0;
        for (class, logit) in self.row(row).enumerate() {
            at_label = if class == label as usize { logit } else { at_label };
            *largest = if logit.is_finite() { largest.max(logit.abs()) } else { *largest };
        }
        self.counted += 1;
        self.masked_labels += u64::from(at_label == f64::NEG_INFINITY);
        Ok(())
    }

    /// Returns an error if no row has a likelihood.
    pub(super) fn check_likelihood(&self) -> Result<()> {
        if self.masked_labels < self.counted {
            return Ok(());
        }
        let problem = format!("the label of each of the {} rows is a masked class", self.counted);
        Err(Error::Fit { what: "temperature scaling", problem })
    }

    /// The number of rows whose label is a masked class.
    pub(super) fn masked_labels(&self) -> u64 {
        self.masked_labels
    }

    /// The factor that logits are multiplied by before any computation.
    pub(super) fn unit(&self) -> f64 {
        self.unit
    }

    /// Converts a temperature of the multiplied logits to one of the original logits.
    pub(super) fn in_units(&self, temperature: f64) -> f64 {
        (temperature / self.unit).clamp(f64::MIN_POSITIVE, f64::MAX)
    }

    /// The smallest and the largest distance of a row's largest logit from its smallest, over rows
    /// whose logits differ; `None` if there is no such row.
    pub(super) fn ranges(&self) -> Option<(f64, f64)> {
        let of_rows = |(logits, _): (Vec<f64>, Vec<u32>)| {
            logits.chunks_exact(self.classes).fold(EMPTY, |(least, greatest), row| {
                let finite = || row.iter().copied().filter(|logit| logit.is_finite());
                let range = finite().fold(f64::NEG_INFINITY, f64::max)
                    - finite().fold(f64::INFINITY, f64::min);
                if range > 0.0 {
                    (range.min(least), range.max(greatest))
                } else {
                    (least, greatest)
                }
            })
        };
        const EMPTY: (f64, f64) = (f64::INFINITY, 0.0);
        let (least, greatest) = map(self.chunks(), &|chunk| of_rows(self.chunk(chunk)))
            .into_iter()
            .fold(EMPTY, |a, b| (a.0.min(b.0), a.1.max(b.1)));
        (greatest > 0.0).then_some((least, greatest))
    }

    fn row(&self, row: usize) -> impl Iterator<Item = f64> {
        let first = row / self.positions * self.classes * self.positions + row % self.positions;
        self.logits[first..]
            .iter()
            .step_by(self.positions)
            .take(self.classes)
            .map(|&logit| logit.into())
    }

    /// The number of chunks of rows.
    fn chunks(&self) -> usize {
        self.labels.len().div_ceil(CHUNK)
    }

    /// Returns the logits `[rows, classes]` and the labels of the counted rows of a chunk.
    fn chunk(&self, chunk: usize) -> (Vec<f64>, Vec<u32>) {
        let rows = chunk * CHUNK..self.labels.len().min((chunk + 1) * CHUNK);
        let counted = || rows.clone().filter(|&row| Some(self.labels[row]) != self.ignore);
        let mut logits = Vec::with_capacity(rows.len() * self.classes);
        // A factor of 1 changes nothing.
        counted().for_each(|row| logits.extend(self.row(row).map(|logit| logit * self.unit)));
        (logits, counted().map(|row| self.labels[row]).collect())
    }

    /// Computes means over rows, bit-identical for any order of the rows. Rows whose label is
    /// masked are left out.
    fn means<const N: usize>(
        &self,
        of_row: impl Fn(&[f64], u32) -> [f64; N] + Sync,
    ) -> Result<[f64; N]> {
        let of_chunk = |chunk: usize| {
            let (logits, labels) = self.chunk(chunk);
            let mut sums = [FixedSum::default(); N];
            let rows = logits.chunks_exact(self.classes).zip(labels);
            for (row, label) in rows.filter(|(row, label)| row[*label as usize] > f64::NEG_INFINITY)
            {
                for (sum, value) in sums.iter_mut().zip(of_row(row, label)) {
                    sum.add(value)?;
                }
            }
            Ok(sums)
        };
        let mut sums = [FixedSum::default(); N];
        for part in map::<Result<[FixedSum; N]>>(self.chunks(), &of_chunk) {
            sums.iter_mut().zip(part?).try_for_each(|(sum, part)| sum.merge(part))?;
        }
        Ok(sums.map(|sum| sum.mean(self.counted - self.masked_labels)))
    }

    /// Returns the mean negative log-likelihood at a temperature of the original logits; infinite
    /// if the sum over rows is too large for fixed point.
    pub(super) fn nll(&self, temperature: f64) -> Result<f64> {
        let temperature = temperature * self.unit;
        let of_row = |row: &[f64], label: u32| {
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let exponent = |logit: f64| (logit - max) / temperature;
            let sum: f64 = row.iter().map(|&logit| exp(exponent(logit))).sum();
            [ln(sum) - exponent(row[label as usize])]
        };
        match self.means(of_row) {
            Err(Error::Accumulator { .. }) => Ok(f64::INFINITY),
            means => Ok(means?[0]),
        }
    }

    /// Returns the expected calibration error with [`TemperatureScaling::GRID_BINS`] bins.
    pub(super) fn ece(&self, temperature: f64) -> Result<f64> {
        let temperature = (temperature * self.unit).max(f64::MIN_POSITIVE);
        let empty = ReliabilityBins::new(TemperatureScaling::GRID_BINS)?;
        let of_chunk = |chunk: usize| {
            let (logits, labels) = self.chunk(chunk);
            let mut bins = empty.clone();
            bins.update(&Predictions::from_logits_at(
                &logits,
                self.classes,
                &labels,
                temperature,
            )?)?;
            Ok(bins)
        };
        let mut all = empty.clone();
        for bins in map::<Result<ReliabilityBins>>(self.chunks(), &of_chunk) {
            all.merge(bins?)?;
        }
        // There are rows, so there is a value.
        Ok(all.value().map_or(f64::INFINITY, |reliability| reliability.ece()))
    }

    /// Returns the first and second derivative of the mean negative log-likelihood in `log b`,
    /// `b = 1 / T`, the second without the term that vanishes at the optimum: `b (E_b[l] - l_y)`
    /// and `b^2 Var_b[l]`.
    pub(super) fn derivatives(&self, log_b: f64) -> Result<[f64; 2]> {
        let b = libm::exp(log_b);
        match self.means(|row, label| row_derivatives(row, label, b)) {
            // Only a label far below the maximum takes the sum out of range: `b (max - E_b[l])` is
            // less than the number of classes.
            Err(Error::Accumulator { .. }) => Ok([f64::INFINITY, 1.0]),
            means => means,
        }
    }
}

fn row_derivatives(row: &[f64], label: u32, b: f64) -> [f64; 2] {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut mean, mut square) = (0.0, 0.0, 0.0);
    for logit in row {
        // Kept finite for a masked class or a large b, because 0 times infinity is NaN.
        let z = ((logit - max) * b).max(-f64::MAX);
        let weight = exp(z);
        sum += weight;
        mean += weight * z;
        square += weight * z * z;
    }
    let mean = mean / sum;
    // The second derivative only guides the steps. It is bounded so that its sum is in the range of
    // fixed point whenever that of the first is.
    [mean - (row[label as usize] - max) * b, (square / sum - mean * mean).clamp(0.0, 1e18)]
}
