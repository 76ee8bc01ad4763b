//! Word vectors.

use flate2::{Compression, write::GzEncoder};
use mbls_io::OnError;
use mbls_nlp::embedding::{CacheUse, EmbeddingTable, GloveFile, Missing};
use mbls_nlp::text::Vocabulary;
use std::io::Write;
use std::path::Path;

fn words(words: &[&str]) -> Vocabulary {
    Vocabulary::new(words.iter().map(|word| ((*word).to_owned(), 1)).collect()).unwrap()
}

fn read(
    content: &[u8],
    dimension: Option<usize>,
    vocabulary: &[&str],
) -> Result<EmbeddingTable, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, content).unwrap();
    let glove = GloveFile { dimension, ..GloveFile::new(file.path()) };
    EmbeddingTable::read(&glove, &words(vocabulary), Missing::Zero)
        .map_err(|error| error.to_string())
}

#[test]
fn rows_are_those_of_the_words_and_the_padding_is_zeros() {
    // The last word occurs twice; the first occurrence counts.
    let content = b"the 0.5 -1 2e-1\nfox 1 2 3\n. . . 7 8 9\nthe 4 4 4";
    let table = read(content, None, &["fox", "cat", "the", ". . ."]).unwrap();
    assert_eq!((table.rows(), table.dimension(), table.found()), (5, 3, 3));
    assert_eq!(table.values(), [0., 0., 0., 1., 2., 3., 0., 0., 0., 0.5, -1., 0.2, 7., 8., 9.]);
    let tensor = table.tensor(&candle_core::Device::Cpu).unwrap();
    assert_eq!(tensor.to_vec2::<f32>().unwrap()[4], [7., 8., 9.]);

    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(content).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(read(&packed, None, &["fox", "cat", "the", ". . ."]).unwrap(), table);
    assert!(
        read(&packed[..packed.len() - 6], None, &["fox"])
            .unwrap_err()
            .ends_with("not a complete gzip file: truncated")
    );
    // A word2vec header, Windows line ends, trailing blanks, a word that is a number, and a first
    // word with blanks.
    let table = read(b"2 2\r\n. . 1 2 \r\n7 3 4\r\n", None, &["7", ". ."]).unwrap();
    assert_eq!(table.values(), [0., 0., 3., 4., 1., 2.]);
}

#[test]
fn lines_that_do_not_fit_are_named() {
    let error = |content: &[u8], dimension| read(content, dimension, &["the", "a"]).unwrap_err();
    for (content, dimension, expected) in [
        (
            &b"the 1 2 3\na 1 2\n"[..],
            None,
            "line 2: number of values of \"a\": expected 3, found 2",
        ),
        (b"the 1 2 3\nb 1 2\n", None, "line 2: number of values of \"b\": expected 3, found 2"),
        (b"the 1 2\na 1 2 3\n", None, "line 2: number of values of \"a\": expected 2, found 3"),
        (b"the 1 2\n", Some(3), "line 1: number of values of \"the\": expected 3, found 2"),
        (b"the\n", None, "line 1: number of values of \"the\": expected 1..65536, found 0"),
        (b"the 1 2\n\na 1 2\n", None, "line 2: number of values of \"\": expected 2, found 0"),
        (
            b"the 1 2\na 1 x\n",
            None,
            "line 2: value 2 of \"a\": expected a finite number, found \"x\"",
        ),
        (
            b"the 1 2\na nan 1\n",
            None,
            "line 2: value 1 of \"a\": expected a finite number, found \"nan\"",
        ),
        (
            b"the 1 2\na 1e60 1\n",
            None,
            "line 2: value 1 of \"a\": expected a finite number, found \"1e60\"",
        ),
        (b"the 1 2\n\xff 1 2\n", None, "line 2: word: expected text in UTF-8"),
        (b"", None, "number of words: expected at least 1, found 0"),
        // Only a word2vec header.
        (b"0 3\n", Some(3), "number of words: expected at least 1, found 0"),
        (b"the 1 2\n", Some(0), "dimension of word vectors: expected 1..65536, found 0"),
    ] {
        let found = error(content, dimension);
        assert!(found.contains(expected), "{found}");
    }
    let long = [b"the 1 2\n", vec![b'x'; (1 << 20) + 1].as_slice()].concat();
    assert!(error(&long, None).contains("line 2: expected at most 1048576 bytes, found more"));
}

