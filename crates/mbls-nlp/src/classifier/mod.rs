//! Trained classifiers of texts, saved with all that it takes to classify another text as they were measured.
//!
//! A [`CalibratedClassifier`] is a network with its word vectors, the tokenizer that it was trained with, the temperature that calibrates it, and what
//! test data say of its confidences. For a text it gives a [`Classification`]: the class, the calibrated confidence, and how often test texts with such
//! a confidence were classified correctly.
//!
//! ```
//! use candle_core::{DType, Device};
//! use mbls_core::calibration::TemperatureScaling;
//! use mbls_core::metric::{Metric, Predictions, ReliabilityBins};
//! use mbls_nlp::classifier::{CalibratedClassifier, ClassifierSettings};
//! use mbls_nlp::model::{Architecture, Options, WordTable};
//! use mbls_nlp::text::{WordRule, WordTokenizer};
//! use mbls_nn::ParamStore;
//!
//! // What training leaves; the network is as it was initialised here.
//! let tokenizer = WordTokenizer::fit(WordRule::Keras, &["a fine day", "a poor day"], None)?;
//! let network = Architecture::BiGru.network(2, 50);
//! let store = ParamStore::new(1, DType::F32, &Device::Cpu);
//! let words = WordTable::trained(tokenizer.vocabulary().len() + 1, 50, store.var_builder().pp("embedding"))?;
//! network.clone().build(Options::default(), store.var_builder())?;
//! // What measuring leaves.
//! let calibration = TemperatureScaling::new(1.5)?;
//! let mut reliability = ReliabilityBins::new(10)?;
//! reliability.update(&calibration.apply(&[0.2, 0.1, 0.3, 0.4], 2, &[0, 0])?)?;
//!
//! let classes = ["bad", "good"].map(str::to_owned).to_vec();
//! let settings = ClassifierSettings { network, classes, tokenizer, length: 20, calibration, reliability };
//! let folder = tempfile::tempdir()?;
//! CalibratedClassifier::new(settings, words.vectors(), &store.state(), &Device::Cpu)?.save(folder.path())?;
//!
//! // Another program.
//! let classifier = CalibratedClassifier::load(folder.path(), &Device::Cpu)?;
//! let found = classifier.classify("What a fine day!")?;
//! assert!(["bad", "good"].contains(&found.name.as_str()) && found.confidence >= 0.5);
//! assert_eq!((found.words, found.known_words), (4, 3));
//! assert!(found.bin.lower < found.confidence && found.confidence <= found.bin.upper);
//! if let Some(accuracy) = found.bin.accuracy {
//!     println!("{:.0} % of {} test texts like this were right", 100.0 * accuracy, found.bin.count);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Files
//!
//! `classifier.safetensors` holds the word vectors as `embedding.weight` and the network's tensors under its own names, all in `f32`. `classifier.json` holds
//! the [`ClassifierSettings`], the schema, and size and CRC-32 of the tensors' file. It is written last: a folder in which it is missing has no
//! classifier, and where saving was interrupted over an older classifier, the sum tells that the files do not belong together.
//!
//! Both are checked as hostile input. What is refused:
//!
//! ```text
//! run/classifier.json: content: expected the settings of a classifier, found schema 2: expected 1 at line 1 column 11
//! run/classifier.json: settings.classes: expected 3, as many as the network has, found 2
//! run/classifier.safetensors: CRC-32: expected 1c291ca3, as classifier.json says, found 5a3df2b1
//! run/classifier.safetensors: tensor "fc.weight": expected shape [2, 256], found [3, 256]
//! run/classifier.safetensors: tensor "fc.bias": expected finite numbers, found NaN
//! ```

mod calibrated;
mod classification;
mod saved;
mod settings;
mod weights;

pub use calibrated::CalibratedClassifier;
pub use classification::Classification;
pub use saved::{SCHEMA, SETTINGS_FILE, TENSORS_FILE};
pub use settings::ClassifierSettings;
