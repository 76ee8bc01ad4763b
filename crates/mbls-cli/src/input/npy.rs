//! NumPy's `.npy` format: a magic number, a header that is the text of a Python dict, the elements.

use super::array::{Array, Layout};
use super::element::ElementType;
use super::storage::Storage;
use anyhow::{Context, Result, bail, ensure};
use std::sync::Arc;

pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// Headers of arrays of numbers have some hundred bytes.
const LONGEST_HEADER: usize = 1 << 16;

/// Reads the header of the array that begins at byte `start`.
pub(crate) fn read(storage: &Arc<Storage>, start: u64) -> Result<Array> {
    let mut prefix = [0; 8];
    storage.read_at(start, &mut prefix).context("truncated in the header of the array")?;
    ensure!(
        prefix.starts_with(MAGIC),
        "begins with {:?}: expected NumPy's {MAGIC:?}",
        &prefix[..6]
    );
    let (length, header_start) = match prefix[6] {
        1 => {
            let mut length = [0; 2];
            storage.read_at(start + 8, &mut length).context("truncated in the header")?;
            (usize::from(u16::from_le_bytes(length)), start + 10)
        }
        2 | 3 => {
            let mut length = [0; 4];
            storage.read_at(start + 8, &mut length).context("truncated in the header")?;
            (u32::from_le_bytes(length) as usize, start + 12)
        }
        version => bail!("version {version} of NumPy's format: expected 1, 2 or 3"),
    };
    ensure!(
        length <= LONGEST_HEADER,
        "a header of {length} bytes: expected at most {LONGEST_HEADER}"
    );
    let mut header = vec![0; length];
    storage.read_at(header_start, &mut header).context("truncated in the header of the array")?;
    let layout = parse_header(&String::from_utf8_lossy(&header))?;
    Array::new(Arc::clone(storage), header_start + length as u64, layout)
}

/// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
fn parse_header(header: &str) -> Result<Layout> {
    let wrong =
        || format!("header {:?}: expected 'descr', 'fortran_order' and 'shape'", shortened(header));
    let descr = field(header, "descr").with_context(wrong)?;
    let (element, big_endian) = parse_type(descr)?;
    let order = field(header, "fortran_order").with_context(wrong)?;
    let fortran = match order {
        _ if order.starts_with("True") => true,
        _ if order.starts_with("False") => false,
        _ => bail!("fortran_order {:?}: expected True or False", shortened(order)),
    };
    let shape = field(header, "shape").with_context(wrong)?;
    let inner =
        shape.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(inner, _)| inner);
    let sizes = inner.with_context(|| format!("shape {:?}: expected a tuple", shortened(shape)))?;
    let size = |text: &str| {
        text.trim_end_matches('L')
            .parse()
            .with_context(|| format!("size {text:?} in the shape: expected an integer"))
    };
    let sizes = sizes.split(',').map(str::trim).filter(|text| !text.is_empty());
    let shape: Vec<usize> = sizes.map(size).collect::<Result<_>>()?;
    // Beyond two axes of a real size the order is that of the file.
    Ok(Layout { element, big_endian, fortran, shape })
}

/// Returns the text after `'name':`.
fn field<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    ['\'', '"'].into_iter().find_map(|quote| {
        let (_, rest) = header.split_once(&format!("{quote}{name}{quote}"))?;
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    })
}

/// Parses the type of the elements, such as `'<f4'`, and whether they are big-endian.
pub(crate) fn parse_type(descr: &str) -> Result<(ElementType, bool)> {
    let supported = "expected floating-point or integer numbers";
    let quoted = descr.strip_prefix(['\'', '"']);
    let Some((name, _)) = quoted.and_then(|rest| rest.split_once(['\'', '"'])) else {
        bail!("elements {:?} have several fields: {supported}", shortened(descr));
    };
    let (order, name) = match name.split_at_checked(1) {
        Some((order @ ("<" | ">" | "|" | "="), name)) => (order, name),
        _ => ("=", name),
    };
    let element = match name {
        "f2" => ElementType::F16,
        "f4" => ElementType::F32,
        "f8" => ElementType::F64,
        "i1" => ElementType::I8,
        "i2" => ElementType::I16,
        "i4" => ElementType::I32,
        "i8" => ElementType::I64,
        "u1" => ElementType::U8,
        "u2" => ElementType::U16,
        "u4" => ElementType::U32,
        "u8" => ElementType::U64,
        "b1" => ElementType::Bool,
        _ if name.starts_with('O') => bail!(
            "elements are pickled Python objects, which are never run: save numbers, for example \
             with numpy.asarray(x, dtype=\"float32\")"
        ),
        _ => bail!("elements of type {:?}: {supported}", shortened(name)),
    };
    Ok((element, order == ">"))
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
