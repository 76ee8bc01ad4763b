//! What makes logits of a network's features.

use candle_core::{Module, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{Dropout, Linear};

/// A linear layer, with dropout before it where wanted.
#[derive(Clone, Debug)]
pub(super) struct Head {
    linear: Linear,
    dropout: Option<Dropout>,
}

impl Head {
    pub(super) fn new(features: usize, classes: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self { linear: Linear::new(features, classes, vb)?, dropout: None })
    }

    pub(super) fn set_dropout(&mut self, dropout: Dropout) {
        self.dropout = Some(dropout);
    }
}

impl ModuleT for Head {
    fn forward_t(&self, features: &Tensor, train: bool) -> Result<Tensor> {
        match &self.dropout {
            Some(dropout) => self.linear.forward(&dropout.forward_t(features, train)?),
            None => self.linear.forward(features),
        }
    }
}
