//! Gradients of activations, which travel beside candle's graph.
//!
//! # Why
//!
//! [`Tensor::backward`] walks the graph from the loss to the variables, an operation after all
//! operations that read its result. For each input of an operation it makes a tensor of zeros and
//! adds the gradient that the operation returns. Most activations of a network have one reader:
//! their gradient is cleared, read, added and written where it only had to be handed on. So our
//! operations hand gradients on by themselves, and give candle tensors without numbers to clear and
//! add.
//!
//! # What stands for a result
//!
//! The result `y` of one of our operations is an ordinary [`Tensor`]. Behind it stand, in candle's
//! graph, two operations and an empty tensor, the *handle*; and beside the graph the *slot*, in
//! which the gradient of `y` comes together:
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
//!            beside it
//! ```
//!
//! The forward pass has computed `y` before any of these are made: `Node` returns the handle,
//! `Value` the numbers.
//!
//! # The backward pass
//!
//! ```text
//!     candle's reader of y      returns its gradient; candle adds these and gives the sum to Value
//!     Value                     adds it to the slot, returns an empty gradient for the handle
//!     Node(g), Node(h)          add the gradient of their input y to the slot, return an empty one for the handle
//!     Node(f)                   takes the slot, runs the backward pass of f, does for x what g and h did for y
//! ```
//!
//! Where `x` is a variable and the pass is [`crate::backward()`]'s, its gradient passes beside the
//! graph too; where it is candle's, or `x` is a result of candle's, `Node(f)` returns the gradient
//! itself.
//!
//! # Invariants
//!
//! `tests.rs` has a test of each, in this order.
//!
//! 1. A node runs once in a pass, after every reader has left its gradient, with the sum of them:
//!    all readers depend on the handle.
//! 2. A pass that ends well leaves every slot empty, so that a graph can be differentiated again.
//! 3. Candle gets no numbers for a result of ours: its handle has none, and the handle stands for
//!    its gradient.
//! 4. A tensor is known as a result by its id. A clone has that id and takes the slot; a view has
//!    another and takes candle's way.
//! 5. The register of results keeps none of them alive, and forgets one when it is dropped.
//! 6. What an operation does not keep is let go of after the forward pass, though the graph lives;
//!    the backward pass sees an empty tensor in its place, which tells whether a gradient is
//!    wanted.
//! 7. A result that its own node keeps does not keep the graph alive.
//! 8. With four inputs, for which candle has no operation, each gets its own gradient.
//! 9. A node whose slot is empty is an error, not a gradient of zero.
//!
//! A graph must not be differentiated by two threads at once, which would take each other's
//! gradients, nor once more after a backward pass through it has failed, which may have left some
//! in their slots.

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

/// Runs `f` without gradients: what the layers return in it has no history, so that nothing is kept
/// for a backward pass, variables or not.
///
/// It holds for the layers' operations of their own, on this thread. Candle's operations, of which
/// the portable forms are composed, keep their history where an input is a variable or has one.
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
    /// Restores what was, however `f` ends.
    struct Restore(bool);

    impl Drop for Restore {
        fn drop(&mut self) {
            WITHOUT.set(self.0);
        }
    }

    let _restore = Restore(WITHOUT.replace(true));
    f()
}

/// Whether the result of an operation of these inputs has a history.
pub(crate) fn tracks(inputs: &[&Tensor]) -> bool {
    !WITHOUT.get() && inputs.iter().any(|input| input.track_op())
}

/// The result of an operation of one to four inputs.
///
/// # Errors
///
/// What the operation reports, and inputs on several devices.
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
        // Without its history, which leads to the node that keeps it.
        result.get_or_init(|| y.detach());
    }
    link.register(&y);
    Ok(y)
}
