//! One cell of the matrix: a model trained with a loss from a seed, and measured.
//!
//! A cell's folder is `<out>/<suite>/<model>/<loss>/seed-<n>`. It is finished when it has `result.json`, which is written last;
//! until then the checkpoints say how far it has come.

use crate::data::Source;
use crate::predictions::{LabelledLogits, SavedPredictions};
use crate::recipe::Recipe;
use crate::results::{Cell, CellFile, SCHEMA, measures, write_json};
use crate::suite::{DataSpec, LossEntry, ModelName, Scale, Suite};
use crate::task::{ClassificationTask, to_slices};
use anyhow::{Context, Result, ensure};
use candle_core::ModuleT;
use candle_core::{DType, Device};
use mbls_core::calibration::TemperatureScaling;
use mbls_core::loss::LossSpec;
use mbls_core::metric::{ClassificationMetrics, Predictions};
use mbls_data::{DataLoader, LoaderConfig, Order, Seed};
use mbls_nn::{ParamStore, Parameters};
use mbls_train::event::{self, Event};
use mbls_train::{RunDirectory, Trainer, TrainerConfig, evaluate};
use mbls_vision::model::{CifarResNet, CifarResNetConfig, SmallCnn, SmallCnnConfig};
use mbls_vision::{AugmentedImages, ImageCollate};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a cell stands in the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CellKey {
    /// The suite's name.
    pub(crate) suite: String,
    /// The model.
    pub(crate) model: ModelName,
    /// The loss's name in the suite.
    pub(crate) loss: String,
    /// The seed of split, initial weights, order and augmentation.
    pub(crate) seed: u64,
}

impl CellKey {
    /// The cell's folder in the output folder.
    pub(crate) fn folder(&self, out: &Path) -> PathBuf {
        out.join(&self.suite).join(self.model.as_str()).join(&self.loss).join(format!("seed-{}", self.seed))
    }
}

/// A cell that is to be run.
pub(crate) struct CellPlan<'a> {
    /// Its suite.
    pub(crate) suite: &'a Suite,
    /// Its model.
    pub(crate) model: ModelName,
    /// Its loss.
    pub(crate) loss: &'a LossEntry,
    /// Its seed.
    pub(crate) seed: u64,
    /// How much is trained and measured.
    pub(crate) scale: Scale,
}

/// Everything that decides a result. Its JSON is the identity by which results and checkpoints are told apart.
#[derive(Serialize)]
struct Identity<'a> {
    suite: &'a str,
    data: &'a DataSpec,
    digest: u64,
    model: ModelName,
    loss: &'a LossSpec,
    recipe: &'a Recipe,
    epochs: usize,
    train: usize,
    validation: usize,
    test: usize,
    seed: u64,
    device: &'a str,
}

