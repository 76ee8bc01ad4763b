//! Operations whose gradients travel beside candle's graph.
//!
//! Candle's backward pass makes zeros for every tensor in the graph and adds the first gradient to them: that writes and reads
//! memory four times where once would do. What enters candle's graph here is an empty *handle* for each result; the
//! gradients of the results themselves pass from operation to operation in a slot that both know, and are added only where
//! there is something to add them to. Candle's order of the graph sees to it that all who read a result have left their
//! gradient when the turn of the operation that made it comes. Those of variables pass beside the graph too within
//! [`backward`](backward::backward).
//!
//! ```text
//! x ── Node ──> handle ── Value ──> y       what other operations do with y goes back by way of y,
//!                  └────── Node ──> ..      what ours do with it by way of the handle
//! ```
//!
//! A graph must not be differentiated by two threads at once, nor once more after a backward pass through it has failed.

use crate::backward;
use candle_core::op::BackpropOp;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor, TensorId, bail,
};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

thread_local! {
    /// Whether this thread is within [`no_grad`].
    static WITHOUT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` without gradients: what the layers return in it has no history, so that nothing is kept for a backward pass, variables
/// or not.
///
/// It holds for the layers' operations of their own, on this thread. Candle's operations, of which the portable forms are composed, keep
/// their history where an input is a variable or has one.
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

/// An input's numbers.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) storage: &'a Storage,
    pub(crate) layout: &'a Layout,
}

/// The gradients of the inputs, where they are wanted.
pub(crate) type Gradients = Vec<Option<Tensor>>;

/// An operation of tensors on one device.
pub(crate) trait Operation: Send + Sync + 'static {
    /// What errors call it.
    fn name(&self) -> &'static str;

    /// The result.
    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)>;

    /// The gradients of the inputs. An input or a result that is not kept is a tensor that says nothing but whether a gradient
    /// is wanted.
    fn backward(&self, inputs: &[&Tensor], result: &Tensor, grad: &Tensor) -> Result<Gradients>;
}

/// What an operation reads again in its backward pass; all else need not outlive the forward pass.
#[derive(Clone, Copy)]
pub(crate) struct Keep<const N: usize> {
    /// Which inputs.
    pub(crate) inputs: [bool; N],
    /// Whether the result.
    pub(crate) result: bool,
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
pub(crate) fn apply<const N: usize>(op: impl Operation, inputs: [&Tensor; N], keep: Keep<N>) -> Result<Tensor> {
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
    let sources: Vec<Source> = inputs.iter().zip(keep.inputs).map(|(input, keep)| Source::new(input, keep)).collect();
    let arguments: Vec<Tensor> = sources.iter().zip(inputs).map(|(source, input)| source.argument(input)).collect();
    let (slot, result) = (Arc::<Slot>::default(), Arc::<OnceLock<Tensor>>::default());
    let mut node = Node { op: Box::new(op), sources, slot: slot.clone(), result: result.clone(), pair: None };
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
    let link = Arc::new(Link { handle: handle.clone(), slot, value: OnceLock::new() });
    let y = handle.apply_op1(Value { link: link.clone(), value: Mutex::new(Some((value, shape))) })?;
    if keep.result {
        // Without its history, which leads to the node that keeps it.
        result.get_or_init(|| y.detach());
    }
    links().insert(*link.value.get_or_init(|| y.id()), Arc::downgrade(&link));
    Ok(y)
}

/// The gradient that has come so far for a result.
#[derive(Default)]
struct Slot(Mutex<Option<Tensor>>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<Tensor>> {
        // What it guards is whole in every case.
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

    fn take(&self) -> Option<Tensor> {
        self.lock().take()
    }
}

/// A result's two ways back: its handle in candle's graph, and the slot beside.
struct Link {
    handle: Tensor,
    slot: Arc<Slot>,
    /// The result.
    value: OnceLock<TensorId>,
}

impl Link {
    /// Leaves a gradient; returns what candle is to be told.
    fn give(&self, grad: Tensor) -> Result<Tensor> {
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

/// The links of our results that are alive.
fn links() -> MutexGuard<'static, HashMap<TensorId, Weak<Link>>> {
    static LINKS: LazyLock<Mutex<HashMap<TensorId, Weak<Link>>>> = LazyLock::new(Mutex::default);
    LINKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where an input comes from.
struct Source {
    origin: Origin,
    kept: Option<Tensor>,
}

enum Origin {
    /// One of our results.
    Link(Arc<Link>),
    /// A variable, which candle's graph ends with: no operation waits for its gradient.
    Variable(TensorId),
    /// A result of candle's, or a tensor that needs no gradient.
    Candle,
}

impl Source {
    fn new(input: &Tensor, keep: bool) -> Self {
        // Let go of the lock first: where the last reference is dropped here, the link wants it too.
        let link = links().get(&input.id()).cloned();
        let origin = match link.as_ref().and_then(Weak::upgrade) {
            Some(link) => Origin::Link(link),
            None if input.is_variable() => Origin::Variable(input.id()),
            None => Origin::Candle,
        };
        Self { origin, kept: keep.then(|| input.clone()) }
    }

    /// What stands for the input in candle's graph.
    fn argument(&self, input: &Tensor) -> Tensor {
        match &self.origin {
            Origin::Link(link) => link.handle.clone(),
            Origin::Variable(_) | Origin::Candle => input.clone(),
        }
    }

    /// Leaves a gradient where that is possible; returns what candle is to be told.
    fn give(&self, node: &Tensor, grad: Tensor) -> Result<Option<Tensor>> {
        match &self.origin {
            Origin::Link(link) => link.give(grad).map(Some),
            Origin::Variable(id) => backward::leave(node, *id, grad),
            Origin::Candle => Ok(Some(grad)),
        }
    }
}

/// An operation in candle's graph, where its result is the handle.
struct Node {
    op: Box<dyn Operation>,
    sources: Vec<Source>,
    slot: Arc<Slot>,
    /// Set where it is kept.
    result: Arc<OnceLock<Tensor>>,
    /// With four inputs, what stands for the last two in candle's graph, and where their gradients are left.
    pair: Option<(Tensor, Arc<Mutex<Gradients>>)>,
}

impl Node {
    /// What candle adds to the gradients of `arguments`, in whose places it has them.
    fn backward<const N: usize>(&self, arguments: [&Tensor; N], handle: &Tensor) -> Result<[Option<Tensor>; N]> {
        let name = self.op.name();
        let Some(grad) = self.slot.take() else { bail!("{name}: no gradient has come for its result") };
        let places = arguments.iter().chain(arguments.last());
        let kept = self.sources.iter().zip(places);
        let inputs: Vec<&Tensor> = kept.map(|(source, argument)| source.kept.as_ref().unwrap_or(argument)).collect();
        let grads = self.op.backward(&inputs, self.result.get().unwrap_or(handle), &grad)?;
        let one = |(source, grad): (&Source, Option<Tensor>)| match grad {
            Some(grad) => source.give(handle, grad),
            None => Ok(None),
        };
        let given = self.sources.iter().zip(grads).map(one);
        let mut given = given.collect::<Result<Vec<_>>>()?;
        if let Some((pair, gradients)) = &self.pair
            && given.len() == 4
        {
            *gradients.lock().unwrap_or_else(PoisonError::into_inner) = given.split_off(2);
            given.push(Some(pair.clone()));
        }
        given.try_into().or_else(|_| bail!("{name}: expected {N} gradients"))
    }
}

/// A handle's storage: candle has nothing to clear and nothing to add where a tensor has no numbers.
fn cpu_handle() -> Result<(CpuStorage, Shape)> {
    Ok((CpuStorage::F32(Vec::new()), Shape::from(0)))
}

#[cfg(feature = "cuda")]
fn cuda_handle(like: &CudaStorage) -> Result<(CudaStorage, Shape)> {
    use candle_core::backend::BackendStorage;
    let device = like.device();
    // Without a pool of memory, CUDA has no allocations of nothing.
    let count = usize::from(!device.cuda_stream().context().has_async_alloc());
    Ok((CudaStorage::wrap_cuda_slice(device.alloc_zeros::<f32>(count)?, device.clone()), Shape::from(count)))
}

#[cfg(not(feature = "cuda"))]
fn cuda_handle(_: &CudaStorage) -> Result<(CudaStorage, Shape)> {
    bail!("an operation on a CUDA device in a build without the feature `cuda`")
}

impl CustomOp1 for Node {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        cpu_handle()
    }

    fn cuda_fwd(&self, x: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda_handle(x)
    }

    fn bwd(&self, x: &Tensor, handle: &Tensor, _grad: &Tensor) -> Result<Option<Tensor>> {
        let [dx] = self.backward([x], handle)?;
        Ok(dx)
    }
}

impl CustomOp2 for Node {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        cpu_handle()
    }

    fn cuda_fwd(&self, x: &CudaStorage, _: &Layout, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda_handle(x)
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, handle: &Tensor, _: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok(self.backward([x, y], handle)?.into())
    }
}

impl CustomOp3 for Node {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        cpu_handle()
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda_handle(x)
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        z: &Tensor,
        handle: &Tensor,
        _grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        Ok(self.backward([x, y, z], handle)?.into())
    }
}

/// Two inputs in the place of one.
struct Pair(Arc<Mutex<Gradients>>);

impl CustomOp2 for Pair {
    fn name(&self) -> &'static str {
        "pair"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        cpu_handle()
    }

    fn cuda_fwd(&self, x: &CudaStorage, _: &Layout, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda_handle(x)
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradients = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        match <[Option<Tensor>; 2]>::try_from(gradients) {
            Ok(gradients) => Ok(gradients.into()),
            Err(gradients) => bail!("a pair of inputs with {} gradients", gradients.len()),
        }
    }
}

/// The result, made from its handle.
struct Value {
    link: Arc<Link>,
    /// Taken by the forward pass.
    value: Mutex<Option<(Storage, Shape)>>,
}

impl Value {
    fn take(&self) -> Result<(Storage, Shape)> {
        match self.value.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(value) => Ok(value),
            None => bail!("a result that is taken twice"),
        }
    }
}

impl CustomOp1 for Value {
    fn name(&self) -> &'static str {
        "value"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        match self.take()? {
            (Storage::Cpu(storage), shape) => Ok((storage, shape)),
            (other, _) => bail!("a result on {:?} of inputs on the CPU", other.device().location()),
        }
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        match self.take()? {
            (Storage::Cuda(storage), shape) => Ok((storage, shape)),
            (other, _) => bail!("a result on {:?} of inputs on a CUDA device", other.device().location()),
        }
    }

    fn bwd(&self, _handle: &Tensor, _value: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        self.link.give(grad.clone()).map(Some)
    }
}
