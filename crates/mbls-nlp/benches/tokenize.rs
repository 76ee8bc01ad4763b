//! Times the conversion of the messages of 20 Newsgroups to padded rows of ids: reading, counting
//! words, looking them up, padding. `compare_tokenize.py` runs it.
//!
//!     cargo bench -p mbls-nlp --bench tokenize -- FILE.tar.gz NUM_WORDS LENGTH THREADS [OUT]
//!
//! Prints JSON with the seconds of each step, of `memory` (all steps except reading) and of
//! `archive` (all steps). Writes to the folder OUT: `words.tsv` with all words and their counts,
//! `sequences.bin` with the number of words and the ids of each message, and `rows.bin` with the
//! rows. Binary files contain 32-bit little-endian integers.

use mbls_nlp::dataset::newsgroups;
use mbls_nlp::text::{Tokenizer, Vocabulary, WordRule, WordTokenizer, pad};
use rayon::prelude::*;
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

fn bytes(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_le_bytes).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo test --benches` and `cargo bench` add options.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [file, num_words, length, threads, out @ ..] = &arguments[..] else {
        eprintln!("nothing to tokenise: FILE.tar.gz NUM_WORDS LENGTH THREADS [OUT]");
        return Ok(());
    };
    let (num_words, length): (usize, usize) = (num_words.parse()?, length.parse()?);
    rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
    let start = Instant::now();
    let set = newsgroups::load(file)?;
    let texts = set.texts.texts();
    let read = start.elapsed().as_secs_f64();

    let start = Instant::now();
    let tokenizer = WordTokenizer::fit(WordRule::Keras, texts, Some(num_words))?;
    let count = start.elapsed().as_secs_f64();

    let start = Instant::now();
    let sequences = tokenizer.encode_all(texts)?;
    let encode = start.elapsed().as_secs_f64();

    let start = Instant::now();
    let mut rows = vec![0; texts.len() * length];
    rows.par_chunks_mut(length).zip(&sequences).for_each(|(row, sequence)| pad(sequence, 0, row));
    let padding = start.elapsed().as_secs_f64();

    if let [out] = out {
        let out = Path::new(out);
        let mut text = String::new();
        Vocabulary::count(WordRule::Keras, texts)
            .words()
            .try_for_each(|(word, count)| writeln!(text, "{word}\t{count}"))?;
        std::fs::write(out.join("words.tsv"), text)?;
        let sequence =
            |sequence: &Vec<u32>| std::iter::once(sequence.len() as u32).chain(sequence.clone());
        std::fs::write(out.join("sequences.bin"), bytes(sequences.iter().flat_map(sequence)))?;
        std::fs::write(out.join("rows.bin"), bytes(rows))?;
    }
    let memory = count + encode + padding;
    let report = serde_json::json!({
        "texts": texts.len(),
        "ids": tokenizer.ids(),
        "read": read,
        "count": count,
        "encode": encode,
        "pad": padding,
        "memory": memory,
        "archive": read + memory,
    });
    println!("{report}");
    Ok(())
}