impl CellPlan<'_> {
    /// Where it stands in the matrix.
    pub(crate) fn key(&self) -> CellKey {
        CellKey { suite: self.suite.name.clone(), model: self.model, loss: self.loss.id.clone(), seed: self.seed }
    }

    /// Everything that decides the result, as JSON.
    ///
    /// # Errors
    ///
    /// None that a suite can cause.
    pub(crate) fn identity(&self, source: &Source, device: &str) -> Result<String> {
        let Scale { epochs, train, validation, test, seeds: _ } = self.scale;
        let (suite, seed) = (self.suite, self.seed);
        serde_json::to_string(&Identity {
            suite: &suite.name,
            data: &suite.data,
            digest: source.digest(),
            model: self.model,
            loss: &self.loss.spec,
            recipe: &suite.recipe,
            epochs,
            train,
            validation,
            test,
            seed,
            device,
        })
        .context("cannot encode the identity of a cell")
    }

    /// Trains, measures and writes the cell into `folder`; goes on where an earlier process stopped.
    ///
    /// # Errors
    ///
    /// What training reports, with the cell's place.
    pub(crate) fn run(&self, source: &Source, identity: String, folder: &Path, device: &Device) -> Result<Cell> {
        let seed = Seed(self.seed);
        let recipe = &self.suite.recipe;
        let splits = source.splits(&self.suite.data, recipe, self.scale, seed)?;
        let store = ParamStore::new(seed.derive("parameters").0, DType::F32, device);
        let model = build(self.model, source, &store)?;
        let (loss, metrics) = (self.loss.spec.build()?, ClassificationMetrics::new(recipe.bins)?);
        let mut task = ClassificationTask { model, loss, device: device.clone(), metrics };
        let parameters = Parameters::from(store.parameters())
            .with_groups(&recipe.groups)
            .with_context(|| format!("in {}: recipe.groups", self.suite.origin))?;
        let optimizer = recipe.optimizer.build(parameters)?;
        let run = RunDirectory::create(folder)?;
        let key = self.key();
        let config = TrainerConfig {
            epochs: self.scale.epochs,
            learning_rate: recipe.learning_rate,
            schedule: recipe.schedule.for_epochs(self.scale.epochs),
            schedule_metric: recipe.schedule.metric().map(str::to_owned),
            clip_norm: recipe.clip_norm,
            ema: recipe.ema,
            identity: identity.clone(),
            progress: Some(format!("{} {} {} seed {}", key.suite, key.model.as_str(), key.loss, key.seed)),
        };
        let loader = |data: &Arc<AugmentedImages>, order| {
            let drop_last = matches!(order, Order::Shuffled);
            let config = LoaderConfig {
                batch_size: recipe.batch_size,
                order,
                drop_last,
                workers: 1,
                seed: seed.derive("loader"),
            };
            DataLoader::new(data.clone(), Arc::new(ImageCollate), config)
        };
        let train = loader(&splits.train, Order::Shuffled)?;
        let [validation, test] =
            [loader(&splits.validation, Order::Sequential)?, loader(&splits.test, Order::Sequential)?];
        let outcome =
            Trainer::new(&store, optimizer, device, config, run.clone())?.fit(&mut task, &train, &validation)?;

        let saved = SavedPredictions { validation: predict(&task, &validation)?, test: predict(&task, &test)? };
        saved.save(&folder.join("predictions.safetensors"))?;
        let temperature = fit_temperature(&saved)?;
        let measured = |split: &LabelledLogits| -> Result<_> {
            let predictions = scaled(split, &temperature)?;
            measures(&predictions, &temperature, recipe.bins)
        };
        let cell = Cell {
            key,
            split: "test".to_owned(),
            n: saved.test.labels.len() as u64,
            seconds: trained_seconds(&run)?,
            epochs: self.scale.epochs,
            best_epoch: outcome.best.epoch,
            metrics: measured(&saved.test)?,
            validation: measured(&saved.validation)?,
        };
        write_json(&folder.join("result.json"), &CellFile { schema: SCHEMA, identity, cell: cell.clone() })?;
        Ok(cell)
    }
}

/// The temperature with the lowest NLL on the validation data.
///
/// # Errors
///
/// Logits that are not finite.
pub(crate) fn fit_temperature(saved: &SavedPredictions) -> Result<TemperatureScaling> {
    let LabelledLogits { logits, classes, labels } = &saved.validation;
    Ok(TemperatureScaling::fit(logits, *classes, labels)?)
}

/// Predictions before and after temperature scaling.
///
/// # Errors
///
/// Logits that are not finite.
pub(crate) fn scaled<'a>(split: &'a LabelledLogits, temperature: &TemperatureScaling) -> Result<[Predictions<'a>; 2]> {
    let LabelledLogits { logits, classes, labels } = split;
    let after = Predictions::from_logits_at(logits, *classes, labels, temperature.temperature())?;
    Ok([Predictions::from_logits(logits, *classes, labels)?, after])
}

fn build(model: ModelName, source: &Source, store: &ParamStore) -> Result<Box<dyn ModuleT>> {
    let (shape, classes, vb) = (source.shape(), source.classes(), store.var_builder());
    let resnet = |config: CifarResNetConfig| -> Result<Box<dyn ModuleT>> {
        ensure!(shape[0] == 3, "{} takes pictures of 3 channels, these have {}", model.as_str(), shape[0]);
        Ok(Box::new(CifarResNet::new(config, vb.clone())?))
    };
    match model {
        ModelName::SmallCnn => Ok(Box::new(SmallCnn::new(SmallCnnConfig::for_input(shape, classes), vb)?)),
        ModelName::Resnet20 => resnet(CifarResNetConfig::resnet20(classes)),
        ModelName::Resnet32 => resnet(CifarResNetConfig::resnet32(classes)),
        ModelName::Resnet44 => resnet(CifarResNetConfig::resnet44(classes)),
        ModelName::Resnet56 => resnet(CifarResNetConfig::resnet56(classes)),
    }
}

fn predict(task: &ClassificationTask, data: &DataLoader<AugmentedImages, ImageCollate>) -> Result<LabelledLogits> {
    let mut all = LabelledLogits::default();
    evaluate(task, data, |step| {
        let (logits, classes, labels) = to_slices(step)?;
        all.logits.extend(logits);
        all.labels.extend(labels);
        all.classes = classes;
        Ok(())
    })?;
    Ok(all)
}

/// From the event log, because a resumed process has seen only a part.
fn trained_seconds(run: &RunDirectory) -> Result<f64> {
    let seconds = |event: &Event| if let Event::Epoch { seconds, .. } = event { *seconds } else { 0.0 };
    Ok(event::read(&run.events())?.iter().map(seconds).sum())
}
