//! Gradients of activations that bypass candle's graph.
//!
//! # Why
//!
//! [`Tensor::backward`] walks the graph from the loss to the variables and visits an operation
//! after all operations that read its result. For each input of an operation it allocates a tensor
//! of zeros and adds the gradient that the operation returns. Most activations of a network have
//! one reader: their gradient is cleared, read, added and written although it only had to be passed
//! on. Therefore our operations pass gradients on themselves, and return empty tensors to candle,
//! which cost nothing to clear and add.
//!
//! # Representation of a result
//!
//! The result `y` of one of our operations is an ordinary [`Tensor`]. In candle's graph it has two
//! operations and an empty tensor, the *handle*, behind it. Outside the graph it has the *slot*,
//! which accumulates the gradient of `y`:
//!
//! ```text
//!            candle's graph
//!
//!     x ──> Node(f) ──> handle ──> Value ──> y ──> candle's operations, views of y
//!              │           │         │
//!              │           └─────────┼─────> Node(g), Node(h): our operations that read y
//!              │                     │            │
//!              └── takes ── slot <── adds ────────┘
//!
//!            outside it
//! ```
//!
//! The forward pass has computed `y` before any of these are created: `Node` returns the handle,
//! `Value` the numbers.
//!
//! # The backward pass
//!
//! ```text
//!     candle's reader of y      returns its gradient; candle adds these and passes the sum to Value
//!     Value                     adds it to the slot, returns an empty gradient for the handle
//!     Node(g), Node(h)          add the gradient of their input y to the slot, return an empty one for the handle
//!     Node(f)                   takes the slot, runs the backward pass of f, passes the gradient of x on like g and h that of y
//! ```
//!
//! If `x` is a variable and the pass is that of [`crate::backward()`], its gradient bypasses the
//! graph too. If the pass is candle's, or `x` is a result of a candle operation, `Node(f)` returns
//! the gradient itself.
//!
//! # Invariants
//!
//! `tests.rs` tests each of them, in this order.
//!
//! 1. A node runs once in a pass, after every reader has added its gradient, with their sum: all
//!    readers depend on the handle.
//! 2. A pass that succeeds leaves every slot empty, so a graph can be differentiated again.
//! 3. Candle gets no numbers for one of our results: its handle has none, and the handle also
//!    serves as its gradient.
//! 4. A tensor is recognised as a result by its id. A clone has the same id and uses the slot; a
//!    view has another id and its gradient goes through candle's graph.
//! 5. The register of results keeps none of them alive, and removes a result when it is dropped.
//! 6. Tensors that an operation does not keep are released after the forward pass, even while the
//!    graph is alive. The backward pass gets an empty tensor in their place, which shows whether a
//!    gradient is needed.
//! 7. A result that is kept by its own node does not keep the graph alive.
//! 8. An operation with four inputs, which candle does not support, computes a separate gradient
//!    for each.
//! 9. A node whose slot is empty is an error, not a gradient of zero.
//!
//! A graph must not be differentiated by two threads at once, because they would take each other's
//! gradients. It must not be differentiated again after a backward pass through it has failed,
//! because gradients may remain in its slots.

mod link;
mod node;
mod operation;
#[cfg(test)]
mod tests;

use candle_core::op::BackpropOp;
use candle_core::{Result, Tensor, bail};
use link::{Link, Slot, Source};
use node::{Node, Pair, Value};
use std::cell::Cell;
use std::sync::{Arc, Mutex, OnceLock};

pub(crate) use operation::{Gradients, Input, Keep, Operation};

thread_local! {
    /// Whether this thread is within [`no_grad`].
    static WITHOUT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` without gradients: results of layers in it have no history, so nothing is kept for a
/// backward pass, even if inputs are variables.
///
/// This applies to the layers' fused operations, on this thread. Candle's operations, which compose
/// the portable implementations, keep their history if an input is a variable or has a history.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use mbls_nn::{Linear, ParamStore, no_grad};
///
/// let store = ParamStore::new(7, DType::F32, &Device::Cpu);
/// let layer = Linear::new(3, 2, store.var_builder().pp("fc"))?;
/// let x = Tensor::ones((4, 3), DType::F32, &Device::Cpu)?;
/// assert!(layer.forward(&x)?.track_op());
/// assert!(!no_grad(|| layer.forward(&x))?.track_op());
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn no_grad<T>(f: impl FnOnce() -> T) -> T {
    /// Restores the previous value however `f` returns.
    struct Restore(bool);

    impl Drop for Restore {
        fn drop(&mut self) {
            WITHOUT.set(self.0);
        }
    }

    let _restore = Restore(WITHOUT.replace(true));
    f()
}

/// Returns whether the result of an operation with these inputs has a history.
pub(crate) fn tracks(inputs: &[&Tensor]) -> bool {
    !WITHOUT.get() && inputs.iter().any(|input| input.track_op())
}

/// Computes the result of an operation with one to four inputs.
///
/// # Errors
///
/// Errors of the operation, and inputs on different devices.
pub(crate) fn apply<const N: usize>(
    op: impl Operation,
    inputs: [&Tensor; N],
    keep: Keep<N>,
) -> Result<Tensor> {
    const { assert!(N >= 1 && N <= 4, "one to four inputs") };
    for input in &inputs[1..] {
        let [first, other] = [inputs[0], input].map(|input| input.device().location());
        if first != other {
            bail!("{}: inputs on {first:?} and {other:?}", op.name());
        }
    }
    let (value, shape) = {
        let held = inputs.map(Tensor::storage_and_layout);
        op.forward(&held.each_ref().map(|(storage, layout)| Input { storage, layout }))?
    };
    if !tracks(&inputs) {
        return Ok(Tensor::from_storage(value, shape, BackpropOp::none(), false));
    }
    let sources: Vec<Source> =
        inputs.iter().zip(keep.inputs).map(|(input, keep)| Source::new(input, keep)).collect();
    let arguments: Vec<Tensor> =
        sources.iter().zip(inputs).map(|(source, input)| source.argument(input)).collect();
    let (slot, result) = (Arc::<Slot>::default(), Arc::<OnceLock<Tensor>>::default());
    let mut node =
        Node { op: Box::new(op), sources, slot: slot.clone(), result: result.clone(), pair: None };
    let handle = match &arguments[..] {
        [a] => a.apply_op1(node)?,
        [a, b] => a.apply_op2(b, node)?,
        [a, b, c] => a.apply_op3(b, c, node)?,
        [a, b, c, d] => {
            // Candle's operations have at most three inputs.
            let gradients = Arc::<Mutex<Gradients>>::default();
            let pair = c.apply_op2(d, Pair(gradients.clone()))?;
            node.pair = Some((pair.detach(), gradients));
            a.apply_op3(b, &pair, node)?
        }
        _ => bail!("{}: {N} inputs", node.op.name()),
    };
    let link = Arc::new(Link::new(&handle, slot));
    let y = handle.apply_op1(Value::new(link.clone(), value, shape))?;
    if keep.result {
        // Detached from its history, which leads to the node that keeps it.
        result.get_or_init(|| y.detach());
    }
    link.register(&y);
    Ok(y)
}
