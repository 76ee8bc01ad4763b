//! Words that readers stumbled over.

use crate::{files, read, shown};

/// What must not be written, and what to write.
const WORDS: &[(&str, &str)] = &[
    ("told from", "distinguished from; out-of-distribution detection"),
    ("surer than right", "overconfident"),
    ("meaned", "averaged"),
    ("somebody's own", "user-supplied"),
    ("laid anew", "re-created"),
    ("made anew", "re-created"),
    ("begun anew", "restarted"),
    ("held to PyTorch", "tested against PyTorch"),
    ("held against", "tested against, compared with"),
    ("the kinks", "non-differentiable points"),
    ("pictures from elsewhere", "an out-of-distribution data set"),
    ("images from elsewhere", "an out-of-distribution data set"),
    ("mends two thirds", "removes two thirds"),
    ("weights trained before", "pretrained weights"),
    ("to the last digit", "in every digit; bit-identical"),
    ("TimeConv", "Conv1dChannelsLast"),
];

/// The line of a text in which a word is, from 1.
fn line_of(text: &str, word: &str) -> Option<usize> {
    text.lines().position(|line| line.contains(word)).map(|line| line + 1)
}

#[test]
fn plain_words_are_used() {
    let mut problems = Vec::new();
    for path in files(&[".md", ".rs", ".toml", ".py", ".txt", ".sh"]) {
        let name = shown(&path);
        // The changelog keeps old names; results other than Markdown are output of programs.
        let is_exempt = ["CHANGELOG.md", "_typos.toml"].contains(&&*name)
            || name.contains("documents/words.rs")
            || (name.contains("results/") && !name.ends_with(".md"));
        if is_exempt {
            continue;
        }
        let text = read(&path);
        for (word, instead) in WORDS {
            if let Some(line) = line_of(&text, word) {
                problems.push(format!("{name}:{line}: \"{word}\": write {instead}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_word_is_found_in_its_line() {
    assert_eq!(line_of("one\nmeaned over rows", "meaned"), Some(2));
    assert_eq!(line_of("averaged over rows", "meaned"), None);
}
