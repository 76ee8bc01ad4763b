//! Rules that split texts into words.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation;

/// The rule that splits a text into words. Both rules convert it to lower case first.
///
/// ```
/// use mbls_nlp::text::WordRule;
///
/// let text = "Don't e-mail “Zoë” …";
/// assert_eq!(WordRule::Keras.words(text), ["don't", "e", "mail", "“zoë”", "…"]);
/// assert_eq!(WordRule::Unicode.words(text), ["don't", "e", "mail", "zoë"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WordRule {
    /// The rule of Keras' `Tokenizer`: words are separated by blanks, tabs, line feeds and ASCII
    /// punctuation other than the apostrophe. Other white space, such as a carriage return, is part
    /// of a word.
    ///
    /// # References
    ///
    /// keras_preprocessing 1.1.2, `text_to_word_sequence`.
    Keras,
    /// The words of Unicode Standard Annex #29 that contain a letter or a digit.
    Unicode,
}

/// The separators of Keras: its filter characters, which it replaces by blanks, and the blank.
const KERAS: [bool; 256] = {
    let mut table = [false; 256];
    let separators = b" !\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n";
    let mut i = 0;
    while i < separators.len() {
        table[separators[i] as usize] = true;
        i += 1;
    }
    table
};

impl WordRule {
    /// Returns the words of a text, in order.
    pub fn words(self, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        self.each(text, |word| words.push(word.to_owned()));
        words
    }

    /// Calls `f` with each word of a text, in order.
    pub fn each(self, text: &str, mut f: impl FnMut(&str)) {
        let lower = lower(text);
        match self {
            Self::Keras => {
                let mut start = 0;
                for (end, &byte) in lower.as_bytes().iter().enumerate() {
                    if KERAS[usize::from(byte)] {
                        // Separators are ASCII, so this is a character boundary.
                        lower
                            .get(start..end)
                            .filter(|word| !word.is_empty())
                            .into_iter()
                            .for_each(&mut f);
                        start = end + 1;
                    }
                }
                lower.get(start..).filter(|word| !word.is_empty()).into_iter().for_each(f);
            }
            Self::Unicode => lower.unicode_words().for_each(&mut f),
        }
    }
}

/// Converts the whole text before it is split, because the lower case of a Greek sigma depends on
/// its context.
fn lower(text: &str) -> Cow<'_, str> {
    match text.is_ascii() {
        true if text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Cow::Owned(text.to_ascii_lowercase())
        }
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.to_lowercase()),
    }
}
