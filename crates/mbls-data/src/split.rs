//! Seeded splits of a data set into parts.

use crate::{Error, Result, Seed};
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

/// Splits `0..n` at random into disjoint parts of exactly the given sizes. Remaining indices are in
/// no part.
///
/// Each part is in ascending order.
///
/// # Errors
///
/// [`Error::Split`] if the sizes add up to more than `n`.
///
/// ```
/// use mbls_data::{Seed, random_split};
///
/// let parts = random_split(10, &[6, 3], Seed(1)).unwrap();
/// assert_eq!((parts[0].len(), parts[1].len()), (6, 3));
/// assert!(random_split(10, &[6, 5], Seed(1)).is_err());
/// ```
pub fn random_split(n: usize, sizes: &[usize], seed: Seed) -> Result<Vec<Vec<usize>>> {
    check_sum(n, sizes)?;
    let mut indices: Vec<usize> = (0..n).collect();
    indices.shuffle(&mut seed.rng());
    let mut rest = indices.as_slice();
    Ok(sizes
        .iter()
        .map(|&size| {
            let (part, others) = rest.split_at(size);
            rest = others;
            sorted(part.to_vec())
        })
        .collect())
}

/// Splits labelled items at random into disjoint parts of exactly the given sizes, each with the
/// same share of every class.
///
/// The parts are filled one after the other from the remaining items. With `r` of the `R` remaining
/// items in a class, the class gets `r * size / R` places, rounded down; each place still free goes
/// to one of the classes with the largest remainders (ties in a seeded order). Items left over at
/// the end are in no part. Each part is in ascending order; a part of size 0 is empty.
///
/// # Errors
///
/// [`Error::Split`] if the sizes add up to more than the number of labels, if a part has fewer
/// places than there are classes, or if a class has fewer items than there are parts (not counting
/// parts of size 0).
///
/// ```
/// use mbls_data::{Seed, stratified_split};
///
/// let labels = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];
/// let parts = stratified_split(&labels, &[6, 3, 3], Seed(1)).unwrap();
/// let of_class_1 = |part: &Vec<usize>| part.iter().filter(|&&i| labels[i] == 1).count();
/// assert_eq!(parts.iter().map(of_class_1).collect::<Vec<_>>(), [4, 2, 2]);
/// ```
pub fn stratified_split(labels: &[u32], sizes: &[usize], seed: Seed) -> Result<Vec<Vec<usize>>> {
    check_sum(labels.len(), sizes)?;
    let mut classes = BTreeMap::<u32, Vec<usize>>::new();
    for (index, &label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(index);
    }
    check_classes(&classes, sizes)?;
    for (&label, members) in &mut classes {
        members.shuffle(&mut seed.derive("class").at(u64::from(label)).rng());
    }
    let mut left: Vec<Vec<usize>> = classes.into_values().collect();
    let mut parts = Vec::with_capacity(sizes.len());
    for (number, &size) in sizes.iter().enumerate() {
        let counts: Vec<usize> = left.iter().map(Vec::len).collect();
        let quotas = largest_remainder(&counts, size, seed.derive("remainder").at(number as u64));
        let mut part = Vec::with_capacity(size);
        for (members, quota) in left.iter_mut().zip(quotas) {
            part.extend(members.drain(members.len() - quota..));
        }
        parts.push(sorted(part));
    }
    Ok(parts)
}

/// Distributes `places`, at most the sum of `counts`, in proportion to `counts`; no quota exceeds
/// its count.
fn largest_remainder(counts: &[usize], places: usize, seed: Seed) -> Vec<usize> {
    let total = counts.iter().map(|&count| count as u128).sum::<u128>().max(1);
    let products: Vec<u128> = counts.iter().map(|&count| count as u128 * places as u128).collect();
    // At most `count`, because `places <= total`; a remainder above 0 leaves room for one more.
    let mut quotas: Vec<usize> =
        products.iter().map(|product| (product / total) as usize).collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.shuffle(&mut seed.rng());
    order.sort_by_key(|&class| std::cmp::Reverse(products[class] % total));
    let free = places - quotas.iter().sum::<usize>();
    for &class in &order[..free] {
        quotas[class] += 1;
    }
    quotas
}

fn check_sum(n: usize, sizes: &[usize]) -> Result<()> {
    let sum = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
    if sum.is_some_and(|sum| sum <= n) {
        return Ok(());
    }
    Err(Error::Split(format!("parts of {sizes:?} items need more than the {n} items there are")))
}

fn check_classes(classes: &BTreeMap<u32, Vec<usize>>, sizes: &[usize]) -> Result<()> {
    let parts = sizes.iter().filter(|&&size| size > 0).count();
    if let Some(size) = sizes.iter().find(|&&size| size > 0 && size < classes.len()) {
        return Err(Error::Split(format!(
            "a part of {size} items has no room for each of {} classes",
            classes.len()
        )));
    }
    if let Some((label, members)) = classes.iter().find(|(_, members)| members.len() < parts) {
        let reason = format!("has {} items, fewer than the {parts} parts", members.len());
        return Err(Error::SplitClass { label: *label, name: None, reason });
    }
    Ok(())
}

fn sorted(mut part: Vec<usize>) -> Vec<usize> {
    part.sort_unstable();
    part
}
