use super::edges::Edges;
use super::reliability::{Reliability, ReliabilityBins};
use crate::metric::agreement::same;
use crate::metric::contract::Metric;
use crate::metric::exact::{Cell, Tally, add_counts, samples_of};
use crate::metric::input::Predictions;
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Confidence and accuracy in bins, as in [`ReliabilityBins`], of rows that belong to groups. One
/// pass yields a diagram per group and of any union of groups.
///
/// ```
/// use mbls_core::metric::{GroupedReliability, GroupedRows, Metric, Predictions};
///
/// let predictions = Predictions::from_probs(&[0.75, 0.25, 0.25, 0.75], 2, &[0, 0])?;
/// let mut grouped = GroupedReliability::new(3, 10)?;
/// grouped.update(GroupedRows::new(&predictions, &[2, 0])?)?;
/// let ece =
///     |reliability: Option<mbls_core::metric::Reliability>| reliability.map(|r| r.ece());
/// assert_eq!(ece(grouped.of(|group| group == 2).value()), Some(0.25));
/// assert_eq!(ece(grouped.of(|group| group == 1).value()), None);
/// assert_eq!(grouped.of(|_| true).n(), 2);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct GroupedReliability {
    edges: Edges,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    bins: usize,
    /// `[groups, bins]`.
    cells: Vec<Cell>,
}

/// Compares the states; the edges follow from them.
impl PartialEq for GroupedReliability {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}

/// Predictions and the group of each row.
#[derive(Clone, Copy, Debug)]
pub struct GroupedRows<'a> {
    predictions: &'a Predictions<'a>,
    groups: &'a [u32],
}

impl<'a> GroupedRows<'a> {
    /// Combines predictions with the group of each row.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the number of groups is not the number of rows.
    pub fn new(predictions: &'a Predictions<'a>, groups: &'a [u32]) -> Result<Self> {
        if predictions.rows() == groups.len() {
            return Ok(Self { predictions, groups });
        }
        Err(Error::Shape {
            what: "groups",
            expected: format!("{} values, one per row", predictions.rows()),
            found: format!("{} values", groups.len()),
        })
    }
}

/// The maximum number of cells, which take 128 MiB.
const MAX_CELLS: usize = 1 << 22;

fn check_groups(groups: usize, bins: usize) -> Result<usize> {
    if groups >= 1 && groups.checked_mul(bins).is_some_and(|cells| cells <= MAX_CELLS) {
        return Ok(groups * bins);
    }
    Err(Error::Setting {
        name: "groups",
        value: groups.to_string(),
        expected: "at least 1, and at most 2^22 / bins",
    })
}

impl GroupedReliability {
    /// Creates a metric for `groups` groups with `bins` bins each that has seen no rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if `bins` is 0 or above 65536, if `groups` is 0, or if all groups
    /// together have more than 2^22 bins.
    pub fn new(groups: usize, bins: usize) -> Result<Self> {
        let edges = Edges::new(bins)?;
        Ok(Self {
            edges,
            state: State { bins, cells: vec![Cell::default(); check_groups(groups, bins)?] },
        })
    }

    /// Returns the number of bins of each group.
    pub fn bins(&self) -> usize {
        self.state.bins
    }

    /// Returns the number of groups. Groups are numbered from 0.
    pub fn groups(&self) -> usize {
        self.state.cells.len() / self.state.bins
    }

    /// Returns the number of rows of all groups.
    pub fn n(&self) -> u64 {
        self.state.cells.iter().map(|cell| cell.count).sum()
    }

    /// Returns the bins of all rows in the groups that satisfy a condition.
    pub fn of(&self, keep: impl Fn(usize) -> bool) -> ReliabilityBins {
        let mut union = vec![Cell::default(); self.state.bins];
        for (_, cells) in
            self.state.cells.chunks(self.state.bins).enumerate().filter(|(group, _)| keep(*group))
        {
            union.iter_mut().zip(cells).for_each(|(sum, cell)| sum.add_cell(cell));
        }
        ReliabilityBins::of_cells(self.edges.clone(), union)
    }
}

impl Metric for GroupedReliability {
    type Input<'a> = GroupedRows<'a>;
    /// A diagram per group; `None` for a group without rows.
    type Value = Vec<Option<Reliability>>;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        let State { bins, cells } = &self.state;
        Self {
            edges: self.edges.clone(),
            state: State { bins: *bins, cells: vec![Cell::default(); cells.len()] },
        }
    }

    fn check_update(&self, input: GroupedRows<'_>) -> Result<()> {
        let groups = self.groups();
        if let Some(row) = input.groups.iter().position(|&group| group as usize >= groups) {
            let (what, value, expected) =
                ("group", input.groups[row].to_string(), "one below the number of groups");
            return Err(Error::Accumulator {
                what,
                value: format!("{value} at row {row}"),
                expected,
            });
        }
        add_counts(self.n(), input.groups.len() as u64).map(drop)
    }

    fn update(&mut self, input: GroupedRows<'_>) -> Result<()> {
        self.check_update(input)?;
        let bins = self.state.bins;
        let (samples, confidences) =
            (samples_of(input.predictions), &input.predictions.all_rows().confidence);
        let mut tallies = vec![Tally::default(); self.state.cells.len()];
        for first in (0..samples.len()).step_by(Tally::MOST) {
            let rows = first..(first + Tally::MOST).min(samples.len());
            let samples = samples[rows.clone()].iter().zip(&confidences[rows.clone()]);
            for ((&sample, &confidence), &group) in samples.zip(&input.groups[rows]) {
                tallies[group as usize * bins + self.edges.bin(confidence)].add_sample(sample);
            }
            let tallies = tallies.iter_mut().map(std::mem::take);
            tallies.zip(&mut self.state.cells).for_each(|(tally, cell)| tally.add_to(cell));
        }
        Ok(())
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        same("bins", self.bins(), other.bins())?;
        same("groups", self.groups(), other.groups())?;
        add_counts(self.n(), other.n()).map(drop)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        self.state
            .cells
            .iter_mut()
            .zip(&other.state.cells)
            .for_each(|(cell, other)| cell.add_cell(other));
        Ok(())
    }

    fn value(&self) -> Option<Vec<Option<Reliability>>> {
        let groups = 0..self.groups();
        (self.n() > 0)
            .then(|| groups.map(|group| self.of(|other| other == group).value()).collect())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.edges.size() + self.state.cells.capacity() * size_of::<Cell>()
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "grouped-reliability";
}

impl TryFrom<Saved<State>> for GroupedReliability {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        let edges = Edges::new(state.bins)?;
        if !state.cells.len().is_multiple_of(state.bins) {
            let problem = format!("{} cells for {} bins per group", state.cells.len(), state.bins);
            return Err(<State as saved::MetricState>::invalid(problem));
        }
        check_groups(state.cells.len() / state.bins, state.bins)?;
        state
            .cells
            .iter()
            .try_for_each(|cell| cell.check(<State as saved::MetricState>::METRIC))?;
        state.cells.iter().try_fold(0, |n, cell| add_counts(n, cell.count))?;
        Ok(Self { edges, state })
    }
}

impl From<GroupedReliability> for Saved<State> {
    fn from(metric: GroupedReliability) -> Self {
        Self::new(metric.state)
    }
}
