//! Element-wise updates in place: one pass over a parameter, its gradient and its optimizer state.

use crate::parallel::map_tasks_with;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, InplaceOp1, InplaceOp2, Layout, Result, Tensor, Var, bail};
use std::sync::{Mutex, PoisonError};

/// Number of elements per task; results do not depend on it.
const CHUNK: usize = 1 << 15;

/// Returns whether [`update`] supports the variable: `f32` or `f64` on the CPU.
pub(super) fn supports(var: &Var) -> bool {
    var.device().is_cpu() && matches!(var.dtype(), DType::F32 | DType::F64)
}

/// Sets `s[i] <- next(p[i], g[i], s[i])`, then `p[i] <- step(p[i], g[i], s[i])` with the new,
/// rounded `s`.
///
/// Computes in `f64` and rounds each result once. The closures own their factors (`move`): factors
/// behind a reference would be loaded again for every element, because the compiler cannot know
/// that they do not alias the tensors. All tensors are contiguous and have the same type and size.
pub(super) fn update<const N: usize>(
    p: &Var,
    g: &Tensor,
    state: [&Var; N],
    next: impl Fn(f64, f64, [f64; N]) -> [f64; N] + Sync,
    step: impl Fn(f64, f64, [f64; N]) -> f64 + Sync,
) -> Result<()> {
    let rule = Rule { next, step };
    match p.dtype() {
        DType::F32 => nest::<f32, N>(p, g, &state, Vec::new(), &|p, g, s| rule.run(p, g, s)),
        DType::F64 => nest::<f64, N>(p, g, &state, Vec::new(), &|p, g, s| rule.run(p, g, s)),
        other => bail!("element-wise update of {other:?}, expected f32 or f64"),
    }
}

/// Elements of the parameter, of its gradient and of the state.
type Task<'a, T, const N: usize> = (&'a mut [T], &'a [T], [&'a mut [T]; N]);

struct Rule<F, S, const N: usize> {
    next: F,
    step: S,
}

impl<F, S, const N: usize> Rule<F, S, N>
where
    F: Fn(f64, f64, [f64; N]) -> [f64; N] + Sync,
    S: Fn(f64, f64, [f64; N]) -> f64 + Sync,
{
    fn run<T: Element>(&self, p: &mut [T], g: &[T], state: [&mut [T]; N]) {
        // Fewer than two whole tasks are not worth a second thread.
        if p.len() < 2 * CHUNK {
            return self.chunk((p, g, state));
        }
        let mut states = state.map(|s| s.chunks_mut(CHUNK));
        let mut tasks = Vec::with_capacity(p.len().div_ceil(CHUNK));
        for (p, g) in p.chunks_mut(CHUNK).zip(g.chunks(CHUNK)) {
            tasks.push((p, g, states.each_mut().map(|chunks| chunks.next().unwrap_or_default())));
        }
        map_tasks_with(tasks, &|| (), &|(), _, task| self.chunk(task));
    }

    /// Updates the elements of one task, with AVX2 if the processor has it. The rounding is the
    /// same as without: operation by operation.
    fn chunk<T: Element>(&self, task: Task<'_, T, N>) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            return unsafe { self.elements_avx2(task) };
        }
        self.elements(task);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn elements_avx2<T: Element>(&self, task: Task<'_, T, N>) {
        self.elements(task);
    }

    #[inline(always)]
    fn elements<T: Element>(&self, (p, g, state): Task<'_, T, N>) {
        // The compiler vectorises slices that it knows to have the same length.
        let n = p.len();
        let (g, state) = (&g[..n], state.map(|s| &mut s[..n]));
        for i in 0..n {
            let (wide_p, wide_g) = (p[i].into(), g[i].into());
            let new = (self.next)(wide_p, wide_g, std::array::from_fn(|k| state[k][i].into()))
                .map(T::rounded);
            for k in 0..N {
                state[k][i] = new[k];
            }
            p[i] = T::rounded((self.step)(wide_p, wide_g, new.map(T::into)));
        }
    }
}

