use crate::calibration::linear::basis::Form;
use crate::calibration::linear::softmax_regression::{Penalty, SoftmaxRegression};
use crate::calibration::numeric::newton;
use crate::calibration::scores::softmax;
use crate::calibration::{Calibrator, Fit, ScoreKind, Scores};
use crate::metric::check_classes;
use crate::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Off-diagonal and intercept regularisation:
/// `off_diagonal / (C (C - 1)) sum_{i != j} W_ij^2 + intercept / C sum_i b_i^2`, added to the mean
/// negative log-likelihood.
///
/// The diagonal is not penalised, so the penalty pulls towards vector scaling without intercepts,
/// not towards uniform probabilities. The authors' code omits the divisors.
///
/// # References
///
/// Kull et al., Beyond temperature scaling, NeurIPS 2019 (arXiv 1910.12656), section 3.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Odir {
    /// The weight of the off-diagonal weights, lambda in the paper; finite, 0 or greater.
    pub off_diagonal: f64,
    /// The weight of the intercepts, mu in the paper; finite, 0 or greater.
    pub intercept: f64,
}

impl Odir {
    /// No regularisation.
    pub const NONE: Self = Self { off_diagonal: 0.0, intercept: 0.0 };

    fn check(self) -> Result<Self> {
        for (name, value) in [("off_diagonal", self.off_diagonal), ("intercept", self.intercept)] {
            if !(value >= 0.0 && value.is_finite()) {
                let expected = "a finite number, 0 or greater";
                return Err(Error::Setting { name, value: value.to_string(), expected });
            }
        }
        Ok(self)
    }
}

/// Vector scaling: `p = softmax(w * l + b)` with a weight and an intercept per class.
///
/// ```
/// use mbls_core::calibration::{Calibrator, Fit, Scores, VectorScaling};
///
/// // The second class is predicted with odds of e^2 and correct in one of four rows.
/// let scores =
///     Scores::from_logits(&[0.0, 2.0, 0.0, 2.0, 0.0, 2.0, 0.0, 2.0, 1.0, 0.0, 1.0, 0.0], 2)?;
/// let scaling = VectorScaling::fit(&scores, &[0, 0, 0, 1, 0, 1], ())?;
/// assert!((scaling.probs(&scores)?[1] - 0.25).abs() < 1e-8);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (arXiv 1706.04599), section 4.2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct VectorScaling(Saved);

/// Matrix scaling: `p = softmax(W l + b)`.
///
/// # References
///
/// Guo et al., ICML 2017 (arXiv 1706.04599), section 4.2; with [`Odir`], Kull et al., NeurIPS 2019
/// (arXiv 1910.12656).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct MatrixScaling(Saved);

/// Dirichlet calibration: `p = softmax(W ln q + b)` of the model's probabilities `q`.
///
/// For logits, `ln q` is the exact log-softmax. For probabilities, it is the logarithm of at least
/// the smallest normal f32.
///
/// ```
/// use mbls_core::calibration::{Calibrator, DirichletCalibration, Fit, Odir, Scores};
///
/// let scores = Scores::from_probs(&[0.9, 0.1, 0.9, 0.1, 0.2, 0.8, 0.2, 0.8], 2)?;
/// let calibration = DirichletCalibration::fit(
///     &scores,
///     &[0, 1, 1, 0],
///     Odir { off_diagonal: 0.1, intercept: 0.1 },
/// )?;
/// // The model was correct half of the time.
/// assert!(calibration.probs(&scores)?.iter().all(|p| (p - 0.5).abs() < 1e-6));
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Kull et al., NeurIPS 2019 (arXiv 1910.12656), section 3, the linear parametrisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct DirichletCalibration(Saved);

/// The serialised parameters of a linear map: `weights` `[classes]` or `[classes, classes]`,
/// row-major.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    weights: Vec<f64>,
    intercepts: Vec<f64>,
}

