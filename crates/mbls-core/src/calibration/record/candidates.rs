use crate::calibration::{
    Calibrator, CalibratorSpec, FittedCalibrator, MulticlassReduction, Odir, Scores,
};
use crate::metric::{Metric, NegativeLogLikelihood};
use crate::{Error, Result, number};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Calibrators compared by cross-validation, with the best of them.
///
/// The rows of each class are assigned to the five folds round-robin, so every fold has the same
/// fraction of every class, whatever the order of the rows. Each candidate is fitted to four folds
/// and evaluated on the fifth, so a candidate with many parameters gains nothing by memorising
/// rows.
///
/// ```
/// use mbls_core::calibration::{CalibratorChoice, CalibratorSpec, Scores};
///
/// // Overconfident by the same factor everywhere: one temperature suffices.
/// let logits: Vec<f64> =
///     (0..60).flat_map(|i| [4.0, if i % 7 == 0 { 3.0 } else { 0.0 }]).collect();
/// let labels: Vec<u32> = (0..60).map(|i| u32::from(i % 4 == 0)).collect();
/// let scores = Scores::from_logits(&logits, 2)?;
/// let choice =
///     CalibratorChoice::cross_validate(&scores, &labels, &CalibratorChoice::usual(2))?;
/// assert!(
///     choice
///         .candidates()
///         .iter()
///         .any(|candidate| candidate.spec == CalibratorSpec::Temperature)
/// );
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Candidate>", into = "Vec<Candidate>")]
pub struct CalibratorChoice {
    /// At least one; the first is temperature scaling.
    candidates: Vec<Candidate>,
}

/// A calibrator that was compared with others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The calibrator and its settings.
    pub spec: CalibratorSpec,
    /// The mean negative log-likelihood on held-out rows, in nats; `None` if a fold could not be
    /// fitted.
    #[serde(with = "number::option", default, skip_serializing_if = "Option::is_none")]
    pub nll: Option<f64>,
    /// Why `nll` is `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl CalibratorChoice {
    /// The number of folds.
    pub const FOLDS: usize = 5;
    /// The largest number of classes for which Dirichlet calibration, whose parameters grow with
    /// its square, is among the [usual](Self::usual) candidates.
    pub const MOST_DIRICHLET_CLASSES: usize = 20;

    /// Returns the usual candidates: temperature scaling, vector scaling, beta calibration of each
    /// class, and with up to 20 classes Dirichlet calibration with a penalty of 0.01.
    pub fn usual(classes: usize) -> Vec<CalibratorSpec> {
        let reduction =
            if classes == 2 { MulticlassReduction::Binary } else { MulticlassReduction::OneVsRest };
        let mut usual = vec![
            CalibratorSpec::Temperature,
            CalibratorSpec::Vector,
            CalibratorSpec::Beta { reduction },
        ];
        if classes <= Self::MOST_DIRICHLET_CLASSES {
            usual.push(CalibratorSpec::Dirichlet {
                odir: Odir { off_diagonal: 0.01, intercept: 0.01 },
            });
        }
        usual
    }

    /// Compares calibrators. Those that cannot be fitted to every fold record the reason and are
    /// not chosen.
    ///
    /// With fewer rows than folds, nothing is compared.
    ///
    /// # Shapes
    ///
    /// `labels` `[rows]`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if the first of `specs` is not temperature scaling, the baseline for the
    /// others; [`Error::Shape`] and [`Error::Label`] if scores and labels do not match.
    pub fn cross_validate(
        scores: &Scores,
        labels: &[u32],
        specs: &[CalibratorSpec],
    ) -> Result<Self> {
        if labels.len() != scores.rows() {
            let (expected, found) = (format!("{} labels", scores.rows()), labels.len().to_string());
            return Err(Error::Shape { what: "labels", expected, found });
        }
        let folds = (labels.len() >= Self::FOLDS).then_some(Self::FOLDS);
        let compared =
            |&spec: &CalibratorSpec| match folds.map(|folds| nll(spec, scores, labels, folds)) {
                None => Candidate {
                    spec,
                    nll: None,
                    problem: Some(format!("fewer than {} rows", Self::FOLDS)),
                },
                Some(Ok(nll)) => Candidate { spec, nll: Some(nll), problem: None },
                Some(Err(error)) => Candidate { spec, nll: None, problem: Some(error.to_string()) },
            };
        Self::try_from(specs.iter().map(compared).collect::<Vec<_>>())
    }

    /// Temperature scaling without a comparison.
    pub(super) fn of_temperature() -> Self {
        let problem = Some("the temperature was given".to_owned());
        Self {
            candidates: vec![Candidate { spec: CalibratorSpec::Temperature, nll: None, problem }],
        }
    }

    /// Fits the best candidate to all rows. If that fails, the reason is recorded and the next best
    /// candidate is tried.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TemperatureScaling::fit`](crate::calibration::Fit::fit), if no
    /// candidate can be fitted.
    pub(super) fn fit_best(&mut self, scores: &Scores, labels: &[u32]) -> Result<FittedCalibrator> {
        loop {
            let place = self.best_place();
            let candidate = &mut self.candidates[place];
            match candidate.spec.fit(scores, labels) {
                Err(error) if candidate.nll.is_some() => {
                    (candidate.nll, candidate.problem) = (None, Some(error.to_string()));
                }
                fitted => return fitted,
            }
        }
    }

    /// Returns the candidates in the given order.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Returns the candidate with the lowest negative log-likelihood: the first one on ties,
    /// temperature scaling if nothing was compared.
    pub fn best(&self) -> &Candidate {
        &self.candidates[self.best_place()]
    }

    fn best_place(&self) -> usize {
        let loss = |place: usize| self.candidates[place].nll.unwrap_or(f64::INFINITY);
        (1..self.candidates.len())
            .fold(0, |best, other| if loss(other) < loss(best) { other } else { best })
    }
}

