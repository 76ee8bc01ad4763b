use crate::metric::agreement::{same, same_classes};
use crate::metric::contract::Metric;
use crate::metric::exact::{FixedSum, MAX_ROWS, add_counts};
use crate::metric::input::{LogitRows, ScoreType, Spread, check_classes, with_scores};
use crate::metric::saved::{self, Saved};
use crate::number::is_zero;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Statistics of the logit distances, which margin-based label smoothing bounds.
///
/// A row has the distances `d_k = max_j l_j - l_k`, which are 0 for the top logit. The statistics
/// are
///
/// - the means over rows of `sum_k d_k / (C - 1)`, of `max_k d_k`, of the difference between the
///   two largest logits, and of the norm `sqrt(sum_k l_k^2)`;
/// - the fraction of the `C - 1` distances to the top logit that are beyond a margin, which are
///   those the loss penalises.
///
/// A class masked by a logit of minus infinity is excluded: C counts the unmasked classes, and
/// neither distances nor norm include masked ones. A row with a single unmasked class has no
/// distance: it is counted in [`LogitReport::single_class_rows`] only.
///
/// # References
///
/// Liu et al., The Devil is in the Margin, CVPR 2022 (arXiv 2111.15430), whose code divides by `C -
/// 1` here and by C in the penalty.
///
/// ```
/// use mbls_core::metric::{LogitRows, LogitStatistics, Metric};
///
/// let mut statistics = LogitStatistics::new(2.5)?;
/// statistics.update(LogitRows::new(&[3.0, 2.0, 0.0], 3)?)?;
/// let report = statistics.value().expect("a row was added");
/// assert_eq!(
///     (report.mean_distance, report.max_distance, report.top_two_gap),
///     (2.0, 3.0, 1.0)
/// );
/// assert_eq!(report.fraction_beyond_margin, 0.5);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct LogitStatistics {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    margin: f64,
    /// 0 before the first row.
    classes: usize,
    n: u64,
    beyond: u64,
    mean_distance: FixedSum,
    max_distance: FixedSum,
    gap: FixedSum,
    norm: FixedSum,
    /// The number of masked classes in the rows that have a distance.
    #[serde(default, skip_serializing_if = "is_zero")]
    masked: u64,
    /// The number of rows without a distance, in which all classes but one are masked.
    #[serde(default, skip_serializing_if = "is_zero")]
    single: u64,
}

/// Statistics of the logit distances on a data set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogitReport {
    /// Number of rows that have a distance.
    pub n: u64,
    /// Mean of the mean distance to the top logit, over the other classes.
    pub mean_distance: f64,
    /// Mean of the largest distance.
    pub max_distance: f64,
    /// Mean of the difference between the two largest logits.
    pub top_two_gap: f64,
    /// Mean of the L2 norm of the logits.
    pub norm: f64,
    /// The margin of `fraction_beyond_margin`.
    pub margin: f64,
    /// Fraction of the distances to the top logit that are greater than the margin.
    #[serde(rename = "share_beyond_margin")]
    pub fraction_beyond_margin: f64,
    /// Number of rows in which all classes but one are masked; they are excluded from all other
    /// fields. Serialised only if not 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub single_class_rows: u64,
}

impl LogitStatistics {
    /// Creates a metric that has seen no rows. Distances are compared with `margin`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if the margin is negative or not finite.
    pub fn new(margin: f64) -> Result<Self> {
        if !margin.is_finite() || margin < 0.0 {
            let (value, expected) = (margin.to_string(), "a finite number of 0 or more");
            return Err(Error::Setting { name: "margin", value, expected });
        }
        Ok(Self { state: State::new(margin) })
    }

    /// Returns the margin that distances to the top logit are compared with.
    pub fn margin(&self) -> f64 {
        self.state.margin
    }

    /// Returns the number of rows that have a distance.
    pub fn n(&self) -> u64 {
        self.state.n
    }
}

impl State {
    fn new(margin: f64) -> Self {
        let zero = FixedSum::default();
        Self {
            margin,
            classes: 0,
            n: 0,
            beyond: 0,
            mean_distance: zero,
            max_distance: zero,
            gap: zero,
            norm: zero,
            masked: 0,
            single: 0,
        }
    }

    fn add<T: ScoreType>(&mut self, row: &[T]) -> Result<()> {
        let Spread { max, gap, range } = Spread::of(row);
        let logits =
            || row.iter().map(|&logit| logit.into()).filter(|logit| *logit > f64::NEG_INFINITY);
        let (distances, classes) = (|| logits().map(|logit| max - logit), logits().count());
        if classes == 1 {
            self.single += 1;
            return Ok(());
        }
        self.n += 1;
        self.masked += (row.len() - classes) as u64;
        self.beyond += distances().filter(|&distance| distance > self.margin).count() as u64;
        self.mean_distance.add(distances().sum::<f64>() / (classes - 1) as f64)?;
        self.max_distance.add(range)?;
        self.gap.add(gap)?;
        self.norm.add(logits().map(|logit| logit.powi(2)).sum::<f64>().sqrt())
    }

