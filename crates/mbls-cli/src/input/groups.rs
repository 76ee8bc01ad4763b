use anyhow::{Result, ensure};
use std::collections::BTreeMap;

/// The group of each row.
#[derive(Debug)]
pub(crate) struct Groups {
    /// The array or column that the groups are from.
    pub(crate) by: String,
    pub(crate) names: Vec<String>,
    /// The index of each row's name.
    pub(crate) of_row: Vec<u32>,
}

/// Every group has a state of its own.
const MOST: usize = 10_000;

impl Groups {
    pub(crate) fn new(by: &str, values: Vec<String>) -> Result<Self> {
        // Integers in the order of their values, then texts.
        let key = |value: &String| {
            let number = value.parse::<i64>().ok();
            (number.is_none(), number, value.clone())
        };
        let mut indices: BTreeMap<_, u32> = values.iter().map(|value| (key(value), 0)).collect();
        ensure!(
            indices.len() <= MOST,
            "{by:?} has {} different values: expected at most {MOST} groups",
            indices.len()
        );
        for (index, place) in (0..).zip(indices.values_mut()) {
            *place = index;
        }
        let of_row = values.iter().map(|value| indices[&key(value)]).collect();
        let names = indices.into_keys().map(|(_, _, name)| name).collect();
        Ok(Self { by: by.to_owned(), names, of_row })
    }
}
