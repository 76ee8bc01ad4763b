use crate::{Error, Result};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// The fields a metric is saved as, and what tells them from those of other metrics and other versions of this crate.
pub(crate) trait State: Sized {
    /// The metric, in kebab case.
    const METRIC: &'static str;
    /// The version of these fields and of what they mean; another one is an error, not a guess.
    const VERSION: u32 = 1;

    /// The error that says what is wrong with a state.
    fn invalid(problem: impl Into<String>) -> Error {
        Error::State { metric: Self::METRIC, problem: problem.into() }
    }
}

/// A metric's state as it is saved: `{"metric": "accuracy", "version": 1, "state": {..}}`.
///
/// Name and version are checked as they are read, so that a state of another kind is not reported as one with wrong fields.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "S: State + Deserialize<'de>"))]
pub(crate) struct Saved<S> {
    metric: Name<S>,
    version: Version<S>,
    state: S,
}

impl<S: State> Saved<S> {
    pub(crate) fn new(state: S) -> Self {
        Self { metric: Name(S::METRIC, PhantomData), version: Version(S::VERSION, PhantomData), state }
    }

    pub(crate) fn into_state(self) -> S {
        self.state
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Name<S>(&'static str, #[serde(skip)] PhantomData<S>);

#[derive(Serialize)]
#[serde(transparent)]
struct Version<S>(u32, #[serde(skip)] PhantomData<S>);

impl<'de, S: State> Deserialize<'de> for Name<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == S::METRIC {
            return Ok(Self(S::METRIC, PhantomData));
        }
        Err(D::Error::custom(format_args!("metric {name:?}: expected {:?}", S::METRIC)))
    }
}

impl<'de, S: State> Deserialize<'de> for Version<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let version = u32::deserialize(deserializer)?;
        if version == S::VERSION {
            return Ok(Self(version, PhantomData));
        }
        Err(D::Error::custom(format_args!("version {version} of {}: expected {}", S::METRIC, S::VERSION)))
    }
}
