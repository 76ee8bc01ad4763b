//! Table look-up by index.

use crate::init;
use crate::op::Backend;
use candle_core::{Module, Result, Tensor, Var, bail};
use candle_nn::VarBuilder;

/// Looks up rows of a table by index.
///
/// The row `padding_idx` is initialised to zero and gets no gradient, as in PyTorch.
///
/// # Shapes
///
/// Indices (`u32`) of any shape `[..]` to `[.., D]`; parameter `weight` `[V, D]`, initialised from
/// the standard normal.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use mbls_nn::{Embedding, ParamStore};
///
/// let store = ParamStore::new(0, DType::F32, &Device::Cpu);
/// let layer = Embedding::new(5, 3, Some(0), store.var_builder())?;
/// let y = layer.forward(&Tensor::new(&[[4u32, 0]], &Device::Cpu)?)?;
/// assert_eq!(y.dims(), [1, 2, 3]);
/// assert_eq!(y.get(0)?.get(1)?.to_vec1::<f32>()?, [0.0; 3]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Embedding {
    weight: Tensor,
    padding_idx: Option<u32>,
}

impl Embedding {
    /// Creates a table with `rows` rows of `size` numbers.
    ///
    /// # Errors
    ///
    /// Fails if a size is 0, `padding_idx` is not a row, or the builder has no such tensor.
    pub fn new(rows: usize, size: usize, padding_idx: Option<u32>, vb: VarBuilder) -> Result<Self> {
        if rows == 0 || size == 0 {
            bail!(
                "embedding: a table of {rows} rows of {size} numbers, expected at least 1 of each"
            );
        }
        let weight = vb.get_with_hints((rows, size), "weight", init::STANDARD_NORMAL)?;
        if let Some(row) = padding_idx {
            if row as usize >= rows {
                bail!("embedding: padding_idx = {row}, expected less than the {rows} rows");
            }
            // A row from a checkpoint is kept; only a newly created table gets zeros there.
            if weight.is_variable() {
                let zeros = Tensor::zeros((1, size), weight.dtype(), weight.device())?;
                let value = weight.detach().slice_scatter(&zeros, 0, row as usize)?;
                Var::from_tensor(&weight)?.set(&value)?;
            }
        }
        Ok(Self { weight, padding_idx })
    }

    /// The table `[V, D]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }
}

impl Module for Embedding {
    fn forward(&self, indices: &Tensor) -> Result<Tensor> {
        Backend::of(&self.weight).embedding(&self.weight, indices, self.padding_idx)
    }
}
