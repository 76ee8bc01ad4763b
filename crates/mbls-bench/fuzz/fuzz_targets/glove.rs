//! Treats the input as a file of word vectors: it is read if and only if a slow reader reads it,
//! with the same words and values.
//!
//! The first byte selects the expected dimension and the compression of the file.

#![no_main]

mod scratch;

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use mbls_nlp::embedding::{GloveFile, read_vectors};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};

const DIMENSIONS: [Option<usize>; 7] = [None, Some(1), Some(2), Some(3), Some(50), Some(0), Some(1 << 16)];

type Found = Vec<(usize, Vec<u32>)>;

/// Assigns indices to words in the order of the lookups; some words have none.
#[derive(Default)]
struct Places(HashMap<String, usize>);

impl Places {
    fn of(&mut self, word: &str) -> Option<usize> {
        let next = self.0.len();
        (!word.starts_with('x')).then(|| *self.0.entry(word.to_owned()).or_insert(next))
    }
}

fn number(field: &[u8]) -> Option<f32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// A slow reader: returns the dimension, and the values of the words that have an index.
fn slow(content: &[u8], mut dimension: Option<usize>) -> Option<(usize, Found)> {
    let mut lines: Vec<&[u8]> = content.split(|&byte| byte == b'\n').collect();
    // The text after the last line end is a line only if it is not empty.
    lines.pop_if(|line| line.is_empty());
    let (mut places, mut seen, mut found, mut words) = (Places::default(), HashSet::new(), Vec::new(), 0);
    for (i, line) in lines.into_iter().enumerate() {
        let line = line.trim_ascii_end();
        let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| i == 0).unwrap_or(line);
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let is_count = |field: &&[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
        if i == 0 && fields.len() == 2 && fields.iter().all(is_count) {
            continue;
        }
        let trailing = fields[1..].iter().rev().take_while(|field| number(field).is_some()).count();
        let size = *dimension.get_or_insert(trailing);
        if !(1..1 << 16).contains(&size) || fields.len() <= size {
            return None;
        }
        let (word, values) = fields.split_at(fields.len() - size);
        if word.len() > 1 && number(word[word.len() - 1]).is_some() {
            return None;
        }
        let word = String::from_utf8(word.join(&b' ')).ok().filter(|word| !word.is_empty())?;
        words += 1;
        if let Some(place) = places.of(&word)
            && seen.insert(place)
        {
            let value = |field: &&[u8]| number(field).filter(|value| value.is_finite()).map(f32::to_bits);
            found.push((place, values.iter().map(value).collect::<Option<_>>()?));
        }
    }
    dimension.filter(|_| words > 0).map(|dimension| (dimension, found))
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let dimension = DIMENSIONS[usize::from(choice) % DIMENSIONS.len()];
    let is_packed = usize::from(choice) / DIMENSIONS.len() % 2 == 1;
    let path = if is_packed {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        scratch::file("words.txt", &encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("bytes in memory"))
    } else {
        scratch::file("words.txt", bytes)
    };
    // An uncompressed input may itself be a gzip file.
    let content = match !is_packed && bytes.starts_with(&[0x1F, 0x8B]) {
        false => Some(bytes.to_vec()),
        true => {
            let mut content = Vec::new();
            MultiGzDecoder::new(bytes).take(1 << 20).read_to_end(&mut content).ok().map(|_| content)
        }
    };
    let mut places = Places::default();
    let mut found = Found::new();
    let read = read_vectors(
        &GloveFile { dimension, ..GloveFile::new(path) },
        |word| places.of(word),
        |place, values| {
            found.push((place, values.iter().map(|value| value.to_bits()).collect()));
            Ok(())
        },
    );
    let expected = content.and_then(|content| slow(&content, dimension));
    assert_eq!(read.map(|read| (read.dimension, found)).map_err(|error| error.to_string()).ok(), expected);
});
