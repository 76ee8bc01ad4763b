use super::binning::EqualWidthBins;
use super::cell::Cell;
use super::edges::check_bins;
use super::equal_mass::EqualMassBins;
use super::samples::{Sample, Samples};
use super::saved::{self, Saved};
use super::top_labels::top_labels;
use super::{
    AdaptiveConvention, Binning, Calibration, MAX_ROWS, Metric, Predictions, Reliability, Target, TopLabels,
    add_counts, same,
};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Calibration in bins: of the top label, of every class, or of every class above a threshold; in bins of equal width or of
/// equal mass. Its value gives calibration errors in any norm.
///
/// Equal width takes memory in O(bins x curves), whatever the number of rows; equal mass keeps 8 bytes per row and curve, of
/// probabilities above the threshold alone. There is one curve for the top label, else one per class.
///
/// ```
/// use mbls_core::metric::{Binning, CalibrationBins, Metric, Norm, Predictions, Target};
///
/// let mut bins = CalibrationBins::new(Target::Classwise, Binning::EqualWidth, 10)?;
/// bins.update(&Predictions::from_probs(&[0.75, 0.25, 0.25, 0.75], 2, &[0, 0])?)?;
/// let calibration = bins.value().expect("two rows were added");
/// assert_eq!(calibration.error(Norm::L1).value, 0.5);
/// assert_eq!(calibration.error(Norm::Max).to_string(), "0.75000 (maximum, classwise, 10 bins of equal width, n = 2)");
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct CalibrationBins {
    /// `None` for bins of equal mass.
    equal_width: Option<EqualWidthBins>,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    target: Target,
    binning: Binning,
    bins: usize,
    n: u64,
    /// No curves before the first row.
    curves: Curves,
}

/// What is kept of the probabilities of each curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Curves {
    /// `[curves, bins]`.
    Cells(Vec<Cell>),
    /// `[curves]`.
    Samples(Vec<Samples>),
}

/// Equality of the state.
impl PartialEq for CalibrationBins {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}

impl CalibrationBins {
    /// No rows yet, for `bins` bins per curve.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for no bins, for more than 65536, and for a threshold outside of `[0, 1)`.
    pub fn new(target: Target, binning: Binning, bins: usize) -> Result<Self> {
        check_target(target)?;
        let equal_width = EqualWidthBins::new(binning, check_bins(bins)?)?;
        let curves = match equal_width {
            Some(_) => Curves::Cells(Vec::new()),
            None => Curves::Samples(Vec::new()),
        };
        Ok(Self { equal_width, state: State { target, binning, bins, n: 0, curves } })
    }

    /// What is compared.
    pub fn target(&self) -> Target {
        self.state.target
    }

    /// How it is put into bins.
    pub fn binning(&self) -> Binning {
        self.state.binning
    }

    /// The number of bins of each curve.
    pub fn bins(&self) -> usize {
        self.state.bins
    }

    /// The number of rows.
    pub fn n(&self) -> u64 {
        self.state.n
    }

    /// Adds rows of which only confidence and correctness are known.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where the target is not the top label; else as [`update`](Metric::update).
    pub fn add(&mut self, rows: &TopLabels) -> Result<()> {
        if self.state.target != Target::TopLabel {
            let (value, expected) =
                (format!("{:?}", self.state.target), "TopLabel, for rows without all probabilities");
            return Err(Error::Setting { name: "target", value, expected });
        }
        self.prepare(rows.rows(), 1)?;
        self.extend(0, rows.iter())
    }

    /// Counts `rows` more rows of `curves` curves, after all checks.
    fn prepare(&mut self, rows: usize, curves: usize) -> Result<()> {
        if self.state.n > 0 && self.state.curves() != curves {
            return Err(Error::Shape {
                what: "predictions",
                expected: format!("{} classes, as before", self.state.curves()),
                found: format!("{curves} classes"),
            });
        }
        self.state.n = add_counts(self.state.n, rows as u64)?;
        if rows > 0 {
            match &mut self.state.curves {
                Curves::Cells(cells) => cells.resize(curves * self.state.bins, Cell::default()),
                Curves::Samples(samples) => samples.resize(curves, Samples::default()),
            }
        }
        Ok(())
    }

    /// Adds probabilities, and whether their events came true, to a curve.
    fn extend(&mut self, curve: usize, events: impl Iterator<Item = (f64, bool)>) -> Result<()> {
        match (&mut self.state.curves, &self.equal_width) {
            (Curves::Cells(cells), Some(bins)) => {
                let start = curve * self.state.bins;
                events.for_each(|(p, event)| cells[start + bins.bin(p)].add(p, event));
                Ok(())
            }
            (Curves::Samples(samples), _) => {
                // Without rows there are no curves.
                samples.get_mut(curve).map_or(Ok(()), |s| s.extend(events.map(|(p, event)| Sample::new(p, event))))
            }
            // Cells are kept for bins of equal width alone: `new` and the check of saved states see to it.
            (Curves::Cells(_), None) => Ok(()),
        }
    }
}