/// The mean negative log-likelihood over all rows, each predicted by the calibrator fitted without
/// its fold.
fn nll(spec: CalibratorSpec, scores: &Scores, labels: &[u32], folds: usize) -> Result<f64> {
    let mut metric = NegativeLogLikelihood::new();
    let fold_of = folds_of(labels, folds);
    for fold in 0..folds {
        let (held_out, others): (Vec<_>, Vec<_>) =
            (0..labels.len()).partition(|&row| fold_of[row] == fold);
        let of = |rows: &[usize]| rows.iter().map(|&row| labels[row]).collect::<Vec<_>>();
        let calibrator = spec.fit(&scores.select(&others), &of(&others))?;
        metric.update(&calibrator.predictions(&scores.select(&held_out), &of(&held_out))?)?;
    }
    metric.value().ok_or(Error::NoRows { what: "cross-validation" })
}

/// Returns the fold of each row. Rows of a class are assigned round-robin, so each fold has the
/// same fraction of every class.
pub(super) fn folds_of(labels: &[u32], folds: usize) -> Vec<usize> {
    let mut next = BTreeMap::<u32, usize>::new();
    let turn = |label: &u32| {
        let next = next.entry(*label).or_default();
        let fold = *next;
        *next = (fold + 1) % folds;
        fold
    };
    labels.iter().map(turn).collect()
}

impl TryFrom<Vec<Candidate>> for CalibratorChoice {
    type Error = Error;

    fn try_from(candidates: Vec<Candidate>) -> Result<Self> {
        match candidates.first().map(|first| first.spec) {
            Some(CalibratorSpec::Temperature) => Ok(Self { candidates }),
            first => {
                let value = first.map_or_else(|| "none".to_owned(), |first| format!("{first:?}"));
                Err(Error::Setting {
                    name: "candidates[0]",
                    value,
                    expected: "temperature scaling",
                })
            }
        }
    }
}

impl From<CalibratorChoice> for Vec<Candidate> {
    fn from(choice: CalibratorChoice) -> Self {
        choice.candidates
    }
}
