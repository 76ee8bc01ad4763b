//! Near duplicates against the previous algorithm, which compares every pair that shares a rare
//! shingle.

use mbls_nlp::dataset::{DuplicateConfig, duplicate_groups};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Computes the groups by comparing every pair that shares one of the first shingles in the order
/// of rarity.
fn all_pairs(
    texts: &[String],
    DuplicateConfig { shingle, similarity }: DuplicateConfig,
) -> Vec<usize> {
    let mut numbers = HashMap::<Vec<&str>, u32>::new();
    let mut sets = Vec::new();
    for text in texts {
        let words: Vec<&str> = text.split_whitespace().collect();
        let shingles: Vec<Vec<&str>> = match words.len() {
            0 => Vec::new(),
            short if short < shingle => vec![words],
            _ => words.windows(shingle).map(<[_]>::to_vec).collect(),
        };
        let set = shingles.into_iter().map(|shingle| {
            let next = numbers.len() as u32;
            *numbers.entry(shingle).or_insert(next)
        });
        sets.push(set.collect::<BTreeSet<u32>>());
    }
    let mut groups: Vec<usize> = (0..texts.len()).collect();
    let mut first = BTreeMap::new();
    let mut distinct = Vec::new();
    for (place, set) in sets.iter().enumerate() {
        match first.get(set) {
            Some(&other) => groups[place] = other,
            None => {
                first.insert(set, place);
                distinct.push(place);
            }
        }
    }
    let mut counts = HashMap::<u32, u32>::new();
    distinct
        .iter()
        .flat_map(|&place| &sets[place])
        .for_each(|&shingle| *counts.entry(shingle).or_default() += 1);
    let mut index = BTreeMap::<u32, Vec<usize>>::new();
    for &place in &distinct {
        let mut ranked: Vec<u32> = sets[place].iter().copied().collect();
        ranked.sort_unstable_by_key(|shingle| (counts[shingle], *shingle));
        let least =
            ((similarity * ranked.len() as f64 - 1e-6).ceil().max(0.0) as usize).min(ranked.len());
        let prefix = (ranked.len() - least + 1).min(ranked.len());
        ranked[..prefix].iter().for_each(|&shingle| index.entry(shingle).or_default().push(place));
    }
    let pairs: BTreeSet<[usize; 2]> = index
        .values()
        .flat_map(|places| {
            places
                .iter()
                .enumerate()
                .flat_map(|(i, &a)| places[i + 1..].iter().map(move |&b| [a, b]))
        })
        .collect();
    fn root(groups: &[usize], place: usize) -> usize {
        if groups[place] == place { place } else { root(groups, groups[place]) }
    }
    for [a, b] in pairs {
        let shared = sets[a].intersection(&sets[b]).count();
        if shared as f64 >= similarity * (sets[a].len() + sets[b].len() - shared) as f64 {
            let (a, b) = (root(&groups, a), root(&groups, b));
            groups[a.max(b)] = a.min(b);
        }
    }
    (0..texts.len()).map(|place| root(&groups, place)).collect()
}

fn assert_as_all_pairs(texts: &[String], config: DuplicateConfig) -> Vec<usize> {
    let found = duplicate_groups(texts, &config).unwrap();
    assert_eq!(found, all_pairs(texts, config));
    found
}

/// Returns a letter of `words` words, with some of them changed.
fn letter(words: usize, changed: &[(usize, String)]) -> String {
    let word = |i| {
        changed
            .iter()
            .find(|(place, _)| *place == i)
            .map_or(format!("word{i}"), |(_, word)| word.clone())
    };
    (0..words).map(word).collect::<Vec<_>>().join(" ")
}

