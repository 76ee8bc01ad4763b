use crate::Result;
use crate::metric::input::{LogitRows, ScoreType, UnlabelledRows, check_temperature, with_scores};
use crate::metric::logits::{REFERENCE_EPSILON, entropy};
use serde::{Deserialize, Serialize};

/// A score of probabilities that is larger for in-distribution rows.
///
/// Scores are not rounded: two rows tie only if their scores are equal, not if their probabilities
/// differ in the last bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OodScore {
    /// The largest probability (maximum softmax probability; Hendrycks and Gimpel, ICLR 2017).
    Confidence,
    /// `sum_k p_k log p_k`, the negative entropy in nats, where `0 log 0` is 0.
    Entropy,
    /// `sum_k p_k log(p_k + 1e-10) / log C`, as in published MbLS code. It differs from `Entropy`
    /// only if a probability is close to 1.
    EntropyReference,
    /// The difference between the largest and the second largest probability.
    Margin,
}

impl OodScore {
    /// Computes the score of each row.
    pub fn of(self, input: &UnlabelledRows) -> Vec<f64> {
        let score = |row| {
            let probs = input.probs(row);
            match self {
                Self::Confidence => input.confidence(row),
                Self::Entropy => -entropy(probs),
                Self::EntropyReference => {
                    let sum: f64 = probs.iter().map(|p| p * libm::log(p + REFERENCE_EPSILON)).sum();
                    sum / libm::log(probs.len() as f64)
                }
                Self::Margin => {
                    let predicted = input.predicted(row) as usize;
                    let others = probs.iter().enumerate().filter(|(class, _)| *class != predicted);
                    input.confidence(row) - others.fold(0.0, |second: f64, (_, p)| second.max(*p))
                }
            }
        };
        (0..input.rows()).map(score).collect()
    }
}

/// Computes the negative energy of each row, `T log sum_k exp(l_k / T)`, which is larger for
/// in-distribution rows.
///
/// # Errors
///
/// [`Error::Setting`](crate::Error::Setting) if the temperature is not finite or not greater than
/// 0.
///
/// # References
///
/// Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020 (arXiv 2010.03759), whose
/// energy has the opposite sign.
pub fn energy_scores(rows: LogitRows<'_>, temperature: f64) -> Result<Vec<f64>> {
    check_temperature(temperature)?;
    Ok(with_scores!(rows.logits(), logits => {
        logits.chunks_exact(rows.classes()).map(|row| energy_score(row, temperature)).collect()
    }))
}

fn energy_score<T: ScoreType>(row: &[T], temperature: f64) -> f64 {
    let logits = || row.iter().map(|&logit| -> f64 { logit.into() });
    let max = logits().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits().map(|logit| libm::exp((logit - max) / temperature)).sum();
    max + temperature * libm::log(sum)
}
