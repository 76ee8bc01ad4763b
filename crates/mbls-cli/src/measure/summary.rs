use mbls_core::metric::{Predictions, TopLabels};

/// What the bootstrap needs of each row.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) confidences: Vec<f64>,
    pub(crate) correct: Vec<bool>,
    /// Labels, numbered from 0 without gaps that matter; empty if they are not known.
    pub(crate) labels: Vec<u32>,
    /// What rows with scores have in addition; empty for others.
    pub(crate) in_top5: Vec<bool>,
    pub(crate) nll: Vec<f64>,
    pub(crate) brier: Vec<f64>,
}

impl Summary {
    /// Returns the rows of a batch. Negative log-likelihoods are clipped at `epsilon`.
    pub(crate) fn of(predictions: &Predictions<'_>, epsilon: Option<f64>) -> Self {
        let rows = || 0..predictions.rows();
        let most = epsilon.map_or(f64::INFINITY, |epsilon| -epsilon.ln());
        Self {
            confidences: rows().map(|row| predictions.confidence(row)).collect(),
            correct: rows().map(|row| predictions.correct(row)).collect(),
            labels: rows().map(|row| predictions.label(row)).collect(),
            in_top5: rows().map(|row| predictions.rank_of_label(row) < 5).collect(),
            nll: rows().map(|row| (-predictions.log_prob_of_label(row)).min(most)).collect(),
            brier: rows().map(|row| predictions.squared_error(row)).collect(),
        }
    }

    /// Returns rows of which only the prediction was saved.
    pub(crate) fn of_top_labels(rows: &TopLabels, labels: Option<&[i64]>) -> Self {
        let mut numbers = std::collections::BTreeMap::new();
        let labels = labels.unwrap_or_default().iter().map(|label| {
            let next = numbers.len() as u32;
            *numbers.entry(*label).or_insert(next)
        });
        Self {
            labels: labels.collect(),
            confidences: (0..rows.rows()).map(|row| rows.confidence(row)).collect(),
            correct: (0..rows.rows()).map(|row| rows.correct(row)).collect(),
            ..Self::default()
        }
    }

    /// Appends rows.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.confidences.append(&mut other.confidences);
        self.correct.append(&mut other.correct);
        self.labels.append(&mut other.labels);
        self.in_top5.append(&mut other.in_top5);
        self.nll.append(&mut other.nll);
        self.brier.append(&mut other.brier);
    }

    pub(crate) fn rows(&self) -> usize {
        self.confidences.len()
    }
}
