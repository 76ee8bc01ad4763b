use super::candidates::folds_of;
use super::{Assessment, CalibratorChoice, Classification, OodDetector, OodThreshold, OodVerdict};
use crate::calibration::{
    Calibrator, FittedCalibrator, SavedCalibrator, Scores, TemperatureScaling,
};
use crate::metric::UnlabelledRows;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The largest number of rows that calibrators are compared on, plus at most one of each class.
const MOST_ROWS: usize = 1 << 14;

/// The calibrators of a trained network, and their reliability on held-out rows.
///
/// Fitted to the logits of validation rows: a temperature, the best of the
/// [usual](CalibratorChoice::usual) calibrators, and the thresholds of out-of-distribution
/// detection. Test rows then show how often answers of a confidence are correct. The record is
/// saved with the network; [`classify`](Self::classify) turns new logits into answers.
///
/// ```
/// use mbls_core::calibration::{CalibrationRecord, CalibratorRole};
///
/// let logits: Vec<f32> =
///     (0..40).flat_map(|i| if i % 2 == 0 { [3.0, 0.0] } else { [0.0, 3.0] }).collect();
/// let labels: Vec<u32> = (0..40).map(|i| if i % 10 == 0 { 1 } else { i % 2 }).collect();
/// let classes = ["cat", "dog"].map(str::to_owned).to_vec();
/// let mut record = CalibrationRecord::fit(classes, &logits, &labels, 10)?;
/// record.assess(&logits, &labels)?;
///
/// let answer = record.classify(&[3.0, 0.0], CalibratorRole::Temperature)?.remove(0);
/// assert_eq!((answer.name.as_str(), answer.bin.count), ("cat", 40));
/// assert!((answer.confidence - 0.9).abs() < 1e-6, "nine in ten were correct");
/// assert_eq!(record.assessment(CalibratorRole::Temperature).abstain_below(0.95)?.answered, 0);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct CalibrationRecord {
    classes: Vec<String>,
    temperature: TemperatureScaling,
    choice: CalibratorChoice,
    best: FittedCalibrator,
    /// For the temperature, and for the best calibrator.
    assessments: [Assessment; 2],
    ood: Vec<OodThreshold>,
}

/// One of a record's two calibrators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalibratorRole {
    /// Temperature scaling, which never changes the predicted class.
    #[default]
    Temperature,
    /// The calibrator with the lowest cross-validated negative log-likelihood on the validation
    /// rows; it may change the predicted class.
    Best,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    classes: Vec<String>,
    temperature: TemperatureScaling,
    candidates: CalibratorChoice,
    best: SavedCalibrator,
    test: Assessment,
    test_of_best: Assessment,
    ood: Vec<OodThreshold>,
}

