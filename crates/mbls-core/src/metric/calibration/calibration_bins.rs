use super::binning::{Binning, EqualWidthBins};
use super::calibration_error::{Calibration, Target};
use super::edges::check_bins;
use super::equal_mass::equal_mass_reliability;
use super::reliability::Reliability;
use crate::metric::agreement::{same, same_classes};
use crate::metric::contract::Metric;
use crate::metric::exact::{Cell, MAX_ROWS, Sample, Samples, add_counts};
use crate::metric::input::{Predictions, TopLabels};
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Binned calibration of the top label, of every class, or of every class above a threshold, in
/// bins of equal width or of equal mass. The value provides calibration errors in any norm.
///
/// Equal width needs O(bins x curves) memory for any number of rows. Equal mass needs 8 bytes per
/// row and curve, for the probabilities above the threshold only. There is one curve for the top
/// label, otherwise one per class.
///
/// ```
/// use mbls_core::metric::{
///     Binning, CalibrationBins, CalibrationNorm, Metric, Predictions, Target,
/// };
///
/// let mut bins = CalibrationBins::new(Target::Classwise, Binning::EqualWidth, 10)?;
/// bins.update(&Predictions::from_probs(&[0.75, 0.25, 0.25, 0.75], 2, &[0, 0])?)?;
/// let calibration = bins.value().expect("two rows were added");
/// assert_eq!(calibration.error(CalibrationNorm::L1).value, 0.5);
/// assert_eq!(
///     calibration.error(CalibrationNorm::Max).to_string(),
///     "0.75000 (maximum, classwise, 10 bins of equal width, n = 2)"
/// );
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct CalibrationBins {
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    target: Target,
    bins: usize,
    n: u64,
    /// Empty before the first row.
    curves: Curves,
}

/// The data that a binning keeps for each curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Curves {
    /// `[curves, bins]`.
    #[serde(rename = "equal-width")]
    Width(Vec<Cell>),
    /// `[curves, bins]`.
    #[serde(rename = "equal-width-ceil")]
    Ceil(Vec<Cell>),
    /// `[curves]`.
    #[serde(rename = "equal-mass")]
    Mass(Vec<Samples>),
}

impl CalibrationBins {
    /// Creates a metric with `bins` bins per curve that has seen no rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if `bins` is 0 or above 65536, or if the threshold is outside of `[0,
    /// 1)`.
    pub fn new(target: Target, binning: Binning, bins: usize) -> Result<Self> {
        check_target(target)?;
        let curves = match binning {
            Binning::EqualWidth => Curves::Width(Vec::new()),
            Binning::EqualWidthCeil => Curves::Ceil(Vec::new()),
            Binning::EqualMass => Curves::Mass(Vec::new()),
        };
        Ok(Self { state: State { target, bins: check_bins(bins)?, n: 0, curves } })
    }

    /// Returns the probabilities and events that are compared.
    pub fn target(&self) -> Target {
        self.state.target
    }

    /// Returns the binning of the probabilities.
    pub fn binning(&self) -> Binning {
        self.state.curves.binning()
    }

    /// Returns the number of bins of each curve.
    pub fn bins(&self) -> usize {
        self.state.bins
    }

    /// Returns the number of rows.
    pub fn n(&self) -> u64 {
        self.state.n
    }

    /// Adds rows given by confidence and correctness only.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Setting`] if the target is not the top label, otherwise the errors of
    /// [`update`](Metric::update).
    pub fn add(&mut self, rows: &TopLabels) -> Result<()> {
        if self.state.target != Target::TopLabel {
            let (value, expected) = (
                format!("{:?}", self.state.target),
                "TopLabel, for rows without all probabilities",
            );
            return Err(Error::Setting { name: "target", value, expected });
        }
        self.extend(rows.rows(), 1, |row, _| Some((rows.confidence(row), rows.correct(row))))
    }

