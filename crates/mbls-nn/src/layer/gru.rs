//! Gated recurrent units.

use crate::init;
use crate::op::Backend;
use crate::shape::WIDEST_STATE;
use candle_core::{D, Module, Result, Tensor, bail};
use candle_nn::VarBuilder;

/// One layer of gated recurrent units, unidirectional or bidirectional: PyTorch's
/// `GRU(.., batch_first=True)`.
///
/// With `a = W_i x_t + b_i` and `c = W_h h + b_h`, each in three parts, and the previous state `h`:
///
/// ```text
/// r = sigmoid(a_r + c_r)    z = sigmoid(a_z + c_z)    n = tanh(a_n + r c_n)    h_t = (1 - z) n + z h
/// ```
///
/// The initial state is zero. The first `padding[n]` entries of a sequence are skipped: their
/// results are zeros, the forward direction starts after them and the backward direction ends
/// there. PyTorch returns the same for packed sequences, which are padded at the end.
///
/// # Shapes
///
/// `[N, L, in]` to results `[N, L, directions * hidden]`, and to the states after the whole
/// sequence `[N, directions * hidden]`. Parameters `weight_ih_l0` `[3 hidden, in]`, `weight_hh_l0`
/// `[3 hidden, hidden]`, `bias_ih_l0`, `bias_hh_l0` `[3 hidden]`, with rows in the order r, z, n,
/// and the same with the suffix `_reverse` for the backward direction. All are initialised
/// uniformly in `[-1 / sqrt(hidden), 1 / sqrt(hidden)]`, as in PyTorch.
///
/// # References
///
/// Cho et al., Learning phrase representations using RNN encoder-decoder, 2014.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mbls_nn::{Gru, ParamStore};
///
/// let store = ParamStore::new(0, DType::F32, &Device::Cpu);
/// let layer = Gru::new(8, 16, true, store.var_builder().pp("gru"))?;
/// let x = Tensor::ones((2, 5, 8), DType::F32, &Device::Cpu)?;
/// let found = layer.forward_padded(&x, &[0, 3])?;
/// assert_eq!((found.results.dims(), found.last.dims()), (&[2, 5, 32][..], &[2, 32][..]));
/// assert_eq!(found.results.get(1)?.get(2)?.to_vec1::<f32>()?, [0.0; 32]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gru {
    directions: Vec<Direction>,
    inputs: usize,
    hidden: usize,
}

#[derive(Clone, Debug)]
struct Direction {
    input: [Tensor; 2],
    state: [Tensor; 2],
}

/// The output of a [`Gru`].
#[derive(Clone, Debug)]
pub struct GruOutput {
    /// The state after every entry, `[N, L, directions * hidden]`.
    pub results: Tensor,
    /// The state after the whole sequence, `[N, directions * hidden]`: the forward direction's
    /// after the last entry, the backward direction's after the first.
    pub last: Tensor,
}

impl Gru {
    /// Creates a layer with states of `hidden` numbers in each direction.
    ///
    /// # Errors
    ///
    /// Fails if a size is 0 or too large, or the builder has no such tensors.
    pub fn new(inputs: usize, hidden: usize, bidirectional: bool, vb: VarBuilder) -> Result<Self> {
        for (field, value) in [("inputs", inputs), ("hidden", hidden)] {
            if !(1..=WIDEST_STATE).contains(&value) {
                bail!("GRU: {field} = {value}, expected 1 to {WIDEST_STATE}");
            }
        }
        let init = init::torch_uniform(hidden);
        let direction = |suffix: &str| {
            let matrix = |name: &str, columns| {
                vb.get_with_hints((3 * hidden, columns), &format!("{name}_l0{suffix}"), init)
            };
            let vector =
                |name: &str| vb.get_with_hints(3 * hidden, &format!("{name}_l0{suffix}"), init);
            // In the order of PyTorch's `state_dict`.
            let (weight_ih, weight_hh) =
                (matrix("weight_ih", inputs)?, matrix("weight_hh", hidden)?);
            let (bias_ih, bias_hh) = (vector("bias_ih")?, vector("bias_hh")?);
            Ok(Direction { input: [weight_ih, bias_ih], state: [weight_hh, bias_hh] })
        };
        let suffixes: &[&str] = if bidirectional { &["", "_reverse"] } else { &[""] };
        let directions = suffixes.iter().map(|suffix| direction(suffix)).collect::<Result<_>>()?;
        Ok(Self { directions, inputs, hidden })
    }

    /// Computes results and last states of sequences whose first `padding[n]` entries are skipped.
    ///
    /// # Errors
    ///
    /// Fails if the shapes or types do not fit, or `padding` does not have one number per sequence,
    /// at most its length.
    pub fn forward_padded(&self, x: &Tensor, padding: &[usize]) -> Result<GruOutput> {
        let &[sequences, length, inputs] = x.dims() else {
            bail!("GRU: input of shape {:?}, expected [N, L, {}]", x.shape(), self.inputs);
        };
        if inputs != self.inputs || x.elem_count() == 0 {
            bail!(
                "GRU: input of shape {:?}, expected [N, L, {}], none of them 0",
                x.shape(),
                self.inputs
            );
        }
        let (mut results, mut lasts) = (Vec::new(), Vec::new());
        for (direction, backwards) in self.directions.iter().zip([false, true]) {
            let [weight, bias] = &direction.input;
            let gates = Backend::of(x).linear(x, weight, Some(bias))?;
            let [weight, bias] = &direction.state;
            let y = Backend::of(&gates).gru(&gates, weight, bias, padding, backwards)?;
            let last = if backwards {
                // A sequence that is all padding has zeros everywhere.
                let first =
                    |(n, &count): (usize, &usize)| (n * length + count.min(length - 1)) as u32;
                let first: Vec<u32> = padding.iter().enumerate().map(first).collect();
                let rows = y.reshape((sequences * length, self.hidden))?;
                rows.index_select(&Tensor::new(first, x.device())?, 0)?
            } else {
                y.narrow(1, length - 1, 1)?.squeeze(1)?
            };
            results.push(y);
            lasts.push(last);
        }
        match (&results[..], &lasts[..]) {
            ([results], [last]) => Ok(GruOutput { results: results.clone(), last: last.clone() }),
            _ => Ok(GruOutput {
                results: Tensor::cat(&results, D::Minus1)?,
                last: Tensor::cat(&lasts, D::Minus1)?,
            }),
        }
    }
}

impl Module for Gru {
    /// Computes the results of sequences without padding.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.forward_padded(x, &vec![0; x.dims().first().copied().unwrap_or(0)])?.results)
    }
}
