use super::classwise_cells;
use super::edges::Edges;
use super::reliability::Reliability;
use crate::metric::agreement::{same, same_classes};
use crate::metric::contract::Metric;
use crate::metric::exact::{Cell, add_counts, unit_interval_units, units_to_f64};
use crate::metric::input::Predictions;
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The classes and probabilities that classwise ECE includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ClasswiseConvention {
    /// The mean over all classes of the predictions; a probability of 0 belongs to the first bin.
    #[default]
    #[serde(rename = "default")]
    Definition,
    /// The convention of published code: the mean is over the classes `0..=max(label)` only, so it
    /// depends on which labels occur. Probabilities are rounded to f32, and a probability that is
    /// then 0 belongs to no bin.
    Reference,
}

/// Classwise expected calibration error: `mean_k sum_b count_kb / n |frequency_kb -
/// probability_kb|`.
///
/// Every row has a probability for every class `k`, binned as in
/// [`ReliabilityBins`](crate::metric::ReliabilityBins). The frequency is the fraction of a bin's
/// rows that have the label `k`.
///
/// # References
///
/// Kull et al., Beyond temperature scaling: Obtaining well-calibrated multiclass probabilities with
/// Dirichlet calibration, NeurIPS 2019 (arXiv 1910.12656); the reference convention is that of
/// Mukhoti et al., NeurIPS 2020 (arXiv 2002.09437).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct ClasswiseEce {
    edges: Edges,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    bins: usize,
    convention: ClasswiseConvention,
    n: u64,
    /// The largest label so far; 0 before the first row.
    max_label: u32,
    /// `[classes, bins]`; empty before the first batch, which determines the number of classes.
    cells: Vec<Cell>,
}

/// Compares the states; the edges follow from them.
impl PartialEq for ClasswiseEce {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}

impl ClasswiseEce {
    /// Creates a metric with `bins` bins per class that has seen no rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if `bins` is 0 or above 65536.
    pub fn new(bins: usize, convention: ClasswiseConvention) -> Result<Self> {
        let edges = Edges::new(bins)?;
        Ok(Self { edges, state: State { bins, convention, n: 0, max_label: 0, cells: Vec::new() } })
    }

    /// Returns the number of bins per class.
    pub fn bins(&self) -> usize {
        self.state.bins
    }

    /// Returns the convention that decides which classes and probabilities are included.
    pub fn convention(&self) -> ClasswiseConvention {
        self.state.convention
    }

    /// Returns the number of classes; `None` before the first batch.
    pub fn classes(&self) -> Option<usize> {
        (!self.state.cells.is_empty()).then(|| self.state.cells.len() / self.state.bins)
    }

    /// Returns the number of rows.
    pub fn n(&self) -> u64 {
        self.state.n
    }

    /// Returns the reliability diagram of each class, which compares its probability with the
    /// fraction of rows that have its label. Empty before the first row.
    ///
    /// In the default convention the metric's value is the mean [`ece`](Reliability::ece) of the
    /// diagrams. In the reference convention the diagrams omit probabilities of 0, and a diagram
    /// has no rows if all probabilities of its class are 0.
    pub fn diagrams(&self) -> Vec<Reliability> {
        let of = |cells: &[Cell]| Reliability::of_cells(self.edges.intervals(), cells);
        self.state.cells.chunks(self.state.bins).map(of).collect()
    }
}

