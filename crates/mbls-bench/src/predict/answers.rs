//! Answers about a class and its confidence.

use super::options::PredictOptions;
use super::output::{Output, Shown};
use anyhow::{Context, Result};
use mbls_core::calibration::{
    Abstention, CalibrationRecord, Classification, OodDetector, OodVerdict,
};
use serde_json::json;

/// The context in which predictions are judged: test results, abstention threshold, OOD detector.
pub(super) struct Judge {
    abstention: Option<Abstention>,
    detector: OodDetector,
    classes: Vec<String>,
    withheld: usize,
    answers: usize,
    /// The kind of samples, in the plural.
    samples: &'static str,
}

impl Judge {
    /// Creates the context from the command line and a network's record.
    ///
    /// # Errors
    ///
    /// If the abstention threshold has more than three decimals.
    pub(super) fn new(
        options: &PredictOptions,
        record: &CalibrationRecord,
        samples: &'static str,
    ) -> Result<Self> {
        let test = record.assessment(options.role());
        let abstention =
            options.abstain_below.map(|threshold| test.abstain_below(threshold)).transpose();
        Ok(Self {
            abstention: abstention.context("--abstain-below")?,
            detector: options.detector(),
            classes: record.classes().to_vec(),
            withheld: 0,
            answers: 0,
            samples,
        })
    }

    /// Returns the abstention rule for pixels, if any.
    pub(super) fn abstention(&self) -> Option<Abstention> {
        self.abstention
    }

    /// Describes a classification and its reliability.
    ///
    /// # Errors
    ///
    /// None that an answer can cause.
    pub(super) fn classification(&mut self, answer: &Classification) -> Result<Shown> {
        self.answers += 1;
        let withheld = self.abstention.map(|abstention| abstention.withholds(answer.confidence));
        self.withheld += usize::from(withheld == Some(true));
        let (name, confidence, bin) = (&answer.name, answer.confidence, &answer.bin);
        let mut lines = vec![match (withheld, self.abstention) {
            (Some(true), Some(abstention)) => {
                format!(
                    "withheld, the confidence {confidence:.3} is not above {}",
                    abstention.threshold
                )
            }
            _ => format!("{name}, confidence {confidence:.3}"),
        }];
        let alike = format!(
            "test {} with a confidence of {:.2} to {:.2}",
            self.samples, bin.lower, bin.upper
        );
        lines.push(match bin.accuracy {
            Some(accuracy) => {
                format!("of {} {alike}, {:.1} % were correct", bin.count, 100.0 * accuracy)
            }
            None => format!("there were no {alike}"),
        });
        let verdict = answer.ood(self.detector);
        lines.extend(verdict.map(in_words));

        let serde_json::Value::Object(mut fields) = serde_json::to_value(answer)? else {
            return Ok(Shown::default());
        };
        fields.extend(withheld.map(|withheld| ("withheld".to_owned(), json!(withheld))));
        let number = |value: f64| value.to_string();
        let mut cells = vec![
            ("name".to_owned(), name.clone()),
            ("confidence".to_owned(), number(confidence)),
            (
                "withheld".to_owned(),
                withheld.map(|withheld| withheld.to_string()).unwrap_or_default(),
            ),
            ("bin_lower".to_owned(), number(bin.lower)),
            ("bin_upper".to_owned(), number(bin.upper)),
            ("bin_count".to_owned(), bin.count.to_string()),
            ("bin_accuracy".to_owned(), bin.accuracy.map(number).unwrap_or_default()),
        ];
        cells.extend(ood_cells(verdict));
        let probabilities = self.classes.iter().zip(&answer.probabilities);
        cells.extend(
            probabilities.map(|(class, p)| (format!("probability of {class}"), number(*p))),
        );
        Ok(Shown { lines, json: fields, cells })
    }

    /// Returns the OOD verdict on a whole image.
    pub(super) fn verdict(&self, ood: &[OodVerdict]) -> Option<OodVerdict> {
        ood.iter().copied().find(|verdict| verdict.detector == self.detector)
    }

    /// Notes how many answers were withheld, and the effect of the threshold on the test part.
    pub(super) fn finish(self, output: &mut Output) {
        if let Some(abstention) = self.abstention {
            output.note(format!(
                "{} of {} answers withheld; {abstention}",
                self.withheld, self.answers
            ));
        }
    }
}

/// Formats a verdict as a sentence.
pub(super) fn in_words(verdict: OodVerdict) -> String {
    let score = match verdict.detector {
        OodDetector::Energy => "negative energy",
        OodDetector::Entropy => "negative entropy",
        _ => "largest probability",
    };
    let OodVerdict { score: value, threshold, .. } = verdict;
    if verdict.is_ood {
        format!(
            "out-of-distribution: its {score} is {value:.3}; 95 % of the validation samples have at least {threshold:.3}"
        )
    } else {
        format!("in-distribution: its {score} is {value:.3}, at least {threshold:.3}")
    }
}

/// Returns a verdict as fields of a CSV row.
pub(super) fn ood_cells(verdict: Option<OodVerdict>) -> Vec<(String, String)> {
    let cell = |name: &str, value: Option<String>| (name.to_owned(), value.unwrap_or_default());
    vec![
        cell("ood_score", verdict.map(|verdict| verdict.score.to_string())),
        cell("ood_threshold", verdict.map(|verdict| verdict.threshold.to_string())),
        cell("is_ood", verdict.map(|verdict| verdict.is_ood.to_string())),
    ]
}
