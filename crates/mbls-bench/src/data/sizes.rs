//! The number of samples of each split.

use crate::spec::{Amount, Scale};
use anyhow::{Result, ensure};

/// The number of samples of each split of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Number of training samples.
    pub(crate) train: usize,
    /// Number of validation samples, on which the epoch and the temperature are chosen.
    pub(crate) validation: usize,
    /// Number of test samples.
    pub(crate) test: usize,
}

impl Sizes {
    /// Returns the sizes for a data set with `train` training samples, and with separate
    /// `validation` and `test` parts if it has them.
    ///
    /// A count is used unchanged. A fraction of validation or test samples is relative to the
    /// training part if the data set has no separate part for the split; otherwise the whole part
    /// is used. A fraction of training samples is relative to what the other splits leave.
    ///
    /// # Errors
    ///
    /// If a split is empty or larger than the available data.
    pub(crate) fn of(
        scale: &Scale,
        train: usize,
        validation: Option<usize>,
        test: Option<usize>,
    ) -> Result<Self> {
        let share = |name: &str, amount: Amount, part: Option<usize>, of: usize| {
            let size = match (amount, part) {
                (Amount::Count(count), _) => count,
                (Amount::Fraction(_), Some(part)) => part,
                (Amount::Fraction(fraction), None) => (fraction * of as f64).round() as usize,
            };
            ensure!(size > 0, "{name} = {amount}: no sample of {of}");
            let available = part.unwrap_or(of);
            ensure!(size <= available, "{name} = {amount}: there are {available} samples");
            Ok(size)
        };
        let validation_size = share("validation", scale.validation, validation, train)?;
        let test_size = share("test", scale.test, test, train)?;
        let taken = |size: usize, part: Option<usize>| if part.is_none() { size } else { 0 };
        let rest =
            train.saturating_sub(taken(validation_size, validation) + taken(test_size, test));
        Ok(Self {
            train: share("train", scale.train, None, rest)?,
            validation: validation_size,
            test: test_size,
        })
    }
}
