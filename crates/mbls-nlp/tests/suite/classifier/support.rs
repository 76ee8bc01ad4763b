//! A small trained network.

use candle_core::{DType, Device, Tensor};
use mbls_core::calibration::{Assessment, CalibrationRecord, TemperatureScaling};
use mbls_core::metric::Predictions;
use mbls_nlp::classifier::{CalibratedClassifier, ClassifierSettings};
use mbls_nlp::model::{Network, Options, TextClassifier, WordTable};
use mbls_nlp::text::{WordRule, WordTokenizer};
use mbls_nn::ParamStore;

/// The classes of [`trained`].
pub(crate) const CLASSES: [&str; 3] = ["sci", "rec", "misc"];
/// Temperature of the calibrator.
pub(crate) const TEMPERATURE: f64 = 0.37;
/// Confidences of the predicted class, and whether the prediction is correct.
pub(crate) const TESTED: [(f64, bool); 9] = [
    (0.4, true),
    (0.45, false),
    (0.5, true),
    (0.52, false),
    (0.6, true),
    (0.6, true),
    (0.75, false),
    (0.9, true),
    (1.0, true),
];

/// A network with its store, word vectors and settings.
pub(crate) struct Trained {
    pub(crate) store: ParamStore,
    pub(crate) words: WordTable,
    pub(crate) model: TextClassifier,
    pub(crate) settings: ClassifierSettings,
}

impl Trained {
    pub(crate) fn classifier(&self) -> CalibratedClassifier {
        let settings = self.settings.clone();
        CalibratedClassifier::new(settings, self.words.vectors(), &self.store.state(), &Device::Cpu)
            .unwrap()
    }
}

/// Returns a record with this temperature and the assessment of [`TESTED`].
pub(crate) fn record(temperature: f64, bins: usize) -> CalibrationRecord {
    let probs: Vec<f64> =
        TESTED.iter().flat_map(|(c, _)| [*c, (1.0 - c) / 2.0, (1.0 - c) / 2.0]).collect();
    let labels: Vec<u32> = TESTED.iter().map(|(_, correct)| u32::from(!correct)).collect();
    let mut test = Assessment::new(bins).unwrap();
    test.update(&Predictions::from_probs(&probs, 3, &labels).unwrap()).unwrap();
    let classes = CLASSES.map(str::to_owned).to_vec();
    CalibrationRecord::of_temperature(classes, TemperatureScaling::new(temperature).unwrap(), test)
        .unwrap()
}

/// Returns a network that is initialised from `seed`, with frozen or trained word vectors.
pub(crate) fn trained(network: Network, frozen: bool, length: usize, seed: u64) -> Trained {
    let texts = ["the fox, the dog and the cat", "a fox", "the moon and mars", "a dog"];
    let tokenizer = WordTokenizer::fit(WordRule::Keras, &texts, Some(8)).unwrap();
    let store = ParamStore::new(seed, DType::F32, &Device::Cpu);
    let rows = tokenizer.vocabulary().len() + 1;
    let words = if frozen {
        let values = (0..rows * network.dim()).map(|i| match i / network.dim() {
            0 => 0.0,
            _ => ((i as f32 + seed as f32) * 0.7).sin(),
        });
        let values = Tensor::from_iter(values, &Device::Cpu).unwrap();
        WordTable::frozen(&values.reshape((rows, network.dim())).unwrap()).unwrap()
    } else {
        WordTable::trained(rows, network.dim(), store.var_builder().pp("embedding")).unwrap()
    };
    let built = network.clone().build(Options::default(), store.var_builder()).unwrap();
    let settings = ClassifierSettings {
        network,
        tokenizer,
        length,
        batch: 32,
        record: record(TEMPERATURE, 5),
        provenance: [("loss".to_owned(), "mbls".to_owned())].into(),
    };
    Trained { store, words: words.clone(), model: TextClassifier::new(words, built), settings }
}
