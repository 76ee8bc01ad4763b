//! One run of the matrix: a model trained with a loss and a seed, and evaluated.
//!
//! The entries of the matrix are called cells; each is one run, whose folder follows from its
//! [`CellKey`]. A run is finished once it has `result.json`, which is written last; until then its
//! checkpoints hold the progress.

use crate::commit::commit;
use crate::console::Console;
use crate::data::Sizes;
use crate::earlier::of_another_run;
use crate::margin_use::{MarginUse, shortened};
use crate::measure::score;
use crate::options::TrainingOptions;
use crate::pretrained::PretrainedFile;
use crate::results::{Cell, CellFile, SCHEMA, write_json};
use crate::spec::{CellKey, DataSpec, LossEntry, ModelName, Recipe, Scale, SplitRule, Suite};
use anyhow::{Context, Result, bail};
use candle_core::Device;
use mbls_core::loss::{Loss, LossSpec, MarginChoice};
use mbls_data::{Batches, Collate, DataLoader, Dataset, LoaderConfig, Order, Seed};
use mbls_nn::{ParamStore, Parameters};
use mbls_train::event::{self, Event};
use mbls_train::{
    EarlyStopping, EventLog, Outcome, RunDirectory, Task, TensorBoard, Trainer, TrainerConfig,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A run to be trained and evaluated.
pub(crate) struct CellPlan<'a> {
    /// The suite.
    pub(crate) suite: &'a Suite,
    /// The model.
    pub(crate) model: ModelName,
    /// The loss.
    pub(crate) loss: &'a LossEntry,
    /// The seed.
    pub(crate) seed: u64,
    /// The candidate settings of a sweep; `None` outside of a sweep.
    pub(crate) candidate: Option<&'a str>,
    /// The class weights of the loss; `None` weights all classes equally.
    pub(crate) class_weights: Option<Vec<f64>>,
    /// When to stop before the last epoch; `None` trains all epochs.
    pub(crate) early_stopping: Option<EarlyStopping>,
    /// The length of the training.
    pub(crate) scale: Scale,
    /// The numbers of samples that are trained on and evaluated.
    pub(crate) sizes: Sizes,
    /// The pretrained weights, if any.
    pub(crate) pretrained: Option<&'a PretrainedFile>,
    /// Number of threads that prepare batches.
    pub(crate) workers: usize,
    /// Files that the training writes besides its result, and their frequency.
    pub(crate) training: TrainingOptions,
    /// The console for lines and progress bars.
    pub(crate) console: &'a Console,
}

/// The identity, folder and device of a run.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Everything that determines the result, as JSON.
    pub(crate) identity: &'a str,
    /// The run's folder.
    pub(crate) folder: &'a Path,
    /// The device.
    pub(crate) device: &'a Device,
}

/// The outcome of a training.
pub(crate) struct Trained {
    /// The index of the best epoch, from 0. Its weights are in the model.
    pub(crate) best_epoch: usize,
    /// Number of epochs trained.
    pub(crate) epochs: usize,
    /// Why training stopped before the last epoch; `None` if it did not.
    pub(crate) stopped: Option<String>,
}

/// The evaluation of a trained run.
pub(crate) struct Measured {
    /// Number of test samples.
    pub(crate) n: u64,
    /// Metrics on the test data.
    pub(crate) test: BTreeMap<String, f64>,
    /// Metrics on the validation data.
    pub(crate) validation: BTreeMap<String, f64>,
    /// A summary of the test results in words.
    pub(crate) headline: String,
    /// The margin of the loss at the end of training, if it has one.
    pub(crate) margin: Option<f64>,
}

