//! Cells that classify texts.

mod recipe;
mod source;

pub(crate) use recipe::TextRecipe;

use crate::cell::{CellPlan, Place};
use crate::classification::{measure, predict, scaled};
use crate::data::{ClassCounts, DataSpec, Sizes};
use crate::learning::Learning;
use crate::predictions::SavedPredictions;
use crate::results::Cell;
use crate::suite::{Scale, SplitRule, Suite};
use crate::task::ClassificationTask;
use crate::workload::Workload;
use anyhow::{Context, Result};
use candle_core::Device;
use mbls_core::metric::{ClassificationMetrics, Metric, ReliabilityBins};
use mbls_data::{Order, Seed, Subset};
use mbls_io::Fingerprint;
use mbls_io::OnError;
use mbls_nlp::classifier::{CalibratedClassifier, ClassifierSettings};
use mbls_nlp::dataset::{TextBatch, TextCollate, TokenisedTexts};
use mbls_nlp::embedding::{EmbeddingTable, GloveFile, Missing};
use mbls_nlp::model::{Network, Options, TextClassifier, WordTable};
use mbls_nlp::text::{PadConfig, Tokenizer, Vocabulary, WordTokenizer};
use mbls_nn::{Dropout, ParamStore};
use source::TextSource;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the trained vectors in checkpoints.
const WORDS: &str = "embedding";

/// Texts of classes, and the vectors that words begin with.
pub(crate) struct Texts {
    source: TextSource,
    /// Where there is a file of them, with its digest.
    vectors: Option<(PathBuf, u64)>,
    /// What happens to what cannot be decoded.
    on_error: OnError,
}

/// A network, with what it is trained, measured and saved with.
struct Built {
    store: ParamStore,
    task: ClassificationTask<TextBatch>,
    words: WordTable,
    shape: Network,
}

impl Texts {
    /// Reads the texts; the vectors are read with each cell's vocabulary.
    ///
    /// # Errors
    ///
    /// Files that are missing or not of their format, each named.
    pub(crate) fn load(
        suite: &Suite,
        spec: &DataSpec,
        path: &Path,
        data: Option<&Path>,
        on_error: OnError,
    ) -> Result<Self> {
        let vectors = match &recipe_of(suite)?.vectors {
            Some(name) => {
                let file = data.map_or_else(|| PathBuf::from(name), |data| data.join(name));
                let digest = digest(&file).with_context(|| {
                    format!("cannot read the word vectors {} (recipe.text.vectors)", file.display())
                })?;
                Some((file, digest))
            }
            None => None,
        };
        Ok(Self { source: TextSource::load(spec, path, on_error)?, vectors, on_error })
    }

    /// The network as it is initialised, with what it is trained and measured with.
    fn network(&self, plan: &CellPlan, tokenizer: &WordTokenizer, device: &Device) -> Result<Built> {
        let (seed, recipe, settings) = (Seed(plan.seed), &plan.suite.recipe, recipe_of(plan.suite)?);
        let dtype = recipe.precision.dtype();
        let store = ParamStore::new(seed.derive("parameters").0, dtype, device);
        let vb = store.var_builder();
        let words = match self.vectors(plan, tokenizer.vocabulary())? {
            Some(table) => {
                let vectors = table.tensor(device)?.to_dtype(dtype)?;
                match settings.frozen {
                    true => WordTable::frozen(&vectors)?,
                    false => WordTable::trained_from(&vectors, vb.pp(WORDS))?,
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
            learning: Learning { loss: plan.loss.spec.build()?, dropout },
            dtype,
            device: device.clone(),
            metrics: ClassificationMetrics::new(recipe.bins)?,
            batch: PhantomData,
        };
        Ok(Built { store, task, words, shape })
    }

    /// What the words of a vocabulary begin as; `None` where the recipe has no file of vectors.
    fn vectors(&self, plan: &CellPlan, vocabulary: &Vocabulary) -> Result<Option<EmbeddingTable>> {
        let (Some((path, _)), settings) = (&self.vectors, recipe_of(plan.suite)?) else { return Ok(None) };
        let seed = Seed(plan.seed).derive("missing words").0;
        let missing = match settings.missing_deviation {
            0.0 => Missing::Zero,
            deviation => Missing::Random { seed, deviation },
        };
        let file = GloveFile { path: path.clone(), dimension: Some(settings.dimension), on_error: self.on_error };
        let table = EmbeddingTable::read(&file, vocabulary, missing)?;
        let (file, words) = (path.display(), vocabulary.len());
        plan.console.say(&format!("{file}: vectors of {} of {words} words; {}", table.found(), table.reading()));
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

    fn class_counts(&self, _: &Suite, rule: SplitRule, sizes: Sizes, seed: Seed) -> Result<ClassCounts> {
        self.source.class_counts(rule, sizes, seed)
    }

    fn notes(&self) -> &[String] {
        self.source.notes()
    }

    fn run(&self, plan: &CellPlan, place: Place) -> Result<Cell> {
        let settings = recipe_of(plan.suite)?;
        let parts = self
            .source
            .splits(plan.scale.split, plan.sizes, Seed(plan.seed))
            .with_context(|| format!("in {}", plan.suite.origin))?;
        let texts = &self.source.texts;
        // The published vocabulary is counted over all texts, those for testing too.
        let counted = match plan.scale.split.is_default() {
            true => texts.select(&parts.train)?,
            false => texts.texts().iter().map(String::as_str).collect(),
        };
        let tokenizer = WordTokenizer::fit(settings.rule, &counted, settings.num_words)?;
        let tokenised = Arc::new(TokenisedTexts::new(texts, &tokenizer)?);
        let collate = TextCollate::new(PadConfig { length: settings.length, value: tokenizer.padding() })?;
        let loader =
            |part: Vec<usize>, order| plan.loader(&Arc::new(Subset::new(tokenised.clone(), part)?), collate, order);
        let train = loader(parts.train, Order::Shuffled)?;
        let validation = loader(parts.validation, Order::Sequential)?;
        let test = loader(parts.test, Order::Sequential)?;
        let Built { store, mut task, words, shape } = self.network(plan, &tokenizer, place.device)?;
        let best_epoch = plan.train(place, &store, &mut task, &train, &validation)?;
        let predictions = SavedPredictions { validation: predict(&task, &validation)?, test: predict(&task, &test)? };
        let (measured, calibration) = measure(plan, place, &predictions)?;
        let [_, test] = scaled(&predictions.test, &calibration)?;
        let mut reliability = ReliabilityBins::new(plan.suite.recipe.bins)?;
        reliability.update(&test)?;
        let settings = ClassifierSettings {
            network: shape,
            classes: texts.class_names().to_vec(),
            tokenizer,
            length: settings.length,
            calibration,
            reliability,
        };
        // Before the result, which says that the cell is finished.
        CalibratedClassifier::new(settings, words.vectors(), &store.state(), place.device)?
            .save(place.folder.join("classifier"))?;
        plan.finish(place, best_epoch, measured)
    }
}

/// The 64-bit FNV-1a hash of a file of any size.
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

/// What the recipe of a suite of texts says of them.
///
/// # Errors
///
/// None for a suite that was checked.
fn recipe_of(suite: &Suite) -> Result<&TextRecipe> {
    suite.recipe.text.as_ref().context("recipe.text: expected for a data set of texts")
}
