//! One cell of the matrix: a model trained with a loss from a seed, and measured.
//!
//! A cell's folder is `<out>/<suite>/<model>/<loss>/seed-<n>`. It is finished when it has `result.json`, which is written last;
//! until then the checkpoints say how far it has come.

use crate::data::{DataSpec, Sizes, Source};
use crate::model::ModelName;
use crate::predictions::{LabelledLogits, SavedPredictions};
use crate::pretrained::PretrainedFile;
use crate::recipe::Recipe;
use crate::results::{Cell, CellFile, SCHEMA, measures, write_json};
use crate::suite::{LossEntry, Scale, SplitRule, Suite};
use crate::task::{ClassificationTask, to_slices};
use anyhow::{Context, Result};
use candle_core::Device;
use mbls_core::calibration::TemperatureScaling;
use mbls_core::loss::LossSpec;
use mbls_core::metric::{ClassificationMetrics, Predictions};
use mbls_data::{DataLoader, Dataset, LoaderConfig, Order, Seed};
use mbls_nn::{Dropout, ParamStore, Parameters};
use mbls_train::event::{self, Event};
use mbls_train::{RunDirectory, Trainer, TrainerConfig, evaluate};
use mbls_vision::model::Options;
use mbls_vision::{AugmentedImages, ImageCollate, Mixed, Sample};
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
    /// How long it is trained.
    pub(crate) scale: Scale,
    /// How much is trained on and measured.
    pub(crate) sizes: Sizes,
    /// The weights that training starts from, where from any.
    pub(crate) pretrained: Option<&'a PretrainedFile>,
    /// Threads that prepare batches.
    pub(crate) workers: usize,
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
    #[serde(skip_serializing_if = "SplitRule::is_default")]
    split: SplitRule,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pretrained: Option<&'a str>,
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
        let (Scale { epochs, split, .. }, Sizes { train, validation, test }) = (self.scale, self.sizes);
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
            split,
            seed,
            pretrained: self.pretrained.map(PretrainedFile::digest),
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
        let splits = source
            .splits(&self.suite.data, recipe, self.scale.split, self.sizes, seed)
            .with_context(|| format!("in {}", self.suite.origin))?;
        let (store, mut task) = self.network(source.classes(), &splits.test, device)?;
        if let Some(file) = self.pretrained {
            file.load(&store, task.head)?;
        }
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
        let [validation, test] = [&splits.validation, &splits.test].map(|part| self.loader(part, Order::Sequential));
        let (validation, test) = (validation?, test?);
        let mut trainer = Trainer::new(&store, optimizer, device, config, run.clone())?;
        let outcome = match recipe.mix {
            None => trainer.fit(&mut task, &self.loader(&splits.train, Order::Shuffled)?, &validation)?,
            Some(mix) => {
                let mixed = Arc::new(Mixed::new(splits.train, mix)?);
                trainer.fit(&mut task, &self.loader(&mixed, Order::Shuffled)?, &validation)?
            }
        };

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
            shift: None,
        };
        write_json(&folder.join("result.json"), &CellFile { schema: SCHEMA, identity, cell: cell.clone() })?;
        Ok(cell)
    }

    /// The network for pictures like those of `data`, as it is initialised, with what it is trained and measured with.
    ///
    /// # Errors
    ///
    /// Pictures that come in several sizes, or are too small for the network.
    pub(crate) fn network(
        &self,
        classes: usize,
        data: &AugmentedImages,
        device: &Device,
    ) -> Result<(ParamStore, ClassificationTask)> {
        let (seed, recipe) = (Seed(self.seed), &self.suite.recipe);
        let shape = data.sample_shape().with_context(|| {
            format!("in {}: the pictures have several sizes, and recipe.test_transforms leave them", self.suite.origin)
        })?;
        let store = ParamStore::new(seed.derive("parameters").0, recipe.precision.dtype(), device);
        let dropout = recipe.dropout.map(|p| Dropout::new(p, seed.derive("dropout").0)).transpose()?;
        let network = self.model.architecture().network(classes, shape)?;
        let head = network.head();
        let model = network.build(Options { dropout: dropout.clone() }, store.var_builder())?;
        let (loss, metrics) = (self.loss.spec.build()?, ClassificationMetrics::new(recipe.bins)?);
        let (dtype, device) = (recipe.precision.dtype(), device.clone());
        Ok((store, ClassificationTask { model, head, dropout, loss, dtype, device, metrics }))
    }

    /// A loader of batches of the recipe's size.
    ///
    /// # Errors
    ///
    /// None that a checked recipe causes.
    pub(crate) fn loader<D>(&self, data: &Arc<D>, order: Order) -> Result<DataLoader<D, ImageCollate>>
    where
        D: Dataset<Item = Sample>,
    {
        let config = LoaderConfig {
            batch_size: self.suite.recipe.batch_size,
            order,
            drop_last: order == Order::Shuffled,
            workers: self.workers,
            seed: Seed(self.seed).derive("loader"),
        };
        Ok(DataLoader::new(data.clone(), Arc::new(ImageCollate), config)?)
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

/// The logits of all pictures of `data`, in its order.
///
/// # Errors
///
/// Pictures that cannot be read, logits that cannot be measured.
pub(crate) fn predict(
    task: &ClassificationTask,
    data: &DataLoader<AugmentedImages, ImageCollate>,
) -> Result<LabelledLogits> {
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
