//! Densely connected networks for CIFAR.

use super::check_images;
use candle_core::{Module, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{
    AvgPool2d, BatchNorm2d, Conv2d, ConvConfig, ConvInit, Dropout, DropoutLinear, Error,
    GlobalAvgPool2d,
};

const NAME: &str = "DenseNet";

/// An upper bound larger than any network needs; prevents overflow of sizes.
const WIDEST: usize = 1 << 16;

/// Shape of a [`DenseNet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenseNetConfig {
    /// Number of channels that each layer adds.
    pub growth: usize,
    /// The number of layers of each block.
    pub blocks: Vec<usize>,
    /// Channels of the input.
    pub in_channels: usize,
    /// Number of logits per image, 1 to 65536.
    pub classes: usize,
}

/// Depth, growth and layers of the blocks.
const DEPTHS: [(usize, usize, [usize; 4]); 4] = [
    (121, 32, [6, 12, 24, 16]),
    (161, 48, [6, 12, 36, 24]),
    (169, 32, [6, 12, 32, 32]),
    (201, 32, [6, 12, 48, 32]),
];

impl DenseNetConfig {
    /// Returns the published code's network for CIFAR with 121, 161, 169 or 201 layers.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if there is no network of `depth` layers.
    pub fn cifar(depth: usize, classes: usize) -> mbls_nn::Result<Self> {
        let Some(&(_, growth, blocks)) = DEPTHS.iter().find(|&&(known, ..)| known == depth) else {
            let known = DEPTHS.map(|(depth, ..)| depth.to_string()).join(", ");
            return Err(Error::network(NAME, "depth", depth, format_args!("one of {known}")));
        };
        Ok(Self { growth, blocks: blocks.to_vec(), in_channels: 3, classes })
    }

    /// Returns the minimum height and width of an image, which leave one pixel after the last
    /// transition.
    pub fn smallest(&self) -> usize {
        1 << (self.blocks.len().clamp(1, 16) - 1)
    }

    /// Checks the fields.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] for the first field that is 0 or out of range.
    pub fn validate(&self) -> mbls_nn::Result<()> {
        for (field, value) in
            [("growth", self.growth), ("in_channels", self.in_channels), ("classes", self.classes)]
        {
            if !(1..=WIDEST).contains(&value) {
                return Err(Error::network(NAME, field, value, format_args!("1 to {WIDEST}")));
            }
        }
        if self.blocks.is_empty()
            || self.blocks.len() > 8
            || self.blocks.iter().any(|n| !(1..=1024).contains(n))
        {
            let blocks = format!("{:?}", self.blocks);
            return Err(Error::network(
                NAME,
                "blocks",
                blocks,
                "1 to 8 blocks of 1 to 1024 layers",
            ));
        }
        let most = self.blocks.iter().sum::<usize>().saturating_add(2).saturating_mul(self.growth);
        if most > WIDEST {
            return Err(Error::network(
                NAME,
                "most channels",
                most,
                format_args!("at most {WIDEST}"),
            ));
        }
        Ok(())
    }
}

/// The densely connected network of the published code for CIFAR: a 3x3 convolution to twice
/// `growth` channels; blocks of layers, each of which prepends `growth` new channels to its input;
/// between blocks, a transition that halves channels and image; batch norm, global average pooling,
/// one linear layer.
///
/// # Shapes
///
/// `[N, in_channels, H, W]` to `[N, classes]`, H and W at least [`DenseNetConfig::smallest`].
/// Parameters `conv1`, `dense{b}.{i}.{bn1,conv1,bn2,conv2}`, `trans{b}.{bn,conv}`, `bn`, `linear`.
///
/// # References
///
/// Huang et al.: Densely Connected Convolutional Networks (CVPR 2017).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nn::ParamStore;
/// use mbls_vision::model::{DenseNet, DenseNetConfig};
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let config = DenseNetConfig { growth: 8, blocks: vec![2; 4], in_channels: 3, classes: 10 };
/// let model = DenseNet::new(config, store.var_builder())?;
/// let logits =
///     model.forward_t(&Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?, false)?;
/// assert_eq!(logits.dims(), [2, 10]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DenseNet {
    stem: Conv2d,
    parts: Vec<Part>,
    norm: BatchNorm2d,
    linear: DropoutLinear,
    config: DenseNetConfig,
}

