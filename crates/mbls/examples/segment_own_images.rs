//! Trains a U-Net on images with masks and measures overlap and calibration of its pixels.
//!
//! Run it with `cargo run -p mbls --example segment_own_images --features seg`. It prints:
//!
//! ```text
//! 6144 pixels, accuracy 89 %
//! ```

mod rows;

use mbls::candle::{DType, Device};
use mbls::data::{Collate, Dataset, Seed};
use mbls::nn::{Optimizer, ParamStore, Sgd, SgdConfig, backward};
use mbls::prelude::*;
use mbls::seg::dataset::{ClassList, SegmentationBatch, SegmentationCollate, folders};
use mbls::seg::metric::{SegmentationMetrics, SegmentationSettings, SegmentedImages};
use mbls::seg::model::{Architecture, Options};
use mbls::vision::transform::Normalise;
use std::error::Error;

fn part(name: &str) -> Result<SegmentationBatch, Box<dyn Error>> {
    let classes = ClassList::new(vec!["ground".into(), "shape".into()])?;
    let folder = rows::data("masks").join(name);
    let files =
        folders::load(folder.join("images"), folder.join("masks"), classes, Default::default())?;
    let samples = (0..files.len()).map(|index| files.get(index, Seed(0)));
    let collate = SegmentationCollate::new(&Normalise::imagenet())?;
    Ok(collate.collate(samples.collect::<Result<_, _>>()?)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (train, validation) = (part("train")?, part("val")?);
    let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    let architecture: Architecture = "unet-r18".parse()?;
    let network = architecture.network(2, 3)?.build(Options::default(), store.var_builder())?;

    let config = SgdConfig { momentum: 0.9, ..SgdConfig::default() };
    let mut optimizer = Sgd::new(store.parameters(), config)?;
    let loss = MarginLoss::new(10.0, 0.1)?;
    let (images, labels) = (train.images(&Device::Cpu)?, train.labels(&Device::Cpu)?);
    for _ in 0..15 {
        // Pixels of the label 255 are void: the loss ignores them.
        let batch = LogitBatch::new(&network.forward_t(&images, true)?, &labels, Some(255))?;
        optimizer.step(&backward(&loss.forward(&batch)?.total)?, 0.02)?;
    }

    let logits = network.forward_t(&validation.images(&Device::Cpu)?, false)?;
    let (n, c, h, w) = logits.dims4()?;
    let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
    let mut metrics = SegmentationMetrics::new(2, SegmentationSettings::default())?;
    metrics.update(SegmentedImages {
        logits: (&logits).into(),
        shape: [n, c, h, w],
        labels: (&validation.labels).into(),
        indices: &(0..n as u64).collect::<Vec<_>>(),
    })?;
    let report = metrics.value().ok_or("no images")?;
    let accuracy = report.overlap.ok_or("no pixels")?.pixel_accuracy;
    println!("{} pixels, accuracy {:.0} %", report.pixels, 100.0 * accuracy);
    Ok(())
}
