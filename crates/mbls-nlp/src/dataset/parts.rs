//! Training, validation and test parts.

/// Indices of the training, validation and test texts of a data set, each in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Texts for training.
    pub train: Vec<usize>,
    /// Texts for selecting the epoch and the temperature.
    pub validation: Vec<usize>,
    /// Texts for testing.
    pub test: Vec<usize>,
}

impl Parts {
    pub(super) fn sorted(mut self) -> Self {
        [&mut self.train, &mut self.validation, &mut self.test]
            .into_iter()
            .for_each(|part| part.sort_unstable());
        self
    }
}
