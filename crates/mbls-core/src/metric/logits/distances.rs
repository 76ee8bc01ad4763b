use crate::metric::agreement::{same, same_classes};
use crate::metric::contract::Metric;
use crate::metric::exact::SizeHistogram;
use crate::metric::input::{LogitRows, ScoreType, Spread, check_classes, with_scores};
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The distribution of the distances to the top logit: it shows whether a margin is ever reached,
/// and where a margin would act.
///
/// The distances of a row are `max_j l_j - l_k` over the C - 1 classes k other than the predicted
/// one, which is the first class with the maximum logit. Masked classes (a logit of minus infinity)
/// have no distance. The state is a histogram, so quantiles of any number of rows need 64 KB: they
/// are within 0.4 % of the distance with their rank, and 0 for a distance below 1/1024. The largest
/// distance and the fraction beyond the margin are exact.
///
/// ```
/// use mbls_core::metric::{LogitDistances, LogitRows, Metric};
///
/// let mut distances = LogitDistances::new(Some(2.5))?;
/// distances.update(LogitRows::new(&[3.0, 2.0, 0.0, 0.0, 5.0, 5.0], 3)?)?;
/// let report = distances.value().expect("rows were added");
/// // The distances are 1 and 3 in the first row, and 5 and 0 (a tie) in the second row.
/// assert_eq!((report.n, report.largest, report.fraction_beyond_margin), (4, 5.0, Some(0.5)));
/// assert!((report.median - 1.0).abs() < 0.004 && (report.quantile_99 - 5.0).abs() < 0.02);
/// assert!((distances.quantile_of_rows(0.5).expect("rows were added") - 3.0).abs() < 0.012);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct LogitDistances {
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    margin: Option<f64>,
    /// 0 before the first row.
    classes: usize,
    /// The number of distances greater than the margin.
    beyond: u64,
    /// The largest distance; 0 before the first distance.
    largest: f64,
    /// The histogram of all distances.
    all: SizeHistogram,
    /// The histogram of the largest distance of each row.
    of_rows: SizeHistogram,
}

/// The distribution of the distances to the top logit on a data set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistanceReport {
    /// Number of distances.
    pub n: u64,
    /// Median of the distances.
    pub median: f64,
    /// 90 % quantile: 90 % of the distances do not exceed it.
    pub quantile_90: f64,
    /// 99 % quantile: 99 % of the distances do not exceed it.
    pub quantile_99: f64,
    /// The largest distance.
    pub largest: f64,
    /// Fraction of the distances that are greater than the margin; `None` without a margin.
    #[serde(rename = "share_beyond_margin")]
    pub fraction_beyond_margin: Option<f64>,
}

impl LogitDistances {
    /// Creates a metric that has seen no rows. Distances are compared with `margin`, if there is
    /// one.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if the margin is negative or not finite.
    pub fn new(margin: Option<f64>) -> Result<Self> {
        if let Some(margin) = margin.filter(|margin| !margin.is_finite() || *margin < 0.0) {
            let (value, expected) = (margin.to_string(), "a finite number of 0 or more");
            return Err(Error::Setting { name: "margin", value, expected });
        }
        Ok(Self { state: State { margin, ..State::default() } })
    }

    /// Returns the margin that distances are compared with, if there is one.
    pub fn margin(&self) -> Option<f64> {
        self.state.margin
    }

    /// Returns the smallest distance that a fraction `share` of all distances does not exceed;
    /// `None` if there are no distances.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        self.state.within_largest(self.state.all.quantile(share)?)
    }

    /// Returns the smallest number that the largest distance does not exceed in a fraction `share`
    /// of the rows; `None` if there are no distances.
    pub fn quantile_of_rows(&self, share: f64) -> Option<f64> {
        self.state.within_largest(self.state.of_rows.quantile(share)?)
    }
}

impl State {
    /// Limits a quantile to the largest distance, which the middle of its bucket may exceed.
    fn within_largest(&self, quantile: f64) -> Option<f64> {
        // The last bucket holds all distances beyond the range of the histogram.
        const LAST: f64 = (1u64 << 20) as f64;
        Some(if quantile >= LAST { self.largest } else { quantile.min(self.largest) })
    }

