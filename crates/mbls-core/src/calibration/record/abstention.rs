use serde::Serialize;
use std::fmt;

/// The effect on test rows of withholding the less confident answers.
///
/// # References
///
/// El-Yaniv and Wiener, On the foundations of noise-free selective classification, JMLR 11, 2010.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Abstention {
    /// The largest confidence that is withheld.
    pub threshold: f64,
    /// Number of test rows.
    pub n: u64,
    /// Number of answered rows.
    pub answered: u64,
    /// Number of wrong answers.
    pub wrong: u64,
    /// The edge of the bins that test rows were counted in: the threshold up to the rounding of
    /// f32.
    #[serde(skip)]
    pub(super) edge: f64,
}

impl Abstention {
    /// Returns the fraction of rows that are answered; `None` if there are no rows.
    pub fn coverage(&self) -> Option<f64> {
        (self.n > 0).then(|| self.answered as f64 / self.n as f64)
    }

    /// Returns the fraction of answers that are wrong; `None` if there are no answers.
    pub fn risk(&self) -> Option<f64> {
        (self.answered > 0).then(|| self.wrong as f64 / self.answered as f64)
    }

    /// Whether an answer of that confidence is withheld, by exactly the comparison that counted the
    /// test rows.
    pub fn withholds(&self, confidence: f64) -> bool {
        confidence <= self.edge
    }
}

/// Formats a sentence: `of 260 test samples 89.2 % are answered with a confidence above 0.9, and
/// 1.3 % of these answers are wrong`.
impl fmt::Display for Abstention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(coverage) = self.coverage() else {
            return f.write_str("there are no test samples");
        };
        let (n, threshold) = (self.n, self.threshold);
        write!(
            f,
            "of {n} test samples {:.1} % are answered with a confidence above {threshold}",
            100.0 * coverage
        )?;
        match self.risk() {
            Some(risk) => write!(f, ", and {:.1} % of these answers are wrong", 100.0 * risk),
            None => Ok(()),
        }
    }
}
