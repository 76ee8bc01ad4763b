//! Saved classifiers against the network and the test data.

use super::support::{CLASSES, TEMPERATURE, TESTED, Trained, record, trained};
use candle_core::{Device, Tensor};
use candle_nn::{Init, ModuleT};
use mbls_core::calibration::CalibratorRole;
use mbls_nlp::classifier::CalibratedClassifier;
use mbls_nlp::model::{Architecture, BiGruConfig, Network};

const LENGTH: usize = 24;
const TEXTS: [&str; 5] =
    ["The fox. The moon, and a cat!", "dog", "", "no such words", "A dog and the dog and mars"];

/// Looks up and pads words step by step.
fn row(trained: &Trained, text: &str) -> (Vec<u32>, usize) {
    let words: Vec<(&str, u64)> = trained.settings.tokenizer.vocabulary().words().collect();
    let cut = text.to_lowercase().replace(['.', ',', '!'], " ");
    let place = |word: &str| words.iter().position(|(known, _)| *known == word);
    let ids: Vec<u32> =
        cut.split_whitespace().filter_map(place).map(|place| place as u32 + 1).collect();
    let mut row = vec![0; LENGTH - ids.len()];
    row.extend(&ids);
    (row, ids.len())
}

fn expected(trained: &Trained, row: &[u32]) -> Vec<f64> {
    let logits = trained
        .model
        .forward_t(&Tensor::new(row, &Device::Cpu).unwrap().unsqueeze(0).unwrap(), false)
        .unwrap();
    let powers: Vec<f64> = logits.to_vec2::<f32>().unwrap()[0]
        .iter()
        .map(|&logit| (f64::from(logit) / TEMPERATURE).exp())
        .collect();
    powers.iter().map(|power| power / powers.iter().sum::<f64>()).collect()
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < tolerance);
    assert!(near, "{found:?}, expected {expected:?}");
}

#[test]
fn a_saved_classifier_says_what_its_network_does() {
    for architecture in Architecture::all() {
        for frozen in [false, true] {
            let trained = trained(architecture.network(3, 6), frozen, LENGTH, 5);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("run/classifier");
            let classifier = trained.classifier();
            let probabilities: Vec<Vec<f64>> =
                TEXTS.iter().map(|text| expected(&trained, &row(&trained, text).0)).collect();
            // Further training does not change the classifier.
            let bias = format!("{}.bias", trained.settings.network.head());
            trained.store.initialise(&bias, Init::Const(3.0)).unwrap();
            classifier.save(&path).unwrap();
            let read = CalibratedClassifier::load(&path, &Device::Cpu).unwrap();
            assert_eq!(read.settings(), &trained.settings);
            let all = read.classify_all(&TEXTS, CalibratorRole::Temperature).unwrap();
            for ((text, probabilities), together) in TEXTS.iter().zip(&probabilities).zip(&all) {
                let found = read.classify(text).unwrap();
                close(&found.answer.probabilities, probabilities, 1e-9);
                let best = probabilities.iter().copied().fold(0.0, f64::max);
                assert_eq!(
                    (found.answer.name.as_str(), probabilities[found.answer.class]),
                    (CLASSES[found.answer.class], best)
                );
                close(&[found.answer.confidence], &[best], 1e-9);
                assert_eq!(found.known_words, row(&trained, text).1, "{text}");
                assert_eq!(found.words, text.split_whitespace().count());
                // The number of rows may affect the order of summation.
                close(&together.answer.probabilities, probabilities, 1e-5);
                assert_eq!(
                    (together.answer.class, together.known_words),
                    (found.answer.class, found.known_words)
                );
            }
            assert_ne!(all[0].answer.probabilities, all[1].answer.probabilities);
            // A loaded classifier is saved unchanged.
            let again = folder.path().join("again");
            read.save(&again).unwrap();
            for name in ["classifier.json", "classifier.safetensors"] {
                assert_eq!(
                    std::fs::read(path.join(name)).unwrap(),
                    std::fs::read(again.join(name)).unwrap()
                );
            }
        }
    }
}

