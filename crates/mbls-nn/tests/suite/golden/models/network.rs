//! The residual and densely connected networks of the published code, built from this crate's
//! layers and distinguished by their keys.

use candle_core::{Module, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{AvgPool2d, BatchNorm2d, Conv2d, ConvConfig, GlobalAvgPool2d, Linear, Relu};
use std::collections::BTreeMap;

/// The shape of every key of a `state_dict`.
pub(crate) type Shapes = BTreeMap<String, Vec<usize>>;

/// Builds the network with these keys; `None` if they belong to another architecture.
pub(crate) fn build(shapes: &Shapes, vb: VarBuilder) -> Result<Option<Box<dyn ModuleT>>> {
    let has = |key: &str| shapes.contains_key(key);
    Ok(if has("layer1.0.conv2.weight") && has("fc.weight") && !has("layer1.0.conv3.weight") {
        Some(Box::new(WideResNet::new(shapes, vb)?))
    } else if has("dense1.0.conv2.weight") && has("linear.weight") {
        Some(Box::new(DenseNet::new(shapes, vb)?))
    } else {
        None
    })
}

fn conv(shapes: &Shapes, name: &str, stride: usize, vb: &VarBuilder) -> Result<Conv2d> {
    let shape = &shapes[&format!("{name}.weight")];
    let config =
        ConvConfig { stride: [stride; 2], padding: [shape[2] / 2; 2], ..ConvConfig::before_norm() };
    Conv2d::new(shape[1], shape[0], [shape[2]; 2], config, vb.pp(name))
}

fn norm(shapes: &Shapes, name: &str, vb: &VarBuilder) -> Result<BatchNorm2d> {
    BatchNorm2d::new(shapes[&format!("{name}.weight")][0], vb.pp(name))
}

fn classifier(shapes: &Shapes, name: &str, vb: &VarBuilder) -> Result<Linear> {
    let shape = &shapes[&format!("{name}.weight")];
    Linear::new(shape[1], shape[0], vb.pp(name))
}

/// Convolution and batch norm.
struct Unit(Conv2d, BatchNorm2d);

impl ModuleT for Unit {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.1.forward_t(&self.0.forward(x)?, train)
    }
}

struct ResidualBlock {
    first: Unit,
    second: Unit,
    shortcut: Option<Unit>,
}

impl ModuleT for ResidualBlock {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = Relu.forward(&self.first.forward_t(x, train)?)?;
        let y = self.second.forward_t(&y, train)?;
        let shortcut = match &self.shortcut {
            Some(shortcut) => shortcut.forward_t(x, train)?,
            None => x.clone(),
        };
        Relu.forward(&(y + shortcut)?)
    }
}

struct WideResNet {
    stem: Unit,
    blocks: Vec<ResidualBlock>,
    classifier: Linear,
}

impl WideResNet {
    fn new(shapes: &Shapes, vb: VarBuilder) -> Result<Self> {
        let unit = |c: &str, b: &str, stride| {
            Ok::<_, candle_core::Error>(Unit(conv(shapes, c, stride, &vb)?, norm(shapes, b, &vb)?))
        };
        let mut blocks = Vec::new();
        for layer in 1.. {
            let name = |block: usize, part: &str| format!("layer{layer}.{block}.{part}");
            let count =
                (0..).take_while(|&b| shapes.contains_key(&name(b, "conv1.weight"))).count();
            if count == 0 {
                break;
            }
            for b in 0..count {
                let stride = if layer > 1 && b == 0 { 2 } else { 1 };
                blocks.push(ResidualBlock {
                    first: unit(&name(b, "conv1"), &name(b, "bn1"), stride)?,
                    second: unit(&name(b, "conv2"), &name(b, "bn2"), 1)?,
                    shortcut: if shapes.contains_key(&name(b, "downsample.0.weight")) {
                        Some(unit(&name(b, "downsample.0"), &name(b, "downsample.1"), stride)?)
                    } else {
                        None
                    },
                });
            }
        }
        Ok(Self {
            stem: unit("conv1", "bn1", 1)?,
            blocks,
            classifier: classifier(shapes, "fc", &vb)?,
        })
    }
}

impl ModuleT for WideResNet {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut y = Relu.forward(&self.stem.forward_t(x, train)?)?;
        for block in &self.blocks {
            y = block.forward_t(&y, train)?;
        }
        self.classifier.forward(&GlobalAvgPool2d.forward(&y)?)
    }
}

/// Batch norm, ReLU and convolution.
struct PreUnit(BatchNorm2d, Conv2d);

impl ModuleT for PreUnit {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.1.forward(&Relu.forward(&self.0.forward_t(x, train)?)?)
    }
}

enum DenseStage {
    /// A bottleneck whose result is concatenated in front of its input.
    Block(PreUnit, PreUnit),
    Transition(PreUnit),
}

struct DenseNet {
    stem: Conv2d,
    stages: Vec<DenseStage>,
    last: BatchNorm2d,
    classifier: Linear,
}

impl DenseNet {
    fn new(shapes: &Shapes, vb: VarBuilder) -> Result<Self> {
        let unit = |b: &str, c: &str| {
            Ok::<_, candle_core::Error>(PreUnit(norm(shapes, b, &vb)?, conv(shapes, c, 1, &vb)?))
        };
        let mut stages = Vec::new();
        for stage in 1.. {
            let name = |block: usize, part: &str| format!("dense{stage}.{block}.{part}");
            let count =
                (0..).take_while(|&b| shapes.contains_key(&name(b, "conv1.weight"))).count();
            if count == 0 {
                break;
            }
            for b in 0..count {
                stages.push(DenseStage::Block(
                    unit(&name(b, "bn1"), &name(b, "conv1"))?,
                    unit(&name(b, "bn2"), &name(b, "conv2"))?,
                ));
            }
            let transition = format!("trans{stage}");
            if shapes.contains_key(&format!("{transition}.conv.weight")) {
                stages.push(DenseStage::Transition(unit(
                    &format!("{transition}.bn"),
                    &format!("{transition}.conv"),
                )?));
            }
        }
        let (stem, last) = (conv(shapes, "conv1", 1, &vb)?, norm(shapes, "bn", &vb)?);
        Ok(Self { stem, stages, last, classifier: classifier(shapes, "linear", &vb)? })
    }
}

impl ModuleT for DenseNet {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut y = self.stem.forward(x)?;
        for stage in &self.stages {
            y = match stage {
                DenseStage::Block(first, second) => {
                    let new = second.forward_t(&first.forward_t(&y, train)?, train)?;
                    Tensor::cat(&[&new, &y], 1)?
                }
                DenseStage::Transition(unit) => {
                    AvgPool2d::new(2, 2, 0).forward(&unit.forward_t(&y, train)?)?
                }
            };
        }
        let y = Relu.forward(&self.last.forward_t(&y, train)?)?;
        self.classifier.forward(&GlobalAvgPool2d.forward(&y)?)
    }
}
