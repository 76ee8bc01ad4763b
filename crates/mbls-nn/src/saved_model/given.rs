//! Networks built from existing tensors.

use crate::Result;
use candle_core::{DType, Device, Shape, Tensor, bail};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use mbls_io::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Copies tensors to a device as `f32`, so that further training does not change the copies.
///
/// # Errors
///
/// Errors of the device.
pub(super) fn own(
    tensors: &BTreeMap<String, Tensor>,
    device: &Device,
) -> Result<BTreeMap<String, Tensor>> {
    let one = |(name, tensor): (&String, &Tensor)| {
        Ok((name.clone(), tensor.detach().to_dtype(DType::F32)?.to_device(device)?.copy()?))
    };
    tensors.iter().map(one).collect()
}

/// Builds a network from `f32` tensors, which must be exactly those of the network.
///
/// # Errors
///
/// [`Error::Value`] for tensors that are missing, have another shape, are not finite, or do not
/// belong to the network; any other error of `build`.
pub(super) fn build<M>(
    tensors: &BTreeMap<String, Tensor>,
    device: &Device,
    build: impl FnOnce(VarBuilder) -> Result<M>,
) -> Result<M> {
    for (name, tensor) in tensors {
        check_finite(name, tensor)?;
    }
    let backend = Backend::new(tensors.clone());
    let built =
        build(VarBuilder::from_backend(Box::new(backend.clone()), DType::F32, device.clone()));
    backend.outcome(built)
}

fn check_finite(name: &str, tensor: &Tensor) -> Result<()> {
    match tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().find(|value| !value.is_finite()) {
        Some(value) => Err(of_tensor(name, "finite numbers", value).into()),
        None => Ok(()),
    }
}

fn of_tensor(name: &str, expected: impl ToString, found: impl ToString) -> Error {
    Error::value(format!("tensor {name:?}"), expected, found)
}

/// A backend that returns existing tensors and creates none.
#[derive(Clone)]
struct Backend(Arc<State>);

struct State {
    tensors: BTreeMap<String, Tensor>,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    names: BTreeSet<String>,
    /// The first requested tensor that did not fit.
    problem: Option<Error>,
}

impl Backend {
    fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self(Arc::new(State { tensors, asked: Mutex::default() }))
    }

    /// Returns the built network if all tensors fit and each was requested.
    fn outcome<M>(&self, built: Result<M>) -> Result<M> {
        let mut asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) = asked.problem.take() {
            return Err(problem.into());
        }
        let built = built?;
        match self.0.tensors.iter().find(|(name, _)| !asked.names.contains(*name)) {
            Some((name, tensor)) => {
                let found = format!("shape {:?}", tensor.dims());
                Err(of_tensor(name, "no tensor of this name in the network", found).into())
            }
            None => Ok(built),
        }
    }
}

impl SimpleBackend for Backend {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        _: DType,
        _: &Device,
    ) -> candle_core::Result<Tensor> {
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
        bail!("tensor {name:?}: requested without a shape")
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.tensors.contains_key(name)
    }
}
