use crate::Result;
use candle_core::Tensor;

/// The value of a loss on one batch.
#[derive(Clone, Debug)]
pub struct LossOutput {
    /// The weighted sum of the terms, to differentiate; f32 for logits in half precision. A
    /// scalar, or of the labels' shape for [`Reduction::None`](crate::loss::Reduction::None).
    pub total: Tensor,
    /// What the total is made of, for logs.
    pub terms: Vec<Term>,
}

/// One term of a loss.
#[derive(Clone, Debug)]
pub struct Term {
    /// Its name in kebab case, as logs and reports show it.
    pub name: &'static str,
    /// Its weight in the total.
    pub weight: f64,
    /// Its value before weighting, in the shape of the total; it cannot be differentiated.
    pub value: Tensor,
}

impl LossOutput {
    /// A loss of one term so far, `weight * value`.
    ///
    /// # Errors
    ///
    /// Where candle fails.
    pub fn new(name: &'static str, weight: f64, value: &Tensor) -> Result<Self> {
        Ok(Self {
            total: value.affine(weight, 0.0)?,
            terms: vec![Term { name, weight, value: value.detach() }],
        })
    }

    /// This loss with `weight * value` added.
    ///
    /// # Errors
    ///
    /// Where candle fails.
    pub fn plus(mut self, name: &'static str, weight: f64, value: &Tensor) -> Result<Self> {
        self.total = (self.total + value.affine(weight, 0.0)?)?;
        self.terms.push(Term { name, weight, value: value.detach() });
        Ok(self)
    }
}