fn groups(found: &[usize]) -> usize {
    found.iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn form_letters_that_differ_in_one_number_are_near_or_not_together() {
    let config = DuplicateConfig::default();
    let letters = |words, place| {
        (0..200).map(|i| letter(words, &[(place, format!("n{i}"))])).collect::<Vec<_>>()
    };
    // 5 of 45 shingles differ, so the similarity is 40 / 50. With 44 shingles it is 39 / 49, below
    // 0.8.
    for (words, place, expected) in
        [(49, 20, 1), (48, 20, 200), (200, 100, 1), (21, 0, 1), (22, 21, 1), (20, 10, 200)]
    {
        assert_eq!(
            groups(&assert_as_all_pairs(&letters(words, place), config)),
            expected,
            "{words} words, {place}"
        );
    }
}

#[test]
fn families_in_which_one_prefix_leads_to_all_are_as_by_all_pairs() {
    let number = |place, of: &str, i: usize| (place, format!("{of}{i}"));
    let families: Vec<(&str, Vec<String>)> = vec![
        (
            "two numbers, each of several",
            (0..225)
                .map(|i| letter(60, &[number(10, "a", i % 15), number(40, "b", i / 15)]))
                .collect(),
        ),
        (
            "the same in shorter letters",
            (0..225)
                .map(|i| letter(44, &[number(10, "a", i % 15), number(30, "b", i / 15)]))
                .collect(),
        ),
        (
            "a chain",
            (0..150)
                .map(|i| (i..i + 60).map(|word| format!("w{word}")).collect::<Vec<_>>().join(" "))
                .collect(),
        ),
        (
            "a common beginning",
            (0..150)
                .map(|i| {
                    format!(
                        "{} {}",
                        letter(40, &[]),
                        (0..i % 12).map(|j| format!("x{i}y{j}")).collect::<Vec<_>>().join(" ")
                    )
                })
                .collect(),
        ),
        (
            "a common beginning and two endings",
            (0..150)
                .map(|i| {
                    format!(
                        "{} {} {}",
                        letter(60, &[]),
                        ["and so on and on", "but not so far as that"][i % 2],
                        i
                    )
                })
                .collect(),
        ),
        ("copies", (0..300).map(|i| letter(30, &[number(5, "n", i % 3)])).collect()),
        (
            "choices",
            (0..200)
                .map(|i| {
                    letter(
                        60,
                        &(0..8).map(|j| number(7 * j, "c", (i >> j) % 2)).collect::<Vec<_>>(),
                    )
                })
                .collect(),
        ),
    ];
    for (name, texts) in &families {
        for similarity in [0.3, 0.5, 0.8, 0.95, 1.0] {
            for shingle in [1, 2, 5] {
                let found = assert_as_all_pairs(texts, DuplicateConfig { shingle, similarity });
                assert!(!found.is_empty(), "{name}");
            }
        }
    }
}

/// Generates letters and variants of them with a few changed words, near the threshold of
/// similarity.
fn mutated() -> impl Strategy<Value = Vec<String>> {
    let change = (0usize..24, prop_oneof![4 => 0usize..4, 1 => 0usize..100]);
    let text = (0usize..3, 8usize..24, prop::collection::vec(change, 0..5));
    prop::collection::vec(text, 1..60).prop_map(|texts| {
        let text = |(form, words, changes): (usize, usize, Vec<(usize, usize)>)| {
            let mut words: Vec<String> =
                (0..words).map(|word| format!("{}{word}", ["w", "w", "v"][form])).collect();
            for (place, other) in changes {
                let len = words.len();
                words[place % len] = format!("x{other}");
            }
            words.join(" ")
        };
        texts.into_iter().map(text).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn groups_are_those_of_all_pairs(
        texts in mutated(),
        shingle in 1usize..4,
        similarity in prop_oneof![Just(0.5), Just(2.0 / 3.0), Just(0.75), Just(0.8), Just(0.9), Just(1.0), 0.05f64..1.0],
    ) {
        let config = DuplicateConfig { shingle, similarity };
        prop_assert_eq!(duplicate_groups(&texts, &config).unwrap(), all_pairs(&texts, config));
    }
}
