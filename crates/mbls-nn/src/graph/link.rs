//! The slots outside candle's graph, and how an operation finds those of its inputs.

use crate::backward;
use candle_core::{Result, Tensor, TensorId};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// The gradient accumulated so far for a result.
#[derive(Default)]
pub(super) struct Slot(Mutex<Option<Tensor>>);

impl Slot {
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Tensor>> {
        // The value is consistent even after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, grad: Tensor) -> Result<()> {
        let mut held = self.lock();
        let sum = match held.take() {
            Some(before) => (before + grad)?.detach(),
            None => grad,
        };
        *held = Some(sum);
        Ok(())
    }

    pub(super) fn take(&self) -> Option<Tensor> {
        self.lock().take()
    }
}

/// The two ways back from a result: its handle in candle's graph, and its slot outside.
pub(super) struct Link {
    pub(super) handle: Tensor,
    pub(super) slot: Arc<Slot>,
    /// The id of the result.
    value: OnceLock<TensorId>,
}

impl Link {
    pub(super) fn new(handle: &Tensor, slot: Arc<Slot>) -> Self {
        Self { handle: handle.clone(), slot, value: OnceLock::new() }
    }

    /// Registers this as the link of `result`.
    pub(super) fn register(self: &Arc<Self>, result: &Tensor) {
        links().insert(*self.value.get_or_init(|| result.id()), Arc::downgrade(self));
    }

    /// Returns the link of a tensor that is one of our results.
    pub(super) fn of(tensor: &Tensor) -> Option<Arc<Self>> {
        // Release the lock first: if the last reference is dropped here, `Link::drop` takes it
        // again.
        let link = links().get(&tensor.id()).cloned();
        link.as_ref().and_then(Weak::upgrade)
    }

    #[cfg(test)]
    pub(super) fn is_registered(result: TensorId) -> bool {
        links().contains_key(&result)
    }

    /// Adds a gradient to the slot and returns the gradient to report to candle.
    pub(super) fn give(&self, grad: Tensor) -> Result<Tensor> {
        self.slot.add(grad)?;
        Ok(self.handle.detach())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(id) = self.value.get() {
            links().remove(id);
        }
    }
}

/// The register: the links of our live results.
fn links() -> MutexGuard<'static, HashMap<TensorId, Weak<Link>>> {
    static LINKS: LazyLock<Mutex<HashMap<TensorId, Weak<Link>>>> = LazyLock::new(Mutex::default);
    LINKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The origin of an input, and the input itself if it is kept.
pub(super) struct Source {
    pub(super) origin: Origin,
    pub(super) kept: Option<Tensor>,
}

pub(super) enum Origin {
    /// One of our results.
    Link(Arc<Link>),
    /// A variable, a leaf of candle's graph: no operation waits for its gradient.
    Variable(TensorId),
    /// A result of a candle operation, or a tensor that needs no gradient.
    Candle,
}

impl Source {
    pub(super) fn new(input: &Tensor, keep: bool) -> Self {
        let origin = match Link::of(input) {
            Some(link) => Origin::Link(link),
            None if input.is_variable() => Origin::Variable(input.id()),
            None => Origin::Candle,
        };
        Self { origin, kept: keep.then(|| input.clone()) }
    }

    /// Returns the tensor that represents the input in candle's graph.
    pub(super) fn argument(&self, input: &Tensor) -> Tensor {
        match &self.origin {
            Origin::Link(link) => link.handle.clone(),
            Origin::Variable(_) | Origin::Candle => input.clone(),
        }
    }

    /// Stores a gradient outside candle's graph if possible, and returns the gradient to report to
    /// candle.
    pub(super) fn give(&self, node: &Tensor, grad: Tensor) -> Result<Option<Tensor>> {
        match &self.origin {
            Origin::Link(link) => link.give(grad).map(Some),
            Origin::Variable(id) => backward::leave(node, *id, grad),
            Origin::Candle => Ok(Some(grad)),
        }
    }
}
