//! The rows of a model, small enough for a page.

use mbls_core::metric::{Binning, SortedTopLabels};

/// The largest number of bins of the controls.
pub(super) const MOST_BINS: usize = 100;
/// Up to so many distinct confidences, each is a group.
const EXACT: usize = 4096;
/// Otherwise no group has more than this fraction of the rows, unless they are tied.
const RANKS: u64 = 1024;

/// Rows with the same or almost the same confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Group {
    /// The mean confidence.
    pub(super) confidence: f64,
    pub(super) count: u64,
    pub(super) correct: u64,
}

/// The groups of a model in ascending order of confidence.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Groups {
    pub(super) groups: Vec<Group>,
    /// Whether all rows of each group have the same confidence.
    pub(super) exact: bool,
}

impl Groups {
    /// Groups the rows. Where there are too many confidences, rows of neighbouring confidences are
    /// merged, but never across the edge of a bin of equal width, for any number of bins of the
    /// controls: only bins of equal mass are approximate.
    pub(super) fn new(rows: &SortedTopLabels) -> Self {
        let mut distinct: Vec<Group> = Vec::new();
        let mut merged = Vec::new();
        let edges = edges(rows);
        let (mut exact, mut edge, mut open) = (true, 0, None::<(f64, Group)>);
        let most = rows.n() / RANKS;
        for (confidence, correct) in rows.iter() {
            let correct = u64::from(correct);
            let row = Group { confidence, count: 1, correct };
            if exact {
                match distinct.last_mut().filter(|last| last.confidence == confidence) {
                    Some(last) => add(last, row),
                    None => distinct.push(row),
                }
                exact = distinct.len() <= EXACT;
            }
            // The number of edges below the confidence names its cell.
            let before = edge;
            while edges.get(edge).is_some_and(|edge| *edge < confidence) {
                edge += 1;
            }
            let (last, sum) = match &mut open {
                Some((last, group))
                    if *last == confidence || (edge == before && group.count < most) =>
                {
                    (last, group)
                }
                _ => {
                    merged.extend(open.take().map(|(_, group)| mean(group)));
                    open = Some((confidence, row));
                    continue;
                }
            };
            *last = confidence;
            sum.confidence += confidence;
            add(sum, row);
        }
        merged.extend(open.map(|(_, group)| mean(group)));
        Self { groups: if exact { distinct } else { merged }, exact }
    }

    /// Returns the number of rows.
    pub(super) fn n(&self) -> u64 {
        self.groups.iter().map(|group| group.count).sum()
    }

    /// Writes the groups as a JSON array of `[confidence, count, correct]`.
    pub(super) fn json(&self) -> String {
        let group = |of: &Group| format!("[{},{},{}]", of.confidence, of.count, of.correct);
        format!("[{}]", self.groups.iter().map(group).collect::<Vec<_>>().join(","))
    }
}

fn add(group: &mut Group, row: Group) {
    group.count += row.count;
    group.correct += row.correct;
}

/// Divides the sum of confidences by the count.
fn mean(sum: Group) -> Group {
    Group { confidence: (sum.confidence / sum.count as f64).min(1.0), ..sum }
}

/// Returns the edges of bins of equal width, ascending, for every number of bins.
fn edges(rows: &SortedTopLabels) -> Vec<f64> {
    let bins = (1..=MOST_BINS).filter_map(|bins| rows.reliability(Binning::EqualWidth, bins).ok());
    let mut edges: Vec<f64> =
        bins.flat_map(|of| of.bins).map(|bin| bin.upper).filter(|edge| *edge < 1.0).collect();
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use mbls_core::metric::{Metric, TopLabelSamples, TopLabels};

    fn rows(confidences: &[f64], correct: &[bool]) -> SortedTopLabels {
        let mut samples = TopLabelSamples::new();
        samples.add(&TopLabels::new(confidences, correct).unwrap()).unwrap();
        samples.value().unwrap()
    }

    #[test]
    fn few_confidences_are_exact() {
        let groups = Groups::new(&rows(&[0.5, 0.75, 0.5], &[true, false, false]));
        assert!(groups.exact);
        assert_eq!(groups.json(), "[[0.5,2,1],[0.75,1,0]]");
    }

    /// For every number of bins, bins of equal width of the groups are those of the rows.
    #[test]
    fn many_confidences_keep_equal_width() {
        let n = 30_000;
        let confidences: Vec<f64> =
            (0..n).map(|i| 1.0 - (f64::from(i) / f64::from(n)).powi(4)).collect();
        let correct: Vec<bool> = (0..n).map(|i| i % 3 > 0).collect();
        let rows = rows(&confidences, &correct);
        let groups = Groups::new(&rows);
        assert!(!groups.exact && groups.groups.len() < 5000 && groups.n() == 30_000);
        // At most a thousandth of the rows, so that bins of equal mass are off by no more.
        assert!(groups.groups.iter().all(|group| group.count <= 30_000 / RANKS));
        for bins in 1..=MOST_BINS {
            let expected = rows.reliability(Binning::EqualWidth, bins).unwrap();
            for (b, bin) in expected.bins.iter().enumerate() {
                let inside = |group: &&Group| {
                    (group.confidence > bin.lower || b == 0) && group.confidence <= bin.upper
                };
                let count: u64 = groups.groups.iter().filter(inside).map(|of| of.count).sum();
                assert_eq!(count, bin.count, "bin {b} of {bins}");
            }
        }
    }
}
