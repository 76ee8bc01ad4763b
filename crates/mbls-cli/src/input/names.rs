//! The names of arrays and columns by which scores and labels are found.

/// Names of scores, the first found is read.
const SCORES: &[&str] = &[
    "logits",
    "logit",
    "probs",
    "prob",
    "probabilities",
    "probability",
    "proba",
    "softmax",
    "y_prob",
    "y_proba",
    "pred_probs",
    "pyx",
    "scores",
    "score",
    "y_score",
    "outputs",
    "output",
    "predictions",
    "preds",
    "pred",
    "y_pred",
];

/// Names of labels.
const LABELS: &[&str] = &[
    "labels",
    "label",
    "targets",
    "target",
    "y",
    "y_true",
    "true_label",
    "true_labels",
    "ground_truth",
    "gt",
    "truth",
    "gt_labels",
    "class",
];

/// Prefixes of columns of scores, one for each class: `prob_0`, `logit1`.
pub(crate) const PREFIXES: &[&str] = &[
    "logits",
    "logit",
    "probs",
    "prob",
    "probability",
    "proba",
    "p",
    "softmax",
    "scores",
    "score",
    "outputs",
    "output",
    "preds",
    "pred",
    "class",
];

/// What a name says about scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    Logits,
    Probs,
}

/// Returns what a name says about scores.
pub(crate) fn hint(name: &str) -> Option<Hint> {
    let name = name.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match (has(&["logit"]), has(&["prob", "softmax", "sigmoid", "pyx"])) {
        (true, false) => Some(Hint::Logits),
        (false, true) => Some(Hint::Probs),
        _ => None,
    }
}

/// Returns the index of the scores among `names`.
pub(crate) fn scores(names: &[&str], fits: impl Fn(usize) -> bool) -> Option<usize> {
    first(SCORES, names, fits)
}

/// Returns the index of the labels among `names`.
pub(crate) fn labels(names: &[&str], fits: impl Fn(usize) -> bool) -> Option<usize> {
    first(LABELS, names, fits)
}

fn first(conventional: &[&str], names: &[&str], fits: impl Fn(usize) -> bool) -> Option<usize> {
    let is = |wanted: &&str| {
        (0..names.len()).find(|&index| names[index].eq_ignore_ascii_case(wanted) && fits(index))
    };
    conventional.iter().find_map(is)
}

/// Returns the stems that a file of labels beside a file of scores may have: `test_labels` beside
/// `test_probs`.
pub(crate) fn label_stems(stem: &str) -> Vec<String> {
    let scores = SCORES.iter().filter_map(|word| {
        let rest = stem.strip_suffix(word)?;
        (rest.is_empty() || rest.ends_with(['_', '-', '.'])).then_some(rest)
    });
    scores
        .flat_map(|rest| ["labels", "targets", "y"].map(|labels| format!("{rest}{labels}")))
        .collect()
}

/// Formats names for an error.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = names.into_iter().map(|name| format!("{name:?}")).collect();
    if names.len() <= SHOWN {
        return names.join(", ");
    }
    format!("{} and {} others", names[..SHOWN].join(", "), names.len() - SHOWN)
}
