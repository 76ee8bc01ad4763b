//! Texts and word vectors.

use super::data;
use super::distribution::{Distribution, fetch};
use super::pack::{Entry, tar_gz, zip};
use super::training::{Training, values};
use candle_core::Device;
use flate2::read::GzDecoder;
use mbls_nlp::classifier::CalibratedClassifier;
use mbls_nlp::model::{Architecture, Options, WordTable};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tar::Archive;
use toml::Table;

const MODEL: &str = "global-pooling-cnn";
const TRAINING: Training = Training { suite: "20newsgroups", model: MODEL, sizes: [64, 20, 20] };
/// Dimension of a word vector.
const DIMENSION: usize = 100;
/// Number of messages of each group.
const MESSAGES: usize = 8;
/// The learning rate of the recipe.
const LEARNING_RATE: f64 = 0.001;

/// Packs the first messages of each group like the whole data set.
fn newsgroups(folder: &Path) -> Distribution {
    let file = File::open(folder.join("20_newsgroups.tar.gz")).expect("a file");
    let mut archive = Archive::new(GzDecoder::new(file));
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut entries: Vec<Entry> = Vec::new();
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").to_str().expect("UTF-8").to_owned();
        let group = path.rsplit_once('/').map_or("", |(group, _)| group);
        let count = taken.entry(group.to_owned()).or_default();
        if entry.header().entry_type().is_file() && *count < MESSAGES {
            *count += 1;
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("a message");
            entries.push((path, content));
        }
    }
    let counts = vec![("*/*", 20 * MESSAGES)];
    Distribution { name: "20newsgroups", downloads: vec![tar_gz(entries)], counts }
}

/// Packs the first lines of the files of two dimensions; the other files are absent.
fn glove(folder: &Path) -> Distribution {
    let text = |name: &str| {
        let mut text = Vec::new();
        GzDecoder::new(File::open(folder.join(name)).expect("a file"))
            .read_to_end(&mut text)
            .expect("vectors");
        text
    };
    let entries = [("50d", "50d.top2445"), ("100d", "100d.top2717")].map(|(name, file)| {
        (format!("glove.6B.{name}.txt"), text(&format!("glove.6B.{file}.txt.gz")))
    });
    let counts = vec![("glove.6B.200d.txt", 0), ("glove.6B.300d.txt", 0)];
    Distribution { name: "glove", downloads: vec![zip(entries)], counts }
}

/// The suite's text recipe, shortened to be fast.
fn recipe(recipe: &mut Table) -> &mut Table {
    let text = recipe["text"].as_table_mut().expect("a recipe of texts");
    text.insert("length".to_owned(), 100.into());
    text
}

#[test]
fn newsgroups_are_fetched_and_trained_on() {
    let Some(folder) = data("20newsgroups") else { return };
    let fetched = fetch(vec![newsgroups(&folder)]);
    let trained = TRAINING.run(fetched.path(), |all| {
        let text = recipe(all);
        ["vectors", "frozen", "missing_deviation"]
            .into_iter()
            .for_each(|name| drop(text.remove(name)));
    });
    let settings = CalibratedClassifier::load(trained.cell.join("classifier"), &Device::Cpu)
        .expect("a classifier");
    let settings = settings.settings();
    assert_eq!(settings.record.classes().len(), 20);
    assert_eq!(settings.record.classes()[0], "alt.atheism");
    let words = 2000.min(settings.tokenizer.vocabulary().len() + 1);
    let architecture: Architecture = MODEL.parse().expect("a network");
    trained.assert_changed(|store| {
        let vb = store.var_builder();
        WordTable::trained(words, DIMENSION, vb.pp("embedding"))?;
        architecture.build(20, DIMENSION, Options::default(), vb)
    });
}

#[test]
fn glove_is_fetched_and_trained_from() {
    let (Some(texts), Some(vectors)) = (data("20newsgroups"), data("glove")) else { return };
    let fetched = fetch(vec![newsgroups(&texts), glove(&vectors)]);
    let trained = TRAINING.run(fetched.path(), |all| {
        assert_eq!(all["learning_rate"].as_float(), Some(LEARNING_RATE));
        let text = recipe(all);
        text.insert("vectors".to_owned(), "glove/glove.6B.100d.txt".into());
        text.insert("missing_deviation".to_owned(), 0.0.into());
        // Unfrozen vectors are saved.
        text.insert("frozen".to_owned(), false.into());
    });
    let lines =
        std::fs::read_to_string(fetched.path().join("glove/glove.6B.100d.txt")).expect("vectors");
    let parsed = |line: &str| -> (String, Vec<f32>) {
        let mut fields = line.split(' ');
        let word = fields.next().expect("a word").to_owned();
        (word, fields.map(|value| value.parse().expect("a number")).collect())
    };
    let vectors: HashMap<String, Vec<f32>> = lines.lines().map(parsed).collect();
    let classifier = CalibratedClassifier::load(trained.cell.join("classifier"), &Device::Cpu)
        .expect("a classifier");
    let vocabulary = classifier.settings().tokenizer.vocabulary();
    let after = values(&trained.parameters["embedding.weight"]);
    let (mut found, mut moved) = (0, 0);
    for (id, after) in after.chunks(DIMENSION).enumerate().skip(1) {
        let word = vocabulary.word(id as u32).expect("a word");
        let before = vectors.get(word).cloned().unwrap_or_else(|| vec![0.0; DIMENSION]);
        found += usize::from(vectors.contains_key(word));
        moved += usize::from(after != before);
        // Adam's first step is at most the learning rate.
        let furthest = after.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(
            f64::from(furthest) < 1.01 * LEARNING_RATE,
            "\"{word}\" starts from another vector: {furthest}"
        );
    }
    assert!(found > 500 && moved > 500, "{found} words are in the file, {moved} were trained");
    assert!(trained.said.contains(&format!("has vectors for {found} of ")), "{}", trained.said);
}
