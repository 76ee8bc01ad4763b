//! Prefixes that wrappers of a network add to the names of its tensors, and the bookkeeping tensors
//! they add.

use std::collections::BTreeMap;

/// The prefixes of wrappers: data parallel and averaged modules, compiled modules, and the
/// attribute in which a training program keeps its network.
const PREFIXES: [&str; 5] = ["module.", "_orig_mod.", "model.", "net.", "encoder."];

/// The prefixes that have no other meaning in any network.
const ALWAYS: [&str; 2] = ["module.", "_orig_mod."];

/// The maximum number of nested wrappers.
const DEPTH: usize = 4;

/// Tensors that wrappers save with the weights: `n_averaged` of PyTorch's averaged model, the
/// counters and rates of other averages.
const BOOKKEEPING: [&str; 5] = ["n_averaged", "num_updates", "initted", "step", "decay"];

/// Returns whether a tensor, by its name, is bookkeeping of a wrapper and not a weight of the
/// network.
pub(crate) fn is_bookkeeping(name: &str) -> bool {
    BOOKKEEPING.contains(&name)
}

/// Returns the prefix whose removal makes the most names `expected`; empty if no prefix increases
/// their number.
///
/// Only considers prefixes whose removal leaves the names distinct: otherwise it would be ambiguous
/// which of two sets of weights is meant.
pub(crate) fn prefix<T>(named: &BTreeMap<String, T>, expected: impl Fn(&str) -> bool) -> String {
    let mut gains = BTreeMap::new();
    for name in named.keys() {
        for prefix in prefixes(name) {
            let gain = i64::from(expected(&name[prefix.len()..])) - i64::from(expected(name));
            *gains.entry(prefix).or_insert(0) += gain;
        }
    }
    let mut candidates: Vec<(&str, i64)> =
        gains.into_iter().filter(|(_, gain)| *gain > 0).collect();
    // Of ties, the shortest.
    candidates.sort_by_key(|(prefix, gain)| (-gain, prefix.len()));
    let keeps_apart = |prefix: &str| {
        let mut short = named.keys().filter_map(|name| name.strip_prefix(prefix));
        short.all(|short| short.starts_with(prefix) || !named.contains_key(short))
    };
    candidates
        .into_iter()
        .find(|(prefix, _)| keeps_apart(prefix))
        .map_or_else(String::new, |(prefix, _)| prefix.to_owned())
}

/// Returns the prefix shared by all names except bookkeeping, composed of prefixes in [`ALWAYS`].
pub(crate) fn common<T>(named: &BTreeMap<String, T>) -> String {
    let weights = || named.keys().filter(|name| !is_bookkeeping(name));
    let mut common = String::new();
    for _ in 0..DEPTH.min(weights().count() * DEPTH) {
        let follows = |next: &&&str| {
            weights().all(|name| {
                name.strip_prefix(common.as_str()).is_some_and(|rest| rest.starts_with(**next))
            })
        };
        let Some(next) = ALWAYS.iter().find(follows) else { break };
        common.push_str(next);
    }
    common
}

/// Removes a prefix from the names that have it.
pub(crate) fn without<T>(prefix: &str, named: BTreeMap<String, T>) -> BTreeMap<String, T> {
    let short = |name: String| name.strip_prefix(prefix).map(str::to_owned).unwrap_or(name);
    named.into_iter().map(|(name, value)| (short(name), value)).collect()
}

/// Returns the prefixes of a name that may come from wrappers.
fn prefixes(name: &str) -> Vec<&str> {
    let mut prefixes = Vec::new();
    let mut end = 0;
    while let Some(next) =
        PREFIXES.iter().find(|next| prefixes.len() < DEPTH && name[end..].starts_with(**next))
    {
        end += next.len();
        prefixes.push(&name[..end]);
    }
    prefixes
}
