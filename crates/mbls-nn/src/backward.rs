//! Gradients of variables that bypass candle's graph, as those of results do in
//! [`graph`](crate::graph).

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, TensorId};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// A backward pass.
struct Pass {
    /// The tensors of the graph of this pass. While a pass waits for a thread pool, its thread may
    /// run another pass.
    graph: HashSet<TensorId>,
    /// The gradient accumulated so far for each variable.
    left: HashMap<TensorId, Tensor>,
}

thread_local! {
    /// The innermost pass of [`backward`] on this thread.
    static PASS: RefCell<Option<Pass>> = const { RefCell::new(None) };
}

/// Computes the gradients of `loss`, like [`Tensor::backward`] but at lower cost.
///
/// Candle allocates zeros for every variable and adds the first gradient to them. On a GPU that
/// costs two allocations, one of them cleared, and a kernel launch per parameter. Here the layers'
/// own operations store the gradients of variables outside candle's graph, and add gradients only
/// if a variable has several. The gradient of a variable that one operation reads is bit-identical
/// to candle's, except that a negative zero is preserved. Gradients from several readers are added
/// in order of arrival, candle's last.
///
/// # Errors
///
/// Same as [`Tensor::backward`].
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use mbls_nn::{Linear, ParamStore, backward};
///
/// let store = ParamStore::new(7, DType::F32, &Device::Cpu);
/// let layer = Linear::new(3, 2, store.var_builder().pp("fc"))?;
/// let loss = layer.forward(&Tensor::ones((4, 3), DType::F32, &Device::Cpu)?)?.sum_all()?;
/// let gradients = backward(&loss)?;
/// assert_eq!(gradients.get(layer.weight()).unwrap().to_vec2::<f32>()?, [[4.0; 3]; 2]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    /// Restores the outer pass on every exit.
    struct Restore(Option<Pass>);

    impl Drop for Restore {
        fn drop(&mut self) {
            PASS.set(self.0.take());
        }
    }

    let graph = loss.sorted_nodes().into_iter().map(Tensor::id).collect();
    let _restore = Restore(PASS.replace(Some(Pass { graph, left: HashMap::new() })));
    let mut gradients = loss.backward()?;
    let left = PASS.take().map(|pass| pass.left).unwrap_or_default();
    for (variable, grad) in left {
        let sum = match gradients.get_id(variable) {
            Some(by_candle) => (grad + by_candle)?.detach(),
            None => grad,
        };
        gradients.insert_id(variable, sum);
    }
    Ok(gradients)
}

/// Stores the gradient of a variable computed by `node`. Returns the gradient if no active pass
/// through that node takes it; the caller then returns it to candle.
pub(crate) fn leave(node: &Tensor, variable: TensorId, grad: Tensor) -> Result<Option<Tensor>> {
    let before = PASS.with_borrow_mut(|pass| {
        let pass = pass.as_mut().filter(|pass| pass.graph.contains(&node.id()))?;
        Some(pass.left.remove(&variable))
    });
    let Some(before) = before else { return Ok(Some(grad)) };
    let sum = match before {
        Some(before) => (before + grad)?,
        None => grad.contiguous()?,
    };
    PASS.with_borrow_mut(|pass| pass.as_mut().map(|pass| pass.left.insert(variable, sum.detach())));
    Ok(None)
}
