/// The probabilities and the events that a diagram compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantity {
    /// The confidence in the predicted class, and whether the prediction is correct.
    #[default]
    TopLabel,
    /// The probability of one class, and whether it is the label.
    Class,
}

impl Quantity {
    /// Returns the name of the probability.
    pub(crate) fn predicted(self) -> &'static str {
        match self {
            Self::TopLabel => "confidence",
            Self::Class => "probability",
        }
    }

    /// Returns the name of the fraction of rows in which the event occurred.
    pub(crate) fn observed(self) -> &'static str {
        match self {
            Self::TopLabel => "accuracy",
            Self::Class => "frequency",
        }
    }

    pub(crate) fn predicted_title(self) -> &'static str {
        match self {
            Self::TopLabel => "Confidence",
            Self::Class => "Probability",
        }
    }

    pub(crate) fn observed_title(self) -> &'static str {
        match self {
            Self::TopLabel => "Accuracy",
            Self::Class => "Frequency",
        }
    }
}
