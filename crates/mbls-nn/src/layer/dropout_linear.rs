//! Affine map after dropout.

use super::{Dropout, Linear};
use candle_core::{Module, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};

/// A [`Linear`] layer with optional dropout of its input: the classifier of most networks.
///
/// # Shapes
///
/// `[.., in]` to `[.., out]`; parameters `weight` `[out, in]` and `bias` `[out]`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nn::{Dropout, DropoutLinear, ParamStore};
///
/// let store = ParamStore::new(0, DType::F32, &Device::Cpu);
/// let head = DropoutLinear::new(64, 10, store.var_builder().pp("fc"))?
///     .with_dropout(Dropout::new(0.5, 7)?);
/// let logits = head.forward_t(&Tensor::ones((5, 64), DType::F32, &Device::Cpu)?, true)?;
/// assert_eq!(logits.dims(), [5, 10]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DropoutLinear {
    linear: Linear,
    dropout: Option<Dropout>,
}

impl DropoutLinear {
    /// Creates a layer with bias and without dropout.
    ///
    /// # Errors
    ///
    /// Same as [`Linear::new`].
    pub fn new(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self { linear: Linear::new(inputs, outputs, vb)?, dropout: None })
    }

    /// Returns the layer with this dropout, or without one. A clone of the dropout shares the
    /// position of its masks.
    #[must_use]
    pub fn with_dropout(self, dropout: impl Into<Option<Dropout>>) -> Self {
        Self { dropout: dropout.into(), ..self }
    }
}

impl ModuleT for DropoutLinear {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match &self.dropout {
            Some(dropout) => self.linear.forward(&dropout.forward_t(x, train)?),
            None => self.linear.forward(x),
        }
    }
}
