//! Tests on real data sets in `MBLS_DATA_DIR`; skipped if they are missing.

use mbls_data::Seed;
use mbls_nlp::dataset::{DuplicateConfig, Protocol, TokenisedTexts, duplicate_groups, newsgroups};
use mbls_nlp::embedding::{EmbeddingTable, GloveFile, Missing};
use mbls_nlp::text::{Vocabulary, WordRule, WordTokenizer};
use mbls_testkit::data;
use std::collections::BTreeMap;

#[test]
fn newsgroups_are_whole_and_have_keras_numbers() {
    let Some(path) = data("20newsgroups/20_newsgroups.tar.gz") else { return };
    let set = newsgroups::load(path).unwrap();
    let mut counts = [0; 20];
    set.texts.labels().iter().for_each(|&label| counts[label as usize] += 1);
    let mut expected = [1000; 20];
    expected[15] = 997;
    assert_eq!(
        (counts, set.texts.class_names()[15].as_str()),
        (expected, "soc.religion.christian")
    );
    assert_eq!(set.names[0], "alt.atheism/49960");
    // Values of Keras' `word_index` and sequences, from `compare_tokenize.py`.
    let vocabulary = Vocabulary::count(WordRule::Keras, set.texts.texts());
    assert_eq!(vocabulary.len(), 174_074);
    assert_eq!(vocabulary.words().map(|(_, count)| count).sum::<u64>(), 5_688_253);
    let tokenizer = WordTokenizer::new(WordRule::Keras, vocabulary, Some(2000)).unwrap();
    let tokens = TokenisedTexts::new(&set.texts, &tokenizer).unwrap();
    assert_eq!((0..19_997).map(|i| tokens.ids(i).unwrap().len()).sum::<usize>(), 4_246_666);

    let groups = duplicate_groups(set.texts.texts(), &DuplicateConfig::default()).unwrap();
    let mut sizes = BTreeMap::<usize, usize>::new();
    groups.iter().for_each(|&group| *sizes.entry(group).or_default() += 1);
    // Messages that were posted to several groups or several times.
    assert_eq!((19_997 - sizes.len(), sizes.values().max().copied()), (872, Some(42)));
    let published = set.parts(&Protocol::Published { seed: 1 }).unwrap();
    let protocol = Protocol::Correct {
        validation: 900,
        test: 3999,
        duplicates: DuplicateConfig::default(),
        seed: Seed(1),
    };
    let correct = set.parts(&protocol).unwrap();
    let shared = |part: &[usize], train: &[usize]| {
        let train: Vec<usize> = train.iter().map(|&index| groups[index]).collect();
        part.iter().filter(|&&index| train.contains(&groups[index])).count()
    };
    assert_eq!(shared(&published.test, &published.train), 258);
    assert_eq!(shared(&correct.test, &correct.train), 0);
    assert_eq!(
        (correct.train.len(), correct.validation.len(), correct.test.len()),
        (15_098, 900, 3_999)
    );
}

#[test]
fn glove_has_most_of_the_frequent_words() {
    for (name, dimension, the) in [
        ("glove/glove.6B.100d.top2717.txt.gz", 100, [-0.038194, -0.24487]),
        ("glove/glove.6B.50d.top2445.txt.gz", 50, [0.418, 0.24968]),
    ] {
        let Some(path) = data(name) else { return };
        let vocabulary = Vocabulary::count(WordRule::Keras, &["the the quick brown fox xyzzyx"]);
        let table =
            EmbeddingTable::read(&GloveFile::new(path), &vocabulary, Missing::Zero).unwrap();
        assert_eq!((table.rows(), table.dimension()), (6, dimension));
        assert_eq!(table.values()[dimension..dimension + 2], the);
        assert!(
            table.found() >= 2 && table.values()[5 * dimension..].iter().all(|&value| value == 0.0)
        );
    }
}
