//! Atrous spatial pyramid pooling.

use super::block::{Block, BlockShape};
use super::classifier::resize;
use super::{check_size, size_of};
use candle_core::{Module, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{AdaptiveAvgPool2d, Dropout, Error};

/// Configuration of the atrous spatial pyramid pooling of [`DeepLabV3`](super::DeepLabV3) and
/// [`DeepLabV3Plus`](super::DeepLabV3Plus), which samples the encoder features at several scales.
///
/// The parallel branches are a 1x1 convolution, a dilated 3x3 convolution for each of `rates`, and
/// a 1x1 convolution of the mean over the image. Another 1x1 convolution merges them. Batch norm
/// and ReLU follow each convolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsppConfig {
    /// Number of channels of each branch and of the output.
    pub channels: usize,
    /// Dilations of the 3x3 convolutions.
    pub rates: Vec<usize>,
    /// Whether the 3x3 convolutions are separable: a depthwise convolution followed by a 1x1
    /// convolution.
    pub separable: bool,
}

impl AsppConfig {
    pub(super) fn validate(&self, network: &'static str) -> mbls_nn::Result<()> {
        check_size(network, "channels", self.channels)?;
        if self.rates.is_empty() || self.rates.len() > 16 {
            let rates = format!("{:?}", self.rates);
            return Err(Error::network(network, "rates", rates, "1 to 16 rates"));
        }
        self.rates.iter().try_for_each(|&rate| check_size(network, "a rate", rate))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Aspp {
    convolutions: Vec<Block>,
    pooled: Block,
    project: Block,
    dropout: Option<Dropout>,
}

impl Aspp {
    pub(super) fn new(inputs: usize, config: &AsppConfig, vb: VarBuilder) -> Result<Self> {
        let (channels, branches) = (config.channels, vb.pp("convs"));
        let narrow = BlockShape::new([inputs, channels], 1);
        let mut convolutions = vec![Block::sequence(narrow, branches.pp("0"))?];
        for (i, &dilation) in (1..).zip(&config.rates) {
            let separable = config.separable;
            let shape =
                BlockShape { dilation, separable, ..BlockShape::new([inputs, channels], 3) };
            convolutions.push(Block::sequence(shape, branches.pp(i))?);
        }
        let last = branches.pp(convolutions.len());
        let pooled = Block::new(narrow, last.pp("1"), last.pp("2"))?;
        let joined = channels * (convolutions.len() + 1);
        let project = Block::sequence(BlockShape::new([joined, channels], 1), vb.pp("project"))?;
        Ok(Self { convolutions, pooled, project, dropout: None })
    }

    pub(super) fn set_dropout(&mut self, dropout: Option<Dropout>) {
        self.dropout = dropout;
    }
}

impl ModuleT for Aspp {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut branches = Vec::with_capacity(self.convolutions.len() + 1);
        for convolution in &self.convolutions {
            branches.push(convolution.forward_t(x, train)?);
        }
        let mean = AdaptiveAvgPool2d { output: [1; 2] }.forward(x)?;
        branches.push(resize(&self.pooled.forward_t(&mean, train)?, size_of(x)?, false)?);
        let y = self.project.forward_t(&Tensor::cat(&branches, 1)?, train)?;
        match &self.dropout {
            Some(dropout) => dropout.forward_t(&y, train),
            None => Ok(y),
        }
    }
}
