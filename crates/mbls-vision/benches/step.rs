//! Times training steps or inference of a network, by default steps of ResNet-20 on batches of 128:
//! `step [--model NAME] [--shortcut identity|projection]`, with the arguments of
//! [`mbls_stepkit::timing`].
//!
//! Names are those of `Architecture`; `--shortcut` applies to He's networks for CIFAR. `compare.py`
//! runs this and PyTorch alternately.

use candle_core::Tensor;
use candle_nn::ModuleT;
use mbls_nn::ParamStore;
use mbls_stepkit::{
    Result,
    timing::{self, Settings, Workload},
};
use mbls_vision::model::{Architecture, Network, Options, Shortcut};

/// Keeps the memory of one step for the next one. The system's allocator returns large blocks, so
/// the operating system would spend part of every step clearing pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Images {
    architecture: Architecture,
    shortcut: Shortcut,
}

fn main() -> Result<()> {
    timing::main(Images { architecture: "resnet20".parse()?, shortcut: Shortcut::Projection })
}

impl Images {
    /// Returns the number of classes and the image shape for the network.
    fn data(&self) -> (usize, [usize; 3]) {
        match self.architecture.origin() {
            "torchvision" => (1000, [3, 224, 224]),
            _ if self.architecture.name().ends_with("-tiny") => (200, [3, 64, 64]),
            _ => (10, [3, 32, 32]),
        }
    }
}

impl Workload for Images {
    const BATCH: usize = 128;
    const MARGIN: f64 = 6.0;
    const CLIP: Option<f64> = Some(2.0);

    fn set(&mut self, argument: &str, value: &mut dyn FnMut() -> Result<String>) -> Result<bool> {
        match argument {
            "--model" => self.architecture = value()?.parse()?,
            "--shortcut" => {
                let identity = timing::choice(argument, &value()?, ["identity", "projection"])?;
                self.shortcut = if identity { Shortcut::Identity } else { Shortcut::Projection };
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn model(&self, _: &Settings, store: &ParamStore) -> Result<Box<dyn ModuleT>> {
        let (classes, shape) = self.data();
        let mut network = self.architecture.network(classes, shape)?;
        if let Network::ResNet(config) = &mut network
            && config.shortcut == Shortcut::Identity
        {
            config.shortcut = self.shortcut;
        }
        Ok(network.build(Options::default(), store.var_builder())?)
    }

    fn input(&self, settings: &Settings) -> Result<Tensor> {
        let (_, [channels, height, width]) = self.data();
        let shape = (settings.batch, channels, height, width);
        Ok(Tensor::randn(0f32, 1f32, shape, &settings.device)?.to_dtype(settings.dtype)?)
    }

    fn labels(&self, settings: &Settings) -> Result<Tensor> {
        let (classes, _) = self.data();
        let labels = (0..settings.batch).map(|i| (i % classes) as u32).collect();
        Ok(Tensor::from_vec(labels, settings.batch, &settings.device)?)
    }
}
