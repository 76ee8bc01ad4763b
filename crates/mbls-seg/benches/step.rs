//! Times training steps or inference of a segmentation network: `step [--model NAME] [--size S]`,
//! with the arguments of [`mbls_stepkit::timing`]. The default is training steps of DeepLabV3 on
//! ResNet-50 with 2 images of 256 x 256.
//!
//! The forward pass of a step has dropout, and the loss is over the labelled pixels. NAME is a name
//! of `Architecture`. `compare.py` runs it alternately with PyTorch.

use candle_core::Tensor;
use candle_nn::ModuleT;
use mbls_nn::{Dropout, ParamStore};
use mbls_seg::model::{Architecture, Options};
use mbls_stepkit::{
    Result,
    timing::{self, Settings, Workload},
};

/// Keeps the memory of one step for the next. The system's allocator returns large blocks, so the
/// operating system would clear pages in every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number of classes of Pascal VOC, and its label of unlabelled pixels.
const CLASSES: usize = 21;
const UNLABELLED: u32 = 255;

struct Segmentation {
    architecture: Architecture,
    size: usize,
}

fn main() -> Result<()> {
    timing::main(Segmentation { architecture: "deeplabv3-r50-torchvision".parse()?, size: 256 })
}

impl Workload for Segmentation {
    const BATCH: usize = 2;
    const MARGIN: f64 = 10.0;
    const CLIP: Option<f64> = Some(2.0);
    const IGNORED: Option<i64> = Some(UNLABELLED as i64);

    fn set(&mut self, argument: &str, value: &mut dyn FnMut() -> Result<String>) -> Result<bool> {
        match argument {
            "--model" => self.architecture = value()?.parse()?,
            "--size" => self.size = value()?.parse()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn model(&self, _: &Settings, store: &ParamStore) -> Result<Box<dyn ModuleT>> {
        let network = self.architecture.network(CLASSES, 3)?;
        let dropout = network.dropout().map(|p| Dropout::new(p, 0)).transpose()?;
        Ok(network.build(Options { dropout }, store.var_builder())?)
    }

    fn input(&self, settings: &Settings) -> Result<Tensor> {
        let shape = (settings.batch, 3, self.size, self.size);
        Ok(Tensor::randn(0f32, 1f32, shape, &settings.device)?.to_dtype(settings.dtype)?)
    }

    fn labels(&self, settings: &Settings) -> Result<Tensor> {
        // One pixel in 22 has no label.
        let label = |i: usize| {
            if i % (CLASSES + 1) == CLASSES { UNLABELLED } else { (i % (CLASSES + 1)) as u32 }
        };
        let shape = (settings.batch, self.size, self.size);
        let labels = (0..settings.batch * self.size * self.size).map(label).collect();
        Ok(Tensor::from_vec(labels, shape, &settings.device)?)
    }
}
