//! The meaning of the classes and functions named in a checkpoint. Those listed here create tensors
//! and containers; every other name creates an opaque object that is kept and never run.

use super::values::{Id, Node, Parsed, Values};
use super::view::{Element, StorageRef, TensorRef};

/// The maximum number of arguments of the functions listed here.
const MAX_ARGUMENTS: usize = 8;

/// Resolves a persistent id: `torch.save` stores tensor data outside of the pickle and refers to it
/// by such ids.
pub(super) fn persistent(values: &mut Values, id: Id) -> Parsed<Id> {
    let wrong = |values: &Values, id| {
        Err(format!("{} is not a reference to a storage", values.describe(id)))
    };
    let Some(parts) = values.tuple(id) else { return wrong(values, id) };
    match *parts {
        // A class with its source text, from a module that was pickled whole.
        [kind, class, ..] if values.str(kind) == Some("module") => Ok(class),
        [kind, class, key, _location, length, ref rest @ ..]
            if values.str(kind) == Some("storage") =>
        {
            let element = match values.global(class) {
                Some((module, name)) if module == "torch" || module.starts_with("torch.") => {
                    Element::of_storage(name)
                }
                _ => None,
            };
            let Some(element) = element else {
                return Err(format!("{} is not a storage class", values.describe(class)));
            };
            let Some(mut length) = values.index(length) else {
                return Err(format!("a storage of {} elements", values.describe(length)));
            };
            if values.str(key).is_none() {
                return Err(format!(
                    "a storage's key is {}, expected a string",
                    values.describe(key)
                ));
            }
            let mut start = 0;
            // Before version 0.4 a storage could be a part of another storage: (key, first element,
            // number of elements).
            if let Some(view) = rest.first().and_then(|&view| values.tuple(view)) {
                let part = match *view {
                    [_, first, part] => values.index(first).zip(values.index(part)),
                    _ => None,
                };
                (start, length) = part.ok_or("the part of a storage is not (key, offset, size)")?;
            }
            values.add_storage(StorageRef::new(key, element, start, length))
        }
        _ => wrong(values, id),
    }
}

/// Returns the object that calling `callable` creates.
pub(super) fn call(values: &mut Values, callable: Id, arguments: Id) -> Parsed<Id> {
    let Some(given) = values.tuple(arguments) else {
        return Err(format!(
            "the arguments of a call are {}, expected a tuple",
            values.describe(arguments)
        ));
    };
    let count = given.len();
    // Only the first arguments are kept, so a long tuple in the memo is not copied repeatedly.
    let given: Vec<Id> = given.iter().take(MAX_ARGUMENTS).copied().collect();
    let Some((module, name)) = values.global(callable) else {
        return opaque(values, callable, arguments);
    };
    match (module, name) {
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => tensor(values, &given, count),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
            given.first().copied().ok_or_else(|| "a parameter without a tensor".into())
        }
        // A tensor with attributes: (function, type, arguments, attributes).
        ("torch._tensor", "_rebuild_from_type_v2") => {
            let [function, _, arguments, ..] = given[..] else {
                return Err(format!("a tensor with attributes of {count} parts, expected 4"));
            };
            match (values.global(function), values.tuple(arguments)) {
                (Some(("torch._utils", "_rebuild_tensor_v2")), Some(inner)) => {
                    let count = inner.len();
                    let inner: Vec<Id> = inner.iter().take(MAX_ARGUMENTS).copied().collect();
                    tensor(values, &inner, count)
                }
                _ => opaque(values, function, arguments),
            }
        }
        ("torch", "Size")
        | ("builtins" | "__builtin__", "tuple" | "list" | "set" | "frozenset") => match given[..] {
            [] => values.add(Node::List(Vec::new())),
            // The same items: a copy and its original are equivalent here.
            [items] if matches!(values.node(items), Node::Tuple(_) | Node::List(_)) => Ok(items),
            _ => opaque(values, callable, arguments),
        },
        ("collections", "OrderedDict" | "Counter") | ("builtins" | "__builtin__", "dict") => {
            match given[..] {
                [] => values.add(Node::Dict(Vec::new())),
                [entries] => dict(values, callable, entries, arguments),
                _ => opaque(values, callable, arguments),
            }
        }
        ("collections", "defaultdict") => match given[..] {
            [_, entries] => dict(values, callable, entries, arguments),
            _ => values.add(Node::Dict(Vec::new())),
        },
        _ => opaque(values, callable, arguments),
    }
}

fn opaque(values: &mut Values, of: Id, arguments: Id) -> Parsed<Id> {
    values.add(Node::Object { of, arguments, state: None })
}

/// Creates a dict from the entries of another dict or from a list of pairs.
fn dict(values: &mut Values, callable: Id, entries: Id, arguments: Id) -> Parsed<Id> {
    let pairs = match values.node(entries) {
        Node::Dict(_) => return Ok(entries),
        Node::List(pairs) => pairs,
        _ => return opaque(values, callable, arguments),
    };
    let pair = |&id: &Id| match values.node(id) {
        Node::Tuple(pair) => <[Id; 2]>::try_from(&pair[..]).ok(),
        Node::List(pair) => <[Id; 2]>::try_from(&pair[..]).ok(),
        _ => None,
    };
    let count = pairs.len();
    let pairs: Option<Vec<(Id, Id)>> =
        pairs.iter().map(|id| pair(id).map(|[key, value]| (key, value))).collect();
    let pairs = pairs.ok_or("a dict of something other than pairs")?;
    values.count_copied(count)?;
    values.add(Node::Dict(pairs))
}

/// Creates a tensor from
/// `(storage, offset, shape, strides[, requires_grad, backward_hooks[, metadata]])`.
fn tensor(values: &mut Values, given: &[Id], count: usize) -> Parsed<Id> {
    let [storage, offset, shape, stride, ref rest @ ..] = *given else {
        return Err(format!("a tensor of {count} parts, expected at least 4"));
    };
    let &Node::Storage(storage) = values.node(storage) else {
        return Err(format!("a tensor's storage is {}", values.describe(storage)));
    };
    let Some(offset) = values.index(offset) else {
        return Err(format!(
            "a tensor's offset is {}, expected 0 or more",
            values.describe(offset)
        ));
    };
    for (what, id) in [("shape", shape), ("stride", stride)] {
        if values.tuple(id).is_none() {
            return Err(format!("a tensor's {what} is {}, expected a tuple", values.describe(id)));
        }
    }
    let marked = match rest.get(2).map(|&metadata| values.node(metadata)) {
        None | Some(Node::None) => false,
        Some(Node::Dict(entries)) => !entries.is_empty(),
        Some(_) => true,
    };
    values.add_tensor(TensorRef { storage, offset, shape, stride, marked })
}