    /// Adds rows. `event(row, curve)` returns the probability and whether the event occurred, or
    /// `None` if the row is not included in the curve.
    fn extend(
        &mut self,
        rows: usize,
        curves: usize,
        event: impl Fn(usize, usize) -> Option<(f64, bool)>,
    ) -> Result<()> {
        let mine = &mut self.state;
        same_classes("predictions", (mine.n > 0).then(|| mine.curves.len(mine.bins)), curves)?;
        if rows == 0 {
            return Ok(());
        }
        // This is the only check needed: no curve has more probabilities than there are rows.
        mine.n = add_counts(mine.n, rows as u64)?;
        mine.curves.resize(curves, mine.bins);
        let bins = mine.bins;
        let add = |cells: &mut [Cell], edges: EqualWidthBins| {
            for row in 0..rows {
                for curve in 0..curves {
                    if let Some((p, positive)) = event(row, curve) {
                        cells[curve * bins + edges.bin(p)].add(p, positive);
                    }
                }
            }
            Ok(())
        };
        match &mut mine.curves {
            Curves::Width(cells) => add(cells, EqualWidthBins::linspace(bins)?),
            Curves::Ceil(cells) => add(cells, EqualWidthBins::ceil(bins)?),
            Curves::Mass(samples) => {
                samples.iter_mut().enumerate().try_for_each(|(curve, samples)| {
                    let events = (0..rows).filter_map(|row| event(row, curve));
                    samples.extend(events.map(|(p, positive)| Sample::new(p, positive)))
                })
            }
        }
    }
}

impl Curves {
    fn binning(&self) -> Binning {
        match self {
            Self::Width(_) => Binning::EqualWidth,
            Self::Ceil(_) => Binning::EqualWidthCeil,
            Self::Mass(_) => Binning::EqualMass,
        }
    }

    /// Returns the number of curves with `bins` bins each.
    fn len(&self, bins: usize) -> usize {
        match self {
            Self::Width(cells) | Self::Ceil(cells) => cells.len() / bins,
            Self::Mass(curves) => curves.len(),
        }
    }

    fn empty(&self) -> Self {
        match self {
            Self::Width(_) => Self::Width(Vec::new()),
            Self::Ceil(_) => Self::Ceil(Vec::new()),
            Self::Mass(_) => Self::Mass(Vec::new()),
        }
    }

    /// Returns the allocated memory in bytes.
    fn size(&self) -> usize {
        match self {
            Self::Width(cells) | Self::Ceil(cells) => cells.capacity() * size_of::<Cell>(),
            Self::Mass(curves) => {
                curves.capacity() * size_of::<Samples>()
                    + curves.iter().map(Samples::size).sum::<usize>()
            }
        }
    }

    fn resize(&mut self, curves: usize, bins: usize) {
        match self {
            Self::Width(cells) | Self::Ceil(cells) => cells.resize(curves * bins, Cell::default()),
            Self::Mass(samples) => samples.resize(curves, Samples::default()),
        }
    }
}

impl Metric for CalibrationBins {
    type Input<'a> = &'a Predictions<'a>;
    type Value = Calibration;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        let (bins, curves) = (self.state.bins, self.state.curves.empty());
        Self { state: State { target: self.state.target, bins, n: 0, curves } }
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        let State { target, bins, n, ref curves } = self.state;
        let found = if target == Target::TopLabel { 1 } else { input.classes() };
        same_classes("predictions", (n > 0).then(|| curves.len(bins)), found)?;
        add_counts(n, input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        let of_class =
            |row, class: usize| (input.probs(row)[class], input.label(row) as usize == class);
        let (rows, classes) = (input.rows(), input.classes());
        match self.state.target {
            Target::TopLabel => {
                self.extend(rows, 1, |row, _| Some((input.confidence(row), input.correct(row))))
            }
            Target::Classwise => {
                self.extend(rows, classes, |row, class| Some(of_class(row, class)))
            }
            Target::Thresholded { above } => self.extend(rows, classes, |row, class| {
                Some(of_class(row, class)).filter(|(p, _)| *p > above)
            }),
        }
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        let (mine, other) = (&self.state, &other.state);
        same("target", mine.target, other.target)?;
        same("binning", mine.curves.binning(), other.curves.binning())?;
        same("bins", mine.bins, other.bins)?;
        if mine.n > 0 && other.n > 0 {
            same("classes", mine.curves.len(mine.bins), other.curves.len(other.bins))?;
        }
        add_counts(mine.n, other.n).map(drop)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        let (mine, other) = (&mut self.state, other.state);
        let curves = (mine.curves.len(mine.bins), other.curves.len(other.bins));
        // This is the only check needed: no curve has more probabilities than there are rows.
        mine.n = add_counts(mine.n, other.n)?;
        mine.curves.resize(curves.0.max(curves.1), mine.bins);
        match (&mut mine.curves, other.curves) {
            (Curves::Width(mine), Curves::Width(other))
            | (Curves::Ceil(mine), Curves::Ceil(other)) => {
                mine.iter_mut().zip(&other).try_for_each(|(cell, other)| cell.merge(other))
            }
            (Curves::Mass(mine), Curves::Mass(other)) => {
                mine.iter_mut().zip(other).try_for_each(|(samples, other)| samples.merge(other))
            }
            (mine, other) => same("binning", mine.binning(), other.binning()),
        }
    }

