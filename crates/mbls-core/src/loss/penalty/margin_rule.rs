use crate::loss::setting;
use crate::metric::LogitDistances;
use crate::{Error, Result};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// The margin of MbLS: a number, or a rule that chooses one.
///
/// In a file it is a number (`margin = 10.0`), `"auto"` for the default rule, or a table
/// (`margin = { rule = "largest-distance", quantile = 0.5, epochs = 3 }`). A rule is serialised as
/// its table, so that `"auto"` keeps its meaning in saved files if the default changes.
///
/// ```
/// use mbls_core::loss::{MarginChoice, MarginRule};
///
/// let read = |json| serde_json::from_str::<MarginChoice>(json);
/// assert_eq!(read("10").expect("a margin"), MarginChoice::Fixed(10.0));
/// assert_eq!(read("\"auto\"").expect("a margin"), MarginChoice::Auto(MarginRule::default()));
/// assert!(read("\"wide\"").expect_err("a word").to_string().contains("\"auto\""));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MarginChoice {
    /// A fixed margin.
    Fixed(f64),
    /// The margin that a rule chooses.
    Auto(MarginRule),
}

/// A rule that chooses the margin of MbLS.
///
/// With a margin that no distance reaches the loss is cross-entropy, and with one that most
/// distances exceed it smooths like MaxSup. The distances that a network reaches depend on the
/// number of classes, the data and the training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum MarginRule {
    /// The distance at which the confidence is `1 - 1/n` if all other logits tie:
    /// `ln((C - 1) (n - 1))` for C classes. Training data of n samples contain no information on
    /// errors that are rarer than one in n.
    Confidence {
        /// n; by default the number of training samples, which
        /// [`LossSpec::for_data`](crate::loss::LossSpec::for_data) sets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        samples: Option<u64>,
    },
    /// A quantile over rows of the largest distance, on the validation data after some epochs of
    /// cross-entropy.
    LargestDistance {
        /// The fraction of rows whose largest distance is at most the margin.
        quantile: f64,
        /// Number of epochs of cross-entropy, at least 1.
        epochs: usize,
    },
    /// A multiple of the median distance, on the validation data after some epochs of
    /// cross-entropy.
    MedianDistance {
        /// The factor of the median.
        factor: f64,
        /// Number of epochs of cross-entropy, at least 1.
        epochs: usize,
    },
}

impl Default for MarginRule {
    /// [`MarginRule::Confidence`] with the number of training samples.
    fn default() -> Self {
        Self::Confidence { samples: None }
    }
}

impl MarginRule {
    /// Returns this rule if its settings are in range.
    pub(in crate::loss) fn checked(self) -> Result<Self> {
        match self {
            Self::Confidence { samples: Some(samples @ ..=1) } => {
                return Err(Error::Setting {
                    name: "samples",
                    value: samples.to_string(),
                    expected: "2 or greater",
                });
            }
            Self::Confidence { .. } => {}
            Self::LargestDistance { quantile, .. } => {
                setting::fraction("quantile", quantile)?;
            }
            Self::MedianDistance { factor, .. } => {
                setting::positive("factor", factor)?;
            }
        }
        match self {
            Self::LargestDistance { epochs: 0, .. } | Self::MedianDistance { epochs: 0, .. } => {
                Err(Error::Setting { name: "epochs", value: "0".into(), expected: "1 or greater" })
            }
            _ => Ok(self),
        }
    }

    /// Returns the number of epochs of cross-entropy after which the margin is chosen; `None` if no
    /// distances are needed.
    pub(in crate::loss) fn epochs(self) -> Option<usize> {
        match self {
            Self::Confidence { .. } => None,
            Self::LargestDistance { epochs, .. } | Self::MedianDistance { epochs, .. } => {
                Some(epochs)
            }
        }
    }

    /// Returns the margin that follows from the numbers of classes and training samples; `None` for
    /// a rule that needs distances, and for fewer than two classes or samples.
    ///
    /// ```
    /// use mbls_core::loss::MarginRule;
    ///
    /// let margin = MarginRule::default().of_data(10, 1000).expect("no distances are needed");
    /// // All other logits are that far below the top one.
    /// let confidence = 1.0 / (1.0 + 9.0 * (-margin).exp());
    /// assert!((confidence - 0.999).abs() < 1e-12);
    /// ```
    pub fn of_data(&self, classes: usize, samples: u64) -> Option<f64> {
        let Self::Confidence { samples: given } = self else { return None };
        let (others, wrong) =
            (classes.saturating_sub(1), given.unwrap_or(samples).saturating_sub(1));
        (others > 0 && wrong > 0).then(|| (others as f64 * wrong as f64).ln())
    }

    /// Returns the margin that follows from distances on validation data; `None` for a rule that
    /// needs none, and if there are none.
    pub fn of_distances(&self, distances: &LogitDistances) -> Option<f64> {
        match *self {
            Self::Confidence { .. } => None,
            Self::LargestDistance { quantile, .. } => distances.quantile_of_rows(quantile),
            Self::MedianDistance { factor, .. } => Some(factor * distances.quantile(0.5)?),
        }
    }
}

impl fmt::Display for MarginRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |epochs: usize| {
            if epochs == 1 { "1 epoch".to_owned() } else { format!("{epochs} epochs") }
        };
        match *self {
            Self::Confidence { samples: None } => {
                write!(f, "confidence 1 \u{2212} 1/n of n training samples")
            }
            Self::Confidence { samples: Some(samples) } => {
                write!(f, "confidence 1 \u{2212} 1/{samples}")
            }
            Self::LargestDistance { quantile, epochs } => {
                write!(f, "quantile {quantile} of the largest distances after {}", after(epochs))
            }
            Self::MedianDistance { factor, epochs } => {
                write!(f, "{factor} × median distance after {}", after(epochs))
            }
        }
    }
}

impl fmt::Display for MarginChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(margin) => margin.fmt(f),
            Self::Auto(rule) => write!(f, "auto ({rule})"),
        }
    }
}

impl From<f64> for MarginChoice {
    fn from(margin: f64) -> Self {
        Self::Fixed(margin)
    }
}

impl From<MarginRule> for MarginChoice {
    fn from(rule: MarginRule) -> Self {
        Self::Auto(rule)
    }
}

impl Serialize for MarginChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(margin) => serializer.serialize_f64(*margin),
            Self::Auto(rule) => rule.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for MarginChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChoiceVisitor)
    }
}

struct ChoiceVisitor;

impl<'de> Visitor<'de> for ChoiceVisitor {
    type Value = MarginChoice;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number, \"auto\" or a table with a rule")
    }

    fn visit_f64<E: serde::de::Error>(self, margin: f64) -> Result<MarginChoice, E> {
        Ok(MarginChoice::Fixed(margin))
    }

    fn visit_i64<E: serde::de::Error>(self, margin: i64) -> Result<MarginChoice, E> {
        Ok(MarginChoice::Fixed(margin as f64))
    }

    fn visit_u64<E: serde::de::Error>(self, margin: u64) -> Result<MarginChoice, E> {
        Ok(MarginChoice::Fixed(margin as f64))
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<MarginChoice, E> {
        match word {
            "auto" => Ok(MarginChoice::Auto(MarginRule::default())),
            other => Err(E::invalid_value(Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<MarginChoice, A::Error> {
        let rule = MarginRule::deserialize(MapAccessDeserializer::new(table))
            .map_err(|error| A::Error::custom(format_args!("margin: {error}")))?;
        Ok(MarginChoice::Auto(rule))
    }
}