impl State {
    fn curves(&self) -> usize {
        match &self.curves {
            Curves::Cells(cells) => cells.len() / self.bins,
            Curves::Samples(samples) => samples.len(),
        }
    }
}

impl Metric for CalibrationBins {
    type Input<'a> = &'a Predictions;
    type Value = Calibration;

    fn update(&mut self, input: &Predictions) -> Result<()> {
        let threshold = match self.state.target {
            Target::TopLabel => {
                self.prepare(input.rows(), 1)?;
                return self.extend(0, top_labels(input));
            }
            Target::Classwise => None,
            Target::Thresholded { above } => Some(above),
        };
        self.prepare(input.rows(), input.classes())?;
        for class in 0..input.classes() {
            let event = |row| (input.probs(row)[class], input.label(row) as usize == class);
            let counts = |(p, _): &(f64, bool)| threshold.is_none_or(|above| *p > above);
            self.extend(class, (0..input.rows()).map(event).filter(counts))?;
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        let (mine, other) = (&mut self.state, other.state);
        same("target", mine.target, other.target)?;
        same("binning", mine.binning, other.binning)?;
        same("bins", mine.bins, other.bins)?;
        if other.n == 0 {
            return Ok(());
        }
        if mine.n == 0 {
            *mine = other;
            return Ok(());
        }
        same("classes", mine.curves(), other.curves())?;
        // All that merging can fail at: no curve counts more than the rows.
        mine.n = add_counts(mine.n, other.n)?;
        match (&mut mine.curves, other.curves) {
            (Curves::Cells(mine), Curves::Cells(other)) => {
                mine.iter_mut().zip(&other).try_for_each(|(cell, other)| cell.merge(other))
            }
            (Curves::Samples(mine), Curves::Samples(other)) => {
                mine.iter_mut().zip(other).try_for_each(|(samples, other)| samples.merge(other))
            }
            // The same binning keeps the same.
            _ => Ok(()),
        }
    }

    /// `None` before the first row, and where no probability is above the threshold.
    fn value(&self) -> Option<Calibration> {
        let State { target, binning, bins, n, ref curves } = self.state;
        let curves: Vec<Reliability> = match (curves, &self.equal_width) {
            (Curves::Cells(cells), Some(equal_width)) => {
                let intervals = equal_width.intervals();
                cells.chunks(bins).map(|cells| Reliability::of_cells(intervals.iter().copied(), cells)).collect()
            }
            (Curves::Samples(curves), _) => curves.iter().map(|samples| equal_mass(samples, bins)).collect(),
            (Curves::Cells(_), None) => Vec::new(),
        };
        let counted = curves.iter().any(|curve| curve.n > 0);
        counted.then_some(Calibration { target, binning, bins, n, curves })
    }
}

/// The diagram of samples in bins of equal mass; of none, no bins.
fn equal_mass(samples: &Samples, bins: usize) -> Reliability {
    let sorted = samples.sorted();
    if sorted.is_empty() {
        return Reliability { n: 0, bins: Vec::new() };
    }
    EqualMassBins::new(&sorted, bins, AdaptiveConvention::Default).reliability()
}

fn check_target(target: Target) -> Result<()> {
    match target {
        Target::Thresholded { above } if !(0.0..1.0).contains(&above) => {
            Err(Error::Setting { name: "above", value: above.to_string(), expected: "from 0 to below 1" })
        }
        _ => Ok(()),
    }
}

impl saved::State for State {
    const METRIC: &'static str = "calibration-bins";
}

impl TryFrom<Saved<State>> for CalibrationBins {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        let invalid = |problem: String| Err(<State as saved::State>::invalid(problem));
        check_target(state.target)?;
        let equal_width = EqualWidthBins::new(state.binning, check_bins(state.bins)?)?;
        let counts: Vec<u128> = match (&state.curves, &equal_width) {
            (Curves::Cells(cells), Some(_)) => {
                if !cells.len().is_multiple_of(state.bins) {
                    return invalid(format!("{} cells for {} bins per curve", cells.len(), state.bins));
                }
                cells.iter().try_for_each(|cell| cell.check(<State as saved::State>::METRIC))?;
                let count = |curve: &[Cell]| curve.iter().map(|cell| u128::from(cell.count)).sum();
                cells.chunks(state.bins).map(count).collect()
            }
            (Curves::Samples(curves), None) => {
                curves.iter().try_for_each(Samples::check::<State>)?;
                curves.iter().map(|samples| samples.len() as u128).collect()
            }
            _ => return invalid(format!("cells or samples that do not belong to {}", state.binning)),
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
        let fits = |count: &&u128| **count == state.n.into() || (thresholded && **count < state.n.into());
        if let Some(count) = counts.iter().find(|count| !fits(count)) {
            return invalid(format!("a curve has {count} probabilities of {} rows", state.n));
        }
        Ok(Self { equal_width, state })
    }
}

impl From<CalibrationBins> for Saved<State> {
    fn from(metric: CalibrationBins) -> Self {
        Self::new(metric.state)
    }
}
