//! Vocabularies, sequences and padding against keras_preprocessing 1.1.2.

use mbls_nlp::text::{Tokenizer, Vocabulary, WordRule, WordTokenizer, pad};
use mbls_testkit::golden;
use serde_json::Value;
use std::collections::BTreeMap;

fn ids(list: &Value) -> Vec<u32> {
    list.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn rows(lists: &Value) -> Vec<Vec<u32>> {
    lists.as_array().unwrap().iter().map(ids).collect()
}

#[test]
fn words_sequences_and_rows_are_the_golden_ones() {
    let file = golden::json("text.json");
    let texts: Vec<&str> =
        file["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let vocabulary = Vocabulary::count(WordRule::Keras, &texts);
    let (mut runs, mut padded) = (0, 0);
    for run in file["runs"].as_array().unwrap() {
        // Keras' index and counts include all words, whatever `num_words` is.
        let index: Vec<(&str, u64)> = run["word_index_in_order"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (entry[0].as_str().unwrap(), entry[1].as_u64().unwrap()))
            .collect();
        let found: Vec<(&str, u64)> =
            vocabulary.words().zip(1..).map(|((word, _), id)| (word, id)).collect();
        assert_eq!(found, index);
        let counts: BTreeMap<String, u64> =
            serde_json::from_value(run["word_counts"].clone()).unwrap();
        let found: BTreeMap<String, u64> =
            vocabulary.words().map(|(word, count)| (word.to_owned(), count)).collect();
        assert_eq!(found, counts);

        let num_words = run["num_words"].as_u64().map(|number| number as usize);
        let tokenizer = WordTokenizer::fit(WordRule::Keras, &texts, num_words).unwrap();
        let sequences = tokenizer.encode_all(&texts).unwrap();
        assert_eq!(sequences, rows(&run["sequences"]), "num_words {num_words:?}");
        assert!(sequences.iter().flatten().all(|&id| (id as usize) < tokenizer.ids()));
        for (length, expected) in run["padded"].as_object().unwrap() {
            let row = |sequence: &Vec<u32>| {
                let mut row = vec![u32::MAX; length.parse().unwrap()];
                pad(sequence, tokenizer.padding(), &mut row);
                row
            };
            assert_eq!(
                sequences.iter().map(row).collect::<Vec<_>>(),
                rows(expected),
                "{length} of {num_words:?}"
            );
            padded += 1;
        }
        runs += 1;
    }
    assert!(runs > 0 && padded > 0, "no golden run was compared");
}