impl CalibrationRecord {
    /// Fits calibrators and thresholds to the logits of validation rows. `bins` is the number of
    /// bins of the reliability diagrams.
    ///
    /// The best calibrator is chosen by cross-validation and fitted on about 2^14 rows, with the
    /// same fraction of every class; the temperature and the thresholds are fitted on all rows.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order, `labels` `[rows]`; at least one row and two
    /// classes.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TemperatureScaling::fit_logits`]; [`Error::Setting`] for a number of
    /// bins outside of 1 to 65536.
    pub fn fit(classes: Vec<String>, logits: &[f32], labels: &[u32], bins: usize) -> Result<Self> {
        let count = classes.len();
        let temperature = TemperatureScaling::fit_logits(logits, count, labels)?;
        // The first fold of as many as bring its size below the limit.
        let folds = folds_of(labels, labels.len().div_ceil(MOST_ROWS).max(1));
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| folds[row] == 0).collect();
        let scores = Scores::from_logits(logits, count)?.select(&rows);
        let chosen: Vec<u32> = rows.iter().map(|&row| labels[row]).collect();
        let mut choice =
            CalibratorChoice::cross_validate(&scores, &chosen, &CalibratorChoice::usual(count))?;
        let best = match choice.fit_best(&scores, &chosen)? {
            // The record has one temperature, which is fitted to all rows in their own precision.
            FittedCalibrator::Temperature(_) => FittedCalibrator::Temperature(temperature),
            other => other,
        };
        let threshold =
            |detector: OodDetector| OodThreshold::fit(detector, &detector.scores(logits, count)?);
        let ood = OodDetector::ALL.into_iter().map(threshold).collect::<Result<_>>()?;
        let assessments = [Assessment::new(bins)?, Assessment::new(bins)?];
        Ok(Self { classes, temperature, choice, best, assessments, ood })
    }

    /// Creates a record from a known temperature and its assessment on test rows. The temperature
    /// is also the best calibrator, and there are no thresholds of out-of-distribution detection.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than two classes.
    pub fn of_temperature(
        classes: Vec<String>,
        temperature: TemperatureScaling,
        test: Assessment,
    ) -> Result<Self> {
        let choice = CalibratorChoice::of_temperature();
        let best = SavedCalibrator::from(FittedCalibrator::Temperature(temperature));
        let test_of_best = test.clone();
        Self::try_from(Saved {
            classes,
            temperature,
            candidates: choice,
            best,
            test,
            test_of_best,
            ood: Vec::new(),
        })
    }

    /// Replaces the thresholds of out-of-distribution detection, for example by those of whole
    /// images if rows are pixels.
    #[must_use]
    pub fn with_ood(self, ood: Vec<OodThreshold>) -> Self {
        Self { ood, ..self }
    }

    /// Counts the answers of both calibrators on test rows.
    ///
    /// # Shapes
    ///
    /// Same as [`fit`](Self::fit).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TemperatureScaling::apply`].
    pub fn assess(&mut self, logits: &[f32], labels: &[u32]) -> Result<()> {
        let count = self.classes.len();
        let scaled = self.temperature.apply(logits, count, labels)?;
        let [temperature, best] = &mut self.assessments;
        match &self.best {
            FittedCalibrator::Temperature(_) => {
                temperature.update(&scaled)?;
                best.update(&scaled)
            }
            other => {
                let mapped = other.predictions(&Scores::from_logits(logits, count)?, labels)?;
                temperature.update(&scaled)?;
                best.update(&mapped)
            }
        }
    }

    /// Returns the names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Returns the temperature.
    pub fn temperature(&self) -> &TemperatureScaling {
        &self.temperature
    }

    /// Returns the comparison by which the best calibrator was chosen.
    pub fn choice(&self) -> &CalibratorChoice {
        &self.choice
    }

    /// Returns the best calibrator.
    pub fn best(&self) -> &FittedCalibrator {
        &self.best
    }

    /// Returns the assessment of a calibrator on test rows.
    pub fn assessment(&self, role: CalibratorRole) -> &Assessment {
        let [temperature, best] = &self.assessments;
        match role {
            CalibratorRole::Temperature => temperature,
            CalibratorRole::Best => best,
        }
    }

    /// Returns the thresholds of out-of-distribution detection.
    pub fn ood(&self) -> &[OodThreshold] {
        &self.ood
    }

    /// Calibrates rows without labels.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`UnlabelledRows::from_logits`].
    pub fn rows<'a>(&self, logits: &'a [f32], role: CalibratorRole) -> Result<UnlabelledRows<'a>> {
        let count = self.classes.len();
        match (role, &self.best) {
            // Computed in the same way as the probabilities of the test rows.
            (CalibratorRole::Temperature, _)
            | (CalibratorRole::Best, FittedCalibrator::Temperature(_)) => {
                self.temperature.apply_unlabelled(logits, count)
            }
            (CalibratorRole::Best, best) => UnlabelledRows::from_probs(
                &best.probs(&Scores::from_logits(logits, count)?)?,
                count,
            ),
        }
    }

    /// Classifies rows, in order.
    ///
    /// # Shapes
    ///
    /// Same as [`rows`](Self::rows).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`rows`](Self::rows); [`Error::NoRows`] if no test row has been
    /// [assessed](Self::assess).
    pub fn classify(&self, logits: &[f32], role: CalibratorRole) -> Result<Vec<Classification>> {
        let (rows, assessment) = (self.rows(logits, role)?, self.assessment(role));
        let scored =
            |ood: &OodThreshold| Ok((*ood, ood.detector().scores(logits, self.classes.len())?));
        let scored: Vec<(OodThreshold, Vec<f64>)> =
            self.ood.iter().map(scored).collect::<Result<_>>()?;
        let one = |row: usize| {
            let (class, confidence) = (rows.predicted(row) as usize, rows.confidence(row));
            let verdict = |(ood, scores): &(OodThreshold, Vec<f64>)| OodVerdict {
                detector: ood.detector(),
                score: scores[row],
                threshold: ood.threshold(),
                is_ood: !ood.accepts(scores[row]),
            };
            Ok(Classification {
                class,
                name: self.classes[class].clone(),
                confidence,
                probabilities: rows.probs(row).to_vec(),
                logits: logits[row * self.classes.len()..][..self.classes.len()].to_vec(),
                bin: assessment
                    .bin(confidence)
                    .ok_or(Error::NoRows { what: "the reliability of test rows" })?,
                ood: scored.iter().map(verdict).collect(),
            })
        };
        (0..rows.rows()).map(one).collect()
    }
}

impl TryFrom<Saved> for CalibrationRecord {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let Saved { classes, temperature, candidates: choice, best, test, test_of_best, ood } =
            saved;
        let best = best.into_calibrator();
        let setting = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if classes.len() < 2 {
            return setting("classes", classes.len().to_string(), "at least 2");
        }
        if best.classes().is_some_and(|found| found != classes.len()) {
            return setting(
                "best",
                format!("{:?} classes", best.classes()),
                "as many classes as there are names",
            );
        }
        if test.n() != test_of_best.n() {
            let value = format!("{} and {} rows", test.n(), test_of_best.n());
            return setting("test and test_of_best", value, "the same rows");
        }
        Ok(Self { classes, temperature, choice, best, assessments: [test, test_of_best], ood })
    }
}

impl From<CalibrationRecord> for Saved {
    fn from(record: CalibrationRecord) -> Self {
        let CalibrationRecord {
            classes,
            temperature,
            choice,
            best,
            assessments: [test, test_of_best],
            ood,
        } = record;
        Self {
            classes,
            temperature,
            candidates: choice,
            best: best.into(),
            test,
            test_of_best,
            ood,
        }
    }
}