/// The logits of this network are its bias if no word is known.
fn constant(bias: [f32; 3], bins: usize) -> CalibratedClassifier {
    let mut trained =
        trained(Network::BiGru(BiGruConfig { dim: 4, hidden: 2, classes: 3 }), false, 4, 1);
    trained.settings.record = record(1.0, bins);
    let mut state = trained.store.state();
    state.insert("fc.bias".to_owned(), Tensor::new(&bias, &Device::Cpu).unwrap());
    CalibratedClassifier::new(trained.settings, trained.words.vectors(), &state, &Device::Cpu)
        .unwrap()
}

#[test]
fn a_text_without_known_words_is_classified_on_padding() {
    let classifier = constant([0.0, 2f32.ln(), 0.0], 5);
    let (nothing, unknown) =
        (classifier.classify("").unwrap(), classifier.classify("No such words").unwrap());
    close(&nothing.answer.probabilities, &[0.25, 0.5, 0.25], 1e-7);
    assert_eq!((nothing.answer.name.as_str(), nothing.words, nothing.known_words), ("rec", 0, 0));
    assert_eq!((unknown.words, unknown.known_words), (3, 0));
    assert_eq!(unknown.answer.probabilities, nothing.answer.probabilities);
    assert!(
        classifier.classify("the fox").unwrap().answer.probabilities
            != nothing.answer.probabilities
    );
    assert!(classifier.classify_all::<&str>(&[], CalibratorRole::Best).unwrap().is_empty());
}

#[test]
fn the_bin_is_that_of_the_confidence() {
    // Confidences of exactly 1/2 and 1, and values between.
    for bias in [
        [1000.0, 1000.0, 0.0],
        [1000.0, 0.0, 0.0],
        [0.0; 3],
        [1.5, 0.0, 0.0],
        [0.0, 2.1, 0.0],
        [0.3, 0.2, 0.9],
    ] {
        for bins in [1, 2, 3, 5, 10, 15, 64] {
            let classifier = constant(bias, bins);
            let found = classifier.classify("").unwrap();
            let (lower, upper) = (found.answer.bin.lower, found.answer.bin.upper);
            assert!(
                lower < found.answer.confidence && found.answer.confidence <= upper,
                "{found:?}"
            );
            assert!((upper - lower - 1.0 / bins as f64).abs() < 1e-6);
            let of: Vec<(f64, bool)> =
                TESTED.into_iter().filter(|&(c, _)| lower < c && c <= upper).collect();
            assert_eq!(found.answer.bin.count, of.len() as u64, "{bins}: {found:?}");
            let right = of.iter().filter(|(_, correct)| *correct).count();
            let share = (!of.is_empty()).then(|| right as f64 / of.len() as f64);
            assert_eq!(found.answer.bin.accuracy, share);
            let mean = of.iter().map(|(c, _)| c).sum::<f64>() / of.len() as f64;
            assert!(
                found.answer.bin.mean_confidence.is_none_or(|found| (found - mean).abs() < 1e-12),
                "{found:?}"
            );
        }
    }
}

/// Only the end of a long text is used.
#[test]
fn the_last_words_count() {
    let network = Network::BiGru(BiGruConfig { dim: 4, hidden: 3, classes: 3 });
    let classifier = trained(network, false, 3, 2).classifier();
    let long = classifier.classify("moon mars and the fox and a dog").unwrap();
    let end = classifier.classify("and a dog").unwrap();
    assert_eq!((long.answer.probabilities == end.answer.probabilities, end.known_words), (true, 3));
    assert!(long.known_words > 3);
    assert_ne!(
        classifier.classify("the a dog").unwrap().answer.probabilities,
        end.answer.probabilities
    );
}
