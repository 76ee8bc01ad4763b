//! Runs that classify texts.

mod source;

use crate::cell::{CellPlan, Place};
use crate::console::Console;
use crate::data::{ClassCounts, Sizes};
use crate::learning::Learning;
use crate::measure::{Measures, Resampled};
use crate::options::Selection;
use crate::results::Cell;
use crate::run_folder::CLASSIFIER;
use crate::spec::{LossEntry, Scale, SplitRule, Suite};
use crate::tasks::labelled::{
    self, ClassificationTask, MEASURES, SavedPredictions, evaluate, predict,
};
use crate::workload::{TaskFamily, Workload};
use anyhow::{Context, Result};
use candle_core::Device;
use mbls_core::metric::ClassificationMetrics;
use mbls_data::{Order, Seed, Subset};
use mbls_io::{Fingerprint, OnError};
use mbls_nlp::classifier::{CalibratedClassifier, ClassifierSettings};
use mbls_nlp::dataset::{TextBatch, TextCollate, TokenisedTexts};
use mbls_nlp::embedding::{EmbeddingTable, GloveFile, Missing};
use mbls_nlp::model::{Network, Options, TextClassifier, WordTable};
use mbls_nlp::text::{PadConfig, Tokenizer, Vocabulary, WordTokenizer};
use mbls_nn::{Dropout, ParamStore};
use mbls_report::{FurtherTable, LossReport};
use source::TextSource;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the trained word vectors in checkpoints.
const WORDS: &str = "embedding";

/// The task of texts with one class each.
pub(super) struct TextFamily;

impl TaskFamily for TextFamily {
    fn measures(&self) -> &'static dyn Measures {
        &MEASURES
    }

    fn load<'a>(
        &self,
        suite: &'a Suite,
        folder: &Path,
        selection: &Selection,
        _console: &Console,
    ) -> Result<Box<dyn Workload + 'a>> {
        Ok(Box::new(Texts::load(suite, folder, selection.data.as_deref(), selection.on_error())?))
    }

    fn loss_report(
        &self,
        suite: &Suite,
        loss: &LossEntry,
        cells: &[&Cell],
        out: &Path,
    ) -> Result<(LossReport, Resampled)> {
        labelled::loss_report(suite, loss, cells, out)
    }

    fn tables(
        &self,
        suite: &Suite,
        cells: &[&Cell],
        out: &Path,
        classes: &[String],
    ) -> Result<Vec<FurtherTable>> {
        labelled::class_tables(suite, cells, out, classes)
    }
}

/// Labelled texts, and the initial word vectors.
struct Texts {
    source: TextSource,
    /// The file of word vectors, if any, with its digest.
    vectors: Option<(PathBuf, u64)>,
    /// The handling of undecodable inputs.
    on_error: OnError,
}

/// A network with its parameters, task and word table.
struct Built {
    store: ParamStore,
    task: ClassificationTask<TextBatch>,
    words: WordTable,
    shape: Network,
}

impl Texts {
    /// Reads the texts. Word vectors are read later, with the vocabulary of each run.
    ///
    /// # Errors
    ///
    /// Files that are missing or malformed, with their names.
    fn load(suite: &Suite, path: &Path, data: Option<&Path>, on_error: OnError) -> Result<Self> {
        let vectors = match &suite.recipe.texts()?.vectors {
            Some(name) => {
                let file = data.map_or_else(|| PathBuf::from(name), |data| data.join(name));
                let digest = digest(&file).with_context(|| {
                    format!("cannot read the word vectors {} (recipe.text.vectors)", file.display())
                })?;
                Some((file, digest))
            }
            None => None,
        };
        Ok(Self { source: TextSource::load(&suite.data, path, on_error)?, vectors, on_error })
    }

    /// Builds the initialised network and its task.
    fn network(
        &self,
        plan: &CellPlan,
        tokenizer: &WordTokenizer,
        device: &Device,
    ) -> Result<Built> {
        let (seed, recipe, settings) =
            (Seed(plan.seed), &plan.suite.recipe, plan.suite.recipe.texts()?);
        let dtype = recipe.precision.dtype();
        let store = ParamStore::new(seed.derive("parameters").0, dtype, device);
        let vb = store.var_builder();
        let words = match self.vectors(plan, tokenizer.vocabulary())? {
            Some(table) => {
                let vectors = table.tensor(device)?.to_dtype(dtype)?;
                if settings.frozen {
                    WordTable::frozen(&vectors)?
                } else {
                    WordTable::trained_from(&vectors, vb.pp(WORDS))?
                }
            }
            None => WordTable::trained(tokenizer.ids(), settings.dimension, vb.pp(WORDS))?,
        };
        let shape = plan.model.text()?.network(self.source.texts.classes(), settings.dimension);
        let dropout = recipe.dropout.or(shape.dropout());
        let dropout = dropout.map(|p| Dropout::new(p, seed.derive("dropout").0)).transpose()?;
        let head = shape.head();
        let network = shape.clone().build(Options { dropout: dropout.clone() }, vb)?;
        if let Some(file) = plan.pretrained {
            file.load(&store, head, plan.console)?;
        }
        let task = ClassificationTask {
            model: Box::new(TextClassifier::new(words.clone(), network)),
            learning: Learning {
                loss: plan.build_loss(self.source.texts.classes())?,
                dropout,
                class_weights: plan.class_weights.clone(),
            },
            dtype,
            device: device.clone(),
            metrics: ClassificationMetrics::new(recipe.bins)?,
            batch: PhantomData,
        };
        Ok(Built { store, task, words, shape })
    }

