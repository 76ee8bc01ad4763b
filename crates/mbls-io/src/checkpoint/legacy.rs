//! The container of `torch.save` before version 1.6: five consecutive pickles (a magic number, a
//! version, properties of the machine, the object, the keys of the storages), then the length and
//! bytes of every storage.

use super::pickle;
use super::values::{Id, Node, Parsed, Values};
use super::view::Element;
use std::collections::HashMap;
use std::ops::Range;

const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const VERSION: i64 = 1001;

/// Reads the file's objects.
pub(super) fn read(file: &[u8], limit: usize) -> Parsed<(Values, Id)> {
    let mut values = Values::new();
    let mut at = 0;
    let mut next = |values: &mut Values| {
        let (object, end) = pickle::read(file, at, values)?;
        at = end;
        Ok::<Id, String>(object)
    };
    let magic = next(&mut values)?;
    if !matches!(values.node(magic), Node::Big(bytes) if bytes[..] == MAGIC) {
        return Err("a pickle, but not one of torch.save".into());
    }
    let version = next(&mut values)?;
    if values.int(version) != Some(VERSION) {
        return Err(format!("format version {}, expected {VERSION}", values.describe(version)));
    }
    let machine = next(&mut values)?;
    if let Node::Dict(entries) = values.node(machine) {
        let big = |&(key, value): &(Id, Id)| {
            values.str(key) == Some("little_endian") && value != Values::TRUE
        };
        if entries.iter().any(big) {
            return Err("its numbers are big-endian; save it on a little-endian machine".into());
        }
    }
    let object = next(&mut values)?;
    let keys = next(&mut values)?;
    let ranges = storages(file, at, &values, keys)?;
    values.locate(limit, |key| {
        ranges.get(key).cloned().ok_or_else(|| format!("the file does not list storage {key:?}"))
    })?;
    Ok((values, object))
}

/// Finds the byte range of each storage.
fn storages(
    file: &[u8],
    start: usize,
    values: &Values,
    keys: Id,
) -> Parsed<HashMap<String, Range<usize>>> {
    let mut elements: HashMap<&str, Element> = HashMap::new();
    for storage in &values.storages {
        let key = values.str(storage.key).unwrap_or_default();
        if elements
            .insert(key, storage.element)
            .is_some_and(|other| other.size() != storage.element.size())
        {
            return Err(format!("storage {key:?} has two types"));
        }
    }
    let Node::List(keys) = values.node(keys) else {
        return Err(format!("the storages' keys are {}, expected a list", values.describe(keys)));
    };
    let mut ranges = HashMap::new();
    let mut at = start;
    for &key in keys {
        let Some(key) = values.str(key) else {
            return Err(format!("a storage's key is {}, expected a string", values.describe(key)));
        };
        let element =
            elements.get(key).ok_or_else(|| format!("the type of storage {key:?} is not given"))?;
        let cut = || format!("storage {key:?} is truncated");
        let data = at.checked_add(8).ok_or_else(cut)?;
        let length =
            file.get(at..data).and_then(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes);
        let bytes = usize::try_from(length.ok_or_else(cut)?)
            .ok()
            .and_then(|count| count.checked_mul(element.size()));
        let end = bytes
            .and_then(|bytes| data.checked_add(bytes))
            .filter(|&end| end <= file.len())
            .ok_or_else(cut)?;
        if ranges.insert(key.to_owned(), data..end).is_some() {
            return Err(format!("storage {key:?} is listed twice"));
        }
        at = end;
    }
    Ok(ranges)
}
