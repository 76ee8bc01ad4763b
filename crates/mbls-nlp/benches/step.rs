//! Times training steps or inference of a text network: `step [--model NAME] [--length L]
//! [--dim D] [--words frozen|trained]`, with the arguments of [`mbls_stepkit::timing`] except for
//! `--precision bf16`. The default is training steps of GlobalPoolingCNN with 128 texts of 1,000
//! words and vectors of dimension 100.
//!
//! A step includes the look-up of word vectors. It has no gradient clipping, because the published
//! text networks are trained without it. NAME is a name of `Architecture`; training uses the
//! dropout of the original. `compare.py` runs this alternately with PyTorch.

use candle_core::{DType, Tensor};
use candle_nn::ModuleT;
use mbls_nlp::model::{Architecture, Options, TextClassifier, WordTable};
use mbls_nn::{Dropout, ParamStore};
use mbls_stepkit::{
    Result,
    timing::{self, Settings, Workload},
};

/// Keeps the memory of one step for the next. The system's allocator returns large blocks, so the
/// operating system would clear pages in every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number of classes of 20 Newsgroups, and number of words in the published experiments.
const CLASSES: usize = 20;
const WORDS: usize = 2000;

struct Texts {
    architecture: Architecture,
    length: usize,
    dim: usize,
    frozen: bool,
}

fn main() -> Result<()> {
    timing::main(Texts {
        architecture: Architecture::GlobalPoolingCnn,
        length: 1000,
        dim: 100,
        frozen: true,
    })
}

impl Workload for Texts {
    const BATCH: usize = 128;
    const MARGIN: f64 = 10.0;
    const CLIP: Option<f64> = None;

    fn set(&mut self, argument: &str, value: &mut dyn FnMut() -> Result<String>) -> Result<bool> {
        match argument {
            "--model" => self.architecture = value()?.parse()?,
            "--length" => self.length = value()?.parse()?,
            "--dim" => self.dim = value()?.parse()?,
            "--words" => self.frozen = timing::choice(argument, &value()?, ["frozen", "trained"])?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn model(&self, settings: &Settings, store: &ParamStore) -> Result<Box<dyn ModuleT>> {
        if settings.dtype != DType::F32 {
            return Err("--precision bf16: expected f32 or tf32 for texts".into());
        }
        let (dim, device) = (self.dim, &settings.device);
        let words = if self.frozen {
            let vectors = Tensor::randn(0f32, 1f32, (WORDS, dim), device)?;
            let zeros = Tensor::zeros((1, dim), DType::F32, device)?;
            WordTable::frozen(&vectors.slice_scatter(&zeros, 0, 0)?)?
        } else {
            WordTable::trained(WORDS, dim, store.var_builder().pp("embedding"))?
        };
        let network = self.architecture.network(CLASSES, dim);
        let dropout = network.dropout().map(|p| Dropout::new(p, 0)).transpose()?;
        let network = network.build(Options { dropout }, store.var_builder())?;
        Ok(Box::new(TextClassifier::new(words, network)))
    }

    fn input(&self, settings: &Settings) -> Result<Tensor> {
        let (batch, length) = (settings.batch, self.length);
        // On average a third of a text is padding, from none to nearly all of it.
        let word = |i: usize| {
            if i % length < i / length * 2 * length / (3 * batch) {
                0
            } else {
                (i * 7919 % (WORDS - 1) + 1) as u32
            }
        };
        let texts = (0..batch * length).map(word).collect();
        Ok(Tensor::from_vec(texts, (batch, length), &settings.device)?)
    }

    fn labels(&self, settings: &Settings) -> Result<Tensor> {
        let labels = (0..settings.batch).map(|i| (i % CLASSES) as u32).collect();
        Ok(Tensor::from_vec(labels, settings.batch, &settings.device)?)
    }
}