impl Saved {
    fn check(self, what: &'static str, form: Form) -> Result<Self> {
        let classes = check_classes(self.intercepts.len())?;
        let (expected, shape) = match form {
            Form::Diagonal => (Some(classes), format!("{classes} weights")),
            Form::Full => (classes.checked_mul(classes), format!("{classes} x {classes} weights")),
        };
        if expected != Some(self.weights.len()) {
            let found = format!("{} weights for {classes} intercepts", self.weights.len());
            return Err(Error::Shape { what, expected: shape, found });
        }
        for (name, values) in [("weights", &self.weights), ("intercepts", &self.intercepts)] {
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(Error::Setting {
                    name,
                    value: value.to_string(),
                    expected: "finite numbers",
                });
            }
        }
        Ok(self)
    }

    fn fit(
        what: &'static str,
        form: Form,
        features: &[f64],
        labels: &[u32],
        odir: Odir,
    ) -> Result<Self> {
        let classes = features.len() / labels.len();
        let odir = odir.check()?;
        let rows = labels.len() as f64;
        let refused = |problem: String| Error::Fit { what, problem };
        if let Some(at) = features.iter().position(|value| !(*value * *value * rows).is_finite()) {
            let (value, row, class) = (features[at], at / classes, at % classes);
            if !value.is_finite() {
                let expected = "a finite number, which this map multiplies by weights";
                return Err(Error::Value { what: "logit", value, row, class, expected });
            }
            return Err(refused(format!("{value:e} has a square beyond the range of f64")));
        }
        let absent = (0..classes).find(|&class| !labels.contains(&(class as u32)));
        // The intercept of an absent class diverges unless it is penalised.
        if let Some(class) = absent.filter(|_| odir.intercept == 0.0) {
            let remedy =
                if form == Form::Full { "; a penalty on intercepts may give it one" } else { "" };
            return Err(refused(format!(
                "no row is of class {class} of {classes}: its intercept has no optimum{remedy}"
            )));
        }
        let pairs = classes as f64 * (classes - 1) as f64;
        let penalty = Penalty {
            off_diagonal: odir.off_diagonal / pairs,
            intercept: odir.intercept / classes as f64,
        };
        let objective = SoftmaxRegression::new(form, features, labels, penalty);
        // Starts from uniform probabilities: where they are saturated, gradients vanish far from an
        // optimum.
        let found = newton::minimise(&objective, vec![0.0; objective.dim()]).map_err(
            |problem| match absent {
                Some(class) => {
                    refused(format!("no row is of class {class} of {classes}, and {problem}"))
                }
                None => refused(problem),
            },
        )?;
        let (weights, intercepts) = objective.weights(&found);
        Self { weights, intercepts }.check(what, form)
    }

    /// `W x + b`.
    fn logits(&self, x: &[f64], z: &mut [f64]) {
        let diagonal = self.weights.len() == x.len();
        for (k, (z, b)) in z.iter_mut().zip(&self.intercepts).enumerate() {
            let row = || self.weights[k * x.len()..].iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
            *z = b + if diagonal { self.weights[k] * x[k] } else { row() };
        }
    }

    fn apply(&self, what: &'static str, scores: &Scores, features: &[f64]) -> Result<Vec<f64>> {
        let classes = self.intercepts.len();
        scores.check_fitted_classes(what, classes)?;
        let mut probs = vec![0.0; features.len()];
        probs.par_chunks_mut(classes).zip(features.par_chunks(classes)).enumerate().try_for_each(
            |(row, (z, x))| {
                self.logits(x, z);
                if let Some(class) = z.iter().position(|z| !z.is_finite()) {
                    let expected = "a finite number";
                    return Err(Error::Value {
                        what: "calibrated logit",
                        value: z[class],
                        row,
                        class,
                        expected,
                    });
                }
                softmax(z);
                Ok(())
            },
        )?;
        Ok(probs)
    }
}

/// Returns the logits, or an error if the scores are probabilities, because the map depends on a
/// row's offset.
fn logits<'a>(what: &'static str, scores: &'a Scores) -> Result<&'a [f64]> {
    match scores.kind() {
        ScoreKind::Logits => scores.check_unmasked().map(|()| scores.values()),
        ScoreKind::Probabilities => {
            Err(Error::Shape { what, expected: "logits".into(), found: "probabilities".into() })
        }
    }
}

const VECTOR: &str = "vector scaling";
const MATRIX: &str = "matrix scaling";
const DIRICHLET: &str = "Dirichlet calibration";

impl Fit for VectorScaling {
    type Settings = ();

    /// Fits weights and intercepts by minimising the negative log-likelihood.
    ///
    /// Adding a constant to all intercepts does not change the map; the fit returns intercepts with
    /// a mean of 0. A logit that is the same in all rows gets weight 0.
    ///
    /// # Shapes
    ///
    /// `labels` `[rows]`, at least one.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for probabilities and if the lengths do not match, [`Error::Label`],
    /// [`Error::NoRows`], [`Error::Value`] for a logit that is not finite, and [`Error::Fit`] if
    /// the likelihood has no optimum: for a class without rows, which it names, and for separable
    /// rows.
    fn fit(scores: &Scores, labels: &[u32], (): ()) -> Result<Self> {
        scores.check_labels(VECTOR, labels)?;
        let mut saved =
            Saved::fit(VECTOR, Form::Diagonal, logits(VECTOR, scores)?, labels, Odir::NONE)?;
        let mean = saved.intercepts.iter().sum::<f64>() / saved.intercepts.len() as f64;
        saved.intercepts.iter_mut().for_each(|intercept| *intercept -= mean);
        Ok(Self(saved))
    }
}