impl Metric for ClasswiseEce {
    type Input<'a> = &'a Predictions<'a>;
    type Value = f64;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        Self {
            edges: self.edges.clone(),
            state: State { n: 0, max_label: 0, cells: Vec::new(), ..self.state },
        }
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        same_classes("predictions", self.classes(), input.classes())?;
        add_counts(self.n(), input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        self.check_update(input)?;
        let State { bins, convention, n, max_label, cells } = &mut self.state;
        if input.rows() == 0 {
            return Ok(());
        }
        *n = add_counts(*n, input.rows() as u64)?;
        cells.resize(input.classes() * *bins, Cell::default());
        let labels = || (0..input.rows()).map(|row| input.label(row));
        *max_label = labels().fold(*max_label, u32::max);
        match convention {
            ClasswiseConvention::Definition => classwise_cells::add(cells, &self.edges, input),
            ClasswiseConvention::Reference => {
                for (row, label) in labels().enumerate() {
                    for (class, &probability) in input.probs(row).iter().enumerate() {
                        let probability = f64::from(probability as f32);
                        if probability > 0.0 {
                            let cell = &mut cells[class * *bins + self.edges.bin(probability)];
                            cell.add_units(
                                unit_interval_units(probability),
                                class == label as usize,
                            );
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        same("bins", self.bins(), other.bins())?;
        same("classwise convention", self.convention(), other.convention())?;
        if let (Some(left), Some(right)) = (self.classes(), other.classes()) {
            same("classes", left, right)?;
        }
        add_counts(self.n(), other.n()).map(drop)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        let (mine, other) = (&mut self.state, other.state);
        mine.n = add_counts(mine.n, other.n)?;
        mine.max_label = mine.max_label.max(other.max_label);
        if mine.cells.is_empty() {
            mine.cells = other.cells;
            return Ok(());
        }
        mine.cells.iter_mut().zip(&other.cells).try_for_each(|(cell, other)| cell.merge(other))
    }

    fn value(&self) -> Option<f64> {
        let classes = match self.state.convention {
            ClasswiseConvention::Definition => self.classes()?,
            ClasswiseConvention::Reference => self.state.max_label as usize + 1,
        };
        let total = self.state.cells.iter().take(classes * self.state.bins).map(Cell::gap).sum();
        (self.state.n > 0).then(|| units_to_f64(total) / self.state.n as f64 / classes as f64)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.edges.size() + self.state.cells.capacity() * size_of::<Cell>()
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "classwise-ece";
}

impl TryFrom<Saved<State>> for ClasswiseEce {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        let invalid = |problem: String| Err(<State as saved::MetricState>::invalid(problem));
        let edges = Edges::new(state.bins)?;
        let classes = state.cells.len() / state.bins;
        if !state.cells.len().is_multiple_of(state.bins) {
            return invalid(format!(
                "{} cells for {} bins per class",
                state.cells.len(),
                state.bins
            ));
        }
        if state.cells.is_empty() != (state.n == 0) {
            return invalid(format!("{} rows and {classes} classes", state.n));
        }
        if state.max_label as usize >= classes.max(1) {
            return invalid(format!("label {} of {classes} classes", state.max_label));
        }
        for class in state.cells.chunks(state.bins) {
            class.iter().try_for_each(|cell| cell.check(<State as saved::MetricState>::METRIC))?;
            let rows: u128 = class.iter().map(|cell| u128::from(cell.count)).sum();
            let fits = match state.convention {
                ClasswiseConvention::Definition => rows == state.n.into(),
                ClasswiseConvention::Reference => rows <= state.n.into(),
            };
            if !fits {
                return invalid(format!("a class has {rows} probabilities of {} rows", state.n));
            }
        }
        // Each row has one label and probabilities whose sum is 1 or slightly more. These bounds
        // keep the sum of all gaps in range.
        let labels: u128 = state.cells.iter().map(|cell| u128::from(cell.positive)).sum();
        let sum: f64 = state.cells.iter().map(|cell| cell.probability.to_f64()).sum();
        let labels_fit = match state.convention {
            ClasswiseConvention::Definition => labels == state.n.into(),
            ClasswiseConvention::Reference => labels <= state.n.into(),
        };
        if !labels_fit || sum > 2.0 * state.n as f64 {
            return invalid(format!(
                "{labels} labels and probabilities of sum {sum} in {} rows",
                state.n
            ));
        }
        Ok(Self { edges, state })
    }
}

impl From<ClasswiseEce> for Saved<State> {
    fn from(metric: ClasswiseEce) -> Self {
        Self::new(metric.state)
    }
}
