//! Words and vocabularies against slow reference implementations.

use mbls_nlp::text::{Tokenizer, Vocabulary, WordRule, WordTokenizer, message};
use proptest::prelude::*;
use std::collections::HashMap;

/// Keras' rule step by step: convert to lower case, replace filter characters by blanks, split at
/// blanks, drop empty words.
fn slow_words(text: &str) -> Vec<String> {
    let filters = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n";
    let text: String =
        text.to_lowercase().chars().map(|c| if filters.contains(c) { ' ' } else { c }).collect();
    text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn slow_vocabulary(texts: &[String]) -> Vec<(String, u64)> {
    let mut words: Vec<(String, u64)> = Vec::new();
    for word in texts.iter().flat_map(|text| slow_words(text)) {
        match words.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => words.push((word, 1)),
        }
    }
    words.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    words
}

/// Generates words from a small alphabet, so they repeat, between arbitrary separators.
fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("([aBcÉΣß'\r\u{a0}]{1,2}[ .,\t\n>-]{1,2}){0,12}").unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn words_and_their_order_are_those_of_slow_code(texts in prop::collection::vec(text(), 0..700), keep in 2usize..20) {
        let expected = slow_vocabulary(&texts);
        let vocabulary = Vocabulary::count(WordRule::Keras, &texts);
        let found: Vec<(String, u64)> = vocabulary.words().map(|(word, count)| (word.to_owned(), count)).collect();
        prop_assert_eq!(&found, &expected);
        let tokenizer = WordTokenizer::new(WordRule::Keras, vocabulary, Some(keep)).unwrap();
        let ids: HashMap<&str, u32> = expected.iter().map(|(word, _)| word.as_str()).zip(1..keep as u32).collect();
        for text in &texts {
            let expected: Vec<u32> = slow_words(text).iter().filter_map(|word| ids.get(word.as_str()).copied()).collect();
            prop_assert_eq!(tokenizer.encode(text).unwrap(), expected);
        }
    }

    #[test]
    fn latin_1_is_read_as_python_does(bytes in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), any::<u8>()], 0..40)) {
        let expected: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        prop_assert_eq!(message::from_latin1(&bytes), expected.replace("\r\n", "\n").replace('\r', "\n"));
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let texts: Vec<String> =
        (0..3000).map(|i| format!("w{} w{} w{}", i % 701, i % 13, i * 7 % 1009)).collect();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            serde_json::to_string(
                &WordTokenizer::fit(WordRule::Unicode, &texts, Some(500)).unwrap(),
            )
            .unwrap()
        })
    };
    let one = with(1);
    assert!([2, 3, 7].into_iter().all(|threads| with(threads) == one));
}

#[test]
fn what_has_no_known_word_is_an_empty_sequence() {
    let tokenizer = WordTokenizer::fit(WordRule::Keras, &["some words", ""], None).unwrap();
    for text in ["", " \n", "!?", "others alone"] {
        assert_eq!(tokenizer.encode(text).unwrap(), [0u32; 0], "{text:?}");
    }
    // Texts without words are not an error either: every word is then unknown.
    let empty = WordTokenizer::fit(WordRule::Unicode, &[""; 2], Some(10)).unwrap();
    assert_eq!(
        (empty.ids(), empty.vocabulary().is_empty(), empty.encode("a").unwrap().len()),
        (1, true, 0)
    );
    let error = WordTokenizer::fit(WordRule::Keras, &["a"], Some(1)).unwrap_err().to_string();
    assert_eq!(error, "num_words: expected at least 2, because 0 is not a word, found 1");
}

#[test]
fn saved_tokenizers_are_checked() {
    let read = |vocabulary: &str| {
        let json = format!(r#"{{"rule":"unicode","vocabulary":{vocabulary}}}"#);
        serde_json::from_str::<WordTokenizer>(&json).map_err(|error| error.to_string())
    };
    let tokenizer = read(r#"[["b",2],["a",2],["c",1]]"#).unwrap();
    assert_eq!(tokenizer.encode("A b, C d").unwrap(), [2, 1, 3]);
    for (vocabulary, expected) in [
        (
            r#"[["a",1],["a",1]]"#,
            "word 1 of the vocabulary: name: expected a word that occurs once, found \"a\"",
        ),
        (
            r#"[["a",1],["b",2]]"#,
            "word 2 of the vocabulary: count: expected at least 1 and at most that of the previous word, found 2",
        ),
        (r#"[["a",0]]"#, "found 0"),
        (r#"[["",1]]"#, "word 1 of the vocabulary: name"),
        (r#"[["a",-1]]"#, "invalid value"),
    ] {
        let error = read(vocabulary).unwrap_err();
        assert!(error.contains(expected), "{vocabulary}: {error}");
    }
    assert!(serde_json::from_str::<WordTokenizer>(r#"{"rule":"bytes","vocabulary":[]}"#).is_err());
}

#[test]
fn sigma_ends_words_as_python_has_it() {
    // Python 3.11: "ΟΔΟΣ. ΑΣ.ΑΒ ΣΑΣ".lower()
    assert_eq!(WordRule::Keras.words("ΟΔΟΣ. ΑΣ.ΑΒ ΣΑΣ"), ["οδος", "ασ", "αβ", "σας"]);
}
