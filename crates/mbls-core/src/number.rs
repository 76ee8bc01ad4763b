//! Serialisation of `f64` in formats without infinities, such as JSON.
//!
//! A finite number is written as it is, an infinity as the string `"inf"` or `"-inf"`; both are
//! read back exactly. Writing or reading NaN is an error: represent an undefined value as `None`.
//! Binary formats, which represent every `f64`, get the number itself. Use
//! `#[serde(with = "mbls_core::number")]` for a field, and the modules below for fields with
//! several numbers.
//!
//! ```
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Report {
//!     #[serde(with = "mbls_core::number")]
//!     nll: f64,
//! }
//!
//! let text =
//!     serde_json::to_string(&Report { nll: f64::INFINITY }).expect("an infinity is a string");
//! assert_eq!(text, r#"{"nll":"inf"}"#);
//! let read: Report = serde_json::from_str(&text).expect("it was written");
//! assert_eq!(read.nll, f64::INFINITY);
//! assert!(serde_json::to_string(&Report { nll: f64::NAN }).is_err());
//! ```

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};
use std::fmt;

/// A number in its serialised form.
#[derive(Clone, Copy)]
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_nan() => {
                Err(S::Error::custom("NaN cannot be written: expected a number"))
            }
            value if value.is_finite() || !serializer.is_human_readable() => {
                serializer.serialize_f64(value)
            }
            value if value > 0.0 => serializer.serialize_str("inf"),
            _ => serializer.serialize_str("-inf"),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = if deserializer.is_human_readable() {
            deserializer.deserialize_any(NumberVisitor)
        } else {
            deserializer.deserialize_f64(NumberVisitor)
        };
        number.map(Self)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(r#"a number, "inf" or "-inf""#)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<f64, E> {
        if value.is_nan() {
            Err(E::invalid_value(de::Unexpected::Float(value), &self))
        } else {
            Ok(value)
        }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
        match text {
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

/// Writes a number.
///
/// # Errors
///
/// Returns the errors of the serializer, and an error for NaN.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Number(*value).serialize(serializer)
}

/// Reads a number.
///
/// # Errors
///
/// Returns the errors of the deserializer, and an error for anything but a number, `"inf"` or
/// `"-inf"`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Number::deserialize(deserializer)?.0)
}

/// Whether a count is 0. Use it with `skip_serializing_if` to omit the field, so that files stay
/// identical to those of versions that did not have it.
pub fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Optional numbers, `Option<f64>`. Add `#[serde(default)]` to the field if a file may lack it.
pub mod option {
    use super::{Deserialize, Deserializer, Number, Serialize, Serializer};

    /// Writes a number or null.
    ///
    /// # Errors
    ///
    /// Same as [`serialize`](super::serialize).
    pub fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Number).serialize(serializer)
    }

    /// Reads a number or null.
    ///
    /// # Errors
    ///
    /// Same as [`deserialize`](super::deserialize).
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Number>::deserialize(deserializer)?.map(|number| number.0))
    }

    /// Lists of optional numbers, `Vec<Option<f64>>`.
    pub mod list {
        use super::{Deserialize, Deserializer, Number, Serializer};

        /// Writes numbers and nulls in order.
        ///
        /// # Errors
        ///
        /// Same as [`serialize`](super::super::serialize).
        pub fn serialize<S: Serializer>(
            values: &[Option<f64>],
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(values.iter().map(|value| value.map(Number)))
        }

        /// Reads numbers and nulls in order.
        ///
        /// # Errors
        ///
        /// Same as [`deserialize`](super::super::deserialize).
        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Vec<Option<f64>>, D::Error> {
            let values = Vec::<Option<Number>>::deserialize(deserializer)?;
            Ok(values.into_iter().map(|value| value.map(|number| number.0)).collect())
        }
    }

    /// Optional numbers by name, `BTreeMap<String, Option<f64>>`.
    pub mod by_name {
        use super::{Deserialize, Deserializer, Number, Serializer};
        use std::collections::BTreeMap;

        /// Writes numbers and nulls by name.
        ///
        /// # Errors
        ///
        /// Same as [`serialize`](super::super::serialize).
        pub fn serialize<S: Serializer>(
            values: &BTreeMap<String, Option<f64>>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            serializer.collect_map(values.iter().map(|(name, value)| (name, value.map(Number))))
        }

        /// Reads numbers and nulls by name.
        ///
        /// # Errors
        ///
        /// Same as [`deserialize`](super::super::deserialize).
        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<BTreeMap<String, Option<f64>>, D::Error> {
            let values = BTreeMap::<String, Option<Number>>::deserialize(deserializer)?;
            Ok(values
                .into_iter()
                .map(|(name, value)| (name, value.map(|number| number.0)))
                .collect())
        }
    }
}

/// Lists of numbers, `Vec<f64>`.
pub mod list {
    use super::{Deserialize, Deserializer, Number, Serializer};

    /// Writes numbers in order.
    ///
    /// # Errors
    ///
    /// Same as [`serialize`](super::serialize).
    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|&value| Number(value)))
    }

    /// Reads numbers in order.
    ///
    /// # Errors
    ///
    /// Same as [`deserialize`](super::deserialize).
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Number>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|number| number.0).collect())
    }
}

/// Numbers by name, `BTreeMap<String, f64>`.
pub mod by_name {
    use super::{Deserialize, Deserializer, Number, Serializer};
    use std::collections::BTreeMap;

    /// Writes numbers by name.
    ///
    /// # Errors
    ///
    /// Same as [`serialize`](super::serialize).
    pub fn serialize<S: Serializer>(
        values: &BTreeMap<String, f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(values.iter().map(|(name, &value)| (name, Number(value))))
    }

    /// Reads numbers by name.
    ///
    /// # Errors
    ///
    /// Same as [`deserialize`](super::deserialize).
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, f64>, D::Error> {
        let values = BTreeMap::<String, Number>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|(name, value)| (name, value.0)).collect())
    }
}
