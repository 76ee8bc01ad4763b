//! What wrappers of a network put before the names of its tensors, and beside them.

use std::collections::BTreeMap;

/// What wrappers put before every name: data parallel and averaged modules, compiled modules, and
/// the attribute that a training program keeps its network in.
const PREFIXES: [&str; 5] = ["module.", "_orig_mod.", "model.", "net.", "encoder."];

/// Those of them that have no other meaning, whatever the network.
const ALWAYS: [&str; 2] = ["module.", "_orig_mod."];

/// Wrappers in one another that are looked for.
const DEPTH: usize = 4;

/// What wrappers save beside the weights: `n_averaged` of PyTorch's averaged model, the counts and
/// rates of other averages.
const BOOKKEEPING: [&str; 5] = ["n_averaged", "num_updates", "initted", "step", "decay"];

/// Whether a tensor, by its name, counts what a wrapper did and is no weight of a network.
pub(crate) fn is_bookkeeping(name: &str) -> bool {
    BOOKKEEPING.contains(&name)
}

/// The prefix without which the most of the names are `expected`; empty where no prefix makes more
/// of them so.
///
/// Only one that leaves every tensor a name of its own: which of two sets of weights is meant,
/// nobody else can say.
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
    // Of equals the shortest.
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

/// The prefix that all names but bookkeeping have and that is a wrapper's whatever the network.
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

/// Takes a prefix off the names that have it.
pub(crate) fn without<T>(prefix: &str, named: BTreeMap<String, T>) -> BTreeMap<String, T> {
    let short = |name: String| name.strip_prefix(prefix).map(str::to_owned).unwrap_or(name);
    named.into_iter().map(|(name, value)| (short(name), value)).collect()
}

/// The prefixes of a name that may be those of wrappers.
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
