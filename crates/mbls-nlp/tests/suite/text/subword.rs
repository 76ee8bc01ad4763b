//! A small subword vocabulary.

use mbls_nlp::text::{SubwordTokenizer, Tokenizer};

fn file(json: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, json).unwrap();
    file
}

const WORD_PIECE: &str = r###"{
    "version": "1.0",
    "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
    "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
    "added_tokens": [{"id": 7, "content": "[X]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": null,
    "decoder": null,
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": {"[PAD]": 0, "[UNK]": 1, "un": 2, "##aff": 3, "##able": 4, "!": 5, "able": 6}}
}"###;

#[test]
fn words_are_cut_into_the_longest_pieces() {
    let tokenizer = SubwordTokenizer::read(file(WORD_PIECE).path(), "[PAD]").unwrap();
    // The truncation to 2 and the padding to 9 of the file are disabled.
    assert_eq!(
        tokenizer.encode("Unaffable! Ünable, able [X]").unwrap(),
        [2, 3, 4, 5, 2, 4, 1, 6, 7]
    );
    assert_eq!(tokenizer.encode("").unwrap(), [0u32; 0]);
    assert_eq!((tokenizer.padding(), tokenizer.ids()), (0, 8));
    assert_eq!(tokenizer.encode_all(&["able", "un"]).unwrap(), [[6], [2]]);
}

#[test]
fn what_is_no_vocabulary_is_refused() {
    let error = |json: &str, padding: &str| {
        SubwordTokenizer::read(file(json).path(), padding).unwrap_err().to_string()
    };
    assert!(error("{}", "[PAD]").contains("content: expected the JSON of a tokenizer"));
    assert!(error("\u{0}", "[PAD]").contains("content: expected the JSON of a tokenizer"));
    assert!(
        error(WORD_PIECE, "<pad>")
            .contains("vocabulary: expected the token \"<pad>\", found no such token")
    );
}
