use super::array::Array;
use super::element::ElementType;
use anyhow::{Context, Result, bail, ensure};

/// Reads all elements as integers. Floating-point numbers must be whole.
///
/// Errors name the row: the index of the element.
pub(crate) fn integers(array: &Array) -> Result<Vec<i64>> {
    fn all<T: bytemuck::Pod>(array: &Array, to: impl Fn(T) -> Result<i64>) -> Result<Vec<i64>> {
        // Read in pieces: labels of one byte are read into eight.
        const PIECE: usize = 1 << 16;
        let mut integers = Vec::with_capacity(array.len());
        let mut piece = vec![T::zeroed(); PIECE.min(array.len())];
        while integers.len() < array.len() {
            let start = integers.len();
            let count = PIECE.min(array.len() - start);
            array.read(start..start + count, &mut piece[..count])?;
            for (index, &value) in piece[..count].iter().enumerate() {
                integers.push(to(value).with_context(|| format!("row {}", start + index))?);
            }
        }
        Ok(integers)
    }
    match array.element {
        ElementType::I8 => all(array, |value: i8| Ok(value.into())),
        ElementType::I16 => all(array, |value: i16| Ok(value.into())),
        ElementType::I32 => all(array, |value: i32| Ok(value.into())),
        ElementType::I64 => all(array, |value: i64| Ok(value)),
        ElementType::U8 | ElementType::Bool => all(array, |value: u8| Ok(value.into())),
        ElementType::U16 => all(array, |value: u16| Ok(value.into())),
        ElementType::U32 => all(array, |value: u32| Ok(value.into())),
        ElementType::U64 => all(array, |value: u64| {
            i64::try_from(value).with_context(|| format!("label {value}: expected below 2^63"))
        }),
        ElementType::F16 => all(array, |value: half::f16| whole(value.into())),
        ElementType::Bf16 => all(array, |value: half::bf16| whole(value.into())),
        ElementType::F32 => all(array, |value: f32| whole(value.into())),
        ElementType::F64 => all(array, whole),
    }
}

/// Converts a whole number, as labels in floating point are, to an integer.
pub(crate) fn whole(value: f64) -> Result<i64> {
    // Beyond 2^53 not every integer is an f64.
    ensure!(
        value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0,
        "label {value}: expected a whole number"
    );
    Ok(value as i64)
}

/// Reads labels for `rows` rows of `classes` classes: one per row, or one-hot.
pub(crate) fn read(array: &Array, rows: usize, classes: usize) -> Result<Vec<i64>> {
    let shape = &array.shape;
    // A column of labels may have an axis of one.
    if array.len() == rows && !(array.fortran && shape.iter().filter(|&&size| size > 1).count() > 1)
    {
        return integers(array);
    }
    if *shape == [rows, classes] {
        return one_hot(&integers(array)?, rows, classes, array.fortran);
    }
    if array.len() == rows {
        bail!(
            "labels of shape {shape:?} are in Fortran order: save numpy.ascontiguousarray of them"
        );
    }
    bail!("labels of shape {shape:?}: expected {rows}, one for each row of the scores")
}

fn one_hot(values: &[i64], rows: usize, classes: usize, fortran: bool) -> Result<Vec<i64>> {
    let at = |row: usize, class: usize| {
        values[if fortran { class * rows + row } else { row * classes + class }]
    };
    let label = |row: usize| {
        let ones: Vec<usize> = (0..classes).filter(|&class| at(row, class) == 1).collect();
        let zeros = (0..classes).filter(|&class| at(row, class) == 0).count();
        match ones[..] {
            [class] if zeros == classes - 1 => Ok(class as i64),
            _ => bail!(
                "one-hot labels of row {row} have {} ones and {zeros} zeros: expected a single 1 \
                 among {classes} classes",
                ones.len()
            ),
        }
    };
    (0..rows).map(label).collect()
}
