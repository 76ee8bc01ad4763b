//! Finds the dict of a checkpoint that contains the weights.

use super::array::Array;
use super::values::{Id, Node, Parsed, Values, shortened};
use super::view::TensorRef;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Keys under which training programs store the weights.
const KEYS: [&str; 10] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "params",
    "weights",
    "module",
    "net_state_dict",
];

/// Keys of averaged weights, used if there are no others.
const AVERAGED_KEYS: [&str; 6] =
    ["ema", "ema_state_dict", "state_dict_ema", "model_ema", "params_ema", "ema_model"];

/// The maximum search depth, enough for `{"model": {"state_dict": {..}}}`.
const DEPTH: usize = 2;

/// The maximum number of entries listed in a message.
const LISTED: usize = 12;

/// Returns the weights by name.
pub(super) fn find(values: &Values, root: Id) -> Parsed<BTreeMap<String, TensorRef>> {
    let mut found = Vec::new();
    search(values, root, &KEYS, "", DEPTH, &mut found);
    if found.is_empty() {
        let all: Vec<&str> = KEYS.iter().chain(&AVERAGED_KEYS).copied().collect();
        search(values, root, &all, "", DEPTH, &mut found);
    }
    let &[(_, dict)] = &found[..] else {
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        return Err(match paths[..] {
            [] => format!("no dict of tensors was found in it: {}", overview(values, root)),
            _ => format!("several dicts of tensors: {}", paths.join(", ")),
        });
    };
    let mut weights = BTreeMap::new();
    for &(key, value) in entries(values, dict) {
        if let (Some(name), &Node::Tensor(tensor)) = (values.str(key), values.node(value)) {
            weights.insert(name.to_owned(), values.tensors[tensor as usize]);
        }
    }
    Ok(weights)
}

/// Reads tensors that may take `limit` bytes in total. Tensors with the same view of the same
/// storage are read and counted once.
pub(super) fn read<'a>(
    values: &Values,
    weights: &BTreeMap<String, TensorRef>,
    limit: usize,
    file: &'a [u8],
) -> Parsed<BTreeMap<String, Arc<Array<'a>>>> {
    let mut views: HashMap<_, Arc<Array>> = HashMap::new();
    let mut total = 0usize;
    let mut read = |name: &String, tensor: &TensorRef| {
        let view = tensor.view(values, limit)?;
        if let Some(array) = views.get(&view) {
            return Ok(array.clone());
        }
        total = total.saturating_add(view.byte_count());
        if total > limit {
            return Err("together the tensors are larger than the file can hold".to_owned());
        }
        let array = tensor
            .read(values, limit, file)
            .map_err(|problem| format!("{}: {problem}", shortened(name)))?;
        let array = Arc::new(array);
        views.insert(view, array.clone());
        Ok(array)
    };
    weights.iter().map(|(name, tensor)| Ok((name.clone(), read(name, tensor)?))).collect()
}

fn entries(values: &Values, id: Id) -> &[(Id, Id)] {
    match values.node(id) {
        Node::Dict(entries) => entries,
        _ => &[],
    }
}

/// Returns whether a dict contains only tensors by name, except for the `_extra_state` of modules.
fn holds_weights(values: &Values, id: Id) -> bool {
    let tensor = |value| matches!(values.node(value), Node::Tensor(_));
    let extra = |name: &str| name.rsplit('.').next() == Some("_extra_state");
    let entries = entries(values, id);
    entries
        .iter()
        .all(|&(key, value)| values.str(key).is_some_and(|name| tensor(value) || extra(name)))
        && entries.iter().any(|&(_, value)| tensor(value))
}

fn search(
    values: &Values,
    id: Id,
    keys: &[&str],
    path: &str,
    depth: usize,
    found: &mut Vec<(String, Id)>,
) {
    if holds_weights(values, id) {
        if found.iter().all(|&(_, other)| other != id) {
            found.push((path.to_owned(), id));
        }
    } else if depth > 0 {
        for key in keys {
            let named =
                entries(values, id).iter().rev().find(|&&(name, _)| values.str(name) == Some(key));
            if let Some(&(_, inner)) = named {
                let path =
                    if path.is_empty() { (*key).to_owned() } else { format!("{path}.{key}") };
                search(values, inner, keys, &path, depth - 1, found);
            }
        }
    }
}

/// Describes the content of a file without weights.
fn overview(values: &Values, root: Id) -> String {
    let entries = entries(values, root);
    if entries.is_empty() {
        return match values.node(root) {
            Node::Object { .. } => {
                format!(
                    "it is {}; if that is a whole module, save its state_dict()",
                    values.describe(root)
                )
            }
            _ => format!("it is {}", values.describe(root)),
        };
    }
    let mut parts: Vec<String> =
        entries.iter().take(LISTED).map(|&entry| describe(values, entry)).collect();
    if entries.len() > LISTED {
        parts.push(format!("and {} more", entries.len() - LISTED));
    }
    format!("it has {}", parts.join(", "))
}

fn describe(values: &Values, (key, value): (Id, Id)) -> String {
    let text = format!("{}: {}", values.describe(key), values.describe(value));
    // The first entry that is not a tensor, which is why the dict is not the weights.
    let other = entries(values, value)
        .iter()
        .find(|&&(_, value)| !matches!(values.node(value), Node::Tensor(_)));
    match other {
        Some(&(key, value)) => {
            format!("{text} (with {}: {})", values.describe(key), values.describe(value))
        }
        None => text,
    }
}