#[test]
fn a_word_that_is_not_text_is_left_out_and_counted() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let read = |content: &[u8], on_error| {
        std::fs::write(&file, content).unwrap();
        let glove = GloveFile { on_error, ..GloveFile::new(file.path()) };
        EmbeddingTable::read(&glove, &words(&["the", "fox"]), Missing::Zero)
            .map_err(|error| error.to_string())
    };
    // Undecodable words: in the middle, in the first line, and with blanks.
    for content in [
        &b"the 1 2\n\xff\xfe 5 6\nfox 3 4\n"[..],
        b"\xe9 5 6\nthe 1 2\nfox 3 4\n",
        b"the 1 2\n. \xff 5 6\nfox 3 4\n",
    ] {
        let error = read(content, OnError::Fail).unwrap_err();
        assert!(
            error.contains("word: expected text in UTF-8")
                && error.contains("`--skip-undecodable`"),
            "{error}"
        );
        let table = read(content, OnError::Skip).unwrap();
        assert_eq!((table.values(), table.found()), (&[0., 0., 1., 2., 3., 4.][..], 2));
        let reading = table.reading();
        assert_eq!((reading.records, reading.lines, reading.left_out.records), (2, 3, 1));
        assert!(reading.left_out.first[0].ends_with("instead of a word in UTF-8"), "{reading}");
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"the 1 2\nfox 3 4\n").unwrap();
    let padded = [packed.finish().unwrap(), vec![0; 512]].concat();
    let error = read(&padded, OnError::Fail).unwrap_err();
    assert!(
        error.contains(
            "not a complete gzip file: 512 bytes after its end, zeros (`--skip-undecodable`"
        ),
        "{error}"
    );
    let table = read(&padded, OnError::Skip).unwrap();
    assert_eq!(
        table.reading().to_string(),
        "2 records from 2 lines, 512 bytes ignored after the end of the gzip file"
    );
    // Invalid values are never skipped, and a file with only undecodable words is an error.
    assert!(read(b"the 1 2\nfox 3 x\n", OnError::Skip).is_err());
    assert!(read(b"the 1 2\n\xff 3\n", OnError::Skip).is_err());
    assert!(read(b"\xff 3 4\n", OnError::Skip).unwrap_err().contains("number of words"));
    // A byte-order mark is not part of the first word.
    assert_eq!(read(b"\xef\xbb\xbfthe 1 2\n", OnError::Fail).unwrap().found(), 1);
    assert_eq!(
        read(b"\xef\xbb\xbf1 2\r\nthe 1 2\r\n", OnError::Fail).unwrap().reading().records,
        1
    );
}

#[test]
fn a_cache_says_what_was_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (dir.path().join("glove.txt"), dir.path().join("cache.safetensors"));
    std::fs::write(&path, b"the 1 2\n\xff 3 4\n").unwrap();
    let read = |on_error| {
        let file = GloveFile { on_error, ..GloveFile::new(&path) };
        EmbeddingTable::cached(&file, &words(&["the"]), Missing::Zero, &cache)
            .map_err(|error| error.to_string())
    };
    let (table, usage) = read(OnError::Skip).unwrap();
    assert_eq!((usage, table.reading().left_out.records), (CacheUse::Written, 1));
    assert_eq!(read(OnError::Skip).unwrap(), (table, CacheUse::Used));
    // The cache does not hide errors from readers with other settings.
    assert!(read(OnError::Fail).unwrap_err().contains("line 2: word: expected text in UTF-8"));
}

