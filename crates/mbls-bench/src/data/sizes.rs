//! How many samples each split takes.

use crate::spec::{Amount, Scale};
use anyhow::{Result, ensure};

/// How many samples each split of a suite has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// To learn from.
    pub(crate) train: usize,
    /// To choose the epoch and the temperature on.
    pub(crate) validation: usize,
    /// To report on.
    pub(crate) test: usize,
}

impl Sizes {
    /// Those of a data set with so many samples to train on, and in parts of their own for
    /// validation and tests where it has such.
    ///
    /// A number is taken as it is; a fraction is that of the training part for a split that the
    /// data set does not have as a part of its own, all of it where it does, and for training
    /// of what the others leave.
    ///
    /// # Errors
    ///
    /// More than there are, or none.
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
