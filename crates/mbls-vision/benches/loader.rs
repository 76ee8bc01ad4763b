//! Measures the throughput of a loader in images per second: `loader [--data DIR] [--seconds S]`.
//!
//! Loads CIFAR-sized images from memory, and the 64x64 JPEG files of `DIR/tiny-imagenet-200`,
//! decoded each time or cached in memory. Images are padded, cropped and flipped at random,
//! normalised and put into batches of 128, with 0, 1 and 2 workers. Prints one JSON line per
//! configuration.

use mbls_data::{DataLoader, LoaderConfig, Order, Seed};
use mbls_vision::dataset::{Split, tiny_imagenet};
use mbls_vision::transform::{Normalise, PadCropFlip};
use mbls_vision::{
    AugmentedImages, FilesConfig, ImageCollate, ImageFiles, ImageSource, LabelledImages,
};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BATCH: usize = 128;

fn main() -> Result<()> {
    let (mut data, mut seconds) = (None, 2.0);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--data" => data = Some(PathBuf::from(value()?)),
            "--seconds" => seconds = value()?.parse()?,
            // Passed by `cargo bench`.
            "--bench" => {}
            _ => return Err(format!("unknown argument {argument}").into()),
        }
    }
    let limit = Duration::from_secs_f64(seconds);
    measure("cifar10, in memory", Arc::new(cifar()?), limit)?;
    let Some(data) = data else { return Ok(()) };
    let tiny = |cache_bytes| -> Result<ImageFiles> {
        let config = FilesConfig { cache_bytes, ..Default::default() };
        Ok(tiny_imagenet::load(
            data.join("tiny-imagenet-200"),
            Split::Train,
            tiny_imagenet::ClassOrder::Sorted,
            config,
        )?)
    };
    measure("tiny-imagenet, decoded each time", Arc::new(tiny(0)?), limit)?;
    let cached = tiny(1 << 30)?;
    let begin = Instant::now();
    let images = cached.preload()?;
    let rate = images as f64 / begin.elapsed().as_secs_f64();
    println!(
        r#"{{"what": "tiny-imagenet, preloading", "threads": {}, "per_second": {rate:.0}}}"#,
        rayon::current_num_threads()
    );
    measure("tiny-imagenet, kept in memory", Arc::new(cached), limit)
}

/// Creates 10,000 images of CIFAR's size.
fn cifar() -> Result<LabelledImages> {
    let pixels =
        (0..10_000 * 3072u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let labels = (0..10_000).map(|i| i % 10).collect();
    Ok(LabelledImages::new("cifar", [3, 32, 32], pixels, labels, 10, 255)?)
}

fn measure(what: &str, images: Arc<dyn ImageSource>, limit: Duration) -> Result<()> {
    let indices = (0..images.labels().len()).collect();
    let dataset = AugmentedImages::new(images, indices)?
        .with_augmentation(PadCropFlip { padding: 4, flip: true })
        .with_normalisation(Normalise::cifar10())?;
    let dataset = Arc::new(dataset);
    for workers in [0, 1, 2] {
        let config = LoaderConfig {
            batch_size: BATCH,
            order: Order::Shuffled,
            drop_last: true,
            workers,
            seed: Seed(1),
        };
        let loader = DataLoader::new(Arc::clone(&dataset), Arc::new(ImageCollate), config)?;
        let mut images = 0;
        let begin = Instant::now();
        'time: for epoch in 0.. {
            for batch in loader.epoch(epoch) {
                images += batch?.labels.len();
                if begin.elapsed() > limit {
                    break 'time;
                }
            }
        }
        let rate = images as f64 / begin.elapsed().as_secs_f64();
        println!(r#"{{"what": "{what}", "workers": {workers}, "per_second": {rate:.0}}}"#);
    }
    Ok(())
}
