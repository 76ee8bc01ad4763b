use std::borrow::Cow;

/// The logits from which probabilities are computed on demand.
#[derive(Clone, Debug, PartialEq)]
pub enum StoredScores<'a> {
    /// Probabilities were given instead of logits.
    None,
    F32(Cow<'a, [f32]>),
    F64(Cow<'a, [f64]>),
}

impl StoredScores<'_> {
    /// Returns scores whose differences are finite, and the inverse temperature with which they
    /// have the same softmax.
    pub(in crate::metric) fn within_f64(self, inverse_temperature: f64) -> (Self, f64) {
        const LARGEST: f64 = f64::MAX / 2.0;
        match &self {
            Self::F64(logits)
                if logits.iter().any(|logit| logit.is_finite() && logit.abs() > LARGEST) =>
            {
                let quarters = logits.iter().map(|logit| 0.25 * logit).collect();
                (Self::F64(quarters), (4.0 * inverse_temperature).min(f64::MAX))
            }
            _ => (self, inverse_temperature),
        }
    }

    /// Returns the same scores with borrowed data copied.
    pub(in crate::metric) fn into_owned(self) -> StoredScores<'static> {
        match self {
            Self::None => StoredScores::None,
            Self::F32(scores) => StoredScores::F32(scores.into_owned().into()),
            Self::F64(scores) => StoredScores::F64(scores.into_owned().into()),
        }
    }
}
