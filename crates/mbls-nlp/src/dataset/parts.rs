//! The parts of a data set.

/// The texts of a data set by what they are for, each part in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Those to train on.
    pub train: Vec<usize>,
    /// Those to choose the epoch and the temperature on.
    pub validation: Vec<usize>,
    /// Those to test on.
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
