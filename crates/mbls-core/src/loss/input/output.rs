use crate::Result;
use candle_core::Tensor;

/// The value of a loss on one batch.
#[derive(Clone, Debug)]
pub struct LossOutput {
    /// The weighted sum of the terms, differentiable; f32 for logits in half precision. A scalar,
    /// or in the shape of the labels for [`Reduction::None`](crate::loss::Reduction::None).
    pub total: Tensor,
    /// The terms of the total, for logs.
    pub terms: Vec<Term>,
}

/// One term of a loss.
#[derive(Clone, Debug)]
pub struct Term {
    /// The name in kebab case, as logs and reports show it.
    pub name: &'static str,
    /// The weight in the total.
    pub weight: f64,
    /// The value before weighting, in the shape of the total; it is not differentiable.
    pub value: Tensor,
}

impl LossOutput {
    /// Creates a loss of one term, `weight * value`.
    ///
    /// # Errors
    ///
    /// Returns the errors of candle.
    pub fn new(name: &'static str, weight: f64, value: &Tensor) -> Result<Self> {
        Ok(Self {
            total: value.affine(weight, 0.0)?,
            terms: vec![Term { name, weight, value: value.detach() }],
        })
    }

    /// Returns this loss with the term `weight * value` added.
    ///
    /// # Errors
    ///
    /// Returns the errors of candle.
    pub fn plus(mut self, name: &'static str, weight: f64, value: &Tensor) -> Result<Self> {
        self.total = (self.total + value.affine(weight, 0.0)?)?;
        self.terms.push(Term { name, weight, value: value.detach() });
        Ok(self)
    }
}
