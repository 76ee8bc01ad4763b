use super::predictions::check_temperature;
use super::probability_statistics::{REFERENCE_EPSILON, entropy};
use super::{LogitRows, Predictions};
use crate::Result;
use serde::{Deserialize, Serialize};

/// A score of probabilities that is larger for rows like those of training.
///
/// Scores of rows whose probabilities differ in the last bit do so too: ties are ties of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OodScore {
    /// The largest probability (maximum softmax probability; Hendrycks and Gimpel, ICLR 2017).
    Confidence,
    /// `sum_k p_k log p_k`, the negative entropy in nats, where `0 log 0` is 0.
    Entropy,
    /// `sum_k p_k log(p_k + 1e-10) / log C`, as published MbLS code computes it: it differs from `Entropy` only where a
    /// probability is near 1.
    EntropyReference,
    /// The largest probability less the second.
    Margin,
}

impl OodScore {
    /// The score of each row. Labels play no part: rows of another distribution may have any.
    pub fn of(self, input: &Predictions) -> Vec<f64> {
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

/// The negative energy of each row, `T log sum_k exp(l_k / T)`: larger for rows like those of training.
///
/// # Errors
///
/// [`Error::Setting`](crate::Error::Setting) for a temperature that is not finite and greater than 0.
///
/// # References
///
/// Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020 (arXiv 2010.03759), whose energy has the other sign.
pub fn energy_scores(rows: LogitRows<'_>, temperature: f64) -> Result<Vec<f64>> {
    check_temperature(temperature)?;
    let score = |row: &[f32]| {
        let max = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = row.iter().map(|&logit| libm::exp((f64::from(logit) - max) / temperature)).sum();
        max + temperature * libm::log(sum)
    };
    Ok(rows.iter().map(score).collect())
}