/// The closure that runs once the elements of all tensors are borrowed.
type Body<'a, T, const N: usize> = dyn Fn(&mut [T], &[T], [&mut [T]; N]) + Sync + 'a;

/// Borrows all tensors and runs `body`. Candle lends the memory of only one tensor to an operation
/// for writing, so the operations nest: the first of `rest` passes its elements to the next, and
/// the parameter is the innermost.
fn nest<T: Element, const N: usize>(
    p: &Var,
    g: &Tensor,
    rest: &[&Var],
    held: Vec<&mut [T]>,
    body: &Body<'_, T, N>,
) -> Result<()> {
    match rest {
        [] => p.inplace_op2(g, &Innermost::<T, N> { held: Mutex::new(held), body }),
        [first, rest @ ..] => {
            first.inplace_op1(&Outer::<T, N> { p, g, rest, held: Mutex::new(held), body })
        }
    }
}

struct Outer<'a, T, const N: usize> {
    p: &'a Var,
    g: &'a Tensor,
    rest: &'a [&'a Var],
    held: Mutex<Vec<&'a mut [T]>>,
    body: &'a Body<'a, T, N>,
}

impl<T: Element, const N: usize> InplaceOp1 for Outer<'_, T, N> {
    fn name(&self) -> &'static str {
        "element-wise update"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let elements = T::elements_mut(storage, layout)?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held: Vec<&mut [T]> = held.iter_mut().map(|slice| &mut **slice).collect();
        held.push(elements);
        nest(self.p, self.g, self.rest, held, self.body)
    }
}

struct Innermost<'a, T, const N: usize> {
    held: Mutex<Vec<&'a mut [T]>>,
    body: &'a Body<'a, T, N>,
}

impl<T: Element, const N: usize> InplaceOp2 for Innermost<'_, T, N> {
    fn name(&self) -> &'static str {
        "element-wise update"
    }

    fn cpu_fwd(
        &self,
        p: &mut CpuStorage,
        p_layout: &Layout,
        g: &CpuStorage,
        g_layout: &Layout,
    ) -> Result<()> {
        let (p, g) = (T::elements_mut(p, p_layout)?, T::elements(g, g_layout)?);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let lengths: Vec<usize> = held.iter().map(|s| s.len()).chain([g.len()]).collect();
        if lengths.iter().any(|&n| n != p.len()) {
            bail!("element-wise update of {} elements with {lengths:?}", p.len());
        }
        let held: Vec<&mut [T]> = held.iter_mut().map(|slice| &mut **slice).collect();
        let Ok(state) = <[&mut [T]; N]>::try_from(held) else {
            bail!("element-wise update: expected {N} states")
        };
        (self.body)(p, g, state);
        Ok(())
    }
}

trait Element: Copy + Send + Sync + Into<f64> {
    /// Rounds to the nearest number of this type.
    fn rounded(value: f64) -> Self;
    fn elements<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [Self]>;
    fn elements_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [Self]>;
}

macro_rules! element {
    ($type:ty, $variant:ident) => {
        impl Element for $type {
            #[inline(always)]
            fn rounded(value: f64) -> Self {
                value as $type
            }

            fn elements<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [Self]> {
                match (storage, layout.contiguous_offsets()) {
                    (CpuStorage::$variant(all), Some((from, to))) => Ok(&all[from..to]),
                    (storage, offsets) => bail!("{}", misfit(storage, offsets)),
                }
            }

            fn elements_mut<'a>(
                storage: &'a mut CpuStorage,
                layout: &Layout,
            ) -> Result<&'a mut [Self]> {
                match (storage, layout.contiguous_offsets()) {
                    (CpuStorage::$variant(all), Some((from, to))) => Ok(&mut all[from..to]),
                    (storage, offsets) => bail!("{}", misfit(storage, offsets)),
                }
            }
        }
    };
}

element!(f32, F32);
element!(f64, F64);

fn misfit(storage: &CpuStorage, offsets: Option<(usize, usize)>) -> String {
    let order = if offsets.is_some() { "contiguous" } else { "not contiguous" };
    format!(
        "element-wise update with {:?}, {order}: expected the parameter's type, contiguous",
        storage.dtype()
    )
}