/// Everything that determines a result. Its JSON is the identity that distinguishes results and
/// checkpoints of different runs.
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
    /// Returns the run's position in the matrix.
    pub(crate) fn key(&self) -> CellKey {
        CellKey {
            suite: self.suite.name.clone(),
            model: self.model,
            loss: self.loss.id.clone(),
            candidate: self.candidate.map(str::to_owned),
            seed: self.seed,
        }
    }

    /// Returns everything that determines the result, as JSON.
    ///
    /// # Errors
    ///
    /// None that a suite can cause.
    pub(crate) fn identity(&self, digest: u64, device: &str) -> Result<String> {
        let (Scale { epochs, split, .. }, Sizes { train, validation, test }) =
            (self.scale, self.sizes);
        let (suite, seed) = (self.suite, self.seed);
        serde_json::to_string(&Identity {
            suite: &suite.name,
            data: &suite.data,
            digest,
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
        .context("cannot encode the identity of a run")
    }

    /// Builds the loss for data with the given number of classes. A margin rule that depends only
    /// on the data is resolved to a number.
    ///
    /// # Errors
    ///
    /// For a validated suite, only training data with a single sample.
    pub(crate) fn build_loss(&self, classes: usize) -> Result<Box<dyn Loss>> {
        let spec = self.loss.spec.for_data(classes, self.sizes.train as u64);
        spec.build().with_context(|| {
            format!("the loss {:?} of {} training samples", self.loss.id, self.sizes.train)
        })
    }

    /// Returns a loader of batches of the recipe's size.
    ///
    /// # Errors
    ///
    /// None that a validated recipe causes.
    pub(crate) fn loader<D, C>(
        &self,
        data: &Arc<D>,
        collate: C,
        order: Order,
    ) -> Result<DataLoader<D, C>>
    where
        D: Dataset + 'static,
        C: Collate<D::Item> + 'static,
    {
        let config = LoaderConfig {
            batch_size: self.suite.recipe.batch_size,
            order,
            drop_last: order == Order::Shuffled,
            workers: self.workers,
            seed: Seed(self.seed).derive("loader"),
        };
        Ok(DataLoader::new(data.clone(), Arc::new(collate), config)?)
    }

    /// Trains to the last epoch, resuming where an earlier process stopped. Afterwards the model
    /// holds the weights of the best epoch.
    ///
    /// # Errors
    ///
    /// Errors of the training, with the field of the recipe if one is the cause.
    pub(crate) fn train<T: Task>(
        &self,
        place: Place,
        store: &ParamStore,
        task: &mut T,
        train: &dyn Batches<T::Batch>,
        validation: &dyn Batches<T::Batch>,
    ) -> Result<Trained> {
        let recipe = &self.suite.recipe;
        let parameters = Parameters::from(store.parameters())
            .with_groups(&recipe.groups)
            .with_context(|| format!("in {}: recipe.groups", self.suite.origin))?;
        let optimizer = recipe.optimizer.build(parameters)?;
        let config = TrainerConfig {
            epochs: self.scale.epochs,
            learning_rate: recipe.learning_rate,
            schedule: recipe.schedule.for_epochs(self.scale.epochs),
            schedule_metric: recipe.schedule.followed().map(|(metric, _)| metric.to_owned()),
            early_stopping: self.early_stopping.clone(),
            accumulate: recipe.accumulate,
            clip_norm: recipe.clip_norm,
            ema: recipe.ema,
            identity: place.identity.to_owned(),
            checkpoint_every: Some(self.training.checkpoint_minutes),
            train_metrics: self.training.train_metrics,
        };
        let run = RunDirectory::create(place.folder)?;
        let log = EventLog::new(run.events());
        let mut trainer = Trainer::new(store, optimizer, place.device, config, run)?
            .with_observer(log)
            .with_observer(self.console.progress(self.key().to_string(), score(recipe)));
        if self.training.tensorboard {
            trainer = trainer.with_observer(TensorBoard::new(place.folder.join("tensorboard")));
        }
        let Outcome { best, epochs, early, .. } = trainer.fit(task, train, validation)?;
        Ok(Trained {
            best_epoch: best.epoch,
            epochs,
            stopped: early.map(|early| early.to_string()),
        })
    }

    /// Returns the provenance of the trained network, which is stored with it.
    pub(crate) fn provenance(
        &self,
        best_epoch: usize,
        device: &Device,
    ) -> BTreeMap<String, String> {
        let device = format!("{:?}", device.location()).to_lowercase();
        [
            ("suite", self.suite.name.clone()),
            ("model", self.model.to_string()),
            ("loss", format!("{}: {}", self.loss.title, self.loss.settings())),
            ("seed", self.seed.to_string()),
            ("epochs", self.scale.epochs.to_string()),
            ("epoch", best_epoch.to_string()),
            ("commit", commit()),
            ("device", device),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Writes the evaluation to `result.json`, which finishes the run.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(crate) fn finish(
        &self,
        place: Place,
        trained: Trained,
        measured: Measured,
    ) -> Result<Cell> {
        let events = event::read(&RunDirectory::create(place.folder)?.events())?;
        let cell = Cell {
            key: self.key(),
            split: "test".to_owned(),
            n: measured.n,
            seconds: trained_seconds(&events),
            epochs: trained.epochs,
            stopped: trained.stopped,
            best_epoch: trained.best_epoch,
            metrics: measured.test,
            validation: measured.validation,
            margin: MarginUse::of(&self.loss.spec, measured.margin, &events, trained.best_epoch),
            shift: None,
        };
        let file =
            CellFile { schema: SCHEMA, identity: place.identity.to_owned(), cell: cell.clone() };
        write_json(&place.folder.join("result.json"), &file)?;
        // Candidates of a sweep are compared on the validation part: do not print test results.
        let headline = match self.candidate {
            None => format!("{} on {} samples", measured.headline, cell.n),
            Some(_) => "trained".to_owned(),
        };
        self.console.say(&announcement(&cell, &headline, self.sizes.train));
        if let Some(margin) = self.chosen_margin(&cell) {
            self.console.say(&format!("{}: {margin}", cell.key));
        }
        if let Some(warning) = cell.margin.as_ref().and_then(MarginUse::warning) {
            self.console.say(&format!("Warning: {}: {warning}", cell.key));
        }
        Ok(cell)
    }

    /// Describes the margin chosen by a rule; `None` if the margin was given.
    fn chosen_margin(&self, cell: &Cell) -> Option<String> {
        let LossSpec::Margin { margin: MarginChoice::Auto(rule), .. } = &self.loss.spec else {
            return None;
        };
        Some(format!(
            "margin {}, chosen by the rule: {rule}",
            shortened(cell.margin.as_ref()?.margin?)
        ))
    }
}

/// Returns the result in `folder` if there is one.
///
/// # Errors
///
/// If the result has another identity.
pub(crate) fn finished(folder: &Path, identity: &str) -> Result<Option<Cell>> {
    let path = folder.join("result.json");
    let Some(file) = CellFile::read(&path)? else {
        return Ok(None);
    };
    if file.identity != identity {
        bail!(of_another_run(&path, identity, &file.identity));
    }
    Ok(Some(file.cell))
}

/// Describes a finished run in one line.
fn announcement(cell: &Cell, headline: &str, samples: usize) -> String {
    format!(
        "{}: {headline}; {:.1} s, {:.1} samples/s",
        cell.key,
        cell.seconds,
        (samples * cell.epochs) as f64 / cell.seconds
    )
}

/// Returns the training time from the event log, which covers all processes of a resumed run.
fn trained_seconds(events: &[Event]) -> f64 {
    events
        .iter()
        .map(|event| if let Event::Epoch(report) = event { report.seconds } else { 0.0 })
        .sum()
}
