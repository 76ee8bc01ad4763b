//! Pickles of NumPy arrays. `mbls_io::checkpoint` reads the pickle without running it; what NumPy's
//! functions would have done with their arguments is done here, and nothing else.

use super::array::{Array, Layout};
use super::npy;
use super::storage::Storage;
use anyhow::{Context, Result, bail, ensure};
use mbls_io::checkpoint::{Checkpoint, Value};
use std::sync::Arc;

/// Returns whether a file begins as a pickle of protocol 2 or later does.
pub(crate) fn is(head: &[u8]) -> bool {
    matches!(head, [0x80, 2..=5, ..])
}

/// Reads the arrays: those of a dict by their keys, those of a tuple or list by their indices. Two
/// pairs, as the field's sets of saved logits are, are called `val_logits`, `val_labels`,
/// `test_logits` and `test_labels`. The file is held in memory.
pub(crate) fn read(storage: &Storage) -> Result<Vec<(String, Array)>> {
    let length = usize::try_from(storage.len()).context("the file is too large")?;
    let pickle = Checkpoint::from_pickle(storage.head(length)?)?;
    let root = pickle.root();
    if is_array(&root) {
        return Ok(vec![("array".to_owned(), array(&root)?)]);
    }
    let items: Vec<Value<'_>> = root.items().collect();
    let pairs: Vec<Vec<Value<'_>>> = items.iter().map(|item| item.items().collect()).collect();
    let mut found: Vec<(String, Value<'_>)> = Vec::new();
    if let [val, test] = &pairs[..]
        && let ([a, b], [c, d]) = (&val[..], &test[..])
    {
        let names = ["val_logits", "val_labels", "test_logits", "test_labels"];
        found.extend(names.map(str::to_owned).into_iter().zip([*a, *b, *c, *d]));
    } else {
        found.extend(items.iter().enumerate().map(|(index, &item)| (index.to_string(), item)));
        let keyed = root.entries();
        found.extend(keyed.filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value))));
    }
    let mut arrays: Vec<(String, Array)> = Vec::new();
    for (name, value) in found.into_iter().filter(|(_, value)| is_array(value)) {
        // A later entry of a dict replaces earlier ones.
        arrays.retain(|(other, _)| *other != name);
        let array = array(&value).with_context(|| format!("array {name:?}"))?;
        arrays.push((name, array));
    }
    ensure!(
        !arrays.is_empty(),
        "a pickle of {root} without NumPy arrays: expected arrays, which alone are read; nothing in \
         a pickle is run"
    );
    Ok(arrays)
}

fn is_array(value: &Value<'_>) -> bool {
    value.arguments().is_some() && value.class().is_some_and(|class| kind(&class).is_some())
}

/// How NumPy makes an array.
enum Kind {
    /// From nothing; the content is its state.
    Reconstruct,
    /// From a buffer, since protocol 5.
    FromBuffer,
}

fn kind(class: &str) -> Option<Kind> {
    match class {
        "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct" => {
            Some(Kind::Reconstruct)
        }
        "numpy.core.numeric._frombuffer" | "numpy._core.numeric._frombuffer" => {
            Some(Kind::FromBuffer)
        }
        _ => None,
    }
}

fn array(value: &Value<'_>) -> Result<Array> {
    let class = value.class().unwrap_or_default();
    let wrong = "a NumPy array whose parts are not those that NumPy writes";
    match kind(&class) {
        Some(Kind::Reconstruct) => {
            // (version, shape, type, whether the order is Fortran's, bytes)
            let state: Vec<Value<'_>> = value.state().context(wrong)?.items().collect();
            let [_, shape, element, fortran, content] = state[..] else { bail!(wrong) };
            let fortran = fortran.as_bool().context(wrong)?;
            of_parts(&shape, &element, fortran, &content)
        }
        Some(Kind::FromBuffer) => {
            // (bytes, type, shape, "C" or "F")
            let arguments: Vec<Value<'_>> = value.arguments().context(wrong)?.items().collect();
            let [content, element, shape, order] = arguments[..] else { bail!(wrong) };
            let fortran = match order.as_str() {
                Some("C") => false,
                Some("F") => true,
                _ => bail!(wrong),
            };
            of_parts(&shape, &element, fortran, &content)
        }
        None => bail!("{value}: expected a NumPy array"),
    }
}

fn of_parts(
    shape: &Value<'_>,
    element: &Value<'_>,
    fortran: bool,
    content: &Value<'_>,
) -> Result<Array> {
    let size = |size: Value<'_>| {
        let size = size.as_i64().and_then(|size| usize::try_from(size).ok());
        size.context("a shape of something other than sizes")
    };
    let shape = shape.items().map(size).collect::<Result<Vec<usize>>>()?;
    let (element, big_endian) = element_type(element)?;
    let layout = Layout { element, big_endian, fortran, shape };
    Array::new(Arc::new(Storage::Memory(bytes(content)?)), 0, layout)
}

/// Reads `numpy.dtype("f4", False, True)` with the state `(3, "<", ..)`.
fn element_type(value: &Value<'_>) -> Result<(super::element::ElementType, bool)> {
    let expected = "expected a NumPy type of numbers";
    ensure!(value.class().as_deref() == Some("numpy.dtype"), "{value}: {expected}");
    let name = value.arguments().and_then(|arguments| arguments.items().next()?.as_str());
    let order = value.state().and_then(|state| state.items().nth(1)?.as_str());
    npy::parse_type(&format!("'{}{}'", order.unwrap_or("|"), name.context(expected)?))
}

/// Returns the bytes of an object; Python 2's protocols write them as a text of Latin-1.
fn bytes(value: &Value<'_>) -> Result<Vec<u8>> {
    if let Some(bytes) = value.as_bytes() {
        return Ok(bytes.to_vec());
    }
    if value.class().as_deref() == Some("_codecs.encode")
        && let Some(arguments) = value.arguments()
        && let Some(text) = arguments.items().next().and_then(|text| text.as_str())
    {
        let latin: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        return latin.context("bytes that are not Latin-1");
    }
    // Strings of Python 2 that happen to be UTF-8.
    let text =
        value.as_str().with_context(|| format!("{value}: expected the bytes of an array"))?;
    Ok(text.as_bytes().to_vec())
}
