//! Trained text classifiers, saved with everything that is needed to classify new texts as in their
//! evaluation.
//!
//! A [`CalibratedClassifier`] is a network with its word vectors, the tokenizer of its training,
//! and a [`CalibrationRecord`](mbls_core::calibration::CalibrationRecord) that calibrates it and
//! holds the assessment of its confidences on test data. It returns a [`TextClassification`]: the
//! class, the calibrated confidence, and the accuracy on test texts with a similar confidence.
//!
//! ```
//! use candle_core::{DType, Device};
//! use mbls_core::calibration::CalibrationRecord;
//! use mbls_nlp::classifier::{CalibratedClassifier, ClassifierSettings};
//! use mbls_nlp::model::{Architecture, Options, WordTable};
//! use mbls_nlp::text::{WordRule, WordTokenizer};
//! use mbls_nn::ParamStore;
//!
//! // The result of training; here the network has its initial weights.
//! let tokenizer = WordTokenizer::fit(WordRule::Keras, &["a fine day", "a poor day"], None)?;
//! let network = Architecture::BiGru.network(2, 50);
//! let store = ParamStore::new(1, DType::F32, &Device::Cpu);
//! let words = WordTable::trained(
//!     tokenizer.vocabulary().len() + 1,
//!     50,
//!     store.var_builder().pp("embedding"),
//! )?;
//! network.clone().build(Options::default(), store.var_builder())?;
//! // Logits and labels of the validation and the test split.
//! let classes = ["bad", "good"].map(str::to_owned).to_vec();
//! let mut record = CalibrationRecord::fit(classes, &[0.2, 0.1, 0.3, 0.4], &[0, 1], 10)?;
//! record.assess(&[0.2, 0.1, 0.3, 0.4], &[0, 0])?;
//!
//! let provenance = Default::default();
//! let settings =
//!     ClassifierSettings { network, tokenizer, length: 20, batch: 32, record, provenance };
//! let folder = tempfile::tempdir()?;
//! CalibratedClassifier::new(settings, words.vectors(), &store.state(), &Device::Cpu)?
//!     .save(folder.path())?;
//!
//! // In another program:
//! let classifier = CalibratedClassifier::load(folder.path(), &Device::Cpu)?;
//! let found = classifier.classify("What a fine day!")?;
//! assert!(
//!     ["bad", "good"].contains(&found.answer.name.as_str()) && found.answer.confidence >= 0.5
//! );
//! assert_eq!((found.words, found.known_words), (4, 3));
//! let bin = &found.answer.bin;
//! assert!(bin.lower < found.answer.confidence && found.answer.confidence <= bin.upper);
//! if let Some(accuracy) = bin.accuracy {
//!     println!("{:.0} % of {} test texts like this were right", 100.0 * accuracy, bin.count);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Files
//!
//! The files are those of a [`saved_model`](mbls_nn::saved_model). The word vectors are
//! `embedding.weight`; the tensors of the network keep their names. Examples of errors:
//!
//! ```text
//! run/classifier.json: content: expected the settings of a model, found schema 1, of another version of this program: expected 2
//! run/classifier.json: kind: expected "text-classifier", found "image-classifier"
//! run/classifier.json: settings.record.classes: expected 3, as many as the network has, found 2
//! run/classifier.safetensors: CRC-32: expected 1c291ca3, as classifier.json says, found 5a3df2b1
//! run/classifier.safetensors: tensor "fc.weight": expected shape [2, 256], found [3, 256]
//! run/classifier.safetensors: tensor "fc.bias": expected finite numbers, found NaN
//! ```

mod calibrated;
mod classification;
mod settings;

pub use calibrated::CalibratedClassifier;
pub use classification::TextClassification;
pub use settings::ClassifierSettings;
