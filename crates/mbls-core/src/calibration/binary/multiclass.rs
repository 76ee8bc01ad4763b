use crate::calibration::{BinaryCalibrator, Calibrator, Fit, Scores};
use crate::metric::{check_classes, first_maximum};
use crate::parallel::each_chunk;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The extension of a [`BinaryCalibrator`] to rows of several classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MulticlassReduction {
    /// Two classes only: one map for the probability of class 1; class 0 gets the complement.
    Binary,
    /// One map per class, fitted to whether the label is that class. Calibrated rows are divided by
    /// their sum; a row in which every class maps to 0 becomes uniform.
    OneVsRest,
    /// One map for the confidence, fitted to whether the prediction is correct. The other classes
    /// share the remainder in their original proportions, or equally if they were all 0. A
    /// confidence below `1 / classes` makes another class the largest.
    TopLabel,
}

impl fmt::Display for MulticlassReduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Binary => "binary",
            Self::OneVsRest => "one-vs-rest",
            Self::TopLabel => "top-label",
        })
    }
}

/// A [`BinaryCalibrator`] for rows of several classes.
///
/// ```
/// use mbls_core::calibration::{
///     Calibrator, Fit, IsotonicRegression, Multiclass, MulticlassReduction, Scores,
/// };
///
/// let scores =
///     Scores::from_probs(&[0.8, 0.1, 0.1, 0.6, 0.3, 0.1, 0.0, 0.4, 0.6, 0.0, 0.0, 1.0], 3)?;
/// let map = Multiclass::<IsotonicRegression>::fit(
///     &scores,
///     &[0, 1, 2, 2],
///     (MulticlassReduction::TopLabel, ()),
/// )?;
/// // Confidences of 0.6 are correct in one of two rows.
/// // The second class had three quarters of the rest.
/// let found = map.probs(&scores)?;
/// assert!(found[3..6].iter().zip([0.5, 0.375, 0.125]).all(|(a, b)| (a - b).abs() < 1e-12));
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Zadrozny and Elkan, KDD 2002 (one against the rest); Gupta and Ramdas, Top-label calibration and
/// multiclass-to-binary reductions, ICLR 2022 (arXiv 2107.08353).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    try_from = "Saved<C>",
    into = "Saved<C>",
    bound(serialize = "C: Clone + Serialize", deserialize = "C: Deserialize<'de>")
)]
pub struct Multiclass<C>(Saved<C>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<C> {
    reduction: MulticlassReduction,
    classes: usize,
    maps: Vec<C>,
}

const WHAT: &str = "calibration of several classes";

impl<C: BinaryCalibrator> Fit for Multiclass<C> {
    /// The extension to several classes, and the settings of each map.
    type Settings = (MulticlassReduction, C::Settings);

    /// Fits one map, or one per class.
    ///
    /// # Shapes
    ///
    /// `labels` `[rows]`, at least one.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the lengths do not match and for [`MulticlassReduction::Binary`] with
    /// other than two classes, [`Error::Label`], and those of [`BinaryCalibrator::fit`];
    /// [`Error::Fit`] names the class of the map.
    fn fit(scores: &Scores, labels: &[u32], (reduction, settings): Self::Settings) -> Result<Self> {
        scores.check_labels(WHAT, labels)?;
        let (classes, probs) = (scores.classes(), scores.probs());
        let of_class = |class: usize| {
            let probs: Vec<f64> = probs.iter().skip(class).step_by(classes).copied().collect();
            let positive: Vec<bool> = labels.iter().map(|&label| label as usize == class).collect();
            C::fit(&probs, &positive, settings)
                .map_err(|error| of_map(error, &format!("class {class}")))
        };
        let maps = match reduction {
            MulticlassReduction::Binary => {
                check_binary(classes)?;
                vec![of_class(1)?]
            }
            MulticlassReduction::OneVsRest => (0..classes).map(of_class).collect::<Result<_>>()?,
            MulticlassReduction::TopLabel => {
                let top = probs.chunks_exact(classes).zip(labels).map(|(row, &label)| {
                    let predicted = first_maximum(row);
                    (row[predicted], predicted == label as usize)
                });
                let (confidences, correct): (Vec<f64>, Vec<bool>) = top.unzip();
                let map = C::fit(&confidences, &correct, settings);
                vec![map.map_err(|error| {
                    of_map(error, "the confidence (positive: predicted correctly)")
                })?]
            }
        };
        Saved { reduction, classes, maps }.try_into()
    }
}

impl<C: BinaryCalibrator> Multiclass<C> {
    /// The extension to several classes.
    pub fn reduction(&self) -> MulticlassReduction {
        self.0.reduction
    }

    /// The fitted maps: one per class for [`MulticlassReduction::OneVsRest`], otherwise one.
    pub fn maps(&self) -> &[C] {
        &self.0.maps
    }

    fn calibrate(&self, row: &mut [f64]) {
        match self.0.reduction {
            MulticlassReduction::Binary => {
                let positive = self.0.maps[0].prob(row[1]);
                row.copy_from_slice(&[1.0 - positive, positive]);
            }
            MulticlassReduction::OneVsRest => {
                row.iter_mut().zip(&self.0.maps).for_each(|(p, map)| *p = map.prob(*p));
                let sum: f64 = row.iter().sum();
                let uniform = 1.0 / row.len() as f64;
                row.iter_mut().for_each(|p| *p = if sum > 0.0 { *p / sum } else { uniform });
            }
            MulticlassReduction::TopLabel => {
                let predicted = first_maximum(row);
                let confidence = self.0.maps[0].prob(row[predicted]);
                row[predicted] = 0.0;
                let others: f64 = row.iter().sum();
                let equal = 1.0 / (row.len() - 1) as f64;
                let share = |p: f64| if others > 0.0 { p / others } else { equal };
                row.iter_mut().for_each(|p| *p = (1.0 - confidence) * share(*p));
                row[predicted] = confidence;
            }
        }
    }
}

/// Adds the name of the map to the error of a failed fit.
fn of_map(error: Error, map: &str) -> Error {
    match error {
        Error::Fit { what, problem } => {
            Error::Fit { what, problem: format!("the map of {map}: {problem}") }
        }
        other => other,
    }
}

fn check_binary(classes: usize) -> Result<()> {
    if classes == 2 {
        return Ok(());
    }
    Err(Error::Shape {
        what: "binary calibration",
        expected: "2 classes".into(),
        found: classes.to_string(),
    })
}

impl<C: BinaryCalibrator> Calibrator for Multiclass<C> {
    fn classes(&self) -> Option<usize> {
        Some(self.0.classes)
    }

    fn probs(&self, scores: &Scores) -> Result<Vec<f64>> {
        scores.check_fitted_classes(WHAT, self.0.classes)?;
        let mut probs = scores.probs().into_owned();
        each_chunk(&mut probs, self.0.classes, &|_, row| self.calibrate(row));
        Ok(probs)
    }
}

impl<C> TryFrom<Saved<C>> for Multiclass<C> {
    type Error = Error;

    fn try_from(saved: Saved<C>) -> Result<Self> {
        check_classes(saved.classes)?;
        let maps = match saved.reduction {
            MulticlassReduction::Binary => {
                check_binary(saved.classes)?;
                1
            }
            MulticlassReduction::OneVsRest => saved.classes,
            MulticlassReduction::TopLabel => 1,
        };
        if saved.maps.len() != maps {
            let (expected, found) = (format!("{maps} maps"), saved.maps.len().to_string());
            return Err(Error::Shape { what: WHAT, expected, found });
        }
        Ok(Self(saved))
    }
}

impl<C> From<Multiclass<C>> for Saved<C> {
    fn from(calibrator: Multiclass<C>) -> Self {
        calibrator.0
    }
}