    fn merged(&self, other: &Self) -> Result<Self> {
        same("margin", self.margin, other.margin)?;
        if self.classes > 0 && other.classes > 0 {
            same("classes", self.classes, other.classes)?;
        }
        let sum = |what: &'static str, a: u64, b: u64| {
            let beyond =
                || Error::Accumulator { what, value: format!("{a} + {b}"), expected: "below 2^64" };
            a.checked_add(b).ok_or_else(beyond)
        };
        let mut merged = *self;
        merged.classes = self.classes.max(other.classes);
        merged.n = add_counts(self.n, other.n)?;
        merged.single = add_counts(self.single, other.single)?;
        merged.beyond = sum("count of distances", self.beyond, other.beyond)?;
        merged.masked = sum("count of masked classes", self.masked, other.masked)?;
        merged.mean_distance.merge(other.mean_distance)?;
        merged.max_distance.merge(other.max_distance)?;
        merged.gap.merge(other.gap)?;
        merged.norm.merge(other.norm)?;
        Ok(merged)
    }
}

/// Returns an error that names the largest logit of a row whose distances or norm exceed the sums'
/// range.
fn beyond_sums<T: ScoreType>(index: usize, row: &[T]) -> Error {
    let magnitude = |class: usize| row[class].into().abs();
    let larger = |class: usize, other: usize| {
        if magnitude(other) > magnitude(class) { other } else { class }
    };
    let class = (0..row.len()).fold(0, larger);
    let expected = "distances and a norm below 2^66, sums below 2^67";
    Error::Value { what: "logit", value: row[class].into(), row: index, class, expected }
}

impl Metric for LogitStatistics {
    type Input<'a> = LogitRows<'a>;
    type Value = LogitReport;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        Self { state: State::new(self.state.margin) }
    }

    fn update(&mut self, input: LogitRows<'_>) -> Result<()> {
        let State { margin, classes, .. } = self.state;
        same_classes("logits", (classes > 0).then_some(classes), input.classes())?;
        if input.rows() == 0 {
            return Ok(());
        }
        let mut batch = State { classes: input.classes(), ..State::new(margin) };
        with_scores!(input.logits(), logits => {
            for (index, row) in logits.chunks_exact(input.classes()).enumerate() {
                batch.add(row).map_err(|_| beyond_sums(index, row))?;
            }
        });
        self.state = self.state.merged(&batch)?;
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.state = self.state.merged(&other.state)?;
        Ok(())
    }

    fn value(&self) -> Option<LogitReport> {
        let State { margin, classes, n, beyond, masked, single, .. } = self.state;
        let distances = n as f64 * classes.saturating_sub(1) as f64 - masked as f64;
        (n > 0).then(|| LogitReport {
            n,
            mean_distance: self.state.mean_distance.mean(n),
            max_distance: self.state.max_distance.mean(n),
            top_two_gap: self.state.gap.mean(n),
            norm: self.state.norm.mean(n),
            margin,
            fraction_beyond_margin: beyond as f64 / distances,
            single_class_rows: single,
        })
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "logit-statistics";
}

impl TryFrom<Saved<State>> for LogitStatistics {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        let invalid = |problem: String| Err(<State as saved::MetricState>::invalid(problem));
        Self::new(state.margin)?;
        let State { classes, n, beyond, masked, single, .. } = state;
        if n == 0 {
            let empty = State { single, classes, ..State::new(state.margin) };
            let valid = state == empty && (single == 0) == (classes == 0) && single <= MAX_ROWS;
            return if valid {
                Ok(Self { state })
            } else {
                invalid("non-zero fields without rows".into())
            };
        }
        check_classes(classes)?;
        // Each row that is counted has at least one distance.
        let most = u128::from(n) * (classes as u128 - 1);
        let wrong = u128::from(masked) > most - u128::from(n)
            || u128::from(beyond) > most - u128::from(masked);
        if n > MAX_ROWS || single > MAX_ROWS || wrong {
            return invalid(format!(
                "{beyond} distances beyond the margin in {n} rows of {classes} classes"
            ));
        }
        let sums =
            [state.mean_distance, state.gap, state.max_distance, state.norm].map(FixedSum::units);
        if sums.iter().any(|&sum| sum < 0) || sums[1] > sums[2] {
            return invalid(format!("distances with impossible sums {sums:?}"));
        }
        Ok(Self { state })
    }
}

impl From<LogitStatistics> for Saved<State> {
    fn from(statistics: LogitStatistics) -> Self {
        Self::new(statistics.state)
    }
}