/// `conv(relu(norm(x)))`.
#[derive(Clone, Debug)]
struct PreUnit {
    norm: BatchNorm2d,
    conv: Conv2d,
}

#[derive(Clone, Debug)]
enum Part {
    Layer([PreUnit; 2]),
    Transition(PreUnit),
}

fn convolution(inputs: usize, outputs: usize, kernel: usize, vb: VarBuilder) -> Result<Conv2d> {
    let config = ConvConfig {
        padding: [kernel / 2; 2],
        init: ConvInit::TorchUniform,
        ..ConvConfig::before_norm()
    };
    Conv2d::new(inputs, outputs, [kernel; 2], config, vb)
}

impl PreUnit {
    fn new(
        inputs: usize,
        outputs: usize,
        kernel: usize,
        norm: VarBuilder,
        conv: VarBuilder,
    ) -> Result<Self> {
        Ok(Self {
            norm: BatchNorm2d::new(inputs, norm)?,
            conv: convolution(inputs, outputs, kernel, conv)?,
        })
    }
}

impl ModuleT for PreUnit {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.conv.forward(&self.norm.forward_relu(x, None, train)?)
    }
}

impl Part {
    fn layer(inputs: usize, growth: usize, vb: VarBuilder) -> Result<Self> {
        let narrow = PreUnit::new(inputs, 4 * growth, 1, vb.pp("bn1"), vb.pp("conv1"))?;
        Ok(Self::Layer([
            narrow,
            PreUnit::new(4 * growth, growth, 3, vb.pp("bn2"), vb.pp("conv2"))?,
        ]))
    }
}

impl ModuleT for Part {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match self {
            Self::Layer([narrow, grow]) => {
                let new = grow.forward_t(&narrow.forward_t(x, train)?, train)?;
                Tensor::cat(&[&new, x], 1)
            }
            Self::Transition(unit) => AvgPool2d::new(2, 2, 0).forward(&unit.forward_t(x, train)?),
        }
    }
}

impl DenseNet {
    /// Creates the network described by `config`.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if a size is 0 or too large; errors of candle if the builder
    /// does not have the tensors.
    pub fn new(config: DenseNetConfig, vb: VarBuilder) -> mbls_nn::Result<Self> {
        config.validate()?;
        let growth = config.growth;
        let mut channels = 2 * growth;
        let stem = convolution(config.in_channels, channels, 3, vb.pp("conv1"))?;
        let mut parts = Vec::new();
        for (block, &layers) in (1..).zip(&config.blocks) {
            for i in 0..layers {
                parts.push(Part::layer(channels, growth, vb.pp(format!("dense{block}.{i}")))?);
                channels += growth;
            }
            if block < config.blocks.len() {
                let vb = vb.pp(format!("trans{block}"));
                parts.push(Part::Transition(PreUnit::new(
                    channels,
                    channels / 2,
                    1,
                    vb.pp("bn"),
                    vb.pp("conv"),
                )?));
                channels /= 2;
            }
        }
        let norm = BatchNorm2d::new(channels, vb.pp("bn"))?;
        let linear = DropoutLinear::new(channels, config.classes, vb.pp("linear"))?;
        Ok(Self { stem, parts, norm, linear, config })
    }

    /// Returns the network with this dropout before its linear layer, or with none; a clone shares
    /// the position of the dropout masks.
    #[must_use]
    pub fn with_dropout(self, dropout: impl Into<Option<Dropout>>) -> Self {
        Self { linear: self.linear.with_dropout(dropout), ..self }
    }

    /// Returns the shape of the network.
    pub fn config(&self) -> &DenseNetConfig {
        &self.config
    }
}

impl ModuleT for DenseNet {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        check_images(NAME, images, self.config.in_channels, self.config.smallest())?;
        let mut x = self.stem.forward(images)?;
        for part in &self.parts {
            x = part.forward_t(&x, train)?;
        }
        let x = self.norm.forward_relu(&x, None, train)?;
        self.linear.forward_t(&GlobalAvgPool2d.forward(&x)?, train)
    }
}
