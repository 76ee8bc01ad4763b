//! Loads a ResNet-20 that PyTorch saved and fine-tunes it on a folder of images, one subfolder for
//! each class.
//!
//! Run it with `cargo run -p mbls --example finetune_resnet --features vision -- FOLDER FILE`, or
//! without arguments on the shapes of the repository. It prints:
//!
//! ```text
//! 95 tensors loaded, new: Some("fc")
//! 12 test images, accuracy 75 %
//! ```

mod rows;

use mbls::candle::{DType, Device};
use mbls::data::{Collate, Dataset, Seed};
use mbls::nn::{Checkpoint, Optimizer, ParamStore, Sgd, SgdConfig, backward};
use mbls::prelude::*;
use mbls::vision::dataset::image_folder;
use mbls::vision::model::{Architecture, Options, pretrained};
use mbls::vision::transform::{Normalise, Resize, Size};
use mbls::vision::{AugmentedImages, FilesConfig, ImageBatch, ImageCollate, ImageSource};
use std::error::Error;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().map_or(rows::data("shapes"), Into::into);
    let file = arguments.next().map_or(rows::data("resnet20.pth"), Into::into);

    let images = Arc::new(image_folder::load(&folder, None, FilesConfig::default())?);
    let (classes, count) = (images.class_names().len(), images.labels().len());
    let size = Resize { size: Size::HeightWidth([32, 32]), antialias: true };
    // Every third image tests.
    let part = |is_test: bool| -> Result<ImageBatch, Box<dyn Error>> {
        let indices = (0..count).filter(|index| (index % 3 == 0) == is_test).collect();
        let images = AugmentedImages::new(images.clone(), indices)?
            .with_transforms(vec![size.into()])?
            .with_normalisation(Normalise::imagenet())?;
        let samples = (0..images.len()).map(|index| images.get(index, Seed(0)));
        Ok(ImageCollate.collate(samples.collect::<Result<_, _>>()?)?)
    };
    let (train, test) = (part(false)?, part(true)?);

    let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    let architecture: Architecture = "resnet20".parse()?;
    let network =
        architecture.build(classes, [3, 32, 32], Options::default(), store.var_builder())?;
    // A pickle is never run; the classifier is initialised again, its classes are others.
    let report = pretrained::load(&store, &Checkpoint::read(&file)?, "fc", pretrained::Head::New)?;
    println!("{} tensors loaded, new: {:?}", report.taken.len(), report.new_head);

    let config = SgdConfig { momentum: 0.9, weight_decay: 5e-4, ..SgdConfig::default() };
    let mut optimizer = Sgd::new(store.parameters(), config)?;
    let loss = MarginLoss::new(10.0, 0.1)?;
    let (x, labels) = (train.images(&Device::Cpu)?, train.labels(&Device::Cpu)?);
    for _ in 0..40 {
        let batch = LogitBatch::new(&network.forward_t(&x, true)?, &labels, None)?;
        optimizer.step(&backward(&loss.forward(&batch)?.total)?, 0.02)?;
    }
    let logits = network.forward_t(&test.images(&Device::Cpu)?, false)?;
    let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
    let metrics = ClassificationMetrics::new(15)?;
    let found = measure_logits(&metrics, &logits, classes, &test.labels)?.value().ok_or("empty")?;
    println!("{} test images, accuracy {:.0} %", found.n, 100.0 * found.accuracy);
    Ok(())
}