#[test]
fn missing_words_have_values_of_their_own() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let line: String = (0..400).map(|_| " 1").collect();
    std::fs::write(&file, format!("the{line}\n")).unwrap();
    let read = |vocabulary: &[&str], seed, deviation| {
        let missing = Missing::Random { seed, deviation };
        EmbeddingTable::read(&GloveFile::new(file.path()), &words(vocabulary), missing)
    };
    let table = read(&["the", "fox", "dog"], 1, 0.4).unwrap();
    let rows: Vec<&[f32]> = table.values().chunks(400).collect();
    assert!(rows[0].iter().all(|&value| value == 0.0) && rows[1].iter().all(|&value| value == 1.0));
    let deviation =
        |row: &[f32]| (row.iter().map(|value| value * value).sum::<f32>() / 400.0).sqrt();
    let mean = |row: &[f32]| row.iter().sum::<f32>() / 400.0;
    assert!(
        rows[2..].iter().all(|row| (deviation(row) - 0.4).abs() < 0.04 && mean(row).abs() < 0.08)
    );
    assert_ne!(rows[2], rows[3]);
    // The values do not depend on the position of the word, but on the seed.
    assert_eq!(&read(&["dog", "a"], 1, 0.4).unwrap().values()[400..800], rows[3]);
    assert_ne!(&read(&["dog", "a"], 2, 0.4).unwrap().values()[400..800], rows[3]);
    for deviation in [-1.0, f32::NAN, f32::INFINITY] {
        assert!(
            read(&["dog"], 1, deviation)
                .unwrap_err()
                .to_string()
                .starts_with("deviation of missing words")
        );
    }
}

#[test]
fn a_cache_is_used_for_what_it_belongs_to_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (dir.path().join("glove.txt"), dir.path().join("cache.safetensors"));
    std::fs::write(&path, "the 1 2\nfox 3 4\n").unwrap();
    let file = GloveFile::new(&path);
    let read = |vocabulary: &[&str], missing| {
        let (table, usage) =
            EmbeddingTable::cached(&file, &words(vocabulary), missing, &cache).unwrap();
        assert_eq!(
            table,
            EmbeddingTable::read(&file, &words(vocabulary), missing).unwrap(),
            "{usage:?}"
        );
        usage
    };
    let replaced = |usage: CacheUse| matches!(usage, CacheUse::Replaced { .. });
    let random = Missing::Random { seed: 1, deviation: 0.5 };
    assert_eq!(read(&["the", "fox", "cat"], random), CacheUse::Written);
    let bytes = std::fs::read(&cache).unwrap();
    assert_eq!(read(&["the", "fox", "cat"], random), CacheUse::Used);
    assert!(replaced(read(&["fox", "the", "cat"], random)));
    assert!(replaced(read(&["fox", "the", "cat"], Missing::Zero)));
    assert!(replaced(read(&["the", "fox", "cat"], random)));
    assert_eq!(std::fs::read(&cache).unwrap(), bytes);
    // A file of the same size, modified at another time.
    std::fs::write(&path, "the 9 2\nfox 3 4\n").unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert!(replaced(read(&["the", "fox", "cat"], random)));
    let damaged = |bytes: &[u8]| {
        std::fs::write(&cache, bytes).unwrap();
        replaced(read(&["the", "fox", "cat"], random))
    };
    let bytes = std::fs::read(&cache).unwrap();
    assert!(damaged(b"") && damaged(&bytes[..bytes.len() - 1]) && damaged(&[0xff; 64]));
    let mut nan = bytes.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(damaged(&nan));
    let nowhere = Path::new("/nowhere/at/all");
    assert!(
        EmbeddingTable::cached(&file, &words(&["the"]), random, nowhere)
            .unwrap_err()
            .to_string()
            .contains("cannot")
    );
}