    fn add<T: ScoreType>(&mut self, row: &[T]) -> Result<()> {
        let Spread { max, range, .. } = Spread::of(row);
        if !range.is_finite() {
            let (value, expected) =
                (range.to_string(), "a finite number, so logits within half of the range of f64");
            return Err(Error::Accumulator { what: "distance of two logits", value, expected });
        }
        let margin = self.margin.unwrap_or(f64::INFINITY);
        // The predicted class is the first class with the maximum logit.
        let mut top = true;
        let mut counted = false;
        for &logit in row {
            let logit: f64 = logit.into();
            if logit == max && top {
                top = false;
            } else if logit > f64::NEG_INFINITY {
                let distance = max - logit;
                self.all.add(distance);
                self.beyond += u64::from(distance > margin);
                counted = true;
            }
        }
        if counted {
            self.of_rows.add(range);
            self.largest = self.largest.max(range);
        }
        Ok(())
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        if self.margin != other.margin {
            let text = |margin: Option<f64>| {
                margin.map_or_else(|| "none".to_owned(), |margin| format!("{margin:?}"))
            };
            return Err(Error::Merge {
                name: "margin",
                left: text(self.margin),
                right: text(other.margin),
            });
        }
        if self.classes > 0 && other.classes > 0 {
            same("classes", self.classes, other.classes)?;
        }
        // There are at least as many distances as rows, so checking their number suffices.
        self.all.check_merge(&other.all)
    }

    fn merge(&mut self, other: &Self) {
        self.classes = self.classes.max(other.classes);
        self.beyond += other.beyond;
        self.largest = self.largest.max(other.largest);
        self.all.merge(&other.all);
        self.of_rows.merge(&other.of_rows);
    }
}

impl Metric for LogitDistances {
    type Input<'a> = LogitRows<'a>;
    type Value = DistanceReport;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        Self { state: State { margin: self.state.margin, ..State::default() } }
    }

    fn update(&mut self, input: LogitRows<'_>) -> Result<()> {
        let classes = self.state.classes;
        same_classes("logits", (classes > 0).then_some(classes), input.classes())?;
        if input.rows() == 0 {
            return Ok(());
        }
        let mut batch =
            State { margin: self.state.margin, classes: input.classes(), ..State::default() };
        with_scores!(input.logits(), logits => {
            logits.chunks_exact(input.classes()).try_for_each(|row| batch.add(row))?;
        });
        self.state.check_merge(&batch)?;
        self.state.merge(&batch);
        Ok(())
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        self.state.check_merge(&other.state)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        self.state.merge(&other.state);
        Ok(())
    }

    /// `None` before the first distance.
    fn value(&self) -> Option<DistanceReport> {
        let n = self.state.all.total();
        Some(DistanceReport {
            n,
            median: self.quantile(0.5)?,
            quantile_90: self.quantile(0.9)?,
            quantile_99: self.quantile(0.99)?,
            largest: self.state.largest,
            fraction_beyond_margin: self.state.margin.map(|_| self.state.beyond as f64 / n as f64),
        })
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.state.all.size() + self.state.of_rows.size()
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "logit-distances";
}

impl TryFrom<Saved<State>> for LogitDistances {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        let invalid = |problem: String| Err(<State as saved::MetricState>::invalid(problem));
        Self::new(state.margin)?;
        let (n, rows) = (state.all.total(), state.of_rows.total());
        if n == 0 {
            let empty = State { margin: state.margin, classes: state.classes, ..State::default() };
            return if state == empty {
                Ok(Self { state })
            } else {
                invalid("non-zero fields without distances".into())
            };
        }
        check_classes(state.classes)?;
        let most = u128::from(rows) * (state.classes as u128 - 1);
        if rows == 0 || rows > n || u128::from(n) > most {
            return invalid(format!("{n} distances in {rows} rows of {} classes", state.classes));
        }
        if state.beyond > n || (state.beyond > 0 && state.margin.is_none()) {
            return invalid(format!(
                "{} of {n} distances beyond the margin {:?}",
                state.beyond, state.margin
            ));
        }
        let fits = state.largest.is_finite() && state.largest >= 0.0;
        if !fits
            || !state.all.has_largest(state.largest)
            || !state.of_rows.has_largest(state.largest)
        {
            return invalid(format!(
                "a largest distance of {}, which does not match the counts",
                state.largest
            ));
        }
        Ok(Self { state })
    }
}

impl From<LogitDistances> for Saved<State> {
    fn from(distances: LogitDistances) -> Self {
        Self::new(distances.state)
    }
}