    /// Returns `None` before the first row, and if no probability is above the threshold.
    fn value(&self) -> Option<Calibration> {
        let State { target, bins, n, ref curves } = self.state;
        let binning = curves.binning();
        let curves: Vec<Option<Reliability>> = match curves {
            Curves::Width(cells) => diagrams(cells, &EqualWidthBins::linspace(bins).ok()?, bins),
            Curves::Ceil(cells) => diagrams(cells, &EqualWidthBins::ceil(bins).ok()?, bins),
            Curves::Mass(curves) => {
                curves.iter().map(|samples| equal_mass(samples, bins)).collect()
            }
        };
        curves.iter().any(Option::is_some).then_some(Calibration {
            target,
            binning,
            bins,
            n,
            curves,
        })
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.state.curves.size()
    }
}

fn diagrams(cells: &[Cell], edges: &EqualWidthBins, bins: usize) -> Vec<Option<Reliability>> {
    let intervals = edges.intervals();
    let diagram = |cells: &[Cell]| Reliability::of_cells(intervals.iter().copied(), cells);
    let holds_any = |cells: &[Cell]| cells.iter().any(|cell| cell.count > 0);
    cells.chunks(bins).map(|cells| holds_any(cells).then(|| diagram(cells))).collect()
}

/// Returns the diagram of samples in bins of equal mass; `None` without samples.
fn equal_mass(samples: &Samples, bins: usize) -> Option<Reliability> {
    let samples = samples.as_slice();
    (!samples.is_empty()).then(|| equal_mass_reliability(samples, bins))
}

fn check_target(target: Target) -> Result<()> {
    match target {
        Target::Thresholded { above } if !(0.0..1.0).contains(&above) => Err(Error::Setting {
            name: "above",
            value: above.to_string(),
            expected: "from 0 to below 1",
        }),
        _ => Ok(()),
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "calibration-bins";
}

impl TryFrom<Saved<State>> for CalibrationBins {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        let invalid = |problem: String| Err(<State as saved::MetricState>::invalid(problem));
        check_target(state.target)?;
        check_bins(state.bins)?;
        let counts: Vec<u128> = match &state.curves {
            Curves::Width(cells) | Curves::Ceil(cells) => {
                if !cells.len().is_multiple_of(state.bins) {
                    return invalid(format!(
                        "{} cells for {} bins per curve",
                        cells.len(),
                        state.bins
                    ));
                }
                cells
                    .iter()
                    .try_for_each(|cell| cell.check(<State as saved::MetricState>::METRIC))?;
                let count = |curve: &[Cell]| curve.iter().map(|cell| u128::from(cell.count)).sum();
                cells.chunks(state.bins).map(count).collect()
            }
            Curves::Mass(curves) => {
                curves.iter().try_for_each(Samples::check::<State>)?;
                curves.iter().map(|samples| samples.len() as u128).collect()
            }
        };
        let curves_fit = match (state.n, state.target) {
            (0, _) => counts.is_empty(),
            (_, Target::TopLabel) => counts.len() == 1,
            _ => counts.len() >= 2,
        };
        if !curves_fit || state.n > MAX_ROWS {
            return invalid(format!("{} curves of {} rows", counts.len(), state.n));
        }
        let thresholded = matches!(state.target, Target::Thresholded { .. });
        let fits =
            |count: &&u128| **count == state.n.into() || (thresholded && **count < state.n.into());
        if let Some(count) = counts.iter().find(|count| !fits(count)) {
            return invalid(format!("a curve has {count} probabilities of {} rows", state.n));
        }
        Ok(Self { state })
    }
}

impl From<CalibrationBins> for Saved<State> {
    fn from(metric: CalibrationBins) -> Self {
        Self::new(metric.state)
    }
}
