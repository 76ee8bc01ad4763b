use crate::{Error, Result};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// The saved fields of a metric, with the name and version that identify them.
///
/// See [`Saved`] for an example.
pub trait MetricState: Sized {
    /// The name of the metric in kebab case.
    const METRIC: &'static str;
    /// The version of these fields and their meaning. Reading any other version is an error.
    const VERSION: u32 = 1;

    /// Returns an error that describes an invalid state.
    fn invalid(problem: impl Into<String>) -> Error {
        Error::State { metric: Self::METRIC, problem: problem.into() }
    }
}

/// A metric's state in its saved form: `{"metric": "accuracy", "version": 1, "state": {..}}`.
///
/// Deserialisation checks the name and the version, so a state of another metric or of a later
/// version of the crate is reported as such, not as a state with unknown fields. The metric itself
/// validates the fields.
///
/// ```
/// use mbls_core::Error;
/// use mbls_core::metric::{MetricState, Saved};
/// use serde::{Deserialize, Serialize};
///
/// /// A user-supplied metric.
/// #[derive(Clone, Serialize, Deserialize)]
/// #[serde(try_from = "Saved<Counts>", into = "Saved<Counts>")]
/// struct Errors(Counts);
///
/// #[derive(Clone, Serialize, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Counts {
///     n: u64,
///     wrong: u64,
/// }
///
/// impl MetricState for Counts {
///     const METRIC: &'static str = "errors";
/// }
///
/// impl From<Errors> for Saved<Counts> {
///     fn from(errors: Errors) -> Self {
///         Self::new(errors.0)
///     }
/// }
///
/// impl TryFrom<Saved<Counts>> for Errors {
///     type Error = Error;
///
///     fn try_from(saved: Saved<Counts>) -> Result<Self, Error> {
///         let counts = saved.into_state();
///         if counts.wrong > counts.n {
///             return Err(Counts::invalid(format!(
///                 "{} of {} rows are wrong",
///                 counts.wrong, counts.n
///             )));
///         }
///         Ok(Self(counts))
///     }
/// }
///
/// let saved = serde_json::to_string(&Errors(Counts { n: 3, wrong: 1 })).expect("numbers");
/// assert_eq!(saved, r#"{"metric":"errors","version":1,"state":{"n":3,"wrong":1}}"#);
/// let refused = |text: String| {
///     serde_json::from_str::<Errors>(&text).err().expect("an error").to_string()
/// };
/// assert!(
///     refused(saved.replace(":1,\"s", ":2,\"s"))
///         .starts_with("version 2 of errors: expected 1")
/// );
/// assert!(
///     refused(saved.replace(":3", ":0"))
///         .starts_with("state of errors: 1 of 0 rows are wrong")
/// );
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "S: MetricState + Deserialize<'de>"))]
pub struct Saved<S> {
    metric: Name<S>,
    version: Version<S>,
    state: S,
}

impl<S: MetricState> Saved<S> {
    /// Wraps a state for saving.
    pub fn new(state: S) -> Self {
        Self {
            metric: Name(S::METRIC, PhantomData),
            version: Version(S::VERSION, PhantomData),
            state,
        }
    }

    /// Returns the state. Its fields have not been validated against each other.
    pub fn into_state(self) -> S {
        self.state
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
struct Name<S>(&'static str, #[serde(skip)] PhantomData<S>);

#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
struct Version<S>(u32, #[serde(skip)] PhantomData<S>);

impl<'de, S: MetricState> Deserialize<'de> for Name<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == S::METRIC {
            return Ok(Self(S::METRIC, PhantomData));
        }
        Err(D::Error::custom(format_args!("metric {name:?}: expected {:?}", S::METRIC)))
    }
}

impl<'de, S: MetricState> Deserialize<'de> for Version<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let version = u32::deserialize(deserializer)?;
        if version == S::VERSION {
            return Ok(Self(version, PhantomData));
        }
        Err(D::Error::custom(format_args!(
            "version {version} of {}: expected {}",
            S::METRIC,
            S::VERSION
        )))
    }
}

/// Implements the methods of [`Metric`](super::Metric) that return the name and version of a state.
macro_rules! named_by {
    ($state:ty) => {
        fn name(&self) -> &'static str {
            <$state as $crate::metric::saved::MetricState>::METRIC
        }

        fn version(&self) -> u32 {
            <$state as $crate::metric::saved::MetricState>::VERSION
        }
    };
}

pub(in crate::metric) use named_by;
