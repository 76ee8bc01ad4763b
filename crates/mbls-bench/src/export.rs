//! Exports trained networks for other programs: `cargo xtask export RUN --out DIR`.

use crate::run_folder;
use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use clap::{Args, ValueEnum};
use mbls_core::calibration::CalibrationRecord;
use mbls_nlp::classifier as text;
use mbls_nn::saved_model::{self, ModelSettings};
use mbls_seg::segmenter::SegmenterSettings;
use mbls_vision::classifier as image;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The version of the layout of [`SETTINGS`].
const SCHEMA: u32 = 1;
/// The file with the tensors.
const TENSORS: &str = "model.safetensors";
/// The file with everything else.
const SETTINGS: &str = "model.json";
/// The suffixes of a batch norm's running mean and of the batch count that PyTorch stores with it
/// and requires when loading.
const RUNNING_MEAN: &str = ".running_mean";
const COUNT: &str = ".num_batches_tracked";

/// The network to export, and its destination.
#[derive(Debug, Args)]
pub struct ExportOptions {
    /// The folder of a finished run, such as out/bench/imagefolder/resnet18/mbls/seed-0, or its
    /// subfolder classifier.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The file format of the tensors.
    #[arg(long, value_name = "FORMAT", default_value = "safetensors")]
    format: Format,
    /// The folder to write model.safetensors and model.json to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// A file format of tensors.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Hugging Face's safetensors.
    Safetensors,
}

/// Writes the tensors of a trained network under the names of the PyTorch original, and a JSON file
/// with everything else that is needed to use them.
///
/// # Errors
///
/// If the folder has no network or the files cannot be written.
pub(crate) fn run(options: &ExportOptions) -> Result<()> {
    let folder = run_folder::classifier(&options.run)?;
    let kind = saved_model::kind(&folder)
        .with_context(|| format!("the network in {}", folder.display()))?;
    let device = Device::Cpu;
    let (mut tensors, settings) = match kind.as_str() {
        image::ClassifierSettings::KIND => {
            let classifier = image::CalibratedClassifier::load(&folder, &device)?;
            (classifier.tensors().clone(), of_images(classifier.settings())?)
        }
        SegmenterSettings::KIND => {
            let segmenter = mbls_seg::CalibratedSegmenter::load(&folder, &device)?;
            (segmenter.tensors().clone(), of_masks(segmenter.settings())?)
        }
        text::ClassifierSettings::KIND => {
            let classifier = text::CalibratedClassifier::load(&folder, &device)?;
            (classifier.tensors().clone(), of_texts(classifier.settings())?)
        }
        other => bail!(
            "{}: kind: expected a classifier or a segmenter, found {other:?}",
            folder.display()
        ),
    };
    count_batches(&mut tensors)?;
    std::fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot create the folder {}", options.out.display()))?;
    let [tensors_file, settings_file] = [TENSORS, SETTINGS].map(|name| options.out.join(name));
    match options.format {
        Format::Safetensors => {
            let content = safetensors::serialize(&tensors, None)
                .with_context(|| format!("cannot encode {}", tensors_file.display()))?;
            mbls_io::atomic::write(&tensors_file, &content)?;
        }
    }
    crate::results::write_json(&settings_file, &settings)?;
    println!("{}\n{}", tensors_file.display(), settings_file.display());
    Ok(())
}

/// Adds the batch counts of PyTorch's batch norms. They are 0, because evaluation does not read
/// them.
fn count_batches(tensors: &mut BTreeMap<String, Tensor>) -> Result<()> {
    let norms: Vec<String> = tensors
        .keys()
        .filter_map(|name| name.strip_suffix(RUNNING_MEAN))
        .map(str::to_owned)
        .collect();
    for norm in norms {
        tensors.insert(norm + COUNT, Tensor::new(0i64, &Device::Cpu)?);
    }
    Ok(())
}

fn of_images(settings: &image::ClassifierSettings) -> Result<Value> {
    let architecture: mbls_vision::model::Architecture = settings.model.parse()?;
    Ok(json!({
        "schema": SCHEMA,
        "kind": image::ClassifierSettings::KIND,
        "model": settings.model,
        "names_of": architecture.origin(),
        "input": {
            "shape": settings.shape,
            "transforms": settings.transforms,
            "mean": settings.normalisation.mean(),
            "std": settings.normalisation.std(),
        },
        "calibration": calibration(&settings.record)?,
        "provenance": settings.provenance,
    }))
}

fn of_masks(settings: &SegmenterSettings) -> Result<Value> {
    let architecture: mbls_seg::model::Architecture = settings.model.parse()?;
    let origin = match architecture.family() {
        mbls_seg::model::Family::DeepLabV3Torchvision => "torchvision",
        _ => "segmentation_models_pytorch",
    };
    Ok(json!({
        "schema": SCHEMA,
        "kind": SegmenterSettings::KIND,
        "model": settings.model,
        "names_of": origin,
        "input": {
            "transforms": settings.transforms,
            "mean": settings.normalisation.mean(),
            "std": settings.normalisation.std(),
        },
        "values": settings.values,
        "calibration": calibration(&settings.record)?,
        "provenance": settings.provenance,
    }))
}

fn of_texts(settings: &text::ClassifierSettings) -> Result<Value> {
    Ok(json!({
        "schema": SCHEMA,
        "kind": text::ClassifierSettings::KIND,
        "model": settings.network,
        "names_of": "mbls-nlp",
        "input": { "tokenizer": settings.tokenizer, "length": settings.length },
        "calibration": calibration(&settings.record)?,
        "provenance": settings.provenance,
    }))
}

fn calibration(record: &CalibrationRecord) -> Result<Value> {
    let temperature = record.temperature().temperature();
    Ok(
        json!({ "classes": record.classes(), "temperature": temperature, "ood": serde_json::to_value(record.ood())? }),
    )
}
