//! Prediction of text classes.

use super::answers::Judge;
use super::inputs::STANDARD_INPUT;
use super::options::PredictOptions;
use super::output::Output;
use anyhow::{Context, Result, bail, ensure};
use mbls_io::OnError;
use mbls_nlp::classifier::{CalibratedClassifier, TextClassification};
use mbls_nlp::dataset::labelled_file::{self, LabelledFileConfig};
use serde_json::json;
use std::io::Read;
use std::path::Path;

/// The maximum size of a text file or standard input in bytes.
const MAX_BYTES: u64 = 256 << 20;
/// The maximum number of characters of a text that the output repeats.
const SHOWN: usize = 60;

/// Classifies all inputs.
///
/// # Errors
///
/// If there is no input, an option does not apply, or the output cannot be written.
pub(super) fn run(
    classifier: &CalibratedClassifier,
    options: &PredictOptions,
    output: &mut Output,
) -> Result<()> {
    let mut judge = Judge::new(options, &classifier.settings().record, "texts")?;
    ensure!(
        !options.inputs.is_empty() || !options.texts.is_empty(),
        "INPUT: expected texts, files of texts, or - for standard input"
    );
    for text in &options.texts {
        classify(classifier, options, &mut judge, &[(quoted(text), text.clone())], output)?;
    }
    for input in &options.inputs {
        match read(input, options) {
            Ok(texts) => classify(classifier, options, &mut judge, &texts, output)?,
            Err(error) => output.fail(input, error.as_ref())?,
        }
    }
    judge.finish(output);
    Ok(())
}

/// Reads the texts of an input, with their names in the output.
fn read(input: &str, options: &PredictOptions) -> Result<Vec<(String, String)>> {
    let path = Path::new(input);
    let ending = record_ending(input);
    if input == STANDARD_INPUT {
        let mut bytes = Vec::new();
        std::io::stdin()
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        ensure!(
            bytes.len() as u64 <= MAX_BYTES,
            "standard input: expected at most {MAX_BYTES} bytes"
        );
        let text = String::from_utf8(bytes).context("standard input: expected UTF-8")?;
        return Ok(text
            .lines()
            .enumerate()
            .map(|(i, line)| (format!("line {}", i + 1), line.to_owned()))
            .collect());
    }
    if path.is_file() {
        if ending.is_some() {
            let mut config = LabelledFileConfig::default();
            if let Some(column) = &options.text_column {
                config.text.clone_from(column);
            }
            let (texts, reading) =
                labelled_file::texts(path, &config, OnError::Fail).map_err(with_column)?;
            eprintln!("{input}: {reading}");
            return Ok(texts
                .into_iter()
                .enumerate()
                .map(|(i, text)| (format!("{input}, record {}", i + 1), text))
                .collect());
        }
        let bytes = mbls_io::file::read_bounded(path, MAX_BYTES)?;
        let text = String::from_utf8(bytes).context("expected a text in UTF-8")?;
        return Ok(vec![(input.to_owned(), text)]);
    }
    if path.is_dir() {
        bail!("a folder: expected a file of texts");
    }
    // A misspelt file name that contains a space is not a text.
    ensure!(
        input.contains(char::is_whitespace)
            && ending.is_none()
            && !input.to_lowercase().ends_with(".txt"),
        "no such file; to classify the text itself, use --text {input:?}"
    );
    Ok(vec![(quoted(input), input.to_owned())])
}

/// Returns the extension of a file of records, ignoring `.gz`.
fn record_ending(input: &str) -> Option<&'static str> {
    let name = input.to_lowercase();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    [".csv", ".tsv", ".jsonl", ".ndjson"].into_iter().find(|ending| stem.ends_with(ending))
}

/// Adds a hint about the option if a column is not found.
fn with_column(error: mbls_nlp::Error) -> anyhow::Error {
    let text = mbls_io::with_causes(&error);
    if text.contains("column") {
        anyhow::anyhow!("{text}; --text-column names the column of the text")
    } else {
        error.into()
    }
}

fn classify(
    classifier: &CalibratedClassifier,
    options: &PredictOptions,
    judge: &mut Judge,
    inputs: &[(String, String)],
    output: &mut Output,
) -> Result<()> {
    output.expect(inputs.len());
    for inputs in inputs.chunks(classifier.settings().batch) {
        let texts: Vec<&str> = inputs.iter().map(|(_, text)| text.as_str()).collect();
        for ((name, _), found) in
            inputs.iter().zip(classifier.classify_all(&texts, options.role())?)
        {
            let TextClassification { answer, words, known_words } = found;
            let mut shown = judge.classification(&answer)?;
            if known_words == 0 {
                shown.lines.push(format!(
                    "none of its {words} words is known: this is the answer to an empty text"
                ));
            }
            for (name, count) in [("words", words), ("known_words", known_words)] {
                shown.json.insert(name.to_owned(), json!(count));
                shown.cells.push((name.to_owned(), count.to_string()));
            }
            output.answer(name, shown)?;
        }
    }
    Ok(())
}

/// Returns a text as the output repeats it.
fn quoted(text: &str) -> String {
    let mut letters = text.chars();
    let shown: String = letters.by_ref().take(SHOWN).collect();
    let rest = if letters.next().is_some() { "..." } else { "" };
    format!("{shown:?}{rest}")
}