    /// Reads the initial vectors of a vocabulary; `None` if the recipe has no file of vectors.
    fn vectors(&self, plan: &CellPlan, vocabulary: &Vocabulary) -> Result<Option<EmbeddingTable>> {
        let (Some((path, _)), settings) = (&self.vectors, plan.suite.recipe.texts()?) else {
            return Ok(None);
        };
        let seed = Seed(plan.seed).derive("missing words").0;
        let missing = match settings.missing_deviation {
            0.0 => Missing::Zero,
            deviation => Missing::Random { seed, deviation },
        };
        let file = GloveFile {
            path: path.clone(),
            dimension: Some(settings.dimension),
            on_error: self.on_error,
        };
        let table = EmbeddingTable::read(&file, vocabulary, missing)?;
        let (file, words) = (path.display(), vocabulary.len());
        plan.console.say(&format!(
            "{file}: has vectors for {} of {words} words; {}",
            table.found(),
            table.reading()
        ));
        Ok(Some(table))
    }
}

impl Workload for Texts {
    fn digest(&self) -> u64 {
        let vectors = self.vectors.as_ref().map_or(0, |(_, digest)| *digest);
        Seed(self.source.digest()).at(vectors).0
    }

    fn sizes(&self, scale: &Scale) -> Result<Sizes> {
        self.source.sizes(scale)
    }

    fn class_counts(&self, rule: SplitRule, sizes: Sizes, seed: Seed) -> Result<ClassCounts> {
        self.source.class_counts(rule, sizes, seed)
    }

    fn notes(&self) -> &[String] {
        self.source.notes()
    }

    fn run(&self, plan: &CellPlan, place: Place) -> Result<Cell> {
        let settings = plan.suite.recipe.texts()?;
        let parts = self
            .source
            .splits(plan.scale.split, plan.sizes, Seed(plan.seed))
            .with_context(|| format!("in {}", plan.suite.origin))?;
        let texts = &self.source.texts;
        // The published vocabulary is counted over all texts, including the test texts.
        let counted = if plan.scale.split.is_default() {
            texts.select(&parts.train)?
        } else {
            texts.texts().iter().map(String::as_str).collect()
        };
        let tokenizer = WordTokenizer::fit(settings.rule, &counted, settings.num_words)?;
        let tokenised = Arc::new(TokenisedTexts::new(texts, &tokenizer)?);
        let collate =
            TextCollate::new(PadConfig { length: settings.length, value: tokenizer.padding() })?;
        let loader = |part: Vec<usize>, order| {
            plan.loader(&Arc::new(Subset::new(tokenised.clone(), part)?), collate, order)
        };
        let train = loader(parts.train, Order::Shuffled)?;
        let validation = loader(parts.validation, Order::Sequential)?;
        let test = loader(parts.test, Order::Sequential)?;
        let Built { store, mut task, words, shape } =
            self.network(plan, &tokenizer, place.device)?;
        let trained = plan.train(place, &store, &mut task, &train, &validation)?;
        let predictions = SavedPredictions {
            validation: predict(&task, &validation)?,
            test: predict(&task, &test)?,
        };
        let (measured, record) = evaluate(
            plan,
            place,
            &predictions,
            texts.class_names().to_vec(),
            task.learning.loss.margin(),
        )?;
        let settings = ClassifierSettings {
            network: shape,
            tokenizer,
            length: settings.length,
            batch: plan.suite.recipe.batch_size,
            record,
            provenance: plan.provenance(trained.best_epoch, place.device),
        };
        // Save the network before the result, which marks the run as finished.
        CalibratedClassifier::new(settings, words.vectors(), &store.state(), place.device)?
            .save(place.folder.join(CLASSIFIER))?;
        plan.finish(place, trained, measured)
    }
}

/// Returns the 64-bit FNV-1a hash of a file of any size.
fn digest(path: &Path) -> std::io::Result<u64> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut hash = Fingerprint::default();
    loop {
        let block = file.fill_buf()?;
        if block.is_empty() {
            return Ok(hash.value());
        }
        hash = hash.with(block);
        let read = block.len();
        file.consume(read);
    }
}
