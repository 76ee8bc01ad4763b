use crate::metric::contract::Metric;
use crate::metric::exact::{MAX_ROWS, Numbers, add_counts};
use crate::metric::input::{ScoreSlice, numbers, with_scores};
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Out-of-distribution (OOD) detection: how well a score separates in-distribution rows from OOD
/// rows.
///
/// Scores are larger for in-distribution rows (`inside`) than for OOD rows (`outside`), like those
/// of [`OodScore`](crate::metric::OodScore) and [`energy_scores`](crate::metric::energy_scores).
/// The values are computed from ranks in integers, with equal scores treated as ties. The state is
/// the scores, 8 bytes per row.
///
/// ```
/// use mbls_core::metric::{Metric, OodDetection, OodScores};
///
/// let mut detection = OodDetection::new();
/// detection.update(OodScores::inside(&[0.9, 0.8, 0.5])?)?;
/// assert!(detection.value().is_none(), "no OOD rows");
/// detection.update(OodScores::outside(&[0.5, 0.1])?)?;
/// let report = detection.value().expect("rows on both sides");
/// assert_eq!((report.auroc, report.fpr_at_95_tpr), (5.5 / 6.0, 0.5));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct OodDetection {
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    inside: Numbers,
    outside: Numbers,
}

/// Validated scores of rows that are either all in-distribution or all OOD.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OodScores<'a> {
    scores: ScoreSlice<'a>,
    inside: bool,
}

/// Measures of the separation of in-distribution rows from OOD rows by a score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OodReport {
    /// Number of in-distribution rows.
    pub inside: u64,
    /// Number of OOD rows.
    pub outside: u64,
    /// Area under the ROC curve: the probability that an in-distribution row has a larger score
    /// than an OOD row, where a tie counts half.
    pub auroc: f64,
    /// Average precision with the in-distribution rows as positives.
    pub aupr_in: f64,
    /// Average precision with the OOD rows as positives and negated scores.
    pub aupr_out: f64,
    /// False positive rate at 95 % true positive rate: the fraction of OOD rows accepted by the
    /// largest threshold that accepts 95 % of the in-distribution rows.
    pub fpr_at_95_tpr: f64,
}

impl<'a> OodScores<'a> {
    /// Validates scores of in-distribution rows, of any [`ScoreType`](crate::metric::ScoreType).
    ///
    /// # Errors
    ///
    /// [`Error::Score`] if a score is not finite.
    pub fn inside(scores: impl Into<ScoreSlice<'a>>) -> Result<Self> {
        Self::new(scores.into(), true)
    }

    /// Validates scores of OOD rows.
    ///
    /// # Errors
    ///
    /// [`Error::Score`] if a score is not finite.
    pub fn outside(scores: impl Into<ScoreSlice<'a>>) -> Result<Self> {
        Self::new(scores.into(), false)
    }

    fn new(scores: ScoreSlice<'a>, inside: bool) -> Result<Self> {
        with_scores!(scores, scores => numbers(scores).enumerate().try_for_each(|(row, value)| {
            if value.is_finite() { Ok(()) } else { Err(Error::Score { value, row }) }
        }))?;
        Ok(Self { scores, inside })
    }
}

impl OodDetection {
    /// Creates a metric that has seen no rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of in-distribution rows.
    pub fn inside(&self) -> u64 {
        self.state.inside.len() as u64
    }

    /// Returns the number of OOD rows.
    pub fn outside(&self) -> u64 {
        self.state.outside.len() as u64
    }
}

