//! Tensors by name, and the network that is built of them.

use super::ClassifierSettings;
use crate::model::{Options, TextClassifier, WordTable};
use crate::text::Tokenizer;
use crate::{Error, Result};
use candle_core::{DType, Device, Shape, Tensor, bail};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The name of the word vectors.
pub(super) const WORDS: &str = "embedding.weight";

/// The network of given settings, which have to be valid, and tensors, which have to be its own.
///
/// # Errors
///
/// [`Error::Value`](mbls_io::Error::Value) for tensors that are missing, of another shape, not finite, or none of the network's.
pub(super) fn network(
    settings: &ClassifierSettings,
    tensors: &BTreeMap<String, Tensor>,
    device: &Device,
) -> Result<TextClassifier> {
    for (name, tensor) in tensors {
        check_finite(name, tensor)?;
    }
    let backend = Backend::new(tensors.clone());
    let vb = VarBuilder::from_backend(Box::new(backend.clone()), DType::F32, device.clone());
    let built = vb.get((settings.tokenizer.ids(), settings.network.dim()), WORDS).and_then(|words| {
        Ok(TextClassifier::new(WordTable::frozen(&words)?, settings.network.clone().build(Options::default(), vb)?))
    });
    backend.outcome(built)
}

fn check_finite(name: &str, tensor: &Tensor) -> Result<()> {
    let values = tensor.flatten_all().and_then(|tensor| tensor.to_vec1::<f32>()).map_err(other)?;
    match values.into_iter().find(|value| !value.is_finite()) {
        Some(value) => Err(of_tensor(name, "finite numbers", value)),
        None => Ok(()),
    }
}

fn of_tensor(name: &str, expected: impl ToString, found: impl ToString) -> Error {
    Error::value(format!("tensor {name:?}"), expected, found)
}

/// What candle reports.
pub(super) fn other(error: candle_core::Error) -> Error {
    Error::Other(error.into())
}

/// Gives a network tensors that are there, and makes none: sizes that are only claimed take no memory.
#[derive(Clone)]
struct Backend(Arc<State>);

struct State {
    tensors: BTreeMap<String, Tensor>,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    names: BTreeSet<String>,
    /// The first tensor that was asked for and did not fit.
    problem: Option<Error>,
}

impl Backend {
    fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self(Arc::new(State { tensors, asked: Mutex::default() }))
    }

    /// What was built, where all tensors fit and each was asked for.
    fn outcome<T>(&self, built: candle_core::Result<T>) -> Result<T> {
        let mut asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) = asked.problem.take() {
            return Err(problem);
        }
        let built = built.map_err(|e| Error::value("tensors", "those of the network", e))?;
        match self.0.tensors.iter().find(|(name, _)| !asked.names.contains(*name)) {
            Some((name, tensor)) => {
                Err(of_tensor(name, "none of this name in the network", format!("shape {:?}", tensor.dims())))
            }
            None => Ok(built),
        }
    }
}

impl SimpleBackend for Backend {
    fn get(&self, shape: Shape, name: &str, _: Init, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        let mut asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.names.insert(name.to_owned());
        let expected = || format!("shape {:?}", shape.dims());
        let problem = match self.0.tensors.get(name) {
            Some(tensor) if tensor.shape() == &shape => return Ok(tensor.clone()),
            Some(tensor) => of_tensor(name, expected(), format!("{:?}", tensor.dims())),
            None => of_tensor(name, expected(), "no such tensor"),
        };
        let text = problem.to_string();
        asked.problem.get_or_insert(problem);
        bail!("{text}")
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        bail!("tensor {name:?}: asked for without a shape")
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.tensors.contains_key(name)
    }
}
