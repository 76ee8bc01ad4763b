use super::Abstention;
use crate::metric::{Metric, Predictions, Reliability, ReliabilityBin, ReliabilityBins};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The number of bins that thresholds are looked up in: probabilities from 0 to 1 in thousandths.
pub(super) const THRESHOLDS: usize = 1000;

/// The reliability of a calibrator's confidences on test rows: how often answers of a confidence
/// are correct, and the effect of withholding the less confident ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct Assessment {
    reliability: ReliabilityBins,
    /// In [`THRESHOLDS`] bins.
    thousandths: ReliabilityBins,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    reliability: ReliabilityBins,
    thousandths: ReliabilityBins,
}

impl Assessment {
    /// Creates an assessment without rows. `bins` is the number of bins of the reliability diagram.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for 0 bins and for more than 65536.
    pub fn new(bins: usize) -> Result<Self> {
        Ok(Self {
            reliability: ReliabilityBins::new(bins)?,
            thousandths: ReliabilityBins::new(THRESHOLDS)?,
        })
    }

    /// Adds test rows.
    ///
    /// # Errors
    ///
    /// An error if the counts overflow; the assessment is then unchanged.
    pub fn update(&mut self, predictions: &Predictions) -> Result<()> {
        self.reliability.check_update(predictions)?;
        self.thousandths.update(predictions)?;
        self.reliability.update(predictions)
    }

    /// Returns the number of test rows.
    pub fn n(&self) -> u64 {
        self.reliability.n()
    }

    /// Returns the reliability diagram; `None` if there are no rows.
    pub fn reliability(&self) -> Option<Reliability> {
        self.reliability.value()
    }

    /// Returns the test rows whose confidence is in the same bin: their number, and the fraction
    /// that is correct. `None` if there are no test rows at all.
    pub fn bin(&self, confidence: f64) -> Option<ReliabilityBin> {
        let mut bins = self.reliability.value()?.bins;
        // Bins are open below and closed above, and the last ends at 1.
        let place = bins.partition_point(|bin| bin.upper < confidence).min(bins.len() - 1);
        Some(bins.swap_remove(place))
    }

    /// Returns the effect of withholding the test rows whose confidence is at most `threshold`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a threshold that is not a multiple of 0.001 from 0 to 0.999.
    pub fn abstain_below(&self, threshold: f64) -> Result<Abstention> {
        let expected = "a number from 0 to 0.999 with at most three decimals";
        let thousandth = (threshold * THRESHOLDS as f64).round();
        let near = (threshold * THRESHOLDS as f64 - thousandth).abs() < 1e-6;
        if !(near && (0.0..THRESHOLDS as f64).contains(&thousandth)) {
            return Err(Error::Setting {
                name: "threshold",
                value: threshold.to_string(),
                expected,
            });
        }
        let place = thousandth as usize;
        let edge = self.thousandths.lower_edge(place);
        let bins = self.thousandths.value().map(|reliability| reliability.bins).unwrap_or_default();
        let answered = || bins.iter().skip(place);
        let right: f64 = answered().filter_map(|bin| Some(bin.count as f64 * bin.accuracy?)).sum();
        let count = answered().map(|bin| bin.count).sum();
        Ok(Abstention {
            threshold,
            n: self.n(),
            answered: count,
            wrong: count - right.round() as u64,
            edge,
        })
    }
}

impl TryFrom<Saved> for Assessment {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let Saved { reliability, thousandths } = saved;
        let setting = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if thousandths.bins() != THRESHOLDS {
            return setting("thousandths", format!("{} bins", thousandths.bins()), "1000 bins");
        }
        if reliability.n() != thousandths.n() {
            let value = format!("{} and {} rows", reliability.n(), thousandths.n());
            return setting("reliability and thousandths", value, "the same rows");
        }
        Ok(Self { reliability, thousandths })
    }
}

impl From<Assessment> for Saved {
    fn from(Assessment { reliability, thousandths }: Assessment) -> Self {
        Self { reliability, thousandths }
    }
}
