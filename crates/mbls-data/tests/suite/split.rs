//! Tests of splits: sizes, disjointness, class shares, errors.

use mbls_data::{Seed, random_split, stratified_split};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};

fn counts(labels: &[u32], indices: impl IntoIterator<Item = usize>) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    indices.into_iter().for_each(|i| *counts.entry(labels[i]).or_default() += 1);
    counts
}

fn assert_parts(parts: &[Vec<usize>], sizes: &[usize], n: usize) {
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
    let all: Vec<usize> = parts.concat();
    assert!(all.iter().all(|&i| i < n));
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "an index is in two parts");
    assert!(parts.iter().all(|part| part.is_sorted()));
}

/// Returns labels in mixed order in which each of `members.len()` classes has the given number of
/// items.
fn labels_of(members: &[usize]) -> Vec<u32> {
    let mut labels: Vec<(u64, u32)> = Vec::new();
    for (class, &n) in members.iter().enumerate() {
        labels.extend((0..n).map(|i| (Seed(9).at(class as u64).at(i as u64).0, class as u32)));
    }
    labels.sort_unstable();
    labels.into_iter().map(|(_, label)| label).collect()
}

proptest! {
    #[test]
    fn stratified_parts_have_exact_sizes_and_even_shares(
        members in prop::collection::vec(4usize..60, 1..8),
        fractions in prop::collection::vec(0.0f64..1.0, 1..4),
        seed in any::<u64>(),
    ) {
        let labels = labels_of(&members);
        let n = labels.len();
        let total: f64 = fractions.iter().sum::<f64>().max(1.0);
        let sizes: Vec<usize> = fractions.iter().map(|f| (f / total * n as f64) as usize).collect();
        prop_assume!(sizes.iter().all(|&size| size == 0 || size >= members.len()));
        let parts = stratified_split(&labels, &sizes, Seed(seed)).unwrap();
        assert_parts(&parts, &sizes, n);
        prop_assert_eq!(&parts, &stratified_split(&labels, &sizes, Seed(seed)).unwrap());
        // Slow check of each step: the quota of the remaining items, rounded down or up.
        let mut left: Vec<usize> = members.clone();
        for part in &parts {
            let total: usize = left.iter().sum();
            let of_part = counts(&labels, part.iter().copied());
            for (class, left) in left.iter_mut().enumerate() {
                let count = of_part.get(&(class as u32)).copied().unwrap_or(0);
                let ideal = *left as f64 * part.len() as f64 / total as f64;
                prop_assert!((count as f64 - ideal).abs() < 1.0, "class {}: {} of an ideal {}", class, count, ideal);
                *left -= count;
            }
        }
    }

    #[test]
    fn random_parts_have_exact_sizes(n in 0usize..200, cut in 0usize..200, seed in any::<u64>()) {
        let cut = cut.min(n);
        let sizes = [cut / 2, cut - cut / 2];
        let parts = random_split(n, &sizes, Seed(seed)).unwrap();
        assert_parts(&parts, &sizes, n);
        prop_assert_eq!(parts, random_split(n, &sizes, Seed(seed)).unwrap());
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused(n in 1usize..50, more in 1usize..20) {
        let labels = vec![0; n];
        prop_assert!(stratified_split(&labels, &[n, more], Seed(0)).is_err());
        prop_assert!(random_split(n, &[n, more], Seed(0)).is_err());
        prop_assert!(random_split(n, &[usize::MAX, more], Seed(0)).is_err());
    }
}

#[test]
fn equal_classes_get_equal_shares() {
    let labels = labels_of(&[100; 10]);
    for part in stratified_split(&labels, &[500, 200, 300], Seed(3)).unwrap() {
        let each = part.len() / 10;
        assert!(counts(&labels, part).values().all(|&count| count == each));
    }
}

#[test]
fn seeds_give_different_splits() {
    let labels = labels_of(&[50, 50]);
    assert_ne!(
        stratified_split(&labels, &[50, 50], Seed(1)).unwrap(),
        stratified_split(&labels, &[50, 50], Seed(2)).unwrap()
    );
    assert_ne!(
        random_split(100, &[50], Seed(1)).unwrap(),
        random_split(100, &[50], Seed(2)).unwrap()
    );
}

#[test]
fn each_item_is_drawn_equally_often() {
    let labels = labels_of(&[20, 40]);
    let mut drawn = vec![0u32; 60];
    for seed in 0..3000 {
        for i in &stratified_split(&labels, &[30], Seed(seed)).unwrap()[0] {
            drawn[*i] += 1;
        }
    }
    // 1,500 expected, standard deviation 27; the bounds are six standard deviations.
    assert!(drawn.iter().all(|&n| (1336..=1664).contains(&n)), "{drawn:?}");
}

#[test]
fn ties_of_remainders_do_not_favour_a_class() {
    // 2.5 places for each of four classes: two of them get a third one, chosen by the seed.
    let labels = labels_of(&[10; 4]);
    let mut extra = [0u32; 4];
    for seed in 0..400 {
        for (class, count) in counts(
            &labels,
            stratified_split(&labels, &[10], Seed(seed)).unwrap()[0].iter().copied(),
        ) {
            extra[class as usize] += u32::from(count == 3);
        }
    }
    assert_eq!(extra.iter().sum::<u32>(), 800);
    assert!(extra.iter().all(|&n| (140..=260).contains(&n)), "{extra:?}");
}

#[test]
fn errors_say_what_does_not_fit() {
    let message = |labels: &[u32], sizes: &[usize]| {
        stratified_split(labels, sizes, Seed(0)).unwrap_err().to_string()
    };
    assert!(message(&[0, 1], &[2, 1]).contains("the 2 items there are"));
    assert!(
        message(&[0, 0, 1, 1, 2, 2], &[4, 2])
            .contains("a part of 2 items has no room for each of 3 classes")
    );
    assert!(
        message(&[0, 0, 0, 0, 7], &[2, 2]).contains("class 7 has 1 items, fewer than the 2 parts")
    );
}

#[test]
fn empty_parts_are_allowed() {
    assert_eq!(stratified_split(&[0, 1], &[2, 0], Seed(0)).unwrap(), [vec![0, 1], vec![]]);
    assert_eq!(stratified_split(&[], &[], Seed(0)).unwrap(), Vec::<Vec<usize>>::new());
}
