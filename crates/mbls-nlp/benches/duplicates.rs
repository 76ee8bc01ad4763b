//! Times `duplicate_groups` on families of texts in which every text is a candidate of every other,
//! or on the messages of 20 Newsgroups.
//!
//!     cargo bench -p mbls-nlp --bench duplicates -- families|FILE.tar.gz

use mbls_nlp::dataset::{DuplicateConfig, duplicate_groups, newsgroups};
use std::collections::BTreeSet;
use std::time::Instant;

/// Returns `words` words, with those at some positions changed.
fn letter(words: usize, changed: &[(usize, String)]) -> String {
    let word = |i| {
        changed
            .iter()
            .find(|(place, _)| *place == i)
            .map_or(format!("word{i}"), |(_, word)| word.clone())
    };
    (0..words).map(word).collect::<Vec<_>>().join(" ")
}

fn number(place: usize, number: usize) -> (usize, String) {
    (place, format!("n{number}"))
}

type Family = (&'static str, fn(usize, usize) -> String);

/// Generator of text `i` of `n`.
const FAMILIES: [Family; 10] = [
    ("one number, 60 words: all near", |i, _| letter(60, &[number(20, i)])),
    ("one number, 40 words: none near", |i, _| letter(40, &[number(20, i)])),
    ("two numbers of a grid, 60 words: all near", |i, n| {
        let side = n.isqrt();
        letter(60, &[number(10, i % side), number(40, i / side)])
    }),
    ("two numbers of a grid, 44 words: none near", |i, n| {
        let side = n.isqrt();
        letter(44, &[number(10, i % side), number(30, i / side)])
    }),
    ("80 % in common, the rest own: none near", |i, _| {
        (0..20).fold(letter(80, &[]), |text, j| format!("{text} own{i}x{j}"))
    }),
    ("80 % in common, the rest of 1,000 words", |i, _| {
        (0..20).fold(letter(80, &[]), |text, j| {
            format!("{text} w{}", (i * 31 + j * (i / 1000 + 17)) % 1000)
        })
    }),
    ("endings of 0 to 29 own words", |i, _| {
        (0..i % 30).fold(letter(60, &[]), |text, j| format!("{text} own{i}x{j}"))
    }),
    ("a chain", |i, _| (i..i + 60).map(|word| format!("w{word}")).collect::<Vec<_>>().join(" ")),
    ("copies of 10 texts", |i, _| letter(60, &[number(20, i % 10)])),
    ("fourteen words of two each, 90 words", |i, _| {
        letter(
            90,
            &(0..14).map(|j| number(6 * j, (i * 40_503 % 16_384) >> j & 1)).collect::<Vec<_>>(),
        )
    }),
];

fn measure(texts: &[String]) -> Result<String, mbls_nlp::Error> {
    let start = Instant::now();
    let groups: BTreeSet<usize> =
        duplicate_groups(texts, &DuplicateConfig::default())?.into_iter().collect();
    Ok(format!("{:.3} ({})", start.elapsed().as_secs_f64(), groups.len()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    match arguments.first().map(String::as_str) {
        None => eprintln!("nothing to compare: families, or FILE.tar.gz"),
        Some("families") => families()?,
        Some(file) => println!("{}", measure(newsgroups::load(file)?.texts.texts())?),
    }
    Ok(())
}

fn families() -> Result<(), mbls_nlp::Error> {
    println!("| seconds (groups) | 4,000 | 8,000 | 16,000 | 32,000 |\n|---|---|---|---|---|");
    for (name, text) in FAMILIES {
        let mut row = format!("| {name} |");
        for n in [4_000, 8_000, 16_000, 32_000] {
            let texts: Vec<String> = (0..n).map(|i| text(i, n)).collect();
            row += &format!(" {} |", measure(&texts)?);
        }
        println!("{row}");
    }
    Ok(())
}