impl Metric for OodDetection {
    type Input<'a> = OodScores<'a>;
    type Value = OodReport;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        Self::new()
    }

    fn check_update(&self, input: OodScores<'_>) -> Result<()> {
        add_counts(self.inside() + self.outside(), input.scores.len() as u64).map(drop)
    }

    fn update(&mut self, input: OodScores<'_>) -> Result<()> {
        self.check_update(input)?;
        let side = if input.inside { &mut self.state.inside } else { &mut self.state.outside };
        with_scores!(input.scores, scores => side.extend(numbers(scores)))
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        add_counts(self.inside() + self.outside(), other.inside() + other.outside()).map(drop)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        self.state.inside.merge(other.state.inside)?;
        self.state.outside.merge(other.state.outside)
    }

    /// Returns `None` unless there are both in-distribution and OOD rows.
    fn value(&self) -> Option<OodReport> {
        let ties = ties(&self.state.inside.sorted(), &self.state.outside.sorted());
        let (inside, outside) = (self.inside(), self.outside());
        (inside > 0 && outside > 0).then(|| OodReport {
            inside,
            outside,
            auroc: auroc(&ties, inside, outside),
            aupr_in: average_precision(
                ties.iter().rev().map(|tie| (tie.inside, tie.outside)),
                inside,
            ),
            aupr_out: average_precision(ties.iter().map(|tie| (tie.outside, tie.inside)), outside),
            fpr_at_95_tpr: fpr_at_95_tpr(&ties, inside, outside),
        })
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.state.inside.size() + self.state.outside.size()
    }
}

/// The rows with the same score.
struct Tie {
    inside: u64,
    outside: u64,
}

/// Groups sorted scores into ties, in ascending order of the score.
fn ties(mut inside: &[f64], mut outside: &[f64]) -> Vec<Tie> {
    /// Removes the leading scores that are equal to `score` and returns their number.
    fn take(scores: &mut &[f64], score: f64) -> u64 {
        let (equal, rest) = scores.split_at(scores.partition_point(|&other| other <= score));
        *scores = rest;
        equal.len() as u64
    }
    let mut ties = Vec::new();
    while let Some(score) =
        [inside.first(), outside.first()].into_iter().flatten().copied().reduce(f64::min)
    {
        ties.push(Tie { inside: take(&mut inside, score), outside: take(&mut outside, score) });
    }
    ties
}

/// Returns the Mann-Whitney statistic divided by the number of pairs, computing twice its value in
/// integers.
fn auroc(ties: &[Tie], inside: u64, outside: u64) -> f64 {
    let (mut twice, mut below) = (0, 0);
    for tie in ties {
        twice += u128::from(tie.inside) * u128::from(2 * below + tie.outside);
        below += tie.outside;
    }
    twice as f64 / (2 * u128::from(inside) * u128::from(outside)) as f64
}

/// Returns `sum_i (R_i - R_{i-1}) P_i` over recall and precision at each score, from the numbers of
/// positives and negatives in descending order of rank.
fn average_precision(ties: impl Iterator<Item = (u64, u64)>, positives: u64) -> f64 {
    let (mut accepted, mut hits, mut total) = (0, 0, 0.0);
    for (positive, negative) in ties {
        hits += positive;
        accepted += positive + negative;
        total += positive as f64 * (hits as f64 / accepted as f64);
    }
    total / positives as f64
}

fn fpr_at_95_tpr(ties: &[Tie], inside: u64, outside: u64) -> f64 {
    let (mut accepted, mut false_positives) = (0, 0);
    for tie in ties.iter().rev() {
        // In integers, so a fraction of exactly 95 % suffices.
        if 100 * accepted >= 95 * inside {
            break;
        }
        accepted += tie.inside;
        false_positives += tie.outside;
    }
    false_positives as f64 / outside as f64
}

impl saved::MetricState for State {
    const METRIC: &'static str = "ood-detection";
}

impl TryFrom<Saved<State>> for OodDetection {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        state.inside.check::<State>()?;
        state.outside.check::<State>()?;
        let rows = state.inside.len() as u64 + state.outside.len() as u64;
        if rows > MAX_ROWS {
            return Err(<State as saved::MetricState>::invalid(format!(
                "{rows} rows: expected at most 2^47"
            )));
        }
        Ok(Self { state })
    }
}

impl From<OodDetection> for Saved<State> {
    fn from(detection: OodDetection) -> Self {
        Self::new(detection.state)
    }
}