impl VectorScaling {
    /// The weight of each class.
    pub fn weights(&self) -> &[f64] {
        &self.0.weights
    }

    /// The intercept of each class.
    pub fn intercepts(&self) -> &[f64] {
        &self.0.intercepts
    }
}

impl Fit for MatrixScaling {
    type Settings = Odir;

    /// Fits weights and intercepts by minimising the negative log-likelihood plus penalty.
    ///
    /// Without a penalty, many parameters define the same map; the fit returns those of minimum
    /// norm: the columns of the weights and the intercepts have mean 0, and directions in which the
    /// logits do not vary have no weight. Unless there are far more rows than the `C^2 + C`
    /// parameters, rows are nearly separable and Newton steps slow: seconds for 10 classes can be
    /// minutes for 100.
    ///
    /// # Shapes
    ///
    /// `labels` `[rows]`, at least one.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a penalty weight that is negative or not finite, and those of
    /// [`VectorScaling::fit`]. With a penalty on intercepts, a map may exist even if a class has no
    /// rows.
    fn fit(scores: &Scores, labels: &[u32], odir: Odir) -> Result<Self> {
        scores.check_labels(MATRIX, labels)?;
        Saved::fit(MATRIX, Form::Full, logits(MATRIX, scores)?, labels, odir).map(Self)
    }
}

impl MatrixScaling {
    /// The weights, `[classes, classes]` in row-major order: row `i` computes calibrated logit `i`.
    pub fn weights(&self) -> &[f64] {
        &self.0.weights
    }

    /// The intercept of each class.
    pub fn intercepts(&self) -> &[f64] {
        &self.0.intercepts
    }
}

impl Fit for DirichletCalibration {
    type Settings = Odir;

    /// Fits weights and intercepts by minimising the negative log-likelihood plus penalty.
    ///
    /// # Shapes
    ///
    /// `labels` `[rows]`, at least one.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`MatrixScaling::fit`], except for the one for probabilities.
    fn fit(scores: &Scores, labels: &[u32], odir: Odir) -> Result<Self> {
        scores.check_labels(DIRICHLET, labels)?;
        scores.check_unmasked()?;
        Saved::fit(DIRICHLET, Form::Full, &scores.log_probs(), labels, odir).map(Self)
    }
}

impl DirichletCalibration {
    /// The weights, `[classes, classes]` in row-major order: row `i` computes calibrated logit `i`.
    pub fn weights(&self) -> &[f64] {
        &self.0.weights
    }

    /// The intercept of each class.
    pub fn intercepts(&self) -> &[f64] {
        &self.0.intercepts
    }
}

impl Calibrator for VectorScaling {
    fn classes(&self) -> Option<usize> {
        Some(self.0.intercepts.len())
    }

    fn probs(&self, scores: &Scores) -> Result<Vec<f64>> {
        self.0.apply(VECTOR, scores, logits(VECTOR, scores)?)
    }
}

impl Calibrator for MatrixScaling {
    fn classes(&self) -> Option<usize> {
        Some(self.0.intercepts.len())
    }

    fn probs(&self, scores: &Scores) -> Result<Vec<f64>> {
        self.0.apply(MATRIX, scores, logits(MATRIX, scores)?)
    }
}

impl Calibrator for DirichletCalibration {
    fn classes(&self) -> Option<usize> {
        Some(self.0.intercepts.len())
    }

    fn probs(&self, scores: &Scores) -> Result<Vec<f64>> {
        scores.check_unmasked()?;
        self.0.apply(DIRICHLET, scores, &scores.log_probs())
    }
}

impl TryFrom<Saved> for VectorScaling {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        saved.check(VECTOR, Form::Diagonal).map(Self)
    }
}

impl TryFrom<Saved> for MatrixScaling {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        saved.check(MATRIX, Form::Full).map(Self)
    }
}

impl TryFrom<Saved> for DirichletCalibration {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        saved.check(DIRICHLET, Form::Full).map(Self)
    }
}

impl From<VectorScaling> for Saved {
    fn from(scaling: VectorScaling) -> Self {
        scaling.0
    }
}

impl From<MatrixScaling> for Saved {
    fn from(scaling: MatrixScaling) -> Self {
        scaling.0
    }
}

impl From<DirichletCalibration> for Saved {
    fn from(calibration: DirichletCalibration) -> Self {
        calibration.0
    }
}
